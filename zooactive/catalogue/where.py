"""Evaluate comparisons of a table's columns, such as ``mag_r < 17.7 and kind == 'S'``.

The syntax and the values are those of `pandas.DataFrame.eval`, without everything that could run code: attributes, calls,
subscripts. Comparisons come from files, so they are not passed to an interpreter. They are parsed into a syntax tree, whose
nodes are computed one by one.
"""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.foundation.errors import CatalogueError, did_you_mean

LONGEST = 1000
"""The largest number of characters in an expression."""
DEEPEST = 40
"""The largest depth of brackets and operators inside each other."""

_ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_BOOLEAN: dict[type[ast.AST], Callable[[Any, Any], Any]] = {ast.And: operator.and_, ast.Or: operator.or_}
_MEMBERS = (ast.In, ast.Eq, ast.NotIn, ast.NotEq)
_REFUSED = {
    ast.Attribute: "attributes",
    ast.Call: "calls of functions",
    ast.Subscript: "subscripts",
    ast.Lambda: "functions",
    ast.IfExp: "if and else",
    ast.NamedExpr: "assignments",
    ast.JoinedStr: "formatted texts",
    ast.Starred: "stars before a name",
    ast.ListComp: "loops",
    ast.SetComp: "loops",
    ast.DictComp: "loops",
    ast.GeneratorExp: "loops",
    ast.Dict: "dictionaries",
    ast.Set: "sets",
}
_INFINITE = ("inf", "Inf")
_NUMBERS = ("integer", "floating", "decimal", "boolean", "mixed-integer-float", "empty")
# Texts in quotes, names in backticks, and the signs for "and" and "or": whichever comes first.
_PIECES = re.compile(
    r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?P<name>[^`]*)`|(?P<sign>[&|])|(?P<equals>(?<![=<>!])=(?!=))"""
)


def rows_where(frame: pd.DataFrame, expression: str, source: str) -> NDArray[np.bool_]:
    """Return for which rows a comparison of a table's columns is true, shape (G,).

    The expression may contain names of columns (in backticks if they are not Python names), numbers, texts, True, False,
    None and inf, compared by ``< <= > >= == != in``, with arithmetic, ``and``, ``or``, ``not`` (or ``& | ~``) and brackets.
    ``&`` has the precedence of ``and``, and ``|`` that of ``or``. A comparison without an answer (a missing value in a
    nullable column) counts as false. Anything else raises a CatalogueError that gives the position. So does a name that is
    not a column, and a text of more than 1000 characters. `source` is the name of the table in errors.
    """
    if not isinstance(expression, str):
        raise CatalogueError(f'where = {expression!r} is not a text; write a comparison such as "mag_r < 17.7"')
    if len(expression) > LONGEST:
        raise CatalogueError(
            f"where '{expression[:40]}...' has {len(expression)} characters; at most {LONGEST} are read: list the galaxies "
            "in a table instead"
        )
    written = _written(expression.strip(), source)
    columns = {str(name): frame.iloc[:, i] for i, name in enumerate(frame.columns)}
    answer = _Reading(written, columns).value(_parsed(written), 0)
    if not isinstance(answer, pd.Series) or not pd.api.types.is_bool_dtype(answer.dtype):
        raise CatalogueError(f"where '{expression}' is not a comparison; write one such as \"mag_r < 17.7\"")
    return answer.fillna(False).to_numpy(dtype=bool)


@dataclass(frozen=True)
class _Written:
    """An expression as given, and in Python's grammar, where a name in backticks is an underscore and & is `and`."""

    given: str
    source: str
    text: str
    places: list[int]
    """The position in `given` of each character of `text`."""
    names: dict[int, str]
    """Maps a character of `text` to the name in backticks that is there."""

    def character(self, node: ast.expr) -> int:
        """Return the character of `text` where a node begins (Python counts bytes)."""
        return len(self.text.encode()[: node.col_offset].decode())

    def name(self, node: ast.Name) -> str:
        """Return a column's name as it was given (Python normalises some letters)."""
        return self.names.get(self.character(node), self.text.encode()[node.col_offset : node.end_col_offset].decode())

    def refused(self, reason: str, character: int) -> CatalogueError:
        place = [*self.places, len(self.given)][min(character, len(self.places))] + 1
        return CatalogueError(f"where '{self.given}' cannot be applied to {self.source}: {reason} (character {place})")


def _written(given: str, source: str) -> _Written:
    odd = next((place for place, letter in enumerate(given) if not letter.isprintable()), None)
    if odd is not None:
        raise _Written(given, source, given, [*range(len(given))], {}).refused(f"{given[odd]!r} is no letter or sign", odd)
    text, places, names, end = "", list[int](), dict[int, str](), 0
    for found in _PIECES.finditer(given):
        start = found.start()
        text += given[end:start]
        places.extend(range(end, start))
        end = found.end()
        if found["equals"]:
            raise CatalogueError(f"where '{given}' is not a comparison: write == to compare (character {start + 1})")
        if found["name"] is not None:
            text += " " * bool(text)  # otherwise it would merge with a name before it
            places.extend([start] * (len(text) - len(places)))
            names[len(text)], piece = found["name"], "_ "
        elif found["sign"]:
            piece = " and " if found["sign"] == "&" else " or "
        else:
            piece = found[0]
        text += piece
        places.extend(range(start, end) if piece == found[0] else [start] * len(piece))
    return _Written(given, source, text + given[end:], [*places, *range(end, len(given))], names)


def _parsed(written: _Written) -> ast.expr:
    if not written.text:
        raise written.refused("it is empty", 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own warnings about odd texts and numbers
            return ast.parse(written.text, mode="eval").body
    except SyntaxError as error:
        raise written.refused(error.msg, max(error.offset or 1, 1) - 1) from None
    except (ValueError, MemoryError, RecursionError):
        raise written.refused("it is nested too deeply", 0) from None


@dataclass(frozen=True)
class _Reading:
    """The values of a syntax tree's nodes: a column, a number, a text, or a list of these."""

    written: _Written
    columns: dict[str, pd.Series[Any]]

    def value(self, node: ast.expr, depth: int) -> Any:
        if depth > DEEPEST:
            raise self.refused(node, f"more than {DEEPEST} brackets or operators stand within each other")
        depth += 1
        match node:
            case ast.Name():
                return self.column(node)
            case ast.Constant(value=bool() | int() | float() | str() | None):
                return node.value
            case ast.List() | ast.Tuple():
                return [self.constant(entry, depth) for entry in node.elts]
            case ast.UnaryOp():
                return self.unary(node, depth)
            case ast.BinOp(op=ast.operator() as sign) if type(sign) in _ARITHMETIC:
                left, right = self.value(node.left, depth), self.value(node.right, depth)
                return self.arithmetic(node, sign, left, right)
            case ast.BoolOp():
                values = [self.value(part, depth) for part in node.values]
                return reduce(lambda left, right: self.joined(node, left, right), values)
            case ast.Compare():
                return self.compared(node, depth)
        what = next((said for kind, said in _REFUSED.items() if isinstance(node, kind)), "")
        raise self.refused(node, f"{what} are not allowed" if what else "this is not allowed")

    def refused(self, node: ast.expr, reason: str) -> CatalogueError:
        return self.written.refused(reason, self.written.character(node))

    def column(self, node: ast.Name) -> Any:
        name = self.written.name(node)
        if name in self.columns:
            return self.columns[name]
        if name in _INFINITE:
            return np.inf
        hint = did_you_mean(name, self.columns) or f" Columns: {', '.join(list(self.columns)[:12])}"
        raise self.refused(node, f"there is no column '{name}'.{hint}")

    def constant(self, node: ast.expr, depth: int) -> Any:
        value = self.value(node, depth)
        if isinstance(value, pd.Series | list):
            raise self.refused(node, "a list may hold only numbers and texts")
        return value

    def unary(self, node: ast.UnaryOp, depth: int) -> Any:
        value = self.value(node.operand, depth)
        if isinstance(node.op, ast.Not | ast.Invert):
            if not isinstance(value, pd.Series):
                raise self.refused(node, "'not' needs a comparison")
            return self.tried(node, operator.invert, value)
        if not _is_numeric(value):
            raise self.refused(node, "a sign needs a number")
        return self.tried(node, operator.neg if isinstance(node.op, ast.USub) else operator.pos, value)

    def arithmetic(self, node: ast.BinOp, sign: ast.operator, left: Any, right: Any) -> Any:
        # A text or list times a number could fill the memory, and a power of Python's whole numbers could take forever.
        if not (_is_numeric(left) and _is_numeric(right)):
            raise self.refused(node, "arithmetic needs numbers")
        if isinstance(sign, ast.Pow):
            left, right = _bounded(left, right), _bounded(right, left)
        return self.tried(node, _ARITHMETIC[type(sign)], left, right)

    def joined(self, node: ast.BoolOp, left: Any, right: Any) -> Any:
        if not isinstance(left, pd.Series) and not isinstance(right, pd.Series):
            raise self.refused(node, "'and' and 'or' need comparisons")
        if isinstance(left, list) or isinstance(right, list):
            raise self.refused(node, "'and' and 'or' need comparisons")
        return self.tried(node, _BOOLEAN[type(node.op)], left, right)

    def compared(self, node: ast.Compare, depth: int) -> Any:
        """Compare neighbouring values; a chain is true if each pair's comparison is true."""
        sides = [self.value(side, depth) for side in (node.left, *node.comparators)]
        pairs = zip(node.ops, sides[:-1], sides[1:], strict=True)
        answers = [self.pair(node, sign, left, right) for sign, left, right in pairs]
        return reduce(lambda some, more: self.tried(node, operator.and_, some, more), answers)

    def pair(self, node: ast.Compare, sign: ast.cmpop, left: Any, right: Any) -> Any:
        if isinstance(sign, ast.Is | ast.IsNot):
            raise self.refused(node, "'is' is not allowed; write == to compare")
        columns, lists = (any(isinstance(side, kind) for side in (left, right)) for kind in (pd.Series, list | str))
        if isinstance(sign, ast.In | ast.NotIn) or (columns and lists and isinstance(sign, _MEMBERS)):
            return self.member(node, isinstance(sign, ast.NotIn | ast.NotEq), left, right)
        if isinstance(left, list) or isinstance(right, list):
            raise self.refused(node, "a list can only be compared with a column, by 'in' or 'not in'")
        return self.tried(node, _COMPARISONS[type(sign)], left, right)

    def member(self, node: ast.Compare, absent: bool, left: Any, right: Any) -> Any:
        """Find the rows whose cell is in a list, as `pandas.eval` does: a text is a list of one; sides may be swapped."""
        column, among = (left, right) if isinstance(left, pd.Series) else (right, left)
        among = [among] if isinstance(among, str) else among
        if not isinstance(column, pd.Series) or not isinstance(among, list | pd.Series):
            raise self.refused(node, "'in' needs a column, and a list such as [1, 2]")
        found = self.tried(node, pd.Series.isin, column, among)
        return ~found if absent else found

    def tried(self, node: ast.expr, work: Callable[..., Any], *values: Any) -> Any:
        """Compute a part of the expression; columns of different kinds raise errors of many types."""
        try:
            with np.errstate(all="ignore"):
                return work(*values)
        except Exception as error:
            raise self.refused(node, " ".join(str(error).split())[:200]) from error


def _is_numeric(value: Any) -> bool:
    if isinstance(value, pd.Series):
        if value.dtype == object:
            return pd.api.types.infer_dtype(value, skipna=True) in _NUMBERS
        return pd.api.types.is_numeric_dtype(value.dtype) or value.dtype.kind in "mM"
    return isinstance(value, bool | int | float)


def _bounded(value: Any, other: Any) -> Any:
    """Return Python's whole numbers as floats; those in columns are limited to 64 bits anyway."""
    if isinstance(value, pd.Series):
        return value.astype(float) if value.dtype == object else value
    return value if isinstance(other, pd.Series) else float(value)
