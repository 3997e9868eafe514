"""What no file of the project may say, and what every exception must."""

import re
from collections.abc import Iterator

import pytest

from tests.tidy.project import FLOORS, ROOT, name_of, project_files

TEXT_SUFFIXES = ("", ".css", ".html", ".js", ".md", ".py", ".pyi", ".sh", ".toml", ".txt", ".yml")

# Put together here, so that this file does not say them.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
SOMEBODYS_PATH = re.compile(r"(?<![\w.])/" + r"(home|root|Users)/\w")

# ANN401 needs no words: its name and the signature say that any type is meant.
IGNORE = re.compile(
    r"#\s*(?:type: ignore\[[^]]*\]|noqa: (?!ANN401\b)[A-Z]+\d+(?:, [A-Z]+\d+)*)(?P<reason>.*)"
)
REASON = re.compile(r"\w{3}")


def matches(pattern: re.Pattern[str]) -> Iterator[str]:
    for path in project_files(*TEXT_SUFFIXES):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                yield f"{name_of(path)}:{number}: {line.strip()}"


def lacks_reason(line: str) -> bool:
    found = IGNORE.search(line)
    return found is not None and not REASON.search(found["reason"])


def test_nothing_is_left_for_later() -> None:
    found = list(matches(UNFINISHED))
    assert not found, "do it, or open an issue:\n" + "\n".join(found)


def test_no_path_of_a_persons_machine_is_written_down() -> None:
    found = list(matches(SOMEBODYS_PATH))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("pattern", "line", "hit"),
    [
        (UNFINISHED, "# TO" + "DO: later", True),
        (UNFINISHED, "the Spanish word todo", False),
        (SOMEBODYS_PATH, "see /" + "home/ann/notes", True),
        (SOMEBODYS_PATH, "https://example.org/" + "home/x and ~/.gtx", False),
    ],
)
def test_the_patterns_hit_what_they_should(
    pattern: re.Pattern[str], line: str, *, hit: bool
) -> None:
    assert bool(pattern.search(line)) is hit


def test_every_ignored_check_in_the_floors_gives_its_reason() -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for floor in FLOORS
        if (ROOT / floor).is_dir()
        for path in project_files(".py", under=ROOT / floor)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if lacks_reason(line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "lacking"),
    [
        ("x = f()  # type: " + "ignore[misc]", True),
        ("x = f()  # type: " + "ignore[misc]  # the point of this test", False),
        ("x = 7  # no" + "qa: PLR2004", True),
        ("x = 7  # no" + "qa: PLR2004, S105 - one byte", False),
        ("def f(x: Any): ...  # no" + "qa: ANN401", False),
        ("x = 7  # an ordinary comment", False),
    ],
)
def test_a_reason_follows_the_code(line: str, *, lacking: bool) -> None:
    assert lacks_reason(line) is lacking
