# SPDX-License-Identifier: Apache-2.0
"""Pipelines from Python."""
from __future__ import annotations

import contextlib
import functools
import json
import logging
import numbers
import operator
import os
import re

import numpy as np

from . import _fulmar, _raster, _table, op

log = logging.getLogger("fulmar")

# What errors call a setting: on the command line, and here.
_WORDS = {"--memory": "memory", "--threads": "threads", "--backend cpu": 'backend="cpu"', "--backend cuda": 'backend="cuda"',
          "--overwrite": "overwrite=True", "--plugin": "plugins", "`fulmar list` names": "dir(fulmar.op) names",
          "fulmar recipes names": "fulmar.recipes() names",
          "gdal_edit.py -a_srs": "gdal_edit.py -a_srs, or to an array by fulmar.Raster(array, transform, crs)"}


class Result(dict):
    """What a run left: result["name"] is a Raster or Table kept in memory.

    files      products that were written
    summaries  Tables of what reducing operators found, by operator; of the second of a kind as "stats_#2"
    notes      sentences for the user, which also go to the logger "fulmar"
    backend    what computed: cpu, cuda or reference
    """

    def __init__(self, kept, files=(), summaries=None, notes=(), backend="cpu", peak_bytes=0):
        super().__init__(kept)
        self.files, self.notes, self.backend, self.peak_bytes = list(files), list(notes), backend, peak_bytes
        self.summaries = summaries or {}

    def __missing__(self, name):
        raise KeyError(f"nothing was kept in memory as '{name}'; there is {', '.join(self) or 'nothing'}")


@contextlib.contextmanager
def _telling_what_is_forgotten():
    """A plain word that is no file is most likely an input that was not given."""
    try:
        yield
    except _fulmar.Error as error:
        word = re.match(r"cannot open '([A-Za-z_]\w*)'", error.message)
        if word is None or "there is no file" not in error.message:
            raise
        told = type(error)(f"{error}\n  the pipeline reads '{word[1]}', and no input of that name is given: {word[1]}=array, "
                           "or the name of a file")
        told.code, told.message = error.code, error.message
        raise told from None


def bytes_of(memory):
    """512 MiB of "512M"; numbers are bytes."""
    if not isinstance(memory, str):
        return int(memory)
    match = re.fullmatch(r"(\d+)([KMGT]?)(i?B)?", memory.strip(), re.IGNORECASE)
    if not match:
        raise ValueError(f"memory is a size such as '512M', '2G' or a number of bytes, not '{memory}'")
    return int(match[1]) << (10 * " KMGT".index(match[2].upper() or " "))


class Engine:
    """Operators and ceilings. Engines of different ceilings may work side by side, each in any thread.

    memory   bytes that a run may use, or "512M", "2G"; rasters handed in or out are not counted
    threads  0: as many as the machine has, or the memory suffices for
    backend  "auto", "cpu", "cuda" or "reference"
    plugins  libraries whose operators are wanted too, beside those in the folders of FULMAR_PLUGIN_PATH

    engine.op.NAME(...) are the operators as functions, with this engine's ceilings and plugins.
    """

    def __init__(self, memory="512M", threads=0, backend="auto", plugins=()):
        folders = [f for f in os.environ.get("FULMAR_PLUGIN_PATH", "").split(":") if f]
        if isinstance(plugins, (str, os.PathLike)):
            plugins = [plugins]
        self.op = op.Operators(self)
        self._engine = _fulmar.Engine(bytes_of(memory), operator.index(threads), backend, [str(p) for p in plugins],
                                      folders, functools.partial(log.info, "%s"), _WORDS)

    def operators(self):
        """The schemas of all operators, by name."""
        return {name: dict(json.loads(schema), plugin=plugin)
                for name, _, _, plugin, schema in self._engine.operators()}

    def explain(self, pipeline, **inputs):
        """The plan in words: passes, tiles, bytes, memory, backend."""
        with _telling_what_is_forgotten():
            job, keep = self._job(self._engine.job(str(pipeline)), inputs)
            return job.explain()

    def run(self, pipeline, *, overwrite=False, progress=None, **inputs):
        """Runs a pipeline.

        inputs    what names in the pipeline stand for: numpy arrays (rows x columns, or bands before them), masked
                  arrays, xarray.DataArrays, Rasters; mappings of columns, pandas frames, Tables; names of files, as
                  str or Path. Arrays are read where they lie.
        products  a product whose name is a plain word ("out", "ships") is kept in memory, any other is a file
        progress  called with the share of work done
        Raises fulmar.Error. Ctrl-C ends the run; files that are not whole do not appear.
        """
        with _telling_what_is_forgotten():
            return self._run(self._engine.job(str(pipeline)), inputs, overwrite, progress)

    def recipe(self, name, *, overwrite=False, progress=None, **inputs):
        """Runs a recipe; its inputs are those that `fulmar recipes NAME` lists: names of files, arrays or tables as run()
        takes them, numbers and words. Its products are files in the folder `out`."""
        values, arrays = {}, {}
        for key, value in inputs.items():
            if isinstance(value, (str, os.PathLike, numbers.Number, np.bool_)):
                values[key] = str(value)
            elif isinstance(value, _raster.Raster) or hasattr(value, "shape") or _table.is_table(value):
                word = key
                while word in self.op or word in values.values():
                    word += "_"
                values[key], arrays[word] = word, value
            else:
                raise TypeError(f"{key} of recipe {name} is the name of a file, an array, a table, a number or a word, not "
                                f"{type(value).__name__}")
        return self._run(self._engine.recipe(name, values), arrays, overwrite, progress)

    @staticmethod
    def recipes():
        """The names of all recipes."""
        return _fulmar.Engine.recipes()

    def _job(self, job, inputs):
        """The job with its names bound, and what must live as long as it runs."""
        keep = []
        for name in _kept(job):
            job.output(name)
        for name, value in inputs.items():
            if isinstance(value, (str, os.PathLike)):
                job.input_file(name, os.fspath(value))
            elif _table.is_table(value):
                job.input_table(name, _table.kept_of(value))
            else:
                raster = _raster.as_raster(value)
                described, alive = _raster.describe(raster)
                keep.append((raster, alive))
                job.input(name, described)
        return job, keep

    def _run(self, job, inputs, overwrite, progress):
        job, keep = self._job(job, inputs)
        job.overwrite(bool(overwrite))
        memory = _kept(job)
        finishers = {}
        for product in job.products() if memory else ():
            if product["name"] in memory and product["kind"] == "raster":
                addresses, finishers[product["name"]] = _raster.empty_for(product)
                job.output_into(product["name"], addresses)
        report = job.run(progress)
        kept = {name: finish() for name, finish in finishers.items()}
        for raster in kept.values():
            for came, _ in keep:
                if came.axes is not None and came.shape[-2:] == raster.shape[-2:] and came.transform == raster.transform:
                    raster.axes = came.axes
        kept.update({name: _table.Table(t) for name, t in report["tables"].items()})
        summaries = {}
        for name, table in report["summaries"]:
            several = sum(known.split("_#")[0] == name for known in summaries)
            summaries[f"{name}_#{several + 1}" if several else name] = _table.Table(table)
        return Result(kept, report["files"], summaries, report["notes"], report["backend"], report["peak_bytes"])


def _kept(job):
    """The products that stay in memory: those whose name is a plain word."""
    return [n for n in job.writes() if re.fullmatch(r"[A-Za-z_]\w*", n)]
