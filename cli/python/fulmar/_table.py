# SPDX-License-Identifier: Apache-2.0
"""Tables between Python and Fulmar."""
from __future__ import annotations

import datetime

import numpy as np

from . import _card, _fulmar
from ._raster import _seconds


class Table:
    """Columns of one length, each with a unit, and a geometry for each row.

    table["length"]    the column as a numpy array: float64 with NaN, int64, bool, datetime64[us] or [D], or texts
    table.units        by column
    table.places       longitude and latitude of each row, NaN where unknown
    table.geometry(i)  the row's geometry as GeoJSON has it, in the coordinates of table.crs; None where there is none
    table.row(i)       one row: a dict of plain values
    table.summary      of what an operator of fulmar.op made: the numbers that it found on its way, or None

    Where an operator takes a table, a mapping of columns does as well (lon and lat tell where the rows are), a pandas or
    geopandas frame, GeoJSON, or anything with a __geo_interface__. fulmar.Table.of() makes one of them, with units and a
    coordinate system.
    """

    summary = None

    def __init__(self, kept):
        self._kept = kept
        whole = kept.to_dict()
        self.crs = whole["crs"]
        self.places = np.array(whole["places"], float).reshape(-1, 2)
        self.units = {c["name"]: c["unit"] for c in whole["columns"]}
        self.descriptions = {c["name"]: c["description"] for c in whole["columns"]}
        self._rows = whole["rows"]
        self._kind = whole["geometry"]
        self._columns = {c["name"]: _array(c) for c in whole["columns"]}

    @classmethod
    def of(cls, columns, units=None, crs=None):
        """A table of a mapping of columns, a frame, or GeoJSON. A column "geometry" holds shapes: GeoJSON's, or what has a
        __geo_interface__, such as shapely's. `units` by column; `crs` of the shapes: a frame's own, or
        "EPSG:4326", as GeoJSON has it; a frame with shapes and no coordinate system is refused (ValueError)."""
        return cls(kept_of(columns, units, crs))

    def __len__(self):
        return self._rows

    def row(self, i=0):
        out = {}
        for name, column in self._columns.items():
            value = column[i]
            out[name] = value.item() if isinstance(value, np.generic) and value.dtype.kind != "M" else value
        return out

    @property
    def columns(self):
        return list(self._columns)

    def __getitem__(self, name):
        if name not in self._columns:
            raise KeyError(f"no column '{name}'; there are {', '.join(self._columns)}")
        return self._columns[name]

    def __repr__(self):
        return f"<fulmar.Table {len(self)} rows: {', '.join(self._columns)}>"

    def to_dict(self):
        return dict(self._columns)

    def to_pandas(self):
        import pandas
        return pandas.DataFrame(self._columns)

    def geometry(self, row):
        if self._kind == "none":
            return None
        if self._kind == "point":
            return {"type": "Point", "coordinates": tuple(self.places[row])}
        parts = self._kept.geometry(row)
        if self._kind == "line":
            return {"type": "MultiLineString", "coordinates": [p for part in parts for p in part]}
        return {"type": "MultiPolygon", "coordinates": parts}


def _array(column):
    values = column["values"]
    kind = column["type"]
    if kind == "text":
        return np.array(values, object)
    known = ~np.isnan(values)
    if kind == "date":
        out = np.full(len(values), np.datetime64("NaT", "D"))
        out[known] = (values[known] // 86400).astype("int64").astype("datetime64[D]")
        return out
    if kind == "time":
        out = np.full(len(values), np.datetime64("NaT", "us"))
        out[known] = (np.round(values[known] * 1e6)).astype("int64").astype("datetime64[us]")
        return out
    if kind == "integer" and known.all():
        return values.astype(np.int64)
    if kind == "flag" and known.all():
        return values.astype(bool)
    return values


def _missing(value):
    """None, NaN, pandas.NA and NaT: what does not equal itself, or does not tell."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:
        return True


def _of_objects(name, values):
    known = [v for v in values if v is not None]
    if all(isinstance(v, (bool, np.bool_)) for v in known) and known:
        return "flag", [None if v is None else float(v) for v in values]
    if all(isinstance(v, (int, float, np.number)) for v in known) and known:
        whole = all(isinstance(v, (int, np.integer)) for v in known)
        return "integer" if whole else "real", [None if v is None else float(v) for v in values]
    if all(isinstance(v, datetime.date) for v in known) and known:
        days = not any(isinstance(v, datetime.datetime) for v in known)
        return "date" if days else "time", [None if v is None else _seconds(v) for v in values]
    if any(not isinstance(v, (str, bytes)) for v in known):
        raise TypeError(f"column '{name}' holds {', '.join(sorted({type(v).__name__ for v in known}))}: a column holds "
                        "numbers, flags, times or texts")
    return "text", [None if v is None else v.decode() if isinstance(v, bytes) else v for v in values]


def is_table(value):
    """True of what holds columns, or shapes: mappings, pandas and geopandas frames, GeoJSON, geometries, Tables."""
    if isinstance(value, Table) or hasattr(value, "__geo_interface__"):
        return True
    frame = hasattr(value, "to_dict") and hasattr(value, "columns")
    return frame or (hasattr(value, "keys") and not hasattr(value, "dims"))


def _json_of(geometry):
    """A geometry as GeoJSON has it, of whatever tells its own; None where there is none."""
    if geometry is None or isinstance(geometry, float):
        return None
    shape = getattr(geometry, "__geo_interface__", geometry)
    return shape if hasattr(shape, "keys") and "type" in shape else None


def _holds_shapes(values):
    return any(_json_of(v) is not None for v in values) if not isinstance(values, (str, bytes)) else False


def _features(value):
    """Columns and geometries of GeoJSON, or of one geometry."""
    kind = value["type"]
    if kind == "Feature":
        value, kind = {"features": [value]}, "FeatureCollection"
    if kind != "FeatureCollection":
        return {}, [value]
    features = list(value["features"])
    names = dict.fromkeys(name for f in features for name in (f.get("properties") or {}))
    columns = {name: [(f.get("properties") or {}).get(name) for f in features] for name in names}
    return columns, [f.get("geometry") for f in features]


def _parts(shape, row):
    """The kind of a geometry, and its parts: lines, or polygons of rings, the shell first."""
    kind, at = shape["type"], shape.get("coordinates")
    if kind == "GeometryCollection" and len(shape["geometries"]) == 1:
        return _parts(shape["geometries"][0], row)
    if kind == "MultiPoint" and len(at) == 1:
        kind, at = "Point", at[0]
    if kind == "Point":
        return ("point", [[[at]]]) if len(at) else (None, [])
    if kind in ("LineString", "MultiLineString"):
        return "line", [[line] for line in ([at] if kind == "LineString" else at) if len(line)]
    if kind in ("Polygon", "MultiPolygon"):
        return "polygon", [rings for rings in ([at] if kind == "Polygon" else at) if len(rings)]
    raise TypeError(f"row {row} has a {kind}: a table holds points, lines or polygons (explode what is several)")


def _crs_text(crs):
    return crs.to_wkt() if hasattr(crs, "to_wkt") else str(crs or "")


def kept_of(value, units=None, crs=None):
    """What the module keeps of a table."""
    if isinstance(value, Table):
        return value._kept
    frame = hasattr(value, "to_dict") and hasattr(value, "columns")
    stated = _crs_text(getattr(value, "crs", None) if crs is None else crs)
    shapes = None
    if not frame and hasattr(value, "__geo_interface__"):
        value = value.__geo_interface__
    columns = {str(name): value[name] for name in (value.columns if frame else value.keys())}
    if not frame and isinstance(columns.get("type"), str):
        columns, shapes = _features(columns)
    holder = getattr(getattr(value, "geometry", None), "name", "geometry") if frame else "geometry"
    if shapes is None and holder in columns and _holds_shapes(columns[holder]):
        shapes = list(columns.pop(holder))
    if frame:
        columns = {name: np.asarray(column) for name, column in columns.items()}
    described, places = _columns(columns)
    kind, parts = "point" if places else "none", []
    if shapes is not None:
        found = [(None, []) if _json_of(s) is None else _parts(_json_of(s), i + 1) for i, s in enumerate(shapes)]
        kinds = {k for k, _ in found if k}
        if len(kinds) > 1:
            raise TypeError(f"the rows hold {' and '.join(sorted(kinds))}s: a table holds one kind of geometry")
        kind, parts, places = (kinds.pop() if kinds else "none"), [p for _, p in found], []
        parts = [[[[(float(c[0]), float(c[1])) for c in path] for path in part] for part in row] for row in parts]
        if frame and not stated and kind != "none":
            raise ValueError("the frame's shapes have no coordinate system: give it one with frame.set_crs(...), or name it "
                             "in fulmar.Table.of(frame, crs=...)")
        stated = stated or "EPSG:4326"  # as GeoJSON has it
    return _fulmar.make_table(described, dict(units or {}), places, kind, parts, stated)


def _columns(columns):
    """What the module needs of a mapping of columns; lon and lat tell where the rows are."""
    out = {}
    for name, values in columns.items():
        given, values = values, _card.to_host(values) if _card.lies_there(values) else np.asarray(values)
        if values.dtype.kind in "US" and not isinstance(given, np.ndarray):
            values = np.array(list(given), object)  # numpy makes texts of numbers that stand beside one
        if values.ndim != 1:
            raise ValueError(f"column '{name}' has {values.ndim} dimensions, not one")
        if values.dtype.kind == "M":
            seconds = values.astype("datetime64[us]").astype("int64") / 1e6
            out[name] = ("date" if values.dtype == "datetime64[D]" else "time", [None if np.isnat(v) else float(s) for v, s in zip(values, seconds)])
        elif values.dtype.kind in "OUS":
            out[name] = _of_objects(name, [None if _missing(v) else v for v in values.tolist()])
        elif values.dtype.kind == "b":
            out[name] = ("flag", [float(v) for v in values])
        elif values.dtype.kind in "iu":
            out[name] = ("integer", [float(v) for v in values])
        elif values.dtype.kind == "f":
            out[name] = ("real", [float(v) for v in values])
        else:
            raise TypeError(f"column '{name}' holds {values.dtype}, which no table does")
    places = []
    if {"lon", "lat"} <= set(out) and out["lon"][0] != "text":
        places = list(zip(out["lon"][1], out["lat"][1]))
    return out, places
