# SPDX-License-Identifier: Apache-2.0
"""Every operator as a function: fulmar.op.cfar(array, pfa=1e-6).

The functions are made of the operators' schemas: signature, defaults and words are those of `fulmar inspect NAME`. The first
argument is the raster or table that flows in; further inputs and parameters are named, with _ for -. A raster comes back
as a Raster, a table or the numbers of a reducing operator as a Table. A parameter of length takes metres, or "7px".

    outputs    names of the values to have beside each other as bands, where an operator makes several
    engine     a fulmar.Engine with ceilings of its own
"""
from __future__ import annotations

import functools
import inspect
import keyword

from . import _engine

_SOURCE, _PRODUCT = "input_", "output_"


@functools.lru_cache(maxsize=None)
def _schemas():
    return _default().operators()


@functools.lru_cache(maxsize=None)
def _default():
    return _engine.Engine()


def _python_name(name):
    name = name.replace("-", "_")
    return name + "_" if keyword.iskeyword(name) else name


def _quoted(word):
    return "'" + str(word).replace("\\", "\\\\").replace("'", "\\'") + "'"


def _text_of(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(_text_of(v) for v in value)
    return repr(value) if isinstance(value, float) else str(value)


def _doc_of(schema):
    lines = [schema["summary"], ""]
    for port in schema["inputs"]:
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
    named.setdefault("engine", None)
    return inspect.Signature(first + [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d)
                                      for n, d in named.items()])


def _make(name):
    schema = _schemas()[name]
    ports = {_python_name(p["name"]): p for p in schema["inputs"][1:] if not p.get("companion")}
    params = {_python_name(p["name"]): p for p in schema["params"]}

    def call(data, /, *positional, outputs=None, engine=None, **named):
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
            elif key in params:
                words += [f"--{params[key]['name']}", _quoted(_text_of(value))]
            else:
                raise TypeError(f"{name}() has no argument '{key}'; it has {', '.join([*ports, *params])}")
        product = _PRODUCT
        if outputs is not None:
            product += f" --values {','.join([outputs] if isinstance(outputs, str) else outputs)}"
        result = (engine or _default()).run(f"{_SOURCE} ! {' '.join(words)} ! {product}", **inputs)
        return result[_PRODUCT]

    call.__name__ = call.__qualname__ = _python_name(name)
    call.__doc__ = _doc_of(schema)
    call.__signature__ = _signature_of(schema)
    call.__module__ = __name__
    return call


def __getattr__(name):
    for known in _schemas():
        if _python_name(known) == name:
            function = _make(known)
            globals()[name] = function
            return function
    raise AttributeError(f"there is no operator '{name}'; dir(fulmar.op) names them")


def __dir__():
    return sorted(_python_name(n) for n in _schemas())
