# SPDX-License-Identifier: Apache-2.0
"""Tables between Python and Fulmar."""
from __future__ import annotations

import numpy as np


class Table:
    """Columns of one length, each with a unit, and a geometry for each row.

    table["length"]    the column as a numpy array: float64 with NaN, int64, bool, datetime64[us], or texts
    table.units        by column
    table.places       longitude and latitude of each row, NaN where unknown
    table.geometry(i)  the row's geometry as GeoJSON has it, in the coordinates of table.crs; None where there is none
    """

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

    def __len__(self):
        return self._rows

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
    if any(not isinstance(v, (str, bytes)) for v in known):
        raise TypeError(f"column '{name}' holds {', '.join(sorted({type(v).__name__ for v in known}))}: a column holds "
                        "numbers, flags, times or texts")
    return "text", [None if v is None else v.decode() if isinstance(v, bytes) else v for v in values]


def describe(columns, units=None):
    """What the module needs of a mapping of columns; lon and lat tell where the rows are."""
    if hasattr(columns, "to_dict") and hasattr(columns, "columns"):
        columns = {str(name): np.asarray(columns[name]) for name in columns.columns}  # pandas
    out = {}
    for name, values in columns.items():
        given, values = values, np.asarray(values)
        if values.dtype.kind in "US" and not isinstance(given, np.ndarray):
            values = np.array(list(given), object)  # numpy makes texts of numbers that stand beside one
        if values.ndim != 1:
            raise ValueError(f"column '{name}' has {values.ndim} dimensions, not one")
        if values.dtype.kind == "M":
            seconds = values.astype("datetime64[us]").astype("int64") / 1e6
            out[name] = ("time", [None if np.isnat(v) else float(s) for v, s in zip(values, seconds)])
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
    return out, dict(units or {}), places
