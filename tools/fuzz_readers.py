#!/usr/bin/env python3
"""Feeds damaged and invented files to the readers of weights, MNIST and CIFAR: python tools/fuzz_readers.py --runs 100000

What must come of any file: the reader's result, in the shape it promises, or a ValueError that names the file; a load that
fails leaves the parameters as they were; nothing that a pickle names is called; no file of some kilobytes makes the reader
take a gigabyte. Anything else stops the run with the file kept beside it.

With atheris installed (`--engine atheris`) coverage guides the changes; without it they are drawn at random from a fixed seed.
Both change a whole file or only what is packed in it, which is then packed again with its checksums right: otherwise nearly
everything would end at the first checksum.
"""

import argparse
import gzip
import io
import os
import pickle
import random
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile

import numpy as np

MEMORY = 2 << 30        # address space that a reader may add to what there is


def tar_of(members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zip_of(members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


class Called:
    """What a pickle would call if it could."""

    happened = False

    def __reduce__(self):
        return happen, ()


def happen():
    Called.happened = True


class Reader:
    """One reader under test: seeds, ways to pack what was changed, and the check."""

    suffix = ""

    def __init__(self, folder):
        self.path = os.path.join(folder, "file" + self.suffix)

    def packed(self, way, content):
        """`content` as a file; way 0 is the content itself."""
        return [lambda c: c, *self.ways][way % (1 + len(self.ways))](content)

    def run(self, content):
        with open(self.path, "wb") as file:
            file.write(content)
        try:
            self.check()
        except ValueError as error:
            if self.path not in str(error):
                raise AssertionError(f"the message does not name the file: {error}") from error
            return False
        return True


class Weights(Reader):
    """Files of two parameters, W of shape (3, 4) and b of shape (4,)."""

    suffix = ".npz"
    ways = (lambda c: zip_of({"W.npy": c, "b.npy": npy(np.zeros(4))}),
            lambda c: zip_of({"b.npy": c, "W.npy": npy(np.zeros((3, 4)))}))

    def seeds(self):
        for dtype in ("f4", "f8", ">f8", "i4", "c16", "?"):
            yield npy(np.arange(12).reshape(3, 4).astype(dtype))
        yield npy(np.ones(4, "f4"))
        yield npy(np.asfortranarray(np.ones((3, 4))))
        yield npy(np.array([Called()], object))
        yield zip_of({"W.npy": npy(np.ones((3, 4))), "b.npy": npy(np.ones(4))})
        yield zip_of({"W.npy": npy(np.ones((3, 4))), "other.npy": npy(np.ones(4))})
        yield zip_of({})

    def check(self):
        import dezero_c.layers as L

        layer = L.Linear(4, in_size=3)
        before = layer.W.data, layer.b.data
        content = before[0].tobytes(), before[1].tobytes()
        try:
            layer.load_weights(self.path)
        except BaseException:
            assert (layer.W.data, layer.b.data) == before or (layer.W.data is before[0] and layer.b.data is before[1])
            assert (before[0].tobytes(), before[1].tobytes()) == content
            raise
        assert layer.W.shape == (3, 4)
        assert layer.b.shape == (4,)


class Safetensors(Weights):
    suffix = ".safetensors"
    ways = ()

    def seeds(self):
        from safetensors.numpy import save

        yield save({"W": np.ones((3, 4), "f4"), "b": np.ones(4, "f4")})
        yield save({"W": np.ones((3, 4)), "c": np.ones(4)})
        yield save({})


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


class Idx(Reader):
    """Images as MNIST has them."""

    ways = (gzip.compress,)

    def seeds(self):
        for shape in ((2, 3, 3), (0, 3, 3), (1, 1, 1)):
            yield b"\0\0\x08\x03" + np.array(shape, ">u4").tobytes() + bytes(range(int(np.prod(shape))))
        yield b"\0\0\x08\x01" + np.array([4], ">u4").tobytes() + b"\1\2\3\4"
        for shape in ((1 << 31, 1 << 31, 1 << 31), (0, 0xffffffff, 0xffffffff)):
            yield b"\0\0\x08\x03" + np.array(shape, ">u4").tobytes()
        yield b""

    def check(self):
        from dezero_c._files import formats as _formats

        found = _formats.read_idx(self.path, 3)
        assert found.dtype == np.uint8
        assert found.ndim == 3
        found[...] = 0


class Cifar(Reader):
    """Archives of one pickle, as CIFAR-10 has five."""

    ways = (lambda c: tar_of({"test_batch": c}), lambda c: gzip.compress(tar_of({"test_batch": c})),
            lambda c: gzip.compress(c))

    def seeds(self):
        batch = {b"data": np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072), b"labels": [1, 2], b"filenames": [b"a", b"b"]}
        for protocol in (0, 1, 2, 4, 5):
            yield pickle.dumps(batch, protocol)
        yield pickle.dumps({"data": np.asfortranarray(batch[b"data"]), "labels": [np.int64(1), np.int64(2)]}, 2)
        yield pickle.dumps({b"data": Called(), b"labels": [1]}, 2)
        yield pickle.dumps([1, 2, 3], 2)
        yield b"\x80\x02}r\0\0\0\x01(U\x04dataK\x01u."
        yield tar_of({"test_batch": pickle.dumps(batch, 2)})

    def check(self):
        from dezero_c import datasets
        from dezero_c._files import formats as _formats

        found, = _formats.read_archive(self.path, ["test_batch"])
        assert isinstance(found, dict)
        data, label = datasets._cifar_part(found, "labels", self.path)
        assert data.dtype == np.uint8
        assert data.shape == (len(label), 3, 32, 32)


READERS = {"weights": Weights, "safetensors": Safetensors, "idx": Idx, "cifar": Cifar}


def changed(r, content, others):
    """`content` with a few changes of the kinds that break readers."""
    content = bytearray(content)
    for _ in range(r.choice((1, 1, 1, 2, 3, 8))):
        kind = r.randrange(8)
        at = r.randrange(len(content) + 1)
        if kind == 0 and content:
            content[at % len(content)] ^= 1 << r.randrange(8)
        elif kind == 1 and content:
            content[at % len(content)] = r.choice((0, 1, 0x7f, 0x80, 0xff, r.randrange(256)))
        elif kind == 2:
            del content[at:]
        elif kind == 3:
            del content[at:at + r.choice((1, 2, 4, 16, 200))]
        elif kind == 4:
            content[at:at] = bytes(r.randrange(256) for _ in range(r.choice((1, 2, 4, 16))))
        elif kind == 5:
            n = r.choice((2, 4, 8))
            content[at:at + n] = r.choice((b"\xff" * n, b"\0" * n, (1 << (8 * n - 1)).to_bytes(n, r.choice(("big", "little")))))
        elif kind == 6:
            other = r.choice(others)
            start = r.randrange(len(other) + 1)
            content[at:at + r.randrange(40)] = other[start:start + r.randrange(60)]
        elif kind == 7:
            content[at:at] = content[at:at + r.choice((1, 8, 64))]
    return bytes(content)


def by_mutation(reader, runs, seed):
    r = random.Random(seed)
    seeds = list(reader.seeds())
    read = 0
    for content in seeds:
        for way in range(1 + len(reader.ways)):
            read += guarded(reader, reader.packed(way, content))
    assert read, "no seed can be read"
    for _ in range(runs):
        content = changed(r, r.choice(seeds), seeds)
        if r.random() < 0.1:
            content = changed(r, reader.packed(r.randrange(4), content), seeds)
            read += guarded(reader, content)
        else:
            read += guarded(reader, reader.packed(r.randrange(4), content))
    return read


def guarded(reader, content):
    """Whether the file was read; keeps one that shows a fault."""
    try:
        done = reader.run(content)
        assert not Called.happened, "a function that a pickle names was called"
    except BaseException as error:
        if not isinstance(error, KeyboardInterrupt):
            kept = os.path.join(tempfile.gettempdir(), f"fault{reader.suffix or '.bin'}")
            with open(kept, "wb") as file:
                file.write(content)
            print(f"{type(reader).__name__}: {type(error).__name__}: {error}\nthe file is {kept}", file=sys.stderr)
        raise
    return done


def by_atheris(reader, runs, seed, folder):
    import atheris

    with atheris.instrument_imports(include=["dezero_c"]):
        import dezero_c._files.formats
        import dezero_c._files.weights  # noqa: F401

    corpus = os.path.join(folder, "corpus")
    os.mkdir(corpus)
    for i, content in enumerate(reader.seeds()):
        for way in range(1 + len(reader.ways)):
            with open(os.path.join(corpus, f"{i}-{way}"), "wb") as file:
                file.write(bytes([way]) + content)

    def one(data):
        guarded(reader, reader.packed(data[0], data[1:]) if data else b"")

    atheris.Setup([sys.argv[0], f"-runs={runs}", f"-seed={seed}", "-max_len=16384", "-rss_limit_mb=4096", corpus], one)
    atheris.Fuzz()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", choices=READERS, action="append", help="one of them (all)")
    parser.add_argument("--runs", type=int, default=2000, help="files for each reader (2000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=("mutation", "atheris"), default="mutation",
                        help="atheris takes one reader at a time, since libFuzzer ends the process")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    used = 0
    if sys.platform == "linux":
        with open("/proc/self/statm") as statm:
            used = int(statm.read().split()[0]) * os.sysconf("SC_PAGESIZE")
    for name in args.reader or READERS:
        if name == "safetensors":
            try:
                import safetensors.numpy  # noqa: F401
            except ImportError:
                print("safetensors: not installed")
                continue
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
            reader = READERS[name](folder)
            if args.engine == "atheris":
                by_atheris(reader, args.runs, args.seed, folder)
                continue
            if used:
                import resource

                resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
            read = by_mutation(reader, args.runs, args.seed)
        print(f"{name}: {args.runs} files, {read} of them read, the others refused; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
