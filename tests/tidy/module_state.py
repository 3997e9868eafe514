"""Finds state that outlives a call: mutable values bound at the level of a module or class.

A validator that has run for a year and one that has just restarted must compute the same; what a
module remembers between calls is where they would part.
"""

import ast
from collections.abc import Iterator, Sequence

from tests.tidy import determinism_rules as rules
from tests.tidy.scopes import Names


def mutable_state(tree: ast.Module) -> Iterator[int]:
    """Yield the line of each binding of mutable state in the module and its classes."""
    finder = _Finder(Names(tree))
    yield from finder.in_body(tree.body, in_class=False)


class _Finder:
    def __init__(self, names: Names) -> None:
        self._names = names

    def in_body(self, body: Sequence[ast.stmt], *, in_class: bool) -> Iterator[int]:
        for statement in body:
            match statement:
                case ast.ClassDef(body=inner):
                    yield from self.in_body(inner, in_class=True)
                case ast.Assign(targets=targets, value=value):
                    if not _names_exports(targets) and not self._is_fixed(value, None, in_class):
                        yield statement.lineno
                case ast.AnnAssign(annotation=annotation, value=ast.expr() as value):
                    if not self._is_fixed(value, annotation, in_class):
                        yield statement.lineno
                case ast.If() | ast.For() | ast.While() | ast.With() | ast.Try():
                    for inner in _blocks(statement):
                        yield from self.in_body(inner, in_class=in_class)
                case _:
                    pass

    def _is_fixed(self, value: ast.expr, annotation: ast.expr | None, in_class: bool) -> bool:
        """Tell whether a binding cannot change what a later call sees."""
        if self._is_stateful(value):
            return False
        head = _final_type(annotation)
        if self._is_mutable(value):
            return head in rules.READ_ONLY_TYPES
        if not isinstance(value, ast.Call):
            return head not in rules.MUTABLE_TYPES
        # A class body is full of declarations that are calls: tables, fields.
        return in_class or self._is_fixed_call(value) or head not in {None, *rules.MUTABLE_TYPES}

    def _is_stateful(self, value: ast.expr) -> bool:
        """Tell whether a value moves on as it is used: no annotation makes that right."""
        if isinstance(value, ast.GeneratorExp):
            return True
        name = self._called(value)
        return name in {"iter", "open"} or name.startswith("itertools.")

    def _is_mutable(self, value: ast.expr) -> bool:
        match value:
            case ast.List() | ast.Dict() | ast.Set():
                return True
            case ast.ListComp() | ast.DictComp() | ast.SetComp():
                return True
            case ast.BinOp(left=left, right=right):
                return self._is_mutable(left) or self._is_mutable(right)
            case ast.IfExp(body=left, orelse=right):
                return self._is_mutable(left) or self._is_mutable(right)
            case _:
                name = self._called(value)
                return name in rules.MUTABLE_CONSTRUCTORS or name in rules.DTYPE_POSITION

    def _is_fixed_call(self, value: ast.Call) -> bool:
        name = self._called(value)
        return name in rules.FIXED_CONSTRUCTORS or name.startswith("typing.")

    def _called(self, value: ast.expr) -> str:
        if not isinstance(value, ast.Call):
            return ""
        return self._names.full_name(value.func) or ""


def _final_type(annotation: ast.expr | None) -> str | None:
    """Return the type that Final or ClassVar wraps: "" if bare, None without either."""
    match annotation:
        case ast.Name(id="Final") | ast.Attribute(attr="Final"):
            return ""
        case ast.Subscript(
            value=ast.Name(id="Final" | "ClassVar") | ast.Attribute(attr="Final" | "ClassVar"),
            slice=inner,
        ):
            return _final_type(inner) or _head(inner)
        case _:
            return None


def _head(annotation: ast.expr) -> str:
    match annotation:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value):
            return _head(value)
        case ast.Constant(value=str(text)):
            return _head(ast.parse(text, mode="eval").body)
        case _:
            return ""


def _names_exports(targets: Sequence[ast.expr]) -> bool:
    """Tell whether this is `__all__`, a list by custom."""
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for handler in getattr(statement, "handlers", []):
        yield handler.body
