"""Embeddings in files that lie, are damaged or odd: each is refused in a sentence, quickly, or read rightly."""

from __future__ import annotations

import io
import json
import os
import resource
import threading
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import effort
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zooactive.foundation.errors import CatalogueError
from zooactive.prediction import read_embeddings

IDS = [f"g{i}" for i in range(6)]
FEATURES = np.arange(24, dtype=np.float32).reshape(6, 4)
"""What sound files hold."""
MEGABYTES, PIECES = 300, 2000
"""That a file of a few kilobytes may take at most."""

Write = Callable[[Path], Path]
FLOATS = pa.list_(pa.float32())


def cells(column: object, name: str = "features", ids: object = IDS) -> Write:
    """A Parquet file of ids and one column."""

    def write(folder: Path) -> Path:
        pq.write_table(pa.table({"id": ids, name: column}), folder / "e.parquet")
        return folder / "e.parquet"

    return write


def arrow(column: object, change: Callable[[bytes], bytes] = bytes) -> Write:
    def write(folder: Path) -> Path:
        table = pa.table({"id": IDS, "features": column})
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        (folder / "e.arrow").write_bytes(change(sink.getvalue()))
        return folder / "e.arrow"

    return write


def npy(values: object, *, ids: list[str] = IDS, change: Callable[[bytes], bytes] = bytes) -> Write:
    def write(folder: Path) -> Path:
        sink = io.BytesIO()
        np.save(sink, values, allow_pickle=True)
        (folder / "e.npy").write_bytes(change(sink.getvalue()))
        (folder / "e.txt").write_text("\n".join(ids))
        return folder / "e.npy"

    return write


def hdf5(make: Callable[[h5py.File, Path], object]) -> Write:
    def write(folder: Path) -> Path:
        with h5py.File(folder / "e.hdf5", "w") as file:
            make(file, folder)
        return folder / "e.hdf5"

    return write


def with_ids(make: Callable[[h5py.File, Path], object]) -> Write:
    def both(file: h5py.File, folder: Path) -> None:
        file.create_dataset("id_str", data=IDS, dtype=h5py.string_dtype())
        make(file, folder)

    return hdf5(both)


def text(content: str, name: str = "e.csv") -> Write:
    def write(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return write


def csv(rows: list[str], header: str = "id,f0,f1") -> Write:
    return text("\n".join([header, *rows]) + "\n")


# Files that take some making ------------------------------------------------------------------------------------------


def external_link(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["predictions"] = FEATURES
    file["predictions"] = h5py.ExternalLink("other.h5", "/predictions")


def external_storage(file: h5py.File, folder: Path) -> None:
    (folder / "secret").write_bytes(FEATURES.tobytes())
    file.create_dataset("predictions", (6, 4), np.float32, external=[(str(folder / "secret"), 0, 96)])


def virtual(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["predictions"] = FEATURES
    layout = h5py.VirtualLayout((6, 4), np.float32)
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "predictions", (6, 4))
    file.create_virtual_dataset("predictions", layout)


def references(file: h5py.File, folder: Path) -> None:
    data = file.create_dataset("predictions", (6, 4), h5py.ref_dtype)
    data[0, 0] = data.ref


def a_million_million(file: h5py.File, folder: Path) -> None:
    file.create_dataset("predictions", (10**6, 10**6), np.float32, chunks=(1000, 1000), fillvalue=1)


def compressed_nothing(file: h5py.File, folder: Path) -> None:
    """Fewer numbers than there is memory, of which none is in the file."""
    file.create_dataset("predictions", (10**6, 200), np.float32, chunks=(10**4, 200), fillvalue=1, compression="gzip")


def ids_of_a_million_million(file: h5py.File, folder: Path) -> None:
    file["predictions"] = FEATURES
    file.create_dataset("id_str", (10**12,), "S8", chunks=(10**6,))


def datasets(**named: np.ndarray) -> Callable[[h5py.File, Path], object]:
    def make(file: h5py.File, folder: Path) -> None:
        for name, values in named.items():
            file.create_dataset(name, data=values)

    return make


def one_long_text(file: h5py.File, folder: Path) -> None:
    file.create_dataset("features", data=FEATURES)
    file.create_dataset("id", data=["x" * 10**5] * 6, dtype=h5py.string_dtype())


def loop(file: h5py.File, folder: Path) -> None:
    file.create_group("a")["a"] = file
    file["predictions"] = h5py.SoftLink("/predictions")


def lying_footer(folder: Path) -> Path:
    path = cells(pa.array(list(FEATURES), FLOATS))(folder)
    content = path.read_bytes()
    path.write_bytes(content[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1")
    return path


def cut_at(share: float, write: Write) -> Write:
    def cut(folder: Path) -> Path:
        path = write(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])
        return path

    return cut


def led_out(sound: bytes) -> bytes:
    """Offsets of lists that lead out of what is stored."""
    offsets = np.arange(0, 25, 4, dtype=np.int32).tobytes()
    assert offsets in sound
    return sound.replace(offsets, offsets[:-4] + (2**30).to_bytes(4, "little"))


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "e.npy")
    return folder / "e.npy"


def endless(folder: Path) -> Path:
    (folder / "e.parquet").symlink_to("/dev/zero")
    return folder / "e.parquet"


def folder_in_itself(folder: Path) -> Path:
    (folder / "e").mkdir()
    (folder / "e" / "again").symlink_to(folder / "e")
    return folder / "e"


def zipped(folder: Path) -> Path:
    np.savez(folder / "e.npz", FEATURES)
    return folder / "e.npz"


def zipped_as_npy(folder: Path) -> Path:
    npy(FEATURES)(folder)
    with zipfile.ZipFile(folder / "e.npy", "w") as archive:
        archive.writestr("arr_0.npy", b"\x93NUMPY")
    return folder / "e.npy"


def dataset_elsewhere(folder: Path) -> Path:
    """A saved dataset that names a file outside of its folder."""
    arrow(pa.array(list(FEATURES), FLOATS))(folder)
    (folder / "set").mkdir()
    (folder / "set" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../e.arrow"}]}))
    return folder / "set"


def dataset_of_nothing(folder: Path) -> Path:
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": 3}, "x"]}))
    return folder


def parts_that_differ(folder: Path) -> Path:
    for number, width in enumerate((4, 3)):
        rows = slice(3 * number, 3 * number + 3)
        table = {"id": IDS[rows], "features": pa.array(list(FEATURES[rows, :width]), FLOATS)}
        pq.write_table(pa.table(table), folder / f"part-{number}.parquet")
    return folder


def parts_of_other_kinds(folder: Path) -> Path:
    for name, rows, kind in (("a", slice(0, 3), pa.float16()), ("b", slice(3, 6), pa.float32())):
        column = pa.array([list(row.astype(kind.to_pandas_dtype())) for row in FEATURES[rows]], pa.list_(kind))
        pq.write_table(pa.table({"id": IDS[rows], "features": column}), folder / f"{name}.parquet")
    return folder


def parts_of_other_columns(folder: Path) -> Path:
    pq.write_table(pa.table({"id": IDS[:3], "features": pa.array(list(FEATURES[:3]), FLOATS)}), folder / "a.parquet")
    pq.write_table(pa.table({"id": IDS[3:], "vectors": pa.array(list(FEATURES[3:]), FLOATS)}), folder / "b.parquet")
    return folder


LISTS = list(map(list, FEATURES.tolist()))
WIDE = pa.table({"id": IDS} | {f"f{i}": FEATURES[:, 0] for i in range(1000)})

REFUSED: dict[str, tuple[Write, str]] = {
    "lists of lists": (cells([[row] for row in LISTS]), "neither a column of lists of numbers nor numbered columns"),
    "dictionaries": (cells([{"a": 1.0}] * 6), "neither a column of lists of numbers"),
    "lists of texts": (cells([["1", "2"]] * 6), "neither a column of lists of numbers"),
    "lists of truth": (cells([[True, False]] * 6), "neither a column of lists of numbers"),
    "nothing but gaps": (cells(pa.nulls(6)), "neither a column of lists of numbers"),
    "empty lists": (cells(pa.array([[]] * 6, FLOATS)), "has features of shape (6, 0)"),
    "an empty list": (cells(pa.array([*LISTS[:5], []], FLOATS)), "galaxy 'g5' has 0 features"),
    "minus infinity": (cells(pa.array([*LISTS[:5], [0.0, 0, 0, -np.inf]], FLOATS)), "galaxy 'g5' are not all finite"),
    "a number too large": (cells(pa.array([*LISTS[:5], [0.0, 0, 0, 1e200]])), "galaxy 'g5' are not all finite"),
    "dates as ids": (cells(pa.array(LISTS, FLOATS), ids=[date(2026, 1, 1)] * 6), "is in rows 1 and 2"),
    "ids of bytes that are no text": (cells(pa.array(LISTS, FLOATS), ids=[b"\xff%d" % i for i in range(6)]), "cannot be"),
    "a control character in an id": (cells(pa.array(LISTS, FLOATS), ids=["a\x1b[2J", *IDS[1:]]), "the control character"),
    "one id, composed and decomposed": (
        cells(pa.array(LISTS, FLOATS), ids=["caf\u00e9", "cafe\u0301", *IDS[2:]]),
        "is in rows 1 and 2",
    ),
    "one id, with a blank": (cells(pa.array(LISTS, FLOATS), ids=["a", " a ", *IDS[2:]]), "is in rows 1 and 2"),
    "an empty file": (text("", "e.parquet"), "cannot be read as embeddings"),
    "a footer that lies": (lying_footer, "cannot be read as embeddings"),
    "Parquet cut short": (cut_at(0.5, cells(pa.array(LISTS, FLOATS))), "cannot be read as embeddings"),
    "parts of other widths": (parts_that_differ, "galaxy 'g3' has 3 features, but others have 4"),
    "parts of other kinds": (parts_of_other_kinds, "some of its parts are float16, and others are not"),
    "parts of other columns": (parts_of_other_columns, "features"),
    "Arrow cut short": (cut_at(0.6, arrow(pa.array(LISTS, FLOATS))), "cannot be read as embeddings"),
    "Arrow with offsets that lead out": (arrow(pa.array(LISTS, FLOATS), led_out), "cannot be read as embeddings"),
    "an empty Arrow file": (text("", "e.arrow"), "cannot be read as embeddings"),
    "a dataset that names no files": (dataset_of_nothing, "cannot be read as embeddings"),
    "a dataset that leads out of its folder": (dataset_elsewhere, "state.json names e.arrow, which is not next to it"),
    "a .npy of objects": (npy(np.array([[print, 1]], dtype=object)), "cannot be read as embeddings"),
    "a .npy of records": (
        npy(np.zeros(6, dtype=[("a", "f4"), ("b", "f4")])),
        "features of the kind [('a', '<f4')",
    ),
    "a .npy of tables of records": (npy(np.zeros((6, 2), dtype=[("a", "f4")])), "features of the kind"),
    "a .npy of complex numbers": (npy(FEATURES + 1j), "features of the kind complex64"),
    "a .npy of truth": (npy(FEATURES > 3), "features of the kind bool"),
    "a .npy of texts": (npy(FEATURES.astype(str)), "features of the kind"),
    "a .npy whose header lies": (
        npy(FEATURES, change=lambda sound: sound.replace(b"(6, 4)", b"(6, 4000000000)")[: len(sound)]),
        "cannot be read as embeddings",
    ),
    "a .npy with code for a header": (
        npy(FEATURES, change=lambda sound: sound.replace(b"'<f4'", b"exit(")),
        "cannot be read as embeddings",
    ),
    "a .npy cut short": (npy(FEATURES, change=lambda sound: sound[:-5]), "cannot be read as embeddings"),
    "a .npy without dimensions": (npy(np.float32(1)), "holds an array of shape ()"),
    "an empty .npy": (npy(FEATURES, change=lambda sound: b""), "cannot be read as embeddings"),
    "a .npz": (zipped, "embeddings of the kind '.npz' cannot be read"),
    "a .npz called .npy": (zipped_as_npy, "cannot be read as embeddings"),
    "HDF5 that leads to another file": (with_ids(external_link), "predictions are links, which may lead to other files"),
    "HDF5 that stores in another file": (with_ids(external_storage), "are in another file"),
    "HDF5 made of other files": (with_ids(virtual), "are in another file"),
    "HDF5 of references": (with_ids(references), "name the dataset that holds the features"),
    "HDF5 that claims a million million": (
        with_ids(a_million_million),
        "(1000000, 1000000) numbers, but not all are there",
    ),
    "HDF5 that claims what is not in it": (
        with_ids(compressed_nothing),
        "(1000000, 200) numbers, but not all are there",
    ),
    "HDF5 that claims a million million ids": (hdf5(ids_of_a_million_million), "numbers, but not all are there"),
    "HDF5 that leads to itself": (hdf5(loop), "predictions are links, which may lead to other files"),
    "HDF5 without anything": (hdf5(lambda file, folder: None), "has the datasets none"),
    "HDF5 with ids in two dimensions": (
        hdf5(datasets(predictions=FEATURES, id=FEATURES)),
        "the ids in 'id' are floats",
    ),
    "HDF5 with one row more than ids": (
        with_ids(datasets(features=np.zeros((7, 4), np.float32))),
        "has 7 rows, but 6 ids",
    ),
    "HDF5 with a long text as every id": (hdf5(one_long_text), "is in rows 1 and 2"),
    "HDF5 cut short": (cut_at(0.5, with_ids(datasets(features=FEATURES))), "cannot be read as embeddings"),
    "CSV with a word among the features": (csv(["a,1,2", "b,x,4"]), "neither a column of lists"),
    "CSV with a gap": (csv(["a,1,2", "b,,4"]), "galaxy 'b' are not all finite"),
    "CSV with rounded ids": (csv(["5.8773e+17,1,2", "b,3,4"]), "was rounded by a spreadsheet"),
    "CSV of one column": (csv(["a", "b"], "id"), "neither a column of lists"),
    "an empty CSV": (text(""), "e.csv"),
    "a pipe": (fifo, "cannot be read as embeddings"),
    "a device": (endless, "cannot be read as embeddings"),
    "a folder in itself": (folder_in_itself, "holds no embeddings"),
    "a kind that nobody knows": (text("x", "e.pt"), "embeddings of the kind '.pt' cannot be read"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_embeddings_is_refused_in_a_sentence(tmp_path: Path, what: str):
    write, said = REFUSED[what]
    path = write(tmp_path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with effort.at_most(PIECES), pytest.raises(CatalogueError) as told:
        read_embeddings(path)
    assert said in str(told.value)
    assert len(str(told.value)) < 2000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1024


READ: dict[str, Write] = {
    "decimals": cells(pa.array([[Decimal(int(x)) for x in row] for row in LISTS], pa.list_(pa.decimal128(5)))),
    "large lists": cells(pa.array(LISTS, pa.large_list(pa.float64()))),
    "whole numbers": cells(pa.array(FEATURES.astype(int).tolist(), pa.list_(pa.int64()))),
    "a Fortran array": npy(np.asfortranarray(FEATURES)),
    "big-endian numbers": npy(FEATURES.astype(">f8")),
    "bytes": npy(FEATURES.astype(np.uint8)),
    "ids that are told once each": cells(pa.array(LISTS, FLOATS), ids=pa.array(IDS).dictionary_encode()),
    "Arrow with a dictionary of ids": arrow(pa.array(LISTS, FLOATS)),
    "big-endian HDF5": with_ids(datasets(predictions=FEATURES.astype(">f4"))),
    "HDF5 with ids of fixed length": hdf5(datasets(features=FEATURES, id=np.array(IDS, "S4"))),
    "HDF5 in chunks": with_ids(
        lambda file, folder: file.create_dataset("features", data=FEATURES, chunks=(2, 2), compression="gzip", shuffle=True)
    ),
}


@pytest.mark.parametrize("what", READ)
def test_odd_files_that_say_what_they_hold_are_read_rightly(tmp_path: Path, what: str):
    found = read_embeddings(READ[what](tmp_path))
    assert list(found.ids) == IDS
    assert np.array_equal(found.features, FEATURES)
    assert found.features.dtype == np.float32
    assert found.features.dtype.isnative


def test_a_thousand_columns_of_a_table_are_read(tmp_path: Path):
    values = np.tile(FEATURES[:, :1], (1, 1000))
    pd.DataFrame({"id": IDS} | {f"f{i}": values[:, i] for i in range(1000)}).to_csv(tmp_path / "e.csv", index=False)
    assert np.array_equal(read_embeddings(tmp_path / "e.csv").features, values)


def test_whole_numbers_above_two_to_the_53_are_ids_to_the_last_digit(tmp_path: Path):
    ids = [2**53 + 1, 2**63 - 1, 587732578312454276]
    pq.write_table(pa.table({"id": ids, "features": pa.array(LISTS[:3], FLOATS)}), tmp_path / "e.parquet")
    assert list(read_embeddings(tmp_path / "e.parquet").ids) == list(map(str, ids))


def test_a_pipe_that_somebody_writes_to_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "e.parquet")
    threading.Thread(target=lambda: os.close(os.open(tmp_path / "e.parquet", os.O_RDWR)), daemon=True).start()
    with pytest.raises(CatalogueError):
        read_embeddings(tmp_path / "e.parquet")
