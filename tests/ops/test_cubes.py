# SPDX-License-Identifier: Apache-2.0
"""Cubes of netCDF, Zarr and GRIB against netCDF4, cftime and xarray, cell by cell."""

import os

import netCDF4
import numpy as np
import pytest
from osgeo import gdal

from fulmar_cli import call, run, shared

gdal.UseExceptions()

# file, variable
CUBES = [
    ("mhw/oisst_tasman_2015_2016.nc", "sst"),
    ("mhw/xmhw_oisst_2003_2004.nc", "sst"),
    ("sst/mur_l4_20110921_california_1km.nc", "analysed_sst"),
    ("sst/ostia_monthly_tropics_54months.nc", "surface_temperature"),
    ("sst/oisst_hr_rep_blacksea_20160707_l4.nc", "analysed_sst"),
    ("sst/oisst_hr_rep_blacksea_20160707_l4.nc", "analysis_error"),
    ("sst/oisst_hr_rep_blacksea_20160707_l4.nc", "sea_ice_fraction"),
    ("sst/modis_t_l2p_20190805_patagonia_subset.nc", "sea_surface_temperature"),
    ("sst/oi_firstguess_analysis_20160116.nc", "sst"),
    ("sst/oi_firstguess_error_variance.nc", None),
    ("sst/oi_ice_sst_20160117.nc", None),
    ("sst/oi_buoy_superobs_20160117.nc", None),
    ("sst/oi_ship_superobs_20160117.nc", None),
    ("sst/oi_sat_night_superobs_biascorr_20160117.nc", None),
    ("sst/oi_landmask_quarter_deg.nc", None),
    ("met/arome_wind_20160114_subset.nc", "x_wind_10m"),
    ("met/era5_wave_spectra.nc", "d2fd"),
    ("gapfill/alboranSST_small.nc", "SST"),
    ("eddy/dt_med_l4_20160515_adt_sla.nc", "adt"),
    ("eddy/dt_med_l4_2005T2_adt_91days.nc", None),
    ("eddy/dt_blacksea_l4_20160707_sla.nc", "ugosa"),
    ("chl/cci_oc_iop_200505_subset.nc", "adg_412"),
    ("chl/modis_a_chl_8day_20220219_westus.nc", "chlorophyll"),
    ("front/modis_sst_peru_201502.nc", None),
    ("front/modis_chl_peru_201502.nc", None),
    ("flood/wofs_sample_landsat_c3_sr.nc", "nbart_panchromatic"),
]


def variable_of(dataset, name):
    if name:
        return dataset[name]
    on_grid = [v for v in dataset.variables.values() if v.ndim >= 2 and "bnds" not in v.name]
    assert len(on_grid) == 1
    return on_grid[0]


def coordinate(dataset, variable, words):
    for name in variable.dimensions:
        if any(name.lower().startswith(w) for w in words) and name in dataset.variables:
            return name, np.ma.filled(dataset[name][:].astype(float), np.nan)
    return None, None


def expected(path, name):
    """What netCDF4 makes of the cells, in f64 from the packed values, north up and from 180 degrees west on."""
    with netCDF4.Dataset(path) as dataset:
        variable = variable_of(dataset, name)
        variable.set_auto_scale(False)
        packed = variable[:]
        scale = float(getattr(variable, "scale_factor", 1))
        offset = float(getattr(variable, "add_offset", 0))
        values = np.ma.filled(packed.astype(float), np.nan) * scale + offset
        y, lat = coordinate(dataset, variable, ["lat", "y"])
        x, lon = coordinate(dataset, variable, ["lon", "x"])
        if y is None:
            return values.reshape((-1,) + values.shape[-2:]), None, None
        values = np.moveaxis(values, (variable.dimensions.index(y), variable.dimensions.index(x)), (-2, -1))
        if lat[0] < lat[-1]:
            values, lat = values[..., ::-1, :], lat[::-1]
        step = (lon[-1] - lon[0]) / (len(lon) - 1)
        if abs(step * len(lon) / 360 - 1) < 1e-6 and x.lower().startswith("lon"):
            west = lon[0] - step / 2
            shift = (-180 - west) / step
            if abs(shift - round(shift)) < 0.01:
                values = np.roll(values, -round(shift), axis=-1)
                lon = lon[0] + step * round(shift) + step * np.arange(len(lon))
        elif lon[0] - step / 2 >= 180 and x.lower().startswith("lon"):
            lon = lon - 360
        return values.reshape((-1,) + values.shape[-2:]), lon, lat


@pytest.mark.parametrize("file,name", CUBES)
def test_every_cell(file, name, tmp_path):
    path = shared(file)
    layer = f" --layer {name}" if name else ""
    run(f"{path}{layer} ! o.tif", cwd=tmp_path)
    want, lon, lat = expected(path, name)
    dataset = gdal.Open(str(tmp_path / "o.tif"))
    got = dataset.ReadAsArray().reshape((-1,) + want.shape[1:])
    assert got.shape == want.shape
    assert np.array_equal(np.isnan(got), np.isnan(want)), "missing cells differ"
    assert np.array_equal(got, want.astype(np.float32), equal_nan=True)
    if lon is None:
        assert dataset.GetGCPCount() > 100
        return
    a = dataset.GetGeoTransform()
    assert a[5] < 0 < a[1]
    columns, rows = np.arange(got.shape[2]) + 0.5, np.arange(got.shape[1]) + 0.5
    assert np.allclose(a[0] + a[1] * columns, lon, atol=0.02 * a[1])
    assert np.allclose(a[3] + a[5] * rows, lat, atol=0.02 * a[1])
    if not file.startswith(("met/arome", "flood/")):
        assert dataset.GetSpatialRef().IsGeographic()
    if name != "sea_ice_fraction":  # no ice in the Black Sea in July
        assert np.isfinite(got).any()
