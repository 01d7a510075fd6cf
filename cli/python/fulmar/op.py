# SPDX-License-Identifier: Apache-2.0
"""Every operator as a function: fulmar.op.cfar(array, pfa=1e-6).

The functions are made of the operators' schemas: signature, defaults and words are those of `fulmar inspect NAME`. The first
argument is the raster or table that flows in; further inputs and parameters are named, with _ for -. A raster comes back
as a Raster, a table or the numbers of a reducing operator as a Table. A parameter of length takes metres, or "7px".
`outputs` names the values to have beside each other as bands, where an operator makes several.

An engine with ceilings or plugins of its own has the same functions: fulmar.Engine(memory="2G").op.cfar(array).
"""
from __future__ import annotations

import functools
import inspect
import keyword
import os

import numpy as np

_SOURCE, _PRODUCT = "input_", "output_"


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


def _python_name(name):
    name = name.replace("-", "_")
    return name + "_" if keyword.iskeyword(name) else name


def _quoted(word):
    return "'" + str(word).replace("\\", "\\\\").replace("'", "\\'") + "'"


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


def _doc_of(schema):
    lines = [schema["summary"], ""]
    for port in schema["inputs"]:
        if port.get("companion"):
            continue
        optional = ", optional" if port.get("optional") else ""
        lines.append(f"{_python_name(port['name'])} : {'table' if port.get('table') else 'raster'}{optional}")
        lines.append(f"    {port['description']}" + (f" [{port['unit']}]" if port["unit"] not in ("", "*", "flag") else ""))
    for param in schema["params"]:
        what = ", ".join(param["choices"]) if param.get("choices") else param["type"]
        lines.append(f"{_python_name(param['name'])} : {what}" + (f", default {param['default']}" if "default" in param else ""))
        lines.append(f"    {param['description']}" + (f" [{param['unit']}]" if param["unit"] else ""))
    lines.append("")
    for title, ports in (("Returns", schema["outputs"]), ("Finds", schema.get("finds", []))):
        if ports:
            lines.append(title)
            lines += [f"    {p['name']}: {p['description']}" for p in ports]
    if schema.get("cites"):
        lines += ["Sources"] + [f"    {c}" for c in schema["cites"]]
    return "\n".join(lines)


def _signature_of(schema):
    ports, params = schema["inputs"], schema["params"]
    first = [inspect.Parameter(_python_name(ports[0]["name"]), inspect.Parameter.POSITIONAL_ONLY)] if ports else []
    named = {}
    for port in ports[1:]:
        named[_python_name(port["name"])] = inspect.Parameter.empty if not port.get("optional") else None
    for param in params:
        empty = inspect.Parameter.empty if param.get("required") else None
        named[_python_name(param["name"])] = param.get("default", empty)
    named.setdefault("outputs", None)
    return inspect.Signature(first + [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d)
                                      for n, d in named.items()])


def _make(engine, schema):
    name = schema["name"]
    ports = {_python_name(p["name"]): p for p in schema["inputs"][1:] if not p.get("companion")}
    params = {_python_name(p["name"]): p for p in schema["params"]}

    def call(data, /, *positional, outputs=None, **named):
        words = [name]
        inputs = {_SOURCE: data}
        if positional:
            places = [p for p in schema["params"] if p.get("positional")]
            if len(positional) > len(places):
                raise TypeError(f"{name}() takes {1 + len(places)} arguments without a name, not {1 + len(positional)}")
            named.update({_python_name(p["name"]): v for p, v in zip(places, positional)})
        for key, value in named.items():
            if value is None:
                continue
            if key in ports:
                inputs[f"{key}_"] = value
                words += [f"--{ports[key]['name']}", "[", f"{key}_", "]"]
            elif key in params and params[key]["type"] == "file" and not isinstance(value, (str, os.PathLike)):
                # The name of a file may be bound to memory where the engine reads it as a raster or table.
                inputs[f"{key}_"] = value
                words += [f"--{params[key]['name']}", f"{key}_"]
            elif key in params:
                words += [f"--{params[key]['name']}", _quoted(_text_of(value, f"{name}(): {key}"))]
            else:
                raise TypeError(f"{name}() has no argument '{key}'; it has {', '.join([*ports, *params])}")
        product = _PRODUCT
        if outputs is not None:
            product += f" --values {','.join([outputs] if isinstance(outputs, str) else outputs)}"
        return engine.run(f"{_SOURCE} ! {' '.join(words)} ! {product}", **inputs)[_PRODUCT]

    call.__name__ = call.__qualname__ = _python_name(name)
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
