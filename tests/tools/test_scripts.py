"""The scripts that a newcomer starts with."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_given_without_any_set_up(option: str, tmp_path: Path) -> None:
    done = run(tmp_path, option)
    assert done.returncode == 0
    assert "scripts/test PATH|OPTION…" in done.stdout
    assert "#" not in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("wrong", ["tests/none", "tests/none.py", "none.py::test_it", "tests/a::b"])
def test_a_file_that_is_not_there_is_named_before_any_set_up(wrong: str, tmp_path: Path) -> None:
    done = run(tmp_path, "-k", "some", wrong)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: there is no {wrong.partition('::')[0]}\nhelp: name a file or folder below tests/\n"
    )


def run(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run `scripts/test` where there is nothing else of the project."""
    script = folder / "scripts" / "test"
    script.parent.mkdir()
    script.write_text((ROOT / "scripts" / "test").read_text())
    command = ["sh", str(script), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)
