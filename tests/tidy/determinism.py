"""The determinism lint: what chain/ and contracts/ may not contain.

    python -m tests.tidy.determinism            both floors
    python -m tests.tidy.determinism PATH...    these files and folders

Works on the syntax tree, so it sees what the text of one file shows. The rules and what to write
instead stand in determinism_rules.py. Three comments lift one rule on their line:
`# index arithmetic` (bare rounding), `# pure cache: REASON` (a cache) and `# own source: REASON`
(running text that the code itself has put together).
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.tidy import determinism_rules as rules
from tests.tidy.module_state import mutable_state
from tests.tidy.scopes import Function, Names

DEFAULT_PATHS: Final = ("chain", "contracts")
ROUNDINGS: Final = "contracts/kernel/rounding.py"

_INDEX_ARITHMETIC: Final = re.compile(r"# index arithmetic\b")
_PURE_CACHE: Final = re.compile(r"# pure cache: \S+")
_OWN_SOURCE: Final = re.compile(r"# own source: \S+")
_FLOAT_DTYPE: Final = re.compile(r"[<>=|]?(f\d+|c\d+|[dgFDG]|e|f|float\d*|complex\d*)")


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """One line that breaks one rule."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {rules.ADVICE[self.rule]}"


def check_paths(paths: Iterable[Path]) -> tuple[list[Finding], int]:
    """Check these files and folders; return the findings in order and how many files there were."""
    files = sorted({file for path in paths for file in _python_files(path)})
    findings = [
        finding for file in files for finding in check_source(file.read_text("utf-8"), str(file))
    ]
    return findings, len(files)


def check_source(source: str, path: str) -> list[Finding]:
    """Check the text of one file; `path` names it and tells whether it holds the roundings."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [Finding(path, error.lineno or 1, "syntax")]
    checker = _Checker(tree, comments=_comments(source), is_roundings=path.endswith(ROUNDINGS))
    checker.visit(tree)
    found = {*checker.found, *((line, "mutable-state") for line in mutable_state(tree))}
    return sorted(Finding(path, line, rule) for line, rule in found)


class _Checker(ast.NodeVisitor):
    """Walks one file and notes (line, rule) wherever a rule is broken."""

    def __init__(self, tree: ast.Module, *, comments: dict[int, str], is_roundings: bool) -> None:
        self.found: set[tuple[int, str]] = set()
        self._names = Names(tree)
        self._comments = comments
        self._is_roundings = is_roundings
        self._float_is_refused_here: set[ast.expr] = set()

    def _note(self, node: ast.AST, rule: str) -> None:
        self.found.add((getattr(node, "lineno", 1), rule))

    def _has_comment(self, node: ast.expr | ast.stmt, pattern: re.Pattern[str]) -> bool:
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        return any(pattern.search(self._comments.get(line, "")) for line in lines)

    # Scopes

    def _visit_scope(self, node: ast.ClassDef | Function) -> None:
        self._names.enter(node)
        self.generic_visit(node)
        self._names.leave()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        # Decorators, defaults and annotations belong to the scope around; none of them binds names.
        self._visit_scope(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_scope(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_scope(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._note(node, "async")
        self._visit_scope(node)

    # Names

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check_import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self._check_import(node, f"{node.module}.{alias.name}")

    def _check_import(self, node: ast.stmt, full_name: str) -> None:
        if full_name.partition(".")[0] in rules.BANNED_MODULES:
            self._note(node, "banned-import")
        self._check_full_name(node, full_name)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        full_name = self._names.full_name(node)
        if full_name is not None:
            self._check_full_name(node, full_name)
        if node.attr in rules.BANNED_METHODS and isinstance(node.ctx, ast.Load):
            self._note(node, rules.BANNED_METHODS[node.attr])
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        full_name = self._names.full_name(node)
        if full_name is None or not isinstance(node.ctx, ast.Load):
            return
        if full_name == node.id and node not in self._float_is_refused_here:
            rule = rules.BANNED_BUILTINS.get(full_name)
            is_lifted = (rule == "bare-rounding" and self._is_roundings) or (
                full_name == "exec" and self._has_comment(node, _OWN_SOURCE)
            )
            if rule is not None and not is_lifted:
                self._note(node, rule)
        if full_name in rules.CACHES:
            self._check_full_name(node, full_name)

    def _check_full_name(self, node: ast.expr | ast.stmt, full_name: str) -> None:
        if full_name in rules.BANNED_NAMES:
            rule = rules.BANNED_NAMES[full_name]
            if not (rule == "bare-rounding" and self._bare_rounding_is_allowed(node)):
                self._note(node, rule)
        module, _, name = full_name.rpartition(".")
        if module == "math" and name not in rules.INTEGER_MATH:
            self._note(node, "float")
        is_use = isinstance(node, ast.expr)
        if full_name in rules.CACHES and is_use and not self._has_comment(node, _PURE_CACHE):
            self._note(node, "cache")

    # Numbers

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, float | complex):
            self._note(node, "float")

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._check_operator(node, node.op, node.left)
        if isinstance(node.op, ast.Pow):
            match node.right:
                case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                    self._note(node, "true-division")
                case _:
                    pass
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._check_operator(node, node.op, node.target)
        self.generic_visit(node)

    def _check_operator(
        self, node: ast.BinOp | ast.AugAssign, operator: ast.operator, left: ast.expr
    ) -> None:
        match operator, left:
            case ast.Div(), _:
                self._note(node, "true-division")
            case ast.Mod(), ast.Constant(value=bytes()):
                pass  # Bytes have no f-strings, and theirs is not a remainder.
            case ast.Mod(), ast.JoinedStr() | ast.Constant(value=str()):
                self._note(node, "percent-format")
            case ((ast.FloorDiv() | ast.Mod()), _) if not self._bare_rounding_is_allowed(node):
                self._note(node, "bare-rounding")
            case _:
                pass

    def _bare_rounding_is_allowed(self, node: ast.expr | ast.stmt) -> bool:
        return self._is_roundings or self._has_comment(node, _INDEX_ARITHMETIC)

    def visit_Compare(self, node: ast.Compare) -> None:
        if all(isinstance(operator, ast.Is | ast.IsNot) for operator in node.ops):
            self._float_is_refused_here.update((node.left, *node.comparators))
        self.generic_visit(node)

    # Calls

    def visit_Call(self, node: ast.Call) -> None:
        full_name = self._names.full_name(node.func) or ""
        if full_name in {"isinstance", "issubclass"}:
            self._float_is_refused_here.update(
                part for argument in node.args[1:] for part in _parts(argument)
            )
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        self._check_numpy(node, full_name, method)
        self._check_set_arguments(node, full_name, method)
        self.generic_visit(node)

    def _check_numpy(self, node: ast.Call, full_name: str, method: str) -> None:
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if full_name in rules.DTYPE_POSITION and "dtype" not in keywords:
            position = rules.DTYPE_POSITION[full_name]
            if position is None or len(node.args) <= position:
                self._note(node, "numpy-default-dtype")
        if full_name in {"numpy.sort", "numpy.argsort"} or method == "argsort":
            match keywords.get("kind"), keywords.get("stable"):
                case (ast.Constant(value="stable"), _) | (_, ast.Constant(value=True)):
                    pass
                case _:
                    self._note(node, "numpy-unstable-sort")
        names_dtypes = full_name.startswith("numpy.") or method in {"astype", "view"}
        for value in [*(node.args if names_dtypes else ()), keywords.get("dtype")]:
            match value:
                case ast.Constant(value=str(text)) if _FLOAT_DTYPE.fullmatch(text):
                    self._note(node, "float")
                case _:
                    pass

    # Sets

    def _check_set_arguments(self, node: ast.Call, full_name: str, method: str) -> None:
        consumes_in_order = (
            full_name in rules.ORDERED_CONSUMERS
            or full_name.startswith("itertools.")
            or method in rules.ORDERED_CONSUMER_METHODS
        )
        breaks_ties = full_name in rules.TIE_BREAKERS and any(
            keyword.arg == "key" for keyword in node.keywords
        )
        if consumes_in_order or breaks_ties:
            for argument in node.args:
                self._check_iterated(argument)
        if isinstance(node.func, ast.Attribute) and method == "pop":
            self._check_iterated(node.func.value)

    def _check_iterated(self, node: ast.expr) -> None:
        if self._names.is_set(node):
            self._note(node, "set-iteration")

    def visit_For(self, node: ast.For) -> None:
        self._check_iterated(node.iter)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._check_iterated(node.iter)
        self.generic_visit(node)

    def visit_YieldFrom(self, node: ast.YieldFrom) -> None:
        self._check_iterated(node.value)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        if isinstance(node.ctx, ast.Load):
            self._check_iterated(node.value)
        self.generic_visit(node)

    def visit_Set(self, node: ast.Set) -> None:
        # {*a, *b} of sets is a union: no order comes of it.
        for element in node.elts:
            self.visit(element.value if isinstance(element, ast.Starred) else element)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> None:
        self._check_iterated(node.value)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(target, ast.Tuple | ast.List) for target in node.targets):
            self._check_iterated(node.value)
        self.generic_visit(node)

    # Effects

    def visit_Global(self, node: ast.Global) -> None:
        self._note(node, "global")

    def visit_Await(self, node: ast.Await) -> None:
        self._note(node, "async")
        self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> None:
        for inner in ast.walk(node):
            match inner:
                case ast.NamedExpr() | ast.Await() | ast.Yield() | ast.YieldFrom():
                    self._note(node, "assert-effect")
                case ast.Call(func=ast.Attribute(attr=method)) if method in rules.MUTATORS:
                    self._note(node, "assert-effect")
                case ast.Call(func=ast.Name(id="next" | "setattr" | "delattr")):
                    self._note(node, "assert-effect")
                case _:
                    pass
        self.generic_visit(node)


def _parts(node: ast.expr) -> Iterator[ast.expr]:
    """Yield a class, or each of a tuple or union of classes."""
    match node:
        case ast.Tuple(elts=elements):
            for element in elements:
                yield from _parts(element)
        case ast.BinOp(left=left, right=right):
            yield from _parts(left)
            yield from _parts(right)
        case _:
            yield node


def _comments(source: str) -> dict[int, str]:
    """Return the comment of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def _python_files(path: Path) -> Iterator[Path]:
    return iter((path,)) if path.is_file() else path.rglob("*.py")


def main(arguments: Sequence[str]) -> int:
    """Print every finding; 0 if there are none, 2 if there was nothing to check."""
    findings, files = check_paths(Path(each) for each in arguments or DEFAULT_PATHS)
    for finding in findings:
        print(finding)
    if not files:
        print(f"error: no Python file in {' '.join(arguments or DEFAULT_PATHS)}", file=sys.stderr)
        return 2
    print(f"determinism: {len(findings)} findings in {files} files")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
