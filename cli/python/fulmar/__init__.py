# SPDX-License-Identifier: Apache-2.0
"""Detection and fusion on satellite, aerial, terrain and ocean rasters.

    fulmar.run("scene.tif ! linear ! cfar --pfa 1e-6 ! objects ! ships.gpkg")
    ships = fulmar.run("scene ! cfar --pfa 1e-6 ! objects ! ships", scene=array)["ships"]
    detection = fulmar.op.cfar(fulmar.Raster(array, transform, "EPSG:32651"), pfa=1e-6)

Names of a pipeline that are given as arguments stand for arrays; products whose name is a plain word are kept in memory,
all others are files. See fulmar.Engine.run, fulmar.op and the site's page on Python.
"""
from . import op
from ._engine import Engine, Result
from ._fulmar import Error, __version__
from ._raster import Raster, from_xarray
from ._table import Table

__all__ = ["Engine", "Error", "Raster", "Result", "Table", "from_xarray", "op", "recipe", "recipes", "run", "explain"]


def run(pipeline, *, memory="512M", threads=0, backend="auto", overwrite=False, progress=None, **inputs):
    """Runs a pipeline: Engine(memory, threads, backend).run(pipeline, ...)."""
    return Engine(memory, threads, backend).run(pipeline, overwrite=overwrite, progress=progress, **inputs)


def recipe(name, *, memory="512M", threads=0, backend="auto", overwrite=False, progress=None, **inputs):
    """Runs a recipe: Engine(memory, threads, backend).recipe(name, ...)."""
    return Engine(memory, threads, backend).recipe(name, overwrite=overwrite, progress=progress, **inputs)


def recipes():
    """The names of all recipes."""
    return Engine.recipes()


def explain(pipeline, *, memory="512M", threads=0, backend="auto", **inputs):
    """The plan of a pipeline in words."""
    return Engine(memory, threads, backend).explain(pipeline, **inputs)
