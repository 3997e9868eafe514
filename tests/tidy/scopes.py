"""What a name stands for, as far as the text of one file shows it.

`Names` answers three questions for the determinism lint: the full name behind an import alias,
whether a name is the builtin of that name, and whether an expression is visibly a set. It follows
assignments and annotations by name, not by flow: a name that is a set anywhere in its scope counts
as one.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_SET_TYPES: Final = frozenset({"AbstractSet", "FrozenSet", "MutableSet", "Set", "frozenset", "set"})
_WRAPPER_TYPES: Final = frozenset({"Annotated", "ClassVar", "Final", "Optional"})
_SET_OPERATORS: Final = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)
_SET_METHODS: Final = frozenset(
    {"copy", "difference", "intersection", "symmetric_difference", "union"}
)


@dataclass(slots=True)
class Scope:
    """The names bound in one module, class or function, and which of them are sets."""

    is_class: bool
    bound: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)


class Names:
    """Resolves names and recognises sets while a visitor walks one file."""

    def __init__(self, tree: ast.Module) -> None:
        self._imports = dict(_imports(tree))
        self._set_attributes = set(_set_attributes(tree))
        self._set_functions = {
            node.name
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and is_set_type(node.returns)
        }
        self._scopes: list[Scope] = []
        self.enter(tree)

    def enter(self, node: ast.Module | ast.ClassDef | Function) -> None:
        """Open the scope of `node`."""
        scope = Scope(is_class=isinstance(node, ast.ClassDef))
        self._scopes.append(scope)
        if isinstance(node, Function):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            for argument in [*every, arguments.vararg, arguments.kwarg]:
                if argument is not None:
                    scope.bound.add(argument.arg)
            scope.sets.update(each.arg for each in every if is_set_type(each.annotation))
        for inner in _own_nodes(node):
            self._bind(scope, inner)

    def leave(self) -> None:
        """Close the innermost scope."""
        self._scopes.pop()

    def full_name(self, node: ast.expr) -> str | None:
        """Return the dotted name behind `node`: of an import, a builtin, or a local chain."""
        match node:
            case ast.Name(id=name):
                if name in self._imports:
                    return self._imports[name]
                return None if self._find(name) else name
            case ast.Attribute(value=value, attr=attribute):
                owner = self.full_name(value)
                return None if owner is None else f"{owner}.{attribute}"
            case _:
                return None

    def is_set(self, node: ast.expr) -> bool:
        """Tell whether `node` is visibly a set or frozenset."""
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Name(id=name):
                scope = self._find(name)
                return scope is not None and name in scope.sets
            case ast.Attribute(attr=attribute):
                return attribute in self._set_attributes
            case ast.Call(func=function):
                return self._makes_set(function)
            case ast.BinOp(left=left, right=right, op=operator):
                return isinstance(operator, _SET_OPERATORS) and (
                    any(self.is_set(side) or _is_keys_view(side) for side in (left, right))
                )
            case ast.IfExp(body=body, orelse=otherwise):
                return self.is_set(body) or self.is_set(otherwise)
            case ast.NamedExpr(value=value):
                return self.is_set(value)
            case _:
                return False

    def _makes_set(self, function: ast.expr) -> bool:
        if self.full_name(function) in {"set", "frozenset"}:
            return True
        match function:
            case ast.Name(id=name):
                return name in self._set_functions
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                return name in self._set_functions
            case ast.Attribute(value=value, attr=method):
                return method in _SET_METHODS and self.is_set(value)
            case _:
                return False

    def _find(self, name: str) -> Scope | None:
        for scope in reversed(self._scopes):
            # The names of a class are not seen from its methods.
            if name in scope.bound and (scope is self._scopes[-1] or not scope.is_class):
                return scope
        return None

    def _bind(self, scope: Scope, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                scope.bound.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                scope.bound.add(name)
            case ast.ClassDef(name=name):
                scope.bound.add(name)
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                scope.bound.add(name)
                if is_set_type(annotation) or (value is not None and self.is_set(value)):
                    scope.sets.add(name)
            case ast.Assign(targets=targets, value=value) if self.is_set(value):
                scope.sets.update(each.id for each in targets if isinstance(each, ast.Name))
            case ast.NamedExpr(target=ast.Name(id=name), value=value) if self.is_set(value):
                scope.sets.add(name)
            case _:
                pass


def is_set_type(annotation: ast.expr | None) -> bool:
    """Tell whether an annotation names a set type, perhaps wrapped in Final, ClassVar or | None."""
    match annotation:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _SET_TYPES
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            if name not in _WRAPPER_TYPES:
                return name in _SET_TYPES
            return is_set_type(inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
        case ast.BinOp(left=left, right=right, op=ast.BitOr()):
            return is_set_type(left) or is_set_type(right)
        case ast.Constant(value=str(text)):
            return is_set_type(ast.parse(text, mode="eval").body)
        case _:
            return False


def _is_keys_view(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="keys" | "items"), args=[], keywords=[]):
            return True
        case _:
            return False


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    first = alias.name.partition(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (first, first)
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    yield alias.asname or alias.name, f"{module}.{alias.name}"
            case _:
                pass


def _set_attributes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(body=body):
                for statement in body:
                    match statement:
                        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                            if is_set_type(annotation):
                                yield name
                        case _:
                            pass
            case ast.AnnAssign(target=ast.Attribute(attr=name), annotation=annotation):
                if is_set_type(annotation):
                    yield name
            case ast.Assign(
                targets=[ast.Attribute(attr=name)],
                value=ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")),
            ):
                yield name
            case _:
                pass


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes inside `node`, in the order of the text, without those of inner scopes."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.ClassDef | Function):
            yield from _own_nodes(child)
