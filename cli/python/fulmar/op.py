# SPDX-License-Identifier: Apache-2.0
"""Every operator as a function: fulmar.op.cfar(array, pfa=1e-6).

The functions are made of the operators' schemas: signature, defaults and words are those of help(fulmar.op.NAME). The
first argument is the raster or table that flows in; further inputs and parameters are named, with _ for - and behind
Python's own words: fulmar.op.mask(scene, with_=land). Each input is an array, a table, or the name of a file; a list of
them where an operator takes several. A raster comes back as a Raster, a table as a Table. Numbers that an operator finds
on its way, such as the threshold of otsu, are a Table of their own: the result's `summary`; where an operator makes
nothing else, as stats does, they are the result. A parameter of length takes metres, or "7px". `outputs` names the
values to have beside each other as bands, where an operator makes several.

An engine with ceilings or plugins of its own has the same functions: fulmar.Engine(memory="2G").op.cfar(array).
"""
from __future__ import annotations

import functools
import inspect
import keyword
import os
import re

import numpy as np

from . import _fulmar, _table


class Operators:
    """The operators of one engine."""

    def __init__(self, engine):
        self._engine, self._known = engine, None

    def _schemas(self):
        if self._known is None:
            self._known = self._engine.operators()
        return self._known

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        for known, schema in self._schemas().items():
            if _python_name(known) == name:
                function = _make(self._engine, schema)
                setattr(self, name, function)
                return function
        raise AttributeError(f"there is no operator '{name}'; dir() names them")

    def __dir__(self):
        return sorted(_python_name(n) for n in self._schemas())

    def __contains__(self, name):
        return name in self._schemas()


def _python_name(name):
    name = name.replace("-", "_")
    return name + "_" if keyword.iskeyword(name) else name


def _quoted(word):
    """A word of a pipeline whatever it holds: backslashes have a meaning in double quotes alone."""
    return '"' + str(word).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text_of(value, name):
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    if isinstance(value, (list, tuple)):
        return ",".join(_text_of(v, name) for v in value)
    if isinstance(value, (str, os.PathLike)):
        return str(value)
    raise TypeError(f"{name} takes a number, a word or the name of a file, not {type(value).__name__}")


def _is_several(value):
    """True of a list of inputs, and not of a raster written as lists of numbers."""
    return isinstance(value, (list, tuple)) and bool(value) and all(
        isinstance(v, (str, os.PathLike)) or hasattr(v, "shape") or _table.is_table(v) for v in value)


def _kind_of(port):
    if port.get("table"):
        return "table"
    return {"outlines": "raster or table of shapes", "shapes": "table of shapes",
            "calibration": "raster of the scene's size, or an XML file"}.get(port.get("companion"), "raster")


def _doc_of(schema):
    lines = [schema["summary"], ""]
    inputs, made_here = schema["inputs"], {p["name"] for p in schema["inputs"]}
    for i, port in enumerate(inputs):
        optional = ", optional" if port.get("optional") else ""
        kind = _kind_of(port)
        if port.get("companion") == "shapes" and schema["kind"] == "reducing":
            kind = "table of shapes, or raster of whole numbers"
        several = ", or several of them by name" if not i and schema.get("variadic") else ""
        lines.append(f"{_python_name(port['name'])} : {kind}{several}{optional}")
        lines.append(f"    {port['description']}" + (f" [{port['unit']}]" if port["unit"] not in ("", "*", "flag") else ""))
    for param in schema["params"]:
        if param["name"] in made_here:
            continue
        what = ", ".join(param["choices"]) if param.get("choices") else {"file": "raster"}.get(param["type"], param["type"])
        lines.append(f"{_python_name(param['name'])} : {what}" + (f", default {param['default']}" if "default" in param else ""))
        lines.append(f"    {param['description']}" + (f" [{param['unit']}]" if param["unit"] else ""))
    lines.append("")
    outputs, finds = schema["outputs"], schema.get("finds", [])
    if outputs:
        lines.append("Returns a " + ("Table:" if outputs[0].get("table") or schema["kind"] == "labelling" else "Raster:"))
        lines += [f"    {p['name']}: {p['description']}" for p in outputs]
    if finds:
        lines.append("Its .summary is a Table of" if outputs else "Returns a Table of")
        lines += [f"    {p['name']}: {p['description']}" + (f" [{p['unit']}]" if p["unit"] not in ("", "*") else "")
                  for p in finds]
    if schema.get("cites"):
        lines += ["Sources"] + [f"    {c}" for c in schema["cites"]]
    return _without_dashes("\n".join(lines))


def _without_dashes(text):
    """An argument is --max-speed of a pipeline, and max_speed of a function; what is quoted, such as a path, stays."""
    return re.sub(r"(?<!\w)'[^'\n]*'|(?<![\w./-])--([a-z][a-z0-9-]*)", lambda m: _python_name(m[1]) if m[1] else m[0], text)


def _signature_of(schema):
    ports, params = schema["inputs"], schema["params"]
    first = [inspect.Parameter(_python_name(ports[0]["name"]), inspect.Parameter.POSITIONAL_ONLY)] if ports else []
    named = {}
    for port in ports[1:]:
        named[_python_name(port["name"])] = None if port.get("optional") else inspect.Parameter.empty
    for param in params:
        empty = inspect.Parameter.empty if param.get("required") else None
        named[_python_name(param["name"])] = param.get("default", empty)
    named.setdefault("outputs", None)
    return inspect.Signature(first + [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d)
                                      for n, d in named.items()])


class _Call:
    """What the names of one pipeline of one operator stand for."""

    def __init__(self, operators):
        self.inputs, self.taken = {}, set(operators)

    def word_for(self, key, value):
        """The word that stands for an input; a file stands for itself. Plans and errors show it."""
        if isinstance(value, (str, os.PathLike)):
            name = str(value)
            name = f"./{name}" if name in self.inputs else name
        else:
            name = key
            while name in self.taken:
                name += "_"
            self.inputs[name] = value
        self.taken.add(name)
        return _quoted(name)


def _in_words_of_python(error, name):
    """The error of a call: its pipeline was never the caller's, and neither were the dashes of its arguments."""
    lines = str(error).split("\n")
    shown = [i for i, line in enumerate(lines) if line.strip() and not line.strip().strip("^")]
    lines = [line for i, line in enumerate(lines) if i not in shown and i + 1 not in shown]
    text = _without_dashes("\n".join(lines))
    told = type(error)(f"{text}\n  in fulmar.op.{name}()")
    told.code, told.message = error.code, text.split("\n")[0]
    return told


def _make(engine, schema):
    name = schema["name"]
    ports = {_python_name(p["name"]): p for p in schema["inputs"][0 if schema.get("variadic") else 1:]}
    params = {_python_name(p["name"]): p for p in schema["params"]}
    files = {key for key, p in params.items() if p["type"] == "file"}
    python_name = _python_name(name)

    def call(data, /, *positional, outputs=None, **named):
        this = _Call(engine.op._schemas())
        words = [this.word_for(_python_name(schema["inputs"][0]["name"]), data), "!", name]
        if positional:
            places = [p for p in schema["params"] if p.get("positional")]
            if len(positional) > len(places):
                raise TypeError(f"{python_name}() takes {1 + len(places)} arguments without a name, not {1 + len(positional)}")
            named.update({_python_name(p["name"]): v for p, v in zip(places, positional)})
        for key, value in named.items():
            if value is None:
                continue
            if key in files:
                words += [f"--{params[key]['name']}", this.word_for(key, value)]
            elif key in ports:
                for one in value if _is_several(value) else [value]:
                    words += [f"--{ports[key]['name']}", "[", this.word_for(key, one), "]"]
            elif key in params:
                words += [f"--{params[key]['name']}", _quoted(_text_of(value, f"{python_name}(): {key}"))]
            else:
                known = list(dict.fromkeys([*ports, *params]))
                raise TypeError(f"{python_name}() has no argument '{key}'; it has {', '.join(known) or 'none'}")
        product = "result"
        while product in this.taken:
            product += "_"
        words += ["!", product]
        if outputs is not None:
            words += ["--values", ",".join([outputs] if isinstance(outputs, str) else outputs)]
        try:
            made = engine.run(" ".join(words), **this.inputs)
        except _fulmar.Error as error:
            raise _in_words_of_python(error, python_name) from None
        result = made[product]
        result.summary = made.summaries.get(name)
        return result

    call.__name__ = call.__qualname__ = python_name
    call.__doc__ = _doc_of(schema)
    call.__signature__ = _signature_of(schema)
    call.__module__ = __name__
    return call


@functools.lru_cache(maxsize=None)
def _default(_plugin_path):
    """The engine of these functions: another where FULMAR_PLUGIN_PATH, which engines read, is another."""
    from . import _engine
    return _engine.Engine()


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_default(os.environ.get("FULMAR_PLUGIN_PATH", "")).op, name)


def __dir__():
    return dir(_default(os.environ.get("FULMAR_PLUGIN_PATH", "")).op)
