"""A file tells one story, and a function fits on a screen."""

import ast
from collections.abc import Iterator

from tests.tidy.project import name_of, project_files

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield node.name, lines


def test_no_file_is_longer_than_its_limit() -> None:
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in project_files(".py", ".pyi")
    }
    assert "tests/tidy/test_size.py" in lengths
    assert {path: n for path, n in lengths.items() if n > FILE_LINES_MAX} == {}


def test_no_function_is_longer_than_its_limit() -> None:
    found = [
        f"{name_of(path)}: {name} has {lines} lines"
        for path in project_files(".py")
        for name, lines in long_functions(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_a_function_is_measured_from_its_first_to_its_last_line() -> None:
    def function(body_lines: int) -> str:
        return "class C:\n    def f(self):\n" + "        pass\n" * body_lines

    assert list(long_functions(function(FUNCTION_LINES_MAX - 1))) == []
    assert list(long_functions(function(FUNCTION_LINES_MAX))) == [("f", FUNCTION_LINES_MAX + 1)]
