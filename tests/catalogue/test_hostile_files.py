"""Files that were made to fill the memory, to wait for ever, or to lead to other files: each is refused in a sentence."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import socket
import struct
import threading
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import effort
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from pictures import picture
from PIL import Image
from tiny_network import tiny_model

from zooactive.catalogue import Preprocessing, fits_images, images, read_catalogue
from zooactive.catalogue.images import LARGEST_BYTES, decode
from zooactive.catalogue.many_images import decode_many
from zooactive.catalogue.shards import _about_part
from zooactive.foundation.errors import CatalogueError, ImageError, ModelError, ZooactiveError
from zooactive.foundation.npz import read_npz
from zooactive.foundation.parsing import read_object, read_toml
from zooactive.foundation.parts_folder import PartsFolder
from zooactive.foundation.reading import Unpacked, read_text
from zooactive.labels.ledger import Ledger
from zooactive.labels.rows import rows_of
from zooactive.models import load_model
from zooactive.models.head.files import load_draws
from zooactive.models.saved_form import read_arrays
from zooactive.posterior.files import read_posterior
from zooactive.prediction.part_files import about_part, rows_in
from zooactive.tree import load_tree

SMALL = Preprocessing(size=8)
FAR_TOO_MANY = r"larger than a cutout|more than a cutout"

pytestmark = pytest.mark.filterwarnings("ignore:File may have been truncated")  # these are, on purpose


@contextmanager
def bounded(megabytes: float, pieces: float = 4000) -> Iterator[None]:
    """Fail where the block takes more memory or work than this."""
    tracemalloc.start()
    try:
        with effort.at_most(pieces):
            yield
        peak = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    assert peak < megabytes


def header(**cards: object) -> bytes:
    made = fits.Header()
    for key, value in cards.items():
        made[key] = value
    return made.tostring().encode()


def image_header(*axes: int, bitpix: int = -32, **more: object) -> bytes:
    sides = {f"NAXIS{i + 1}": side for i, side in enumerate(axes)}
    return header(SIMPLE=True, BITPIX=bitpix, NAXIS=len(axes), **sides, **more)


def zeros_gzipped(start: bytes, size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(start)]
    block = bytes(1 << 20)
    parts += [packer.compress(block) for _ in range(size >> 20)]
    return b"".join([*parts, packer.flush()])


# Images ---------------------------------------------------------------------------------------------------------------


def test_three_planes_count_together() -> None:
    with bounded(8), pytest.raises(ImageError, match="has values of 805306368 bytes, far more than a cutout"):
        decode(image_header(8192, 8192, 3) + bytes(2880), SMALL)


def test_three_planes_of_an_extension_count_together() -> None:
    first = header(SIMPLE=True, BITPIX=8, NAXIS=0)
    sides = {"NAXIS1": 5000, "NAXIS2": 5000, "NAXIS3": 3}
    second = header(XTENSION="IMAGE", BITPIX=8, NAXIS=3, **sides, PCOUNT=0, GCOUNT=1)
    for content in (first + second + bytes(2880), gzip.compress(first + second + bytes(2880))):
        with bounded(8), pytest.raises(ImageError, match="5000 x 5000 pixels in 3 planes, far more than a cutout"):
            decode(content, SMALL)


def test_a_gzipped_image_that_claims_too_much_is_not_unpacked() -> None:
    bomb = zeros_gzipped(image_header(8192, 8192, 3), 1 << 28)
    with bounded(8, pieces=200), pytest.raises(ImageError, match="has values of 805306368 bytes"):
        decode(bomb, SMALL)


@pytest.mark.parametrize("bitpix", [-64, 64])
def test_values_of_eight_bytes_count_by_their_bytes(bitpix: int) -> None:
    with bounded(8), pytest.raises(ImageError, match="has values of 536870912 bytes"):
        decode(image_header(8192, 8192, bitpix=bitpix) + bytes(2880), SMALL)


def test_whole_numbers_that_become_floats_count_as_floats() -> None:
    with bounded(8), pytest.raises(ImageError, match="has values of 536870912 bytes"):
        decode(image_header(8192, 8192, bitpix=32, BSCALE=2.0) + bytes(2880), SMALL)


def test_a_gzipped_image_unpacks_to_a_bound(monkeypatch) -> None:
    monkeypatch.setattr(images, "LARGEST_BYTES", 1 << 23)
    bomb = zeros_gzipped(header(SIMPLE=True, BITPIX=8, NAXIS=0), 1 << 26)
    assert len(bomb) < 1 << 17
    with bounded(32), pytest.raises(ImageError, match="unpacks to more than 12582912 bytes"):
        decode(bomb, SMALL)


def test_a_header_without_an_end_stops() -> None:
    endless = gzip.compress(image_header(8, 8)[:240] + b"COMMENT ".ljust(80) * 500_000)
    with bounded(64), pytest.raises(ImageError, match="more than 36000 cards"):
        decode(endless, SMALL)


def test_a_chunk_of_a_gzipped_png_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(images, "LARGEST_BYTES", 1 << 22)
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "PNG")
    png = stream.getvalue()
    body = b"eXIf" + bytes(1 << 25)
    chunk = struct.pack(">I", 1 << 25) + body + struct.pack(">I", zlib.crc32(body))
    bomb = gzip.compress(png[:33] + chunk + png[33:])
    with bounded(32), pytest.raises(ImageError, match="unpacks to more than"):
        decode(bomb, SMALL)


def test_a_bomb_of_a_bomb_is_no_image() -> None:
    with bounded(8), pytest.raises(ImageError, match="not a JPEG, PNG or FITS image"):
        decode(gzip.compress(zeros_gzipped(b"", 1 << 24)), SMALL)


def test_a_tile_that_unpacks_to_far_more_than_its_image_is_refused(monkeypatch) -> None:
    stream = io.BytesIO()
    pixels = np.arange(64 * 64, dtype=np.int16).reshape(64, 64)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, compression_type="GZIP_1", tile_shape=(64, 64))]).writeto(
        stream
    )
    assert decode(stream.getvalue(), SMALL).any()
    tile = zeros_gzipped(b"", 1 << 24)
    columns = fits.ColDefs(
        [fits.Column("COMPRESSED_DATA", "1PB()", array=np.array([np.frombuffer(tile, "u1"), None], object)[:1])]
    )
    table = fits.BinTableHDU.from_columns(columns)
    cards = {"ZIMAGE": True, "ZBITPIX": 16, "ZNAXIS": 2, "ZNAXIS1": 64, "ZNAXIS2": 64, "ZTILE1": 64, "ZTILE2": 64}
    for key, value in (cards | {"ZCMPTYPE": "GZIP_1"}).items():
        table.header[key] = value
    bomb = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(bomb)
    monkeypatch.setattr("zooactive.foundation.fits._PACKED_AT_MOST", 1 << 10)
    monkeypatch.setattr(images, "LARGEST_BYTES", 1 << 20)
    with bounded(16), pytest.raises(ImageError, match="a tile unpacks to more than 1048576 bytes"):
        decode(bomb.getvalue(), SMALL)


def test_a_tile_larger_than_its_image_is_refused() -> None:
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.zeros((64, 64), np.int16))]).writeto(stream)
    content = stream.getvalue()
    place = content.index(b"ZTILE1  =")
    lying = content[:place] + b"ZTILE1  =           1000000000".ljust(80) + content[place + 80 :]
    with bounded(8), pytest.raises(ImageError):
        decode(lying, SMALL)


def test_a_picture_of_far_too_many_pixels_is_refused_in_every_way_in(tmp_path: Path) -> None:
    body = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    bomb += struct.pack(">I", 64) + b"IDAT" + bytes(68)
    (tmp_path / "a.png").write_bytes(bomb)
    (tmp_path / "b.png").write_bytes(gzip.compress(bomb))
    with bounded(8):
        for source in (bomb, gzip.compress(bomb), tmp_path / "a.png", tmp_path / "b.png"):
            with pytest.raises(ImageError, match=FAR_TOO_MANY):
                decode(source, SMALL)
            with pytest.raises(ImageError, match=FAR_TOO_MANY):
                images.shorter_side(source)


def test_a_file_far_larger_than_a_cutout_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with path.open("wb") as stream:
        stream.truncate(LARGEST_BYTES + (1 << 22) + 1)
    with bounded(8), pytest.raises(ImageError, match="has 272629761 bytes, far more than a cutout"):
        decode(path, SMALL)


def test_large_images_are_decoded_one_at_a_time(monkeypatch) -> None:
    monkeypatch.setattr(images, "_MANY_PIXELS", 100)
    at_once, most = 0, 0
    lock, to_mode = threading.Lock(), images._to_mode

    def slow(image: Image.Image, mode: str) -> Image.Image:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1
        return to_mode(image, mode)

    monkeypatch.setattr(images, "_to_mode", slow)
    stream = io.BytesIO()
    Image.fromarray(picture(0, 16)).save(stream, "PNG")
    _, failures = decode_many([stream.getvalue()] * 6, SMALL, names=list("abcdef"), workers=4)
    assert not failures
    assert most == 1


@pytest.mark.parametrize("shape", [(61, 47), (3, 61, 47), (1, 9000)])
@pytest.mark.parametrize("stretch", ["asinh", "linear"])
def test_blocks_of_rows_give_the_same_grey_levels_as_a_whole_image(shape, stretch, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    values = rng.gamma(0.5, 100, shape).astype(np.float32)
    values.flat[::17] = np.nan
    whole = fits_images.stretched(values.copy(), stretch)
    monkeypatch.setattr(fits_images, "_VALUES_AT_ONCE", 200)
    assert np.array_equal(whole, fits_images.stretched(values.copy(), stretch))


# Pipes, sockets and devices -------------------------------------------------------------------------------------------

ERROR, GZ2 = CatalogueError("of another run"), load_tree("gz2")
READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "image": ("g.png", lambda path: decode(path, SMALL)),
    "csv": ("t.csv", read_catalogue),
    "parquet": ("t.parquet", read_catalogue),
    "fits table": ("t.fits", read_catalogue),
    "votable": ("t.vot", read_catalogue),
    "shard": ("part-00000.parquet", lambda path: read_catalogue(path.parent)),
    "shard of a run": ("part-00000.parquet", lambda path: PartsFolder(path.parent, 1, 1, _about_part).enter("1", ERROR)),
    "part": ("part-00000.parquet", about_part),
    "rows of a part": ("part-00000.parquet", rows_in),
    "posterior": ("p.parquet", read_posterior),
    "ledger": ("classifications.parquet", lambda path: Ledger(path.parent, GZ2)),
    "toml": ("w.toml", lambda path: read_toml(path, CatalogueError, give="another")),
    "head": ("head.npz", load_draws),
    "encoder": ("encoder.npz", lambda path: read_arrays(path, lambda shapes: None)),
    "export": ("e.csv", lambda path: list(rows_of(path, "an export", lambda reason, place: None))),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a device"])
def test_what_is_no_regular_file_is_refused_at_once(reader: str, kind: str, tmp_path: Path, monkeypatch) -> None:
    name, read = READERS[reader]
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    path = tmp_path / name
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(name)
    else:
        path.symlink_to("/dev/zero")
    with bounded(64, pieces=2000), pytest.raises(ZooactiveError, match=kind):
        read(path)


def test_settings_as_long_as_a_survey_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "model.json").open("wb") as stream:
        stream.truncate(1 << 34)
    with bounded(200), pytest.raises(OSError, match="more than"):
        read_object(tmp_path / "model.json")
    (tmp_path / "t").write_text("12345")
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_text(tmp_path / "t", 4)


def test_an_unpacked_stream_is_read_from_any_place_up_to_its_bound() -> None:
    packed = gzip.compress(bytes(range(200)))
    stream = io.BufferedReader(Unpacked(io.BytesIO(packed), 200))
    assert stream.read() == bytes(range(200))
    assert (stream.seek(-10, 2), stream.read(3)) == (190, bytes([190, 191, 192]))
    with pytest.raises(OSError, match="more than 199 bytes"):
        Unpacked(io.BytesIO(packed), 199).read()
    with pytest.raises(OSError, match="more than 100 bytes"):
        Unpacked(io.BytesIO(packed), 100).seek(150)


# Tables ---------------------------------------------------------------------------------------------------------------


def test_a_gzipped_table_unpacks_to_a_bound(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("zooactive.catalogue.tables._LARGEST_UNPACKED", 1 << 20)
    head = header(SIMPLE=True, BITPIX=8, NAXIS=0).ljust(2880) + header(
        XTENSION="BINTABLE", BITPIX=8, NAXIS=2, NAXIS1=1 << 14, NAXIS2=1 << 12, PCOUNT=0, GCOUNT=1, TFIELDS=1,
        TFORM1="16384A", TTYPE1="id",
    )  # fmt: skip
    (tmp_path / "t.fits").write_bytes(zeros_gzipped(head, 1 << 26))
    (tmp_path / "t.vot").write_bytes(zeros_gzipped(b"<VOTABLE>", 1 << 26))
    for name in ("t.fits", "t.vot"):
        with bounded(32), pytest.raises(CatalogueError, match=r"unpacks to more than|not well-formed"):
            read_catalogue(tmp_path / name)


def test_a_gzipped_table_is_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([fits.Column("id", "2A", array=["g1", "g2"])])]).writeto(
        stream
    )
    (tmp_path / "t.fits").write_bytes(gzip.compress(stream.getvalue()))
    (tmp_path / "t.vot").write_bytes(gzip.compress(votable()))
    assert read_catalogue(tmp_path / "t.fits").ids.tolist() == ["g1", "g2"]
    assert read_catalogue(tmp_path / "t.vot").ids.tolist() == ["a", "b"]


def test_parquet_of_more_cells_than_memory_is_refused_by_its_header(tmp_path: Path, monkeypatch) -> None:
    pq.write_table(pa.table({"id": [str(i) for i in range(2000)], "m": [0.0] * 2000}), tmp_path / "t.parquet")
    monkeypatch.setattr("zooactive.foundation.parquet.usable_memory", lambda: 10_000)
    with pytest.raises(CatalogueError, match="needs more memory than there is"):
        read_catalogue(tmp_path / "t.parquet")


def test_a_text_that_all_rows_share_counts_for_each_of_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("zooactive.foundation.parquet.usable_memory", lambda: 1 << 28)
    shared = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2000, np.int32)), pa.array(["x" * (1 << 20)]))
    table = pa.table({"id": [str(i) for i in range(2000)], "note": shared})
    pq.write_table(table, tmp_path / "t.parquet", store_schema=False)
    assert (tmp_path / "t.parquet").stat().st_size < 1 << 18
    with bounded(100), pytest.raises(CatalogueError, match="needs more memory than there is"):
        read_catalogue(tmp_path / "t.parquet")
    pq.write_table(table.slice(0, 20), tmp_path / "few.parquet", store_schema=False)
    assert read_catalogue(tmp_path / "few.parquet").table["note"].str.len().tolist() == [1 << 20] * 20


def test_one_list_of_a_million_zeros_counts_as_a_million(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("zooactive.foundation.parquet.usable_memory", lambda: 1 << 22)
    zeros = pa.ListArray.from_arrays(pa.array([0, 1 << 20], pa.int32()), pa.array(np.zeros(1 << 20, np.int8)))
    pq.write_table(pa.table({"id": ["a"], "v": zeros}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 1 << 14
    with pytest.raises(CatalogueError, match="needs more memory than there is"):
        read_catalogue(tmp_path / "t.parquet")


def test_images_in_parquet_do_not_count_since_they_are_not_read_at_once(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("zooactive.foundation.parquet.usable_memory", lambda: 1 << 16)
    pq.write_table(pa.table({"id": ["a", "b"], "image": [bytes(1 << 20), os.urandom(1 << 20)]}), tmp_path / "t.parquet")
    assert len(read_catalogue(tmp_path / "t.parquet")) == 2


def bintable(rows: int, fields: list[tuple[str, str]], body: bytes, heap: int) -> bytes:
    width = len(body[: len(body) - heap]) // rows if body else 0
    named = {f"TFORM{i + 1}": form for i, (_, form) in enumerate(fields)}
    named |= {f"TTYPE{i + 1}": name for i, (name, _) in enumerate(fields)}
    axes = {"NAXIS": 2, "NAXIS1": width, "NAXIS2": rows}
    first = header(SIMPLE=True, BITPIX=8, NAXIS=0)
    second = header(XTENSION="BINTABLE", BITPIX=8, **axes, PCOUNT=heap, GCOUNT=1, TFIELDS=len(fields), **named)
    return first + second + body + bytes(-len(body) % 2880 or 2880)


def test_arrays_that_all_lie_in_one_place_are_refused_by_what_they_claim(tmp_path: Path) -> None:
    fields, size = [("id", "8A"), ("v", "1PE(262144)")], 1 << 20

    def table(rows: int) -> bytes:
        claims = struct.pack(">ii", size // 4, 0)
        return bintable(rows, fields, b"".join(b"%08d" % row + claims for row in range(rows)) + bytes(size), size)

    (tmp_path / "t.fits").write_bytes(table(20_000))  # 1.4 MB, which claim 20 GB
    with bounded(100), pytest.raises(CatalogueError, match="claims arrays of 20971520000 bytes, and has 1048576 for them"):
        read_catalogue(tmp_path / "t.fits")
    (tmp_path / "t.fits").write_bytes(table(3))
    assert len(read_catalogue(tmp_path / "t.fits")) == 3


def test_rows_without_a_byte_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.fits").write_bytes(bintable(2_000_000_000, [("id", "0A")], b"", 0))
    with bounded(8), pytest.raises(CatalogueError, match="claims 2000000000 rows without a byte"):
        read_catalogue(tmp_path / "t.fits")


def votable(data: str = "", table: str = "", field: str = 'arraysize="*"') -> bytes:
    rows = data or "<TABLEDATA><TR><TD>a</TD></TR><TR><TD>b</TD></TR></TABLEDATA>"
    text = (
        f'<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE {table}>'
        f'<FIELD name="id" datatype="char" {field}/><DATA>{rows}</DATA></TABLE></RESOURCE></VOTABLE>'
    )
    return text.encode()


LEADING_AWAY = (
    '<{kind}><STREAM href="{address}" encoding="base64"/></{kind}>',
    '<{kind}><STREAM encoding="gzip" href="{address}"/></{kind}>',
    '<{kind}><STREAM xlink:href="{address}" xmlns:xlink="http://www.w3.org/1999/xlink"/></{kind}>',
    '<{kind}><STREAM type="locator" href="{address}">AAAA</STREAM></{kind}>',
)


@pytest.mark.parametrize("data", LEADING_AWAY)
@pytest.mark.parametrize("kind", ["BINARY", "BINARY2", "FITS", "PARQUET"])
@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/x", "file:{path}", "file://{path}", "ftp://127.0.0.1:9/x", "vos://x"]
)
def test_data_at_another_address_are_not_followed(data: str, kind: str, address: str, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "secret").write_bytes(base64.b64encode(b"\x00\x00\x00\x01s"))

    def never(*args: object, **options: object) -> None:
        raise AssertionError("an address was opened")

    monkeypatch.setattr("urllib.request.urlopen", never)
    where = address.format(path=tmp_path / "secret")
    (tmp_path / "t.vot").write_bytes(votable(data.format(kind=kind, address=where)))
    with pytest.raises(CatalogueError, match=r"another address \(STREAM href\)|is not read"):
        read_catalogue(tmp_path / "t.vot")


def test_data_at_another_address_are_not_followed_however_the_tags_are_written(tmp_path: Path) -> None:
    stream = '<BINARY><STREAM HREF="file:///etc/passwd"/></BINARY>'
    namespaced = votable(stream.replace("HREF", "href")).replace(b"<STREAM", b'<v:STREAM xmlns:v="http://x"')
    entity = votable('<BINARY><STREAM href="&a;"/></BINARY>').replace(
        b"?><VOTABLE", b'?><!DOCTYPE VOTABLE [<!ENTITY a "file:///etc/passwd">]><VOTABLE'
    )
    utf16 = votable(stream.replace("HREF", "href")).decode().replace("?>", ' encoding="UTF-16"?>').encode("utf-16")
    for content in (votable(stream), namespaced, entity, utf16, gzip.compress(votable(stream))):
        (tmp_path / "t.vot").write_bytes(content)
        with pytest.raises(CatalogueError, match="another address"):
            read_catalogue(tmp_path / "t.vot")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (votable(table='nrows="100000000000"'), "claims more rows"),
        (votable(field='arraysize="4000000000"'), "longer cells"),
        (votable(field='arraysize="70000x70000"'), "longer cells"),
        (votable(field='arraysize="' + "9" * 5000 + '"'), "longer cells"),
        (votable("<TABLEDATA>" + "<TR><TD>&x;</TD></TR></TABLEDATA>"), "undefined entity"),
        (b"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><VOTABLE>&e;</VOTABLE>", "cannot be read"),
        (votable("<TABLEDATA>" + "<TR>" * 200_000), "cannot be read"),
    ],
)  # fmt: skip
def test_a_votable_that_claims_more_than_it_holds_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "t.vot").write_bytes(content)
    with bounded(100), pytest.raises(CatalogueError, match=sentence):
        read_catalogue(tmp_path / "t.vot")


def test_entities_within_entities_are_refused(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(9))
    laughs = f'<?xml version="1.0"?><!DOCTYPE V [<!ENTITY e0 "ha">{entities}]><VOTABLE><RESOURCE>&e9;</RESOURCE></VOTABLE>'
    (tmp_path / "t.vot").write_text(laughs)
    with bounded(100), pytest.raises(CatalogueError, match="cannot be read"):
        read_catalogue(tmp_path / "t.vot")


# Arrays ---------------------------------------------------------------------------------------------------------------


def npy(shape: tuple[int, ...], kind: str = "<f4", size: int = 0) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"shape": shape, "fortran_order": False, "descr": kind})
    return stream.getvalue() + bytes(size)


def zipped(path: Path, entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def test_arrays_of_other_shapes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "encoder.npz", [("0000.npy", npy((1 << 24,), size=1 << 26))])
    assert path.stat().st_size < 1 << 18

    def check(shapes: list[tuple[int, ...]]) -> None:
        assert shapes == [(1 << 24,)]
        raise ModelError("other shapes")

    with bounded(8), pytest.raises(ModelError, match="other shapes"):
        read_arrays(path, check)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        (lambda: [("a.npy", npy((4,), size=1 << 28))], "unpack to"),
        (lambda: [(f"{i}.npy", npy((1 << 22,), size=1 << 24)) for i in range(10)], "unpack to"),
        (lambda: [("a.npy", npy((1 << 40,), size=16))], "not as large as its header says"),
        (lambda: [("a.npy", npy((1 << 33, 1 << 33), size=16))], "not as large as its header says"),
        (lambda: [("a.npy", npy((2,), size=1 << 20))], "not as large as its header says"),
        (lambda: [("a.npy", npy((2,), "|O", size=16))], "Python objects"),
        (lambda: [("a.npy", b"\x93NUMPY\x09\x00" + bytes(100))], "format|array"),
        (lambda: [("a.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b" " * 100_000)], "."),
        (lambda: [("a.npy", b"hello")], "."),
        (lambda: [("a.npy", npy((-4,), size=0))], "."),
    ],
)  # fmt: skip
def test_arrays_that_lie_about_themselves_are_refused(entries: Callable[[], list], sentence: str, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", entries())
    with bounded(16), pytest.raises(ValueError, match=sentence):
        read_npz(path)
    with bounded(16), pytest.raises(ModelError, match="damaged"):
        load_draws(path)


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "a.npz", [("a.npy", npy((1,), size=4)), ("a.npy", npy((1,), size=4))])
    with pytest.raises(ValueError, match="same name"):
        read_npz(path)


def test_arrays_come_back_as_they_were_packed_or_not(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array("text"), "c": np.zeros((0, 4), np.float16)}
    for name, save in (("a", np.savez), ("b", np.savez_compressed)):
        save(tmp_path / f"{name}.npz", **arrays)
        found = read_npz(tmp_path / f"{name}.npz")
        assert found.keys() == arrays.keys()
        assert all(np.array_equal(found[key], value) for key, value in arrays.items())


# Models ---------------------------------------------------------------------------------------------------------------

CODE = {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}}


@pytest.mark.parametrize("entry", ["backbone", "concentrations", "tree", "preprocessing", "precision", "dropout"])
@pytest.mark.parametrize("said", [CODE, "os:system", "../../backbone", [CODE]], ids=["layer", "function", "path", "list"])
def test_settings_that_name_code_are_no_settings_of_a_model(entry: str, said: object, tmp_path: Path) -> None:
    tiny_model("rings").save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(about | {"model": about["model"] | {entry: said}}))
    with pytest.raises(ModelError, match=r"model\.json"):
        load_model(tmp_path)


@pytest.mark.parametrize("target", ["/etc/passwd", "/dev/zero", "head.npz", "nowhere", "encoder.npz"])
def test_a_link_in_the_place_of_weights_tells_nothing_of_what_it_leads_to(target: str, tmp_path: Path) -> None:
    tiny_model("rings").save(tmp_path)
    (tmp_path / "encoder.npz").unlink()
    (tmp_path / "encoder.npz").symlink_to(target)
    refused = pytest.raises(ModelError, match=r"encoder\.npz (is damaged|is missing|does not fit)")
    with bounded(100, pieces=2000), refused as told:
        load_model(tmp_path)
    assert "root:" not in str(told.value)
