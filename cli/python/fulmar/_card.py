# SPDX-License-Identifier: Apache-2.0
"""Arrays on a card (CUDA): known by __cuda_array_interface__ or __dlpack__, and copied to the host once."""
from __future__ import annotations

import numpy as np

from . import _fulmar

_CUDA = 2  # kDLCUDA


def lies_there(value):
    """True of an array whose cells lie on a card."""
    if isinstance(value, np.ndarray):
        return False
    return _dlpack_device(value) is not None or getattr(value, "__cuda_array_interface__", None) is not None


def _dlpack_device(value):
    """The number of the card where DLPack tells of one, or None."""
    if not hasattr(value, "__dlpack__") or not hasattr(value, "__dlpack_device__"):
        return None
    kind, number = value.__dlpack_device__()
    return int(number) if int(kind) == _CUDA else None


def to_host(value):
    """A numpy array of what lies on a card; a masked one, where it says which cells are valid."""
    try:
        told = getattr(value, "__cuda_array_interface__", None)
        device = _dlpack_device(value)
        # DLPack orders the maker's work before the copy whoever made it; of a mask it knows nothing.
        if device is not None and (told is None or told.get("mask") is None):
            reader = _fulmar.CardReader(device)
            shape, strides, kind, address, keep = reader.open_dlpack(value)
            array = _read(reader, address, shape, strides, np.dtype(kind))
            del keep
            return array
        return _of_interface(told)
    except _fulmar.Error as error:
        what = f"{type(value).__module__}.{type(value).__qualname__}"
        told = _fulmar.Error(f"{error}\n  the array ({what}) lies on a card: cupy.asnumpy(array) or tensor.cpu() brings it "
                             "to the host")
        told.code, told.message = error.code, error.message
        raise told from None


def _of_interface(told):
    """What __cuda_array_interface__ tells of (versions 0 to 3)."""
    shape = tuple(int(n) for n in told["shape"])
    kind = np.dtype(told["typestr"])
    address, stream, mask = int(told["data"][0] or 0), told.get("stream"), told.get("mask")
    if int(told.get("version", 0)) < 3:
        stream = 1  # no key tells of one: the work before it stands in the default stream
    strides = told.get("strides")
    if strides is None:
        strides, step = [], kind.itemsize
        for n in reversed(shape):
            strides.insert(0, step)
            step *= n
    if len(strides) != len(shape):
        raise ValueError(f"__cuda_array_interface__ tells of {len(shape)} dimensions and {len(strides)} strides")
    if stream is not None and int(stream) == 0:
        raise ValueError("__cuda_array_interface__ tells of stream 0, which its protocol forbids: 1 is the default stream, 2 "
                         "that of the thread")
    if 0 in shape:
        return np.empty(shape, kind)
    reader = _fulmar.CardReader(_fulmar.CardReader.device_of(address))
    if stream is not None:
        reader.wait_for(0 if int(stream) == 1 else int(stream))  # 0 is how the runtime writes the default stream
    array = _read(reader, address, shape, [int(s) for s in strides], kind)
    if mask is None:
        return array
    valid = to_host(mask) if lies_there(mask) else np.asarray(mask)
    return np.ma.array(array, mask=np.broadcast_to(~valid.astype(bool), array.shape))


def _read(reader, address, shape, strides, kind):
    """Copies the cells row by row, as they lie, and looks at them there with strides of numpy's."""
    if 0 in shape:
        return np.empty(shape, kind)
    first = sum((n - 1) * s for n, s in zip(shape, strides) if s < 0)
    own = [kind.itemsize if n == 1 else 0 for n in shape]
    row, levels = kind.itemsize, []  # bytes of a row, and [how many, bytes between] of what stands above it
    for axis in sorted((a for a in range(len(shape)) if shape[a] > 1 and strides[a] != 0), key=lambda a: abs(strides[a])):
        n, step = shape[axis], abs(strides[axis])
        if not levels and (step <= row or row == kind.itemsize >= step / 16):  # side by side, or every few cells of a row
            own[axis], row = step, (n - 1) * step + row
        elif levels and step == levels[-1][0] * levels[-1][1]:  # the rows run on evenly
            own[axis] = row * _product(levels)
            levels[-1][0] *= n
        else:
            own[axis] = row * _product(levels)
            levels.append([n, step])
    if len(levels) > 2:
        raise ValueError("an array on a card may have gaps in two dimensions beside its rows: copy it together first")
    levels += [[1, row]] * (2 - len(levels))
    buffer = np.empty(row * _product(levels), np.uint8)
    (rows, pitch), (planes, plane_pitch) = levels
    reader.read(address + first, row, rows, pitch, planes, plane_pitch, buffer.__array_interface__["data"][0])
    signed = [-s if stride < 0 else s for s, stride in zip(own, strides)]
    begin = sum((n - 1) * -s for n, s in zip(shape, signed) if s < 0)
    return np.ndarray(shape, kind, buffer, begin, signed)


def _product(levels):
    product = 1
    for n, _ in levels:
        product *= n
    return product
