"""Readers of files that come from elsewhere: tools/fuzz_readers.py in its short form, and how much they take for a claim."""

import gzip
import importlib.util
import pathlib
import sys
import tracemalloc

import numpy as np
import pytest

from dezero_c._files import formats as _formats

TOOL = pathlib.Path(__file__).parent.parent / "tools" / "fuzz_readers.py"


def tool():
    spec = importlib.util.spec_from_file_location("fuzz_readers", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module     # for pickle
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["weights", "safetensors", "idx", "cifar"])
def test_damaged_files_are_refused_or_read(name, tmp_path):
    if name == "safetensors":
        pytest.importorskip("safetensors")
    fuzz = tool()
    assert fuzz.by_mutation(fuzz.READERS[name](str(tmp_path)), 500, seed=7) > 5


def test_a_fault_of_a_reader_is_found(tmp_path, monkeypatch, capsys):
    """A reader that lets another exception through, or the parameters half changed, does not pass."""
    fuzz = tool()
    monkeypatch.setattr(_formats, "damaged", lambda *_: KeyError("no text"))
    monkeypatch.setattr(fuzz.tempfile, "gettempdir", lambda: str(tmp_path))
    with pytest.raises(KeyError):
        fuzz.by_mutation(fuzz.Idx(str(tmp_path)), 500, seed=7)
    assert (tmp_path / "fault.bin").exists()
    assert "Idx: KeyError" in capsys.readouterr().err


@pytest.mark.parametrize("opcode", [b"r" + (1 << 24).to_bytes(4, "little"), b"p16777216\n"], ids=["binary", "text"])
def test_a_number_in_a_pickle_takes_no_memory(tmp_path, opcode):
    """Pickles number their objects; the unpickler in C makes a table up to the largest number."""
    path = tmp_path / "cifar.tar"
    path.write_bytes(tool().tar_of({"test_batch": b"\x80\x02}" + opcode + b"(U\x01aK\x01u."}))
    tracemalloc.start()
    try:
        assert _formats.read_archive(path, ["test_batch"]) == [{"a": 1}]
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_alone_takes_no_memory(tmp_path, pack):
    """A file of some bytes may claim two gigabytes: they are not set aside for it."""
    path = tmp_path / "images"
    path.write_bytes(pack(b"\0\0\x08\x03" + np.array([1 << 11, 1 << 10, 1 << 10], ">u4").tobytes() + b"12345"))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="it ends after 5 of 2147483648 bytes"):
            _formats.read_idx(path, 3)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()
