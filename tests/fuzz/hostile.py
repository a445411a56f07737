"""What a disk, a spreadsheet or somebody in a hurry makes of sound files, and what a reader may answer to it.

`ZOOACTIVE_FUZZ` is the number of inputs for each test; without it a few, which are the same in every run.
"""

from __future__ import annotations

import copy
import json
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from zooactive.foundation.errors import ZooactiveError

MANY = int(os.environ.get("ZOOACTIVE_FUZZ", "0"))

ODD_TEXTS = (
    "", " ", "0", "-1", "1e308", "nan", "NaN", "inf", "-999", "1.5", "yes", "é", "٣", "²", "\u0000", "\u202e", "𝒢alaxy",
    "a\nb", "a,b", '"', "'", "[", "{", "~nobody/x.toml", "../x", "x" * 300, "1" * 20, "9" * 5000, "=1+1", "{{x}}", "null", "s3://x",
    "e\u0301", "G\u200b1", "\ufeffid", "1_0", "1,000", "0,5", "../../x", "a.b.c", "2026-01-01T00:00:00+25:00",
    "not-logged-in-0",
)  # fmt: skip
ODD_NUMBERS = (0, 1, -1, 2, 255, 2**31, -(2**31) - 1, 2**63, 10**400, 0.5, -2.5, 1e-320, 1e308, float("nan"), float("inf"))
ODD_LISTS = ([], {}, [[]], [None], ["a"], ["a", "a"], [1, "a"], [{}], {"a": 1}, {"": []}, [0.0] * 3, list(range(40)))
ODD_BYTES = (b"\x00", b"\xff", b"\x00" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\n", b"[" * 3000, b"{" * 20, b"\xed\xa0")


def fuzzed(few: int) -> Callable[[Any], Any]:
    """Settings of a test: so many inputs in every run, `ZOOACTIVE_FUZZ` of them where it is set."""
    return settings(
        max_examples=MANY or few,
        derandomize=not MANY,
        database=None,
        deadline=timedelta(minutes=2),  # what takes longer over a few kilobytes hangs, however busy the machine
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@contextmanager
def read_or_refused(*, decoders_speak: bool = False) -> Iterator[None]:
    """Let pass what zooactive explains, and nothing else: no other exception, and no warning of a package below it.

    Decoders of images run in threads, where Python cannot silence them; only there they may speak.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)  # raised when the garbage is collected, whoever left it
        try:
            yield
        except ZooactiveError as error:
            said = str(error)
            assert said.strip()
            assert len(said.splitlines()) <= 4, said
            assert len(said) <= 2000, f"{len(said)} characters: {said[:200]} ... {said[-200:]}"
    strange = [warning for warning in told if warning.category is not UserWarning]
    assert decoders_speak or not strange, [f"{warning.category.__name__}: {warning.message}" for warning in strange]


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """Bytes of a file with some of them changed, gone, doubled, put in, or cut off at the end."""
    content = bytearray(sound)
    for _ in range(draw(st.integers(1, 4))):
        what = draw(st.sampled_from(("bit", "byte", "number", "delete", "double", "insert", "cut")))
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        if what == "bit" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif what == "byte" and content:
            content[at] = draw(st.integers(0, 255))
        elif what == "number":
            length, order = draw(st.sampled_from((2, 4, 8))), draw(st.sampled_from(("little", "big")))
            value = draw(st.sampled_from((0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)))
            content[at : at + length] = (value % 256**length).to_bytes(length, order)
        elif what == "delete":
            del content[at : at + draw(st.integers(1, 64))]
        elif what == "double":
            part = content[at : at + draw(st.integers(1, 64))]
            content[at:at] = part
        elif what == "insert":
            content[at:at] = draw(st.sampled_from(ODD_BYTES) | st.binary(max_size=16))
        else:
            del content[at:]
    return bytes(content)


@st.composite
def miswritten(draw: st.DrawFn, sound: str, separators: str = ",=") -> str:
    """A text whose lines are swapped, doubled or gone, or have something odd in a cell."""
    lines = sound.split("\n")
    for _ in range(draw(st.integers(1, 3))):
        at, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        what = draw(st.sampled_from(("cell", "cell", "delete", "double", "swap", "join")))
        if what == "cell":
            separator = draw(st.sampled_from(separators))
            cells = lines[at].split(separator)
            cells[draw(st.integers(0, len(cells) - 1))] = draw(st.sampled_from(ODD_TEXTS))
            lines[at] = separator.join(cells)
        elif what == "double":
            lines.insert(other, lines[at])
        elif what == "swap":
            lines[at], lines[other] = lines[other], lines[at]
        elif what == "join":
            lines[at] += lines[other]
        elif len(lines) > 1:
            del lines[at]
    return "\n".join(lines)


def odd_values() -> st.SearchStrategy[Any]:
    """What stands in a file where something else was meant."""
    half = "\ud800"  # of a sign that JSON writes as two
    odd = st.sampled_from((None, True, False, half, *ODD_NUMBERS, *ODD_TEXTS)) | st.sampled_from(ODD_LISTS)
    return odd.map(copy.deepcopy)


@st.composite
def misfilled(draw: st.DrawFn, sound: Any) -> Any:
    """Plain values, as of a JSON or TOML file, with entries replaced, gone, renamed or taken from elsewhere in them."""
    values = copy.deepcopy(sound)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(values))
        holder, key = draw(st.sampled_from(places)) if places else ([values], 0)
        what = draw(st.sampled_from(("odd", "odd", "odd", "delete", "rename", "elsewhere", "wrap")))
        if what == "delete":
            del holder[key]
        elif what == "rename" and isinstance(holder, dict):
            holder[draw(st.sampled_from(ODD_TEXTS))] = holder.pop(key)
        elif what == "elsewhere":
            other, there = draw(st.sampled_from(places)) if places else ([values], 0)
            holder[key] = copy.deepcopy(other[there]) if there in other or isinstance(other, list) else None
        elif what == "wrap":
            holder[key] = [holder[key]]
        else:
            holder[key] = draw(odd_values())
    return values


def _places(values: Any) -> Iterator[tuple[Any, Any]]:
    """Each entry, as its holder and where it stands there."""
    for key in list(values) if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ():
        yield values, key
        yield from _places(values[key])


def as_json(values: Any) -> str:
    """Plain values as JSON, with NaN and infinities as Python writes them."""
    return json.dumps(values)


def as_toml(values: dict[str, Any]) -> str:
    """Plain values as TOML; what TOML has no word for is left out."""
    return "".join(f"{_word(key)} = {_value(value)}\n" for key, value in values.items() if value is not None)


def _word(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_word(key)} = {_value(entry)}" for key, entry in value.items() if entry is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(entry) for entry in value if entry is not None) + "]"
    return repr(value)
