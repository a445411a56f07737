"""Files of weights that lie, are broken or would run code: what each gets; run as a script, the table of all.

Each is refused in a sentence or read, within two seconds of a processor and 256 MB. None runs what it carries. That would
leave a file behind, as another test shows with Python's own pickle. The script needs ``PYTHONPATH=tests:.``.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import effort
import numpy as np
import pytest
from torch_writer import (
    LEGACY_START,
    archive,
    call,
    legacy,
    mapping,
    name,
    pickled,
    plain,
    storage,
    tensor,
    text,
    weights,
    zipped,
)

from zooactive.foundation.errors import ModelError
from zooactive.models.published.state import read_state
from zooactive.models.published.unpickling import MOST_STEPS

FOUR = np.arange(4, dtype=np.float32)
PIECES, MEMORY = 600, 256 << 20
READ = None
"""Stands for a file whose tensor 'w' is read, and nothing else of it."""

CANARY = "ran"
CODE = f"open({CANARY!r}, 'w').close()"
ARMED = call("builtins", "exec", CODE)


class Hostile(NamedTuple):
    """What is in a file, or what makes it there, and what its reader says; code that it carries as a pickle of its own."""

    content: bytes | Callable[[Path], object]
    told: str | None
    code: bytes | None = None


def torch_zip(pickle: bytes) -> bytes:
    return archive(pickle, {"0": FOUR.tobytes()})


def carries(code: bytes, told: str | None = "instead of named tensors", protocol: int = 2) -> Hostile:
    """A file of which the pickle is the code."""
    return Hostile(torch_zip(pickled(code, protocol)), told, pickled(code, protocol))


def beside(code: bytes, told: str | None = READ) -> Hostile:
    """A file with a good tensor, and code instead of something else."""
    return Hostile(torch_zip(weights(extra=code)), told, pickled(code))


def described(told: str, *, kind: bytes | str = "FloatStorage", numel: object = 4, **layout: object) -> Hostile:
    return Hostile(torch_zip(pickled(mapping({"w": tensor(storage(kind, "0", numel), **layout)}))), told)


def bomb(opcodes: bytes, told: str) -> Hostile:
    return Hostile(torch_zip(pickled(opcodes, 4)), told)


def safetensors(header: object, data: bytes = bytes(16), length: int | None = None) -> bytes:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(content) if length is None else length).to_bytes(8, "little") + content + data


def claim(dtype: str = "F32", shape: object = (4,), offsets: tuple[int, int] = (0, 16)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


GOOD = torch_zip(weights())


def edited(change: Callable[[bytearray], object], good: bytes = GOOD) -> bytes:
    content = bytearray(good)
    change(content)
    return bytes(content)


def directory(content: bytearray | bytes) -> int:
    """Where the list of entries begins."""
    return content.index(b"PK\x01\x02")


def set_in_entries(offset: int, value: bytes) -> Callable[[bytearray], object]:
    """Change a field of the first entry in the list of entries, which is the pickle's."""

    def change(content: bytearray) -> None:
        start = directory(content) + offset
        content[start : start + len(value)] = value

    return change


def overlapping() -> bytes:
    """An archive that lists its one storage a thousand times."""
    buffer = io.BytesIO(archive(weights(), {"0": bytes(1 << 16)}))
    with zipfile.ZipFile(buffer, "a") as packed:
        first = packed.getinfo("archive/data/0")
        for key in range(1, 1000):
            again = zipfile.ZipInfo(f"archive/data/{key}")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.compress_size = again.file_size = first.file_size
            packed.filelist.append(again)
        packed._didModify = True
    return buffer.getvalue()


def renamed(entry: str) -> bytes:
    return zipped({"archive/data.pkl": weights(), "archive/data/0": FOUR.tobytes(), entry: b"x"})


def many_views() -> bytes:
    """Four hundred tensors of a storage of a megabyte, which together are 400."""
    held = storage("FloatStorage", "0", 1 << 18)
    entries = {f"w{i}": tensor(held, (1 << 18,)) for i in range(400)}
    return archive(pickled(mapping(entries)), {"0": bytes(1 << 20)})


def many_names() -> bytes:
    """One tensor, kept once and named again and again."""
    names = b"".join(text(f"{i}") + b"h\x00" for i in range(70_000))
    return torch_zip(pickled(tensor(storage("FloatStorage")) + b"q\x000}(" + names + b"u"))


def old_form(cut: int = 0, **given: bytes) -> bytes:
    whole = legacy(weights(), {"0": FOUR}, **given)
    return whole[: len(whole) - cut]


def colliding() -> bytes:
    """A dictionary of integers that all have the same hash."""
    prime = 2**61 - 1
    return b"}(" + b"".join(b"\x8a\x0a" + (i * prime).to_bytes(10, "little") + b"N" for i in range(1, 60_000)) + b"u"


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


# bytes(map(exec, [CODE])), by __new__ alone
BYTES, MAPPED = name("builtins", "bytes"), name("builtins", "map") + plain((name("builtins", "exec"), [CODE]))
SET_STATE = name("zooactive.foundation.errors", "ModelError") + b")\x81"
CASES: dict[str, Hostile] = {
    # code
    "os.system": carries(call("os", "system", f"touch {CANARY}"), r"what 'os\.system' would make instead of named tensors"),
    "os.system by STACK_GLOBAL": carries(
        text("os") + text("system") + b"\x93" + plain((f"touch {CANARY}",)) + b"R", protocol=4
    ),
    "exec": carries(ARMED),
    "eval": carries(call("builtins", "eval", CODE)),
    "getattr of a module": carries(
        call("builtins", "getattr", name("builtins", "__dict__"), "get") + plain(("exec",)) + b"R" + plain((CODE,)) + b"R",
    ),
    "INST": carries(b"(" + text(CODE) + b"ibuiltins\nexec\n", "opcode 0x69, which PyTorch does not write"),
    "OBJ": carries(b"(" + name("builtins", "exec") + text(CODE) + b"o", "opcode 0x6f, which PyTorch does not write"),
    "NEWOBJ": carries(BYTES + MAPPED + b"\x81\x85\x81", r"what 'builtins\.bytes' would make"),
    "NEWOBJ_EX": carries(BYTES + MAPPED + b"}\x92\x85}\x92", r"what 'builtins\.bytes' would make", 4),
    "BUILD with __setstate__": carries(
        SET_STATE + mapping({"__setstate__": name("builtins", "exec")}) + b"b" + text(CODE) + b"b",
        r"'zooactive\.[\w.]+' would",
    ),
    "BUILD of a module": Hostile(
        torch_zip(pickled(name("os", "path") + mapping({"join": ARMED}) + b"b")), "it holds 'os.path'"
    ),
    "EXT1": bomb(b"\x82\x01)R", "opcode 0x82"),
    "EXT2": bomb(b"\x83\x01\x00)R", "opcode 0x83"),
    "EXT4": bomb(b"\x84\x01\x00\x00\x00)R", "opcode 0x84"),
    "PERSID": bomb(b"P0\n", "opcode 0x50"),
    "a call as persistent id": beside(ARMED + b"Q", "refers to something other than the numbers of a tensor")._replace(
        code=None
    ),
    "a call as the key of a storage": described("describes the numbers", kind="FloatStorage", numel=ARMED),
    "a function as kind of storage": described("kind 'builtins.exec', which are not read", kind=name("builtins", "exec")),
    "a call in a pickle in bytes": carries(
        call("_pickle", "loads", b"B" + struct.pack("<I", len(pickled(ARMED))) + pickled(ARMED)), protocol=3
    ),
    "torch.load of an address": carries(call("torch", "load", "https://example.org/x.pt"))._replace(code=None),
    "copyreg": carries(
        call("copyreg", "_reconstructor", name("builtins", "object"), name("builtins", "object"), None)
    )._replace(code=None),
    "a tensor of a function": beside(
        call("torch._utils", "_rebuild_tensor_v2", name("builtins", "exec"), 0, (4,), (1,), False, None),
        r"'extra' is no plain tensor: torch\._utils\._rebuild_tensor_v2",
    )._replace(code=None),
    "a parameter of a call": beside(
        call("torch._utils", "_rebuild_parameter", ARMED, True, None), "'extra' is no plain tensor"
    )._replace(code=None),
    "an OrderedDict of a call": carries(call("collections", "OrderedDict", ARMED))._replace(code=pickled(ARMED)),
    "a call beside a tensor": beside(ARMED),
    "a call among settings of Lightning": Hostile(
        torch_zip(
            pickled(mapping({"hyper_parameters": ARMED, "state_dict": mapping({"w": tensor(storage("FloatStorage"))})}))
        ),
        READ,
        pickled(ARMED),
    ),
    "a call as the hooks of a tensor": Hostile(
        torch_zip(
            pickled(
                mapping(
                    {"w": call("torch._utils", "_rebuild_tensor_v2", storage("FloatStorage"), 0, (4,), (1,), False, ARMED)}
                )
            )
        ),
        READ,
        pickled(ARMED),
    ),
    "a whole network": carries(
        name("my.package", "Net") + b")\x81" + mapping({"_modules": {}}) + b"b", "'my.package.Net'"
    )._replace(code=None),
    "a second pickle behind the first": Hostile(torch_zip(weights() + pickled(ARMED)), READ, pickled(ARMED)),
    "a call in the old form": Hostile(legacy(pickled(ARMED), {}), "instead of named tensors", pickled(ARMED)),
    "a call where the old form names the system": Hostile(old_form(system=pickled(ARMED)), READ, pickled(ARMED)),
    "a bare pickle": Hostile(pickled(ARMED), "it is a pickle, and not one that PyTorch wrote", pickled(ARMED)),
    "a bare pickle of protocol 0": Hostile(b"cbuiltins\nexec\n(S" + repr(CODE).encode() + b"\ntR.", "it is neither of them"),
    # cut off, or spoilt
    "half of an archive": Hostile(GOOD[: len(GOOD) // 2], "its archive is damaged or cut off: File is not a zip file"),
    "an archive without its last byte": Hostile(GOOD[:-1], "its archive is damaged or cut off"),
    "an archive without its middle": Hostile(GOOD[:200] + GOOD[400:], "its archive is damaged or cut off"),
    "a pickle cut off in a text": Hostile(torch_zip(weights()[:40]), "its pickle is cut off"),
    "a pickle without its end": Hostile(torch_zip(weights()[:-1]), "its pickle ends early"),
    "an empty pickle": Hostile(torch_zip(b""), "its pickle ends early"),
    "another byte in the numbers": Hostile(GOOD.replace(FOUR.tobytes(), FOUR.tobytes()[:-1] + b"\x00"), "Bad CRC-32"),
    "the old form cut in its numbers": Hostile(old_form(cut=1), "the storage '0' is not as large as its pickle says"),
    "the old form cut in its keys": Hostile(old_form(cut=30), "its pickle"),
    "the old form's magic number alone": Hostile(LEGACY_START, "its pickle ends early"),
    # descriptions that lie
    "a shape larger than its storage": described(r"shape \(5,\) reaches outside its storage of 4 numbers", shape=(5,)),
    "a negative size": described("'w' has a shape, strides or an offset that no tensor has", shape=(-4,)),
    "a negative stride": described("'w' has a shape, strides or an offset that no tensor has", strides=(-1,), offset=3),
    "a negative offset": described("'w' has a shape, strides or an offset that no tensor has", offset=-1),
    "an offset outside": described("reaches outside its storage", offset=1),
    "strides that lead outside": described("reaches outside its storage", shape=(2, 2), strides=(3, 1)),
    "2**62 elements of one number": described("reaches outside its storage of 4 numbers", shape=(2**62,), strides=(0,)),
    "no elements of a huge shape": described("reaches outside its storage", shape=(0, 2**31, 2**31), strides=(1, 1, 1)),
    "a size of 255 bytes": described(
        "a shape, strides or an offset that no tensor has", shape=(b"\x8a\xff" + bytes(254) + b"\x01",)
    ),
    "a storage of 2**62 numbers": described(f"claims a storage of {2**62} numbers, and 16 bytes are there", numel=2**62),
    "a storage of -4 numbers": described("claims a storage of -4 numbers", numel=-4),
    "a storage of other numbers": described("claims a storage of 4 numbers, and 16 bytes", kind="DoubleStorage"),
    "a storage that is not there": Hostile(archive(weights(), {"1": bytes(16)}), "the numbers of 'w' are missing"),
    "a size that is a fraction": described("a shape, strides or an offset that no tensor has", shape=(4.0,)),
    "a size that is a truth": described("a shape, strides or an offset that no tensor has", shape=(True,)),
    "a shape that is a call": described("a shape, strides or an offset that no tensor has", shape=ARMED),
    "a stride too many": described("a shape, strides or an offset that no tensor has", strides=(1, 1)),
    "sixty axes": described("a shape, strides or an offset that no tensor has", shape=(1,) * 60, strides=(1,) * 60),
    "views that are 400 times the file": Hostile(many_views(), r"bytes whose tensors would take 419430400"),
    "70,000 names of one tensor": Hostile(many_names(), "it names 70000 tensors"),
    # archives
    "a bomb of zeros": Hostile(
        zipped({"archive/data.pkl": weights(), "archive/data/0": bytes(1 << 24)}, zipfile.ZIP_DEFLATED), "is compressed"
    ),
    "a pickle that claims 4 GB": Hostile(edited(set_in_entries(24, b"\xf0\xff\xff\xff")), "is compressed"),
    "a pickle of 4 GB, by both its sizes": Hostile(
        edited(set_in_entries(20, b"\xf0\xff\xff\xff" * 2)), "archive claims 42949"
    ),
    "one storage listed a thousand times": Hostile(overlapping(), "whose archive claims 65536"),
    "a list of entries of 5 MB": Hostile(
        zipped({f"archive/{'x' * 60_000}{i}": b"" for i in range(80)}), "a part of more than 4194304 bytes"
    ),
    "two entries of one name": Hostile(
        renamed("archive/data_pkl").replace(b"archive/data_pkl", b"archive/data.pkl"),
        "two entries of its archive have the same",
    ),
    "an absolute name": Hostile(renamed("/etc/passwd"), "an entry of its archive is named '/etc/passwd'"),
    "a name that leads out": Hostile(renamed("archive/../../x"), r"an entry of its archive is named 'archive/../../x'"),
    "an encrypted pickle": Hostile(edited(set_in_entries(8, b"\x01")), "'archive/data.pkl' in its archive is encrypted"),
    "a compression that nobody knows": Hostile(edited(set_in_entries(10, b"\x63")), "is compressed"),
    "an entry behind the end": Hostile(edited(set_in_entries(42, b"\xff\xff\xff\x7f")), "its archive is damaged or cut off"),
    "an archive of something else": Hostile(zipped({"weights.npy": b"x"}), "without the one 'data.pkl' that PyTorch writes"),
    "two pickles": Hostile(renamed("other/data.pkl"), "without the one 'data.pkl'"),
    "an odd order of bytes": Hostile(archive(weights(), {"0": bytes(16)}, order="middle"), "are in the order b'middle'"),
    # pickles that take for ever
    "200,000 lists in each other": bomb(b"]" * 200_000 + b"a" * 199_999, "it holds a list instead of named tensors"),
    "200,000 tuples in each other": bomb(b")" + b"\x85" * 200_000, "it holds a tuple instead of named tensors"),
    "tuples in each other as a key": bomb(b"})" + b"\x85" * 200_000 + b"Ns", "it holds no tensors, but nothing"),
    "a list in itself": bomb(b"]q\x01h\x01a", "it holds a list"),
    "a checkpoint in itself": bomb(b"}q\x01" + text("state_dict") + b"h\x01s", "it holds no tensors, but 'state_dict'"),
    "a thousand million values to keep": bomb(b"Nr\xff\xff\xff\x3f", "its pickle remembers a value under the number"),
    "a value that was not kept": bomb(b"h\x07", "its pickle asks for the value 7, which it has not kept"),
    "a text of 2**62 bytes": bomb(b"\x8d" + (2**62).to_bytes(8, "little"), f"or claims {2**62} bytes where 1 are left"),
    "bytes of 2**63": bomb(b"\x8e" + (2**63).to_bytes(8, "little"), f"or claims {2**63} bytes"),
    "a number of 2 GB": bomb(b"\x8b\xff\xff\xff\x7f", "its pickle has a number of 2147483647 bytes"),
    "a frame of 2**60 bytes": bomb(b"\x95" + (2**60).to_bytes(8, "little"), "its pickle is cut off in a part of"),
    "a million dictionaries, all kept": bomb(b"}\x94" * (MOST_STEPS // 2), f"its pickle has more than {MOST_STEPS} steps"),
    "60,000 keys of one hash": bomb(colliding(), "it holds no tensors, but nothing"),
    "one long list made a dictionary 20,000 times": bomb(
        b"](" + b"))\x86" * 20_000 + b"e\x94" + (name("collections", "OrderedDict") + b"h\x00\x85R0") * 20_000,
        "it holds a list",
    ),
    "more taken than there is": bomb(b"R", "takes more than it has put there"),
    "a mark for nothing": bomb(b"(((", "takes more than it has put there"),
    "entries for a number": bomb(plain(1) + b"Na", "puts entries into something that takes none"),
    "a call of a number": bomb(plain(1) + b")R", "calls something that is no function"),
    "protocol 200": Hostile(torch_zip(pickled(b"N", 200)), "its pickle is of protocol 200"),
    # safetensors
    "a header of 2**60 bytes": Hostile(safetensors({"w": claim()}, length=2**60), "header claims more bytes than there are"),
    "offsets that overlap": Hostile(safetensors({"w": claim(), "v": claim(offsets=(8, 16))}), r"reader|nvalid|ffset"),
    "offsets outside": Hostile(safetensors({"w": claim(offsets=(0, 2**60), shape=[2**58])}), r"nvalid|ffset|ncomplete"),
    "numbers of no kind": Hostile(safetensors({"w": claim("F33")}), r"F33"),
    "numbers of a kind not read": Hostile(safetensors({"w": claim("F8_E4M3", (16,))}), "of the kind 'F8_E4M3'"),
    "NaN as a size": Hostile(safetensors({"w": claim(shape=[float("nan")])}), r"nvalid"),
    "a negative size in a header": Hostile(safetensors({"w": claim(shape=[-4])}), r"nvalid"),
    "sizes whose product is too large": Hostile(safetensors({"w": claim(shape=[2**40, 2**40])}), r"nvalid|verflow"),
    "no elements of a huge shape in a header": Hostile(
        safetensors({"w": claim(shape=[0, 2**62, 2**62], offsets=(0, 0))}, b""), r"checkpoint \(.+\); download"
    ),
    "a header nested 100,000 times": Hostile(safetensors(b"{" + b'"a":{' * 100_000), r"nvalid"),
    "safetensors without the last number": Hostile(safetensors({"w": claim()}, bytes(15)), r"nvalid|ncomplete"),
    # what is no file of weights
    "a web page": Hostile(b"\n<!DOCTYPE html><html><body>404</body></html>", "it is a web page"),
    "a pointer of Git LFS": Hostile(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "Git LFS's pointer"
    ),
    "HDF5": Hostile(b"\x89HDF\r\n\x1a\n" + bytes(64), "it is HDF5"),
    "an empty file": Hostile(b"", "it is empty"),
    "one byte": Hostile(b"\x80", "its pickle ends early|its pickle is cut off"),
    "no file": Hostile(lambda path: None, "there is no file"),
    "a folder": Hostile(Path.mkdir, "there is no file of weights in"),
    "a pipe": Hostile(lambda path: os.mkfifo(path), "it is a pipe, and only regular files are read"),
    "a device": Hostile(lambda path: path.symlink_to("/dev/zero"), "it is a device, and only regular files are read"),
    "a link to itself": Hostile(link_to_itself, "Too many levels of symbolic links|there is no file"),
}


@contextmanager
def little_memory() -> Iterator[None]:
    """Let the process have no more than `MEMORY` over what it has, where the system can tell."""
    sizes = Path("/proc/self/statm")
    if not sizes.exists():
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = int(sizes.read_text().split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def met(case: Hostile, folder: Path) -> str:
    """Put the file into a folder, read it there with little work, and return what was said."""
    path = folder / "weights.bin"
    if isinstance(case.content, bytes):
        path.write_bytes(case.content)
    else:
        case.content(path)
    try:
        with effort.at_most(PIECES), little_memory():
            arrays = read_state(path)
        np.testing.assert_array_equal(arrays["w"], FOUR)
        return f"read: {', '.join(arrays)}"
    except ModelError as error:
        return str(error)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_is_told_in_a_sentence_and_nothing_of_it_runs(case, tmp_path):
    if isinstance(CASES[case].content, bytes) and CASES[case].content[8:9] == b"{":
        pytest.importorskip("safetensors")
    said = met(CASES[case], tmp_path)
    assert re.search("^read: w$" if CASES[case].told is READ else CASES[case].told, said), said
    assert len(said.splitlines()) == 1
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("case", [case for case, hostile in CASES.items() if hostile.code is not None])
def test_the_code_that_a_file_carries_would_run_elsewhere(case):
    try:
        loaded = pickle.loads(CASES[case].code)
        if hasattr(loaded, "wait"):
            loaded.wait()
    except Exception:
        pass
    assert Path(CANARY).exists()


def test_the_file_that_these_are_made_of_is_good(tmp_path):
    assert met(Hostile(GOOD, READ), tmp_path) == "read: w"
    assert met(Hostile(old_form(), READ), tmp_path) == "read: w"


def main() -> None:
    """Print what each file gets."""
    print("| file | what it gets |\n| --- | --- |")
    for case, hostile in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            said = met(hostile, Path(folder))
            assert not Path(CANARY).exists(), case
            print(f"| {case} | {said.replace(folder + '/', '')} |")
            os.chdir("/")
    print(
        f"\n{len(CASES)} files, of which {sum(hostile.code is not None for hostile in CASES.values())} carry code; none ran."
    )


if __name__ == "__main__":
    sys.exit(main())
