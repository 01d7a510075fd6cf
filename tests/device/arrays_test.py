# SPDX-License-Identifier: Apache-2.0
"""Arrays that lie on a card go into Python's functions as numpy's do: their cells are copied to the host once, whatever their
strides, behind the work of their makers. Run with the interpreter of PTX in the place of the CUDA runtime."""
import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

RUNTIME = os.environ.get("FULMAR_PTX_RUNTIME", "")
INSIDE = os.environ.get("FULMAR_INSIDE") == "1"


def test_arrays_on_a_card():
    """The tests below, in a process that has the interpreter from its start."""
    if INSIDE:
        pytest.skip("this is that process")
    if not RUNTIME:
        pytest.skip("needs a build with CUDA (nvcc), whose test device.arrays this is")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__], capture_output=True,
                          text=True, timeout=300, env=dict(os.environ, LD_PRELOAD=RUNTIME, FULMAR_INSIDE="1"))
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " failed" not in done.stdout and " passed" in done.stdout


inside = pytest.mark.skipif(not INSIDE, reason="needs the interpreter: see test_arrays_on_a_card")

if INSIDE:
    sys.path.insert(0, os.environ["FULMAR_INTERPRETED_PYTHON"])
    import fulmar
    cuda = ctypes.CDLL(RUNTIME)
    for name in ("cudaMalloc", "cudaMemcpyAsync", "cudaStreamCreateWithFlags", "cudaEventCreateWithFlags", "cudaEventRecord",
                 "cudaStreamWaitEvent", "cudaMallocHost"):
        getattr(cuda, name).restype = ctypes.c_int
    Address = ctypes.c_void_p
    new_capsule = ctypes.pythonapi.PyCapsule_New
    new_capsule.restype, new_capsule.argtypes = ctypes.py_object, [Address, ctypes.c_char_p, Address]


class Tensor(ctypes.Structure):
    """DLManagedTensor."""
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("dimensions", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("offset", ctypes.c_uint64), ("manager", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


def must(status):
    assert status == 0


class OnCard:
    """A view of an array of numpy's, whose base was copied to the card in a stream of its own."""
    of_default_stream = False

    def __init__(self, view, **more):
        base = view if view.base is None else view.base
        while isinstance(base.base, np.ndarray):
            base = base.base
        self.view, self.base, self.more = view, base, more
        self.memory, self.stream = Address(), Address()
        if not self.of_default_stream:
            must(cuda.cudaStreamCreateWithFlags(ctypes.byref(self.stream), 1))
        must(cuda.cudaMalloc(ctypes.byref(self.memory), ctypes.c_size_t(base.nbytes)))
        # From pinned memory, so queued, and done as late as may be: whoever reads without waiting for this stream reads
        # what was never written.
        pinned = Address()
        must(cuda.cudaMallocHost(ctypes.byref(pinned), ctypes.c_size_t(base.nbytes)))
        ctypes.memmove(pinned, base.ctypes.data, base.nbytes)
        must(cuda.cudaMemcpyAsync(self.memory, pinned, ctypes.c_size_t(base.nbytes), 1, self.stream))
        self.address = (self.memory.value or 0) + view.ctypes.data - base.ctypes.data


class OfInterface(OnCard):
    @property
    def __cuda_array_interface__(self):
        v = self.view
        return {"shape": v.shape, "typestr": v.dtype.str, "data": (self.address, False), "version": 3,
                "strides": None if v.flags["C_CONTIGUOUS"] else v.strides, "stream": self.stream.value, **self.more}


class OfOldInterface(OfInterface):
    """Of a version that knows nothing of streams, by a maker who works in the default one."""
    of_default_stream = True

    @property
    def __cuda_array_interface__(self):
        told = super().__cuda_array_interface__
        del told["stream"]
        return told


class OfDlpack(OnCard):
    released = 0

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, stream=None):
        event = Address()
        must(cuda.cudaEventCreateWithFlags(ctypes.byref(event), 2))
        must(cuda.cudaEventRecord(event, self.stream))
        must(cuda.cudaStreamWaitEvent(Address(stream), event, 0))
        v, size = self.view, self.view.dtype.itemsize
        n = v.ndim
        self.shape = (ctypes.c_int64 * n)(*v.shape)
        self.steps = (ctypes.c_int64 * n)(*(s // size for s in v.strides))
        code = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}[v.dtype.kind]

        @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        def release(_):
            OfDlpack.released += 1
        self.release = release
        self.tensor = Tensor(self.address - 8, 2, 0, n, code, 8 * size, 1, self.shape,
                             None if v.flags["C_CONTIGUOUS"] else self.steps, 8, None, ctypes.cast(release, ctypes.c_void_p))
        return new_capsule(ctypes.addressof(self.tensor), b"dltensor", None)


def random(*shape, seed=1):
    return np.random.default_rng(seed).gamma(2, 10, shape).astype("f4")


VIEWS = [lambda a: a, lambda a: a[::-1], lambda a: a[:, ::-1], lambda a: a[::2, 1::3], lambda a: a[::-3, ::-5],
         lambda a: a[5:40, 7:60], lambda a: a[:, 3:4], lambda a: a[4:5], lambda a: a[::7, ::40], lambda a: a.T,
         lambda a: np.asfortranarray(a), lambda a: a.astype("f8"), lambda a: (a * 100).astype("u2"), lambda a: a.astype("i8"),
         lambda a: a > 20, lambda a: np.broadcast_to(a[0], a.shape)]


@inside
@pytest.mark.parametrize("kind", ["OfInterface", "OfDlpack"])
@pytest.mark.parametrize("view", VIEWS)
def test_views_of_any_type_and_stride(view, kind):
    array = view(random(64, 91))
    out = fulmar.run("a ! expression 'b1 * 2 + 1' ! out", a=globals()[kind](array))["out"]
    np.testing.assert_array_equal(out.array, (np.asarray(array, "f8") * 2 + 1).astype("f4"))


@inside
@pytest.mark.parametrize("version", [0, 1, 2])
def test_before_version_3_the_default_stream_is_waited_for(version):
    """The interpreter ends a process that reads what no event orders."""
    array = random(64, 91)
    out = fulmar.op.expression(OfOldInterface(array, version=version), "b1")
    np.testing.assert_array_equal(out.array, array)


@inside
@pytest.mark.parametrize("kind", ["OfInterface", "OfDlpack"])
@pytest.mark.parametrize("view", [lambda a: a, lambda a: np.moveaxis(a, 2, 0)[:, ::-1], lambda a: a[:, 2:20, 3:9],
                                  lambda a: a[::-1, ::2], lambda a: a.transpose(0, 2, 1)])
def test_bands(view, kind):
    stack = view(random(30, 24, 12))[:3]
    out = fulmar.op.expression(globals()[kind](stack), "b1 + b2 - b3")
    np.testing.assert_array_equal(out.array, (stack[0].astype("f8") + stack[1] - stack[2]).astype("f4"))


@inside
def test_cells_cross_once():
    class Counts(ctypes.Structure):
        _fields_ = [(n, ctypes.c_uint64) for n in (
            "launches", "up", "up_bytes", "down", "down_bytes", "across", "across_bytes", "pageable", "memsets", "allocations",
            "frees", "pinned", "in_use", "highest")]
    counts = Counts()
    for kind in (OfInterface, OfDlpack):
        array = kind(random(300, 200))
        cuda.fulmar_ptx_get_counts(ctypes.byref(counts))
        cuda.fulmar_ptx_reset_counts()
        fulmar.Engine(backend="cpu").op.median(array)
        cuda.fulmar_ptx_get_counts(ctypes.byref(counts))
        assert (counts.down, counts.down_bytes, counts.launches) == (1, 300 * 200 * 4, 0)


@inside
def test_a_mask_tells_which_cells_are_valid():
    array, valid = random(20, 30), random(20, 30, seed=2) > 10
    for mask in (OfInterface(valid), OfInterface(valid[3])):
        out = fulmar.op.expression(OfInterface(array, mask=mask), "b1")
        np.testing.assert_array_equal(out.array, np.where(mask.view, array, np.nan))


@inside
def test_cards_and_hosts_stand_side_by_side():
    array, land = random(40, 50), random(40, 50, seed=3) > 20
    out = fulmar.op.mask(fulmar.Raster(OfDlpack(array), (0, 1, 0, 40, 0, -1), "EPSG:32651"), with_=OfInterface(land))
    np.testing.assert_array_equal(out.array, np.where(land, np.nan, array))
    # Computed on the card too, the bits are those of the processor.
    engines = [fulmar.Engine(backend=b) for b in ("cpu", "cuda")]
    one, two = (e.run("a ! median --window 5px ! out", a=OfInterface(array)) for e in engines)
    assert (one.backend, two.backend) == ("cpu", "cuda")
    np.testing.assert_array_equal(one["out"].array, two["out"].array)
    rows = fulmar.op.filter({"v": OfInterface(np.arange(5.0))}, "v > 2")
    assert rows["v"].tolist() == [3, 4]


@inside
def test_tensors_are_given_back():
    before = OfDlpack.released
    tensor = OfDlpack(random(8, 8))
    fulmar.op.stats(tensor)
    assert OfDlpack.released == before + 1


@inside
def test_what_no_protocol_allows_is_refused():
    array = OfInterface(random(4, 4))
    with pytest.raises(ValueError, match="stream 0"):
        fulmar.op.stats(OfInterface(random(4, 4), stream=0))
    told = dict(array.__cuda_array_interface__, data=(array.base.ctypes.data, False))

    class Here:
        __cuda_array_interface__ = told
    with pytest.raises(fulmar.Error, match="not on a card") as refused:
        fulmar.op.stats(Here())
    assert refused.value.code == 2 and "cupy.asnumpy(array)" in str(refused.value)
    with pytest.raises(TypeError, match="complex64 are not read|DLPack's type 5"):
        fulmar.op.stats(OfDlpack(np.zeros((3, 3), "c8")))
    with pytest.raises(fulmar.Error, match="0 x 4 cells|4 x 0 cells"):
        fulmar.op.stats(OfInterface(np.zeros((0, 4), "f4")))
