"""CSV files in the dialects of other programs and countries: other encodings, other separators, decimal commas."""

from __future__ import annotations

import codecs
import csv
import io
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zooactive.foundation.errors import CatalogueError

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_AT_ONCE, _BEGINNING = 1 << 20, 1 << 16  # bytes
_DECIMAL_COMMA = re.compile(r"\s*([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)\s*")
_QUOTED = re.compile(r'"[^"]*"')


@contextmanager
def plain_csv(path: Path, keep: str | None = None) -> Iterator[Path]:
    """Yield a file with the table as UTF-8 text and commas: the file itself, or a converted copy.

    A warning says what was converted.

    Parameters
    ----------
    path : Path
    keep : str, optional
        A column whose cells keep their commas, even if commas are decimal points elsewhere.

    Raises
    ------
    CatalogueError
        If the bytes are not text in any known encoding.
    """
    encoding = _encoding(path)
    separator = _separator(path, encoding)
    if encoding == "utf-8" and separator == ",":
        yield path
        return
    text = path.read_bytes().decode(encoding).removeprefix("\ufeff")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    commas = separator == ";" and _points_for_commas(rows, keep)
    found = [] if encoding == "utf-8" else [f"text in {_in_words(encoding)}"]
    found += [] if separator == "," else [f"columns separated by {_SEPARATORS[separator]}"]
    found += ["commas as decimal points"] if commas else []
    warnings.warn(
        f"{path}: read as {' and '.join(found)}; if a name or a number looks wrong, save it as UTF-8 with commas",
        stacklevel=1,  # the next frame belongs to contextlib, and the terminal shows zooactive's own warnings
    )
    with tempfile.TemporaryDirectory(prefix="zooactive-") as folder:
        plain = Path(folder) / "plain.csv"
        with plain.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)
        if not text.endswith(("\n", "\r")):  # a file that was cut off must stay recognisable as such
            with plain.open("r+b") as stream:
                stream.truncate(max(plain.stat().st_size - 1, 0))
        yield plain


def _encoding(path: Path) -> str:
    """Return the encoding, by the byte order mark, by many zero bytes, or as the first one in which all bytes are text."""
    with path.open("rb") as stream:
        begins = stream.read(_BEGINNING)
    if begins.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _checked(path, "utf-16")
    if begins.count(0) * 4 > len(begins):  # in UTF-16 every second byte of most names is 0; a single one is a damaged cell
        return _checked(path, "utf-16-le" if b"\0" in begins[1::2] and b"\0" not in begins[::2] else "utf-16-be")
    if _is_text(path, "utf-8"):
        return "utf-8"
    return _checked(path, "cp1252")


def _checked(path: Path, encoding: str) -> str:
    if not _is_text(path, encoding):
        raise CatalogueError(
            f"{path} cannot be read as a table: it is text in neither UTF-8, UTF-16 nor Latin-1; save it as CSV in UTF-8"
        )
    return encoding


def _is_text(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_AT_ONCE):
                text = decoder.decode(chunk)
                if encoding != "utf-8" and "\0" in text:
                    return False
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _separator(path: Path, encoding: str) -> str:
    """Return the separator of the first line: a comma if it has one, otherwise the most frequent of the others.

    If there is a comma, another one separates only if all lines have as many of it, and fewer commas or not as many: a name
    such as "mag, z" has a comma in a table of semicolons.
    """
    with path.open(encoding=encoding, newline=None) as stream:
        begins = _QUOTED.sub("", stream.read(_BEGINNING))
    header, *lines = begins.split("\n")
    lines = [line for line in lines[:-1] if line.strip()]  # the last one may go on
    numbers = {separator: header.count(separator) for separator in _SEPARATORS}
    most = max(numbers, key=lambda separator: numbers[separator])
    if commas := header.count(","):
        always = lines and all(line.count(most) == numbers[most] for line in lines)
        uneven = any(line.count(",") != commas for line in lines)
        return most if always and numbers[most] >= commas + (not uneven) else ","
    return most if numbers[most] else ","


def _points_for_commas(rows: list[list[str]], keep: str | None) -> bool:
    """Replace decimal commas by points, in place; return whether there were any."""
    kept = {place for place, name in enumerate(rows[0]) if name == keep} if rows else set()
    found = False
    for row in rows[1:]:
        for place, cell in enumerate(row):
            if place not in kept and (number := _DECIMAL_COMMA.fullmatch(cell)) is not None:
                row[place] = f"{number[1]}.{number[2]}"
                found = True
    return found


def _in_words(encoding: str) -> str:
    return "Windows-1252 (Latin-1)" if encoding == "cp1252" else "UTF-16"
