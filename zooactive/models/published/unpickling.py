"""Read the values in a pickle that PyTorch wrote, without running any of it.

A pickle is a program. Python's own `pickle` looks up functions by the names in the file and calls them, so a file of weights
can run whatever its author wants. This module is a new implementation of the small machine that runs such programs, without
these dangers:

* A name in the file stays a text (`Named`). Nothing is imported, and nothing is looked up in a module.
* Whatever the file wants to call, build or restore becomes an `Inert`, which only remembers the name. Six names are known:
  ``collections.OrderedDict`` and the ways in which PyTorch describes a tensor. Each fills a record of this file (`Tensor`).
  The code that reads the numbers checks what the record claims.
* Python's pickler does not write some opcodes in the protocols that PyTorch uses (2 to 5), such as INST, OBJ and PERSID, and
  writes EXT1 only for a registry that PyTorch does not use. These opcodes are refused.

A subclass of `pickle._Unpickler` would be shorter. But its REDUCE and BUILD call objects on the stack, its EXT1 uses a
registry of the process, and a later Python may add opcodes: each of these would have to be found and closed. In this file no
value of the pickle is ever called, and a test checks this in the file's syntax tree.

Every length is compared with the remaining bytes before anything is read. An opcode makes one small object at most, and
there are at most `MOST_STEPS` of them. No step recurses. Only texts become keys, because integers of the same hash would
make a dictionary slow, and the hash of a tuple recurses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MOST_STEPS = 1 << 20
"""The largest number of opcodes of one pickle; 1,000 tensors with the state of an optimizer take some 150,000."""

_STOP = ord(".")
_PROTOCOLS = range(2, 6)
_LONGEST_NUMBER = 255


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A function or class that the pickle names, as "module.name"; it is never looked up."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Inert:
    """An object that a pickle wanted to make, as the name of the function that was to make it."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """Numbers outside the pickle: their kind, their name, and the number of them that the pickle claims."""

    kind: str
    key: str
    numel: int


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor as the pickle describes it; only its storage has been checked."""

    storage: Storage
    offset: Any
    shape: Any
    strides: Any
    dtype: str | None = None
    """The dtype of an untyped storage's numbers, otherwise None."""


@dataclass(frozen=True, slots=True)
class Unpickled:
    """The contents of a pickle, its end, and the storages that it refers to, by key."""

    value: Any
    end: int
    storages: dict[str, Storage] = field(default_factory=dict)


def unpickle(data: bytes, at: int = 0, most_steps: int = MOST_STEPS) -> Unpickled:
    """Return the contents of the pickle that starts at a position in `data`; a ValueError if it is damaged or unusual."""
    machine = _Machine(data, at)
    try:
        machine.run(most_steps)
        return Unpickled(machine.stack.pop(), machine.at, machine.storages)
    except IndexError:
        raise ValueError("its pickle ends early, or takes more than it has put there") from None


class _Machine:
    """The stack, the memo and the position in a pickle."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self, most_steps: int) -> None:
        for _ in range(most_steps):
            code = self.data[self.at]
            self.at += 1
            if code == _STOP:
                return
            step = _STEPS.get(code)
            if step is None:
                raise ValueError(f"its pickle has the opcode 0x{code:02x}, which PyTorch does not write")
            step(self)
        raise ValueError(f"its pickle has more than {most_steps} steps")

    # The bytes

    def take(self, length: int) -> bytes:
        if length > len(self.data) - self.at:
            raise ValueError(f"its pickle is cut off, or claims {length} bytes where {len(self.data) - self.at} are left")
        start, self.at = self.at, self.at + length
        return self.data[start : self.at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def line(self) -> str:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise ValueError("its pickle is cut off in a name")
        return self.take(end + 1 - self.at)[:-1].decode("utf-8", "replace")

    # The stack, marks, and the memo

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        found, self.stack = self.stack, self.below.pop()
        return found

    def pop(self) -> None:
        if self.stack:
            del self.stack[-1]
        else:
            self.since_mark()

    def keep(self, place: int) -> None:
        if place > len(self.data):  # picklers count, and each takes at least a byte
            raise ValueError(f"its pickle remembers a value under the number {place}")
        self.memo[place] = self.stack[-1]

    def recall(self, place: int) -> None:
        if place not in self.memo:
            raise ValueError(f"its pickle asks for the value {place}, which it has not kept")
        self.push(self.memo[place])

    # Plain values

    def long(self, length: int) -> None:
        if length > _LONGEST_NUMBER:
            raise ValueError(f"its pickle has a number of {length} bytes")
        self.push(int.from_bytes(self.take(length), "little", signed=True))

    def text(self, length: int, encoding: str = "utf-8") -> None:
        self.push(self.take(length).decode(encoding, "replace"))

    def raw(self, length: int) -> None:
        self.take(length)
        self.push(Inert("bytes"))

    def tuple_of(self, length: int) -> None:
        if length > len(self.stack):
            raise IndexError
        self.stack[len(self.stack) - length :] = [tuple(self.stack[len(self.stack) - length :])]

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is list:
            target.extend(values)
        else:
            _refuse_unless_inert(target)

    def fill(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if len(values) % 2:
            raise ValueError("its pickle has a key without a value")
        if type(target) is dict:
            _fill(target, zip(values[::2], values[1::2], strict=True))
        else:
            _refuse_unless_inert(target)

    # Opcodes that would run code in other readers

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise ValueError("its pickle names a function by something other than text")
        self.push(Named(f"{module}.{name}"))

    def reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        known = _DESCRIPTIONS.get(function.name) if type(function) is Named else None
        made = known(arguments) if known is not None and type(arguments) is tuple else None
        self.push(Inert(_name_of(function)) if made is None else made)

    def make(self, arguments: int) -> None:
        del self.stack[len(self.stack) - arguments :]
        self.push(Inert(_name_of(self.stack.pop())))

    def build(self) -> None:
        """Drop a state: the state of an OrderedDict of weights is its ``_metadata``."""
        if len(self.stack) < 2:
            raise IndexError
        del self.stack[-1]

    def persistent(self) -> None:
        told = self.stack.pop()
        if type(told) is tuple and told[:1] == ("module",):  # the source of a class, in the form before the zip
            return self.push(Inert("module"))
        if type(told) is not tuple or not 5 <= len(told) <= 6 or told[0] != "storage":
            raise ValueError("its pickle refers to something other than the numbers of a tensor")
        _, kind, key, _, numel, *view = told
        if (
            type(kind) is not Named
            or type(key) is not str
            or type(numel) is not int
            or view not in ([], [None])
            or numel.bit_length() > 63
        ):
            raise ValueError("its pickle describes the numbers of a tensor in another way than PyTorch")
        self.storages[key] = Storage(kind.name, key, numel)
        return self.push(self.storages[key])


def _refuse_unless_inert(target: Any) -> None:
    if type(target) is not Inert:
        raise ValueError("its pickle puts entries into something that takes none")


def _name_of(function: Any) -> str:
    if type(function) not in (Named, Inert):
        raise ValueError("its pickle calls something that is no function")
    return str(function.name)


def _fill(target: dict[str, Any], pairs: Any) -> None:
    target.update((key, value) for key, value in pairs if type(key) is str)


# What is known by name; None stands for arguments that PyTorch does not give.


def _ordered(arguments: tuple[Any, ...]) -> dict[str, Any] | None:
    made: dict[str, Any] = {}
    if not arguments:
        return made
    pairs = arguments[0]
    if len(arguments) > 1 or type(pairs) is not list or not all(type(p) in (list, tuple) and len(p) == 2 for p in pairs):
        return None
    _fill(made, pairs)
    pairs.clear()  # a pickle may use the list again and again, and each use would take as long
    return made


def _tensor(arguments: tuple[Any, ...]) -> Tensor | None:
    if not 4 <= len(arguments) <= 7 or type(arguments[0]) is not Storage:
        return None
    return Tensor(arguments[0], *arguments[1:4])


def _tensor_with_dtype(arguments: tuple[Any, ...]) -> Tensor | None:
    if not 7 <= len(arguments) <= 8 or type(arguments[0]) is not Storage or type(arguments[6]) is not Named:
        return None
    storage, offset, shape, strides, _, _, dtype, *_ = arguments
    return Tensor(storage, offset, shape, strides, dtype.name)


def _parameter(arguments: tuple[Any, ...]) -> Tensor | None:
    return arguments[0] if arguments and type(arguments[0]) is Tensor else None


_DESCRIPTIONS: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "collections.OrderedDict": _ordered,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_with_dtype,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}


# The opcodes ------------------------------------------------------------------------------------------------------------


def _protocol(machine: _Machine) -> None:
    if (version := machine.number(1)) not in _PROTOCOLS:
        raise ValueError(f"its pickle is of protocol {version}, and PyTorch writes {_PROTOCOLS[0]} to {_PROTOCOLS[-1]}")


def _frame(machine: _Machine) -> None:
    """Compare the length of a frame with the remaining bytes; otherwise the frame has no meaning in memory."""
    if (length := machine.number(8)) > len(machine.data) - machine.at:
        raise ValueError(f"its pickle is cut off in a part of {length} bytes")


def _float(machine: _Machine) -> None:
    machine.push(struct.unpack(">d", machine.take(8))[0])


def _signed(machine: _Machine) -> None:
    machine.push(int.from_bytes(machine.take(4), "little", signed=True))


def _stack_global(machine: _Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.name(module, name)


def _pair(machine: _Machine) -> list[Any]:
    value, key = machine.stack.pop(), machine.stack.pop()
    return [key, value]


def _add_to_set(machine: _Machine) -> None:
    machine.since_mark()
    _refuse_unless_inert(machine.stack[-1])


def _frozen_set(machine: _Machine) -> None:
    machine.since_mark()
    machine.push(Inert("frozenset"))


_STEPS: dict[int, Callable[[_Machine], None]] = {
    0x80: _protocol,
    0x95: _frame,
    # marks, and the memo
    ord("("): _Machine.mark,
    ord("0"): _Machine.pop,
    ord("1"): lambda m: m.since_mark().clear(),
    ord("q"): lambda m: m.keep(m.number(1)),
    ord("r"): lambda m: m.keep(m.number(4)),
    0x94: lambda m: m.keep(len(m.memo)),
    ord("h"): lambda m: m.recall(m.number(1)),
    ord("j"): lambda m: m.recall(m.number(4)),
    # plain values
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("K"): lambda m: m.push(m.number(1)),
    ord("M"): lambda m: m.push(m.number(2)),
    ord("J"): _signed,
    0x8A: lambda m: m.long(m.number(1)),
    0x8B: lambda m: m.long(m.number(4)),
    ord("G"): _float,
    ord("X"): lambda m: m.text(m.number(4)),
    0x8C: lambda m: m.text(m.number(1)),
    0x8D: lambda m: m.text(m.number(8)),
    ord("T"): lambda m: m.text(m.number(4), "latin-1"),  # Python 2's texts
    ord("U"): lambda m: m.text(m.number(1), "latin-1"),
    ord("B"): lambda m: m.raw(m.number(4)),
    ord("C"): lambda m: m.raw(m.number(1)),
    0x8E: lambda m: m.raw(m.number(8)),
    0x96: lambda m: m.raw(m.number(8)),
    # tuples, lists, dictionaries, sets
    ord(")"): lambda m: m.push(()),
    0x85: lambda m: m.tuple_of(1),
    0x86: lambda m: m.tuple_of(2),
    0x87: lambda m: m.tuple_of(3),
    ord("t"): lambda m: m.push(tuple(m.since_mark())),
    ord("]"): lambda m: m.push([]),
    ord("a"): lambda m: m.extend([m.stack.pop()]),
    ord("e"): lambda m: m.extend(m.since_mark()),
    ord("}"): lambda m: m.push({}),
    ord("s"): lambda m: m.fill(_pair(m)),
    ord("u"): lambda m: m.fill(m.since_mark()),
    0x8F: lambda m: m.push(Inert("set")),
    0x90: _add_to_set,
    0x91: _frozen_set,
    # names, calls, instances, states, storages
    ord("c"): lambda m: m.name(m.line(), m.line()),
    0x93: _stack_global,
    ord("R"): _Machine.reduce,
    0x81: lambda m: m.make(1),
    0x92: lambda m: m.make(2),
    ord("b"): _Machine.build,
    ord("Q"): _Machine.persistent,
}
