# SPDX-License-Identifier: Apache-2.0
"""Rasters between numpy, xarray and Fulmar, without copies where their memory allows."""
from __future__ import annotations

import datetime
import math

import numpy as np

from . import _card

_TYPES = {"u1": "u8", "i1": "i8", "u2": "u16", "i2": "i16", "u4": "u32", "i4": "i32", "u8": "u64", "i8": "i64",
          "f4": "f32", "f8": "f64"}
_NUMPY = {"f32": np.float32, "u8": np.uint8}


class Raster:
    """Cells and where they lie.

    array      numpy array of rows x columns, or bands x rows x columns; missing is NaN (f32) or 255 (flags, u8). One that
               lies on a card (cupy, torch, numba...) is copied to the host, once
    transform  six numbers in GDAL's order: x = t[0] + column t[1] + row t[2], y = t[3] + column t[4] + row t[5]; or None
    crs        WKT, or a code such as "EPSG:32651"; "" where unknown
    units      of each band, "" where unknown
    nodata     the stored value that is missing, beside NaN; None where there is none
    scale, offset   value = stored * scale + offset
    names, times    of each band; times are datetime64[s] or None
    bands_of_date   bands that stand side by side for one date
    summary    of what an operator of fulmar.op made: the numbers that it found on its way, a Table; or None
    """

    summary = None

    def __init__(self, array, transform=None, crs="", unit="", nodata=None, scale=1.0, offset=0.0, names=None,
                 times=None, bands_of_date=1):
        if _card.lies_there(array):
            array = _card.to_host(array)
        elif hasattr(array, "__dlpack__") and not isinstance(array, np.ndarray):
            array = np.from_dlpack(array)
        self.array = np.ma.asanyarray(array) if isinstance(array, np.ma.MaskedArray) else np.asarray(array)
        if self.array.ndim not in (2, 3):
            raise ValueError(f"a raster has rows and columns, and bands before them; not {self.array.ndim} dimensions")
        self.transform = None if transform is None else tuple(float(v) for v in _gdal_order(transform))
        self.crs = crs or ""
        count = 1 if self.array.ndim == 2 else self.array.shape[0]
        self.units = [unit] * count if isinstance(unit, str) else list(unit)
        self.nodata, self.scale, self.offset = nodata, float(scale), float(offset)
        self.names = [""] * count if names is None else [str(n) for n in names]
        self.times = [None] * count if times is None else list(times)
        self.bands_of_date = int(bands_of_date)
        self.axes = None  # of one that came from xarray: names and coordinates of rows and columns
        for what, values in (("units", self.units), ("names", self.names), ("times", self.times)):
            if len(values) != count:
                raise ValueError(f"there are {count} bands and {len(values)} {what}")

    @property
    def shape(self):
        return self.array.shape

    @property
    def dtype(self):
        return self.array.dtype

    def __array__(self, dtype=None):
        return np.asarray(self.array, dtype)

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()

    def __getitem__(self, key):
        """A band by its name, or whatever numpy takes."""
        if isinstance(key, str):
            if key not in self.names:
                raise KeyError(f"no band '{key}'; there are {', '.join(self.names)}")
            return self.array if self.array.ndim == 2 else self.array[self.names.index(key)]
        return self.array[key]

    def __repr__(self):
        size = " x ".join(str(n) for n in self.array.shape)
        names = ", ".join(dict.fromkeys(n for n in self.names if n))
        return f"<fulmar.Raster {size} {self.array.dtype}{': ' + names if names else ''}>"

    def to_masked(self):
        """A numpy masked array over the same memory, in which what is missing is masked: NaN, or 255 of flags."""
        missing = np.isnan(self.array) if self.array.dtype.kind == "f" else np.zeros(self.array.shape, bool)
        if self.nodata is not None:
            missing = missing | (self.array == self.nodata)
        return np.ma.array(self.array, mask=missing)

    def to_xarray(self):
        """An xarray.DataArray over the same memory, with coordinates of the cells' centres; those of the input, where
        the cells are those of an xarray.DataArray that went in."""
        import xarray
        array = self.array
        dims, coords = ["y", "x"], {}
        if self.axes is not None:
            dims = [name for name, _ in self.axes]
            coords = {name: values for name, values in self.axes if values is not None}
        elif self.transform is not None and self.transform[2] == 0 and self.transform[4] == 0:
            t = self.transform
            coords["x"] = t[0] + (np.arange(array.shape[-1]) + 0.5) * t[1]
            coords["y"] = t[3] + (np.arange(array.shape[-2]) + 0.5) * t[5]
        if array.ndim == 3:
            dims.insert(0, "time" if all(t is not None for t in self.times) and self.bands_of_date == 1 else "band")
            coords[dims[0]] = (np.array(self.times, "datetime64[ns]") if dims[0] == "time" else self.names)
        attrs = {}
        if len(set(self.units)) == 1 and self.units[0]:
            attrs["units"] = self.units[0]
        if self.crs:
            attrs["crs_wkt"] = self.crs
        if self.nodata is not None:
            attrs["_FillValue"] = self.array.dtype.type(self.nodata)
        return xarray.DataArray(array, coords, dims, name=self.names[0] or None, attrs=attrs)


def _gdal_order(transform):
    """Six numbers as GDAL orders them; rasterio's Affine (a, b, c, d, e, f) is turned."""
    if hasattr(transform, "to_gdal"):
        return transform.to_gdal()
    values = tuple(transform)
    if len(values) != 6:
        raise ValueError("transform has six numbers in GDAL's order, or is an affine.Affine")
    return values


_ACROSS = ("x", "lon", "longitude", "easting", "column", "columns", "col", "width", "rlon")
_DOWN = ("y", "lat", "latitude", "northing", "row", "rows", "height", "rlat")


def _dimension(data, words):
    """The dimension that goes across, or down: by its name, or by what CF says of its coordinate."""
    for dim in data.dims:
        attrs = data.coords[dim].attrs if dim in data.coords else {}
        axis = {"X": _ACROSS, "Y": _DOWN}.get(str(attrs.get("axis", "")).upper())
        if str(dim).lower() in words or axis is words:
            return dim
    return None


def from_xarray(data):
    """A Raster over the memory of an xarray.DataArray: x and y from its coordinates, the CRS from rioxarray or a
    grid mapping, units and _FillValue from its attributes, dates from a time coordinate."""
    if data.ndim not in (2, 3):
        raise ValueError(f"a raster has 2 or 3 dimensions, not {data.dims}")
    x, y = (_dimension(data, words) for words in (_ACROSS, _DOWN))
    if x is None or y is None:
        if x is not None or y is not None or data.ndim == 3 and set(map(str, data.dims)) & {"band", "bands", "channel"} - {str(data.dims[0])}:
            raise ValueError(f"of the dimensions {data.dims} it cannot be told which are rows and columns: rename them to "
                             "y and x, with bands or dates before them")
        y, x = data.dims[-2:]
    data = data.transpose(..., y, x)  # a view
    dims = list(data.dims)
    transform = None
    if x in data.coords and y in data.coords:
        steps = []
        for name in (x, y):
            values = np.asarray(data.coords[name].values, float)
            step = (values[-1] - values[0]) / (len(values) - 1) if len(values) > 1 else math.nan
            if len(values) > 1 and not np.allclose(np.diff(values), step, rtol=1e-3):
                raise ValueError(f"the coordinates '{name}' are not evenly spaced: bring the data to a regular grid first")
            steps.append((values[0], step))
        (x0, dx), (y0, dy) = steps
        dx, dy = (abs(dy), dy) if math.isnan(dx) else (dx, -abs(dx) if math.isnan(dy) else dy)
        if math.isnan(dx):
            raise ValueError("one cell does not tell how large it is: give a fulmar.Raster with its transform")
        transform = (x0 - dx / 2, dx, 0.0, y0 - dy / 2, 0.0, dy)
    crs = data.attrs.get("crs_wkt") or data.attrs.get("crs") or ""
    for holder in [data.encoding.get("grid_mapping"), data.attrs.get("grid_mapping"), "spatial_ref", "crs"]:
        if holder in data.coords:
            crs = data.coords[holder].attrs.get("crs_wkt") or data.coords[holder].attrs.get("spatial_ref") or crs
    longitude = str(data.coords[x].attrs.get("units", "")).startswith("degrees_e") if x in data.coords else False
    if not crs and (longitude or {str(x).lower(), str(y).lower()} <= {"lon", "lat", "longitude", "latitude"}):
        crs = "EPSG:4326"
    names, times = None, None
    if data.ndim == 3 and dims[0] in data.coords:
        values = data.coords[dims[0]].values
        if np.issubdtype(values.dtype, np.datetime64):
            times = list(values.astype("datetime64[s]"))
        else:
            names = [str(v) for v in values]
    if names is None:
        names = [str(data.name or "")] * (1 if data.ndim == 2 else data.shape[0])
    nodata = data.attrs.get("_FillValue", data.encoding.get("_FillValue") if data.dtype.kind in "iu" else None)
    cells = data.data if _card.lies_there(data.data) else data.values
    raster = Raster(cells, transform, str(crs), str(data.attrs.get("units", "")), nodata, names=names, times=times)
    raster.axes = [(name, data.coords[name] if name in data.coords else None) for name in (y, x)]
    return raster


def as_raster(value):
    """A Raster of whatever a user hands over."""
    if isinstance(value, Raster):
        return value
    if hasattr(value, "data_vars"):
        raise TypeError(f"a Dataset holds several variables: choose one, as in data[{str(next(iter(value.data_vars), 'sst'))!r}]")
    if hasattr(value, "dims") and hasattr(value, "coords"):
        return from_xarray(value)
    return Raster(value, unit="flag" if getattr(value, "dtype", None) == np.bool_ else "")


def _seconds(time):
    if time is None:
        return None
    if isinstance(time, (datetime.datetime, datetime.date, str)):
        if isinstance(time, datetime.datetime) and time.tzinfo is not None:
            time = time.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        time = np.datetime64(time)
    return float((np.datetime64(time, "us") - np.datetime64(0, "us")) / np.timedelta64(1, "s"))


def describe(raster):
    """What the module needs of a raster, and what must live as long as it is read."""
    array = raster.array
    keep = []
    mask = None
    if isinstance(array, np.ma.MaskedArray):
        if array.mask is not np.ma.nomask:
            mask = np.ascontiguousarray(~np.ma.getmaskarray(array)).view(np.uint8)
            keep.append(mask)
        array = array.data
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    kind = array.dtype.str[1:]
    if kind not in _TYPES:
        raise TypeError(f"cells of type {array.dtype} are not read: integers of 1 to 8 bytes, float32 and float64 are")
    size = array.dtype.itemsize
    if (not array.dtype.isnative or any(s % size for s in array.strides)
            or array.strides[-1] == 0 or array.strides[-2] == 0 or array.__array_interface__["data"][0] % size):
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    keep.append(array)
    stack = array[np.newaxis] if array.ndim == 2 else array
    bands = []
    for b in range(stack.shape[0]):
        band = stack[b]
        where = 0
        if mask is not None:
            where = (mask if mask.ndim == 2 else mask[b]).__array_interface__["data"][0]
        nodata = None if raster.nodata is None or raster.nodata != raster.nodata else raster.nodata
        whole = kind[0] in "iu" and size == 8 and nodata is not None and int(nodata) == nodata
        bits = int(nodata) if whole and np.iinfo(array.dtype).min <= nodata <= np.iinfo(array.dtype).max else None
        bits = bits - 2**64 if bits is not None and bits >= 2**63 else bits
        bands.append({"address": band.__array_interface__["data"][0], "type": _TYPES[kind],
                      "row": band.strides[0] // size, "column": band.strides[1] // size or 1, "mask": where,
                      "nodata": None if nodata is None or bits is not None else float(nodata), "bits": bits, "scale": raster.scale, "offset": raster.offset, "name": raster.names[b],
                      "unit": raster.units[b], "time": _seconds(raster.times[b])})
    height, width = stack.shape[1:]
    return {"width": width, "height": height, "transform": raster.transform, "crs": raster.crs,
            "bands_of_date": raster.bands_of_date, "bands": bands}, keep


def empty_for(product):
    """A Raster whose memory a run will write."""
    bands = product["bands"]
    types = {b["type"] for b in bands}
    shape = (len(bands), product["height"], product["width"])
    if len(types) == 1:
        array = np.empty(shape, _NUMPY[types.pop()])
        planes = list(array)
    else:
        # Values and flags do not fit one array without copies: each band is its own, and f32 is what all fit.
        planes = [np.empty(shape[1:], _NUMPY[b["type"]]) for b in bands]
        array = None
    addresses = [(p.__array_interface__["data"][0], b["type"]) for p, b in zip(planes, bands)]
    times = [None if b["time"] is None else np.datetime64(int(b["time"]), "s") for b in bands]

    def finish():
        cells = array
        if cells is None:
            cells = np.empty(shape, np.float32)
            for i, plane in enumerate(planes):
                cells[i] = plane
                if plane.dtype == np.uint8:
                    cells[i][plane == 255] = np.nan
        return Raster(cells[0] if shape[0] == 1 else cells, product["transform"], product["crs"],
                      [b["unit"] for b in bands], 255 if cells.dtype == np.uint8 else None,
                      names=[b["name"] for b in bands], times=times)

    return addresses, finish
