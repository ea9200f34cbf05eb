"""Small wrong changes to a module's source, one at a time: the faults that tests should notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_NAMES = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
}


@dataclass(frozen=True)
class Mutant:
    """One change.

    Attributes:
        lines: First and last line that it changes, counted from 1.
        before: These lines as they are, without the indentation.
        after: As they would be.
        source: The whole module with the change.
    """

    lines: tuple[int, int]
    before: str
    after: str
    source: str

    def diff(self, path: str) -> str:
        """Return the change as a diff of a few lines."""
        gone = [f"  - {line}" for line in self.before.splitlines()]
        come = [f"  + {line}" for line in self.after.splitlines()]
        return "\n".join([f"{path}:{self.lines[0]}", *gone, *come])


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of the source.

    Annotations, messages (f-strings) and docstrings stay as they are.
    """
    found = []
    for node in _code(ast.parse(source)):
        for text in _changes(node):
            mutant = _replaced(source, node, text)
            if mutant is not None:
                found.append(mutant)
    return sorted(found, key=lambda one: (one.lines, one.after))


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below `node` that say what is done."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield child
                yield from _code(child)


def _changes(node: ast.AST) -> Iterator[str]:
    """Yield what may stand in place of `node`."""
    if isinstance(node, ast.Compare):
        yield from _compared(node)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield _text(ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right))
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield _text(ast.BoolOp(other, node.values))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.Invert, ast.USub)):
        yield _text(node.operand)
    elif isinstance(node, ast.Constant):
        yield from _constant(node.value)
    elif isinstance(node, ast.Call):
        yield from _called(node)
    elif (
        isinstance(node, ast.Return)
        and node.value is not None
        and ast.unparse(node) != "return None"
    ):
        yield "return None"
    elif isinstance(node, ast.IfExp):
        yield _text(ast.IfExp(node.test, node.orelse, node.body))


def _compared(node: ast.Compare) -> Iterator[str]:
    for at, op in enumerate(node.ops):
        for other in _COMPARISONS[type(op)]:
            ops = [*node.ops[:at], other(), *node.ops[at + 1 :]]
            yield _text(ast.Compare(node.left, ops, node.comparators))


def _constant(value: object) -> Iterator[str]:
    if isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, (int, float)):
        yield repr(value + 1)
        if value == 1:
            yield "0"


def _called(node: ast.Call) -> Iterator[str]:
    called = node.func
    if isinstance(called, ast.Name) and called.id in _NAMES:
        other: ast.expr = ast.Name(_NAMES[called.id])
    elif isinstance(called, ast.Attribute) and called.attr in _NAMES:
        other = ast.Attribute(called.value, _NAMES[called.attr])
    else:
        return
    yield ast.unparse(ast.Call(other, node.args, node.keywords))


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _replaced(source: str, node: ast.AST, text: str) -> Mutant | None:
    """Return the mutant with `text` in place of `node`, ``None`` if that is no Python."""
    assert isinstance(node, (ast.expr, ast.stmt))
    first, last = node.lineno, node.end_lineno or node.lineno
    lines = source.encode().splitlines(keepends=True)
    head, tail = lines[first - 1][: node.col_offset], lines[last - 1][node.end_col_offset :]
    changed = head + text.encode() + tail
    whole = b"".join([*lines[: first - 1], changed, *lines[last:]]).decode()
    try:
        compile(whole, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return None
    before = b"".join(lines[first - 1 : last]).decode()
    return Mutant((first, last), _flat(before), _flat(changed.decode()), whole)


def _flat(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines())
