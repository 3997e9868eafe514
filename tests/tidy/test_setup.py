"""scripts/setup finds a Python that works, or says what to do."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy.project import ROOT

# A Python that starts and fits, but tells what it was asked to do instead of doing it.
GOOD = f'#!/bin/sh\nif [ "$2" = -c ]; then exec "{sys.executable}" "$@"; fi\necho "{{name}}: $*"\n'
# What a version manager leaves behind for a version that is not chosen.
BROKEN = '#!/bin/sh\necho "version manager: {name}: command not found" >&2\nexit 127\n'
OTHER = "#!/bin/sh\necho other\n"
BARE = "#!/bin/sh\necho bare\n"


class Machine:
    """A PATH of two folders with the commands a test puts there, and the few that sh needs."""

    def __init__(self, root: Path) -> None:
        self.folders = [root / "first", root / "second"]
        for folder in self.folders:
            folder.mkdir()
        (self.folders[1] / "dirname").symlink_to("/usr/bin/dirname")

    def add(self, folder: int, name: str, script: str) -> Path:
        path = self.folders[folder] / name
        path.write_text(script.format(name=f"{folder}/{name}"), encoding="utf-8")
        path.chmod(0o755)
        return path

    def setup(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = ":".join(map(str, self.folders))
        return subprocess.run(
            ["/bin/sh", ROOT / "scripts" / "setup", *arguments],
            env={"PATH": path, **variables},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_takes_the_first_that_starts_and_fits(machine: Machine) -> None:
    machine.add(0, "python3.12", BROKEN)
    machine.add(1, "python3.12", OTHER)
    machine.add(0, "python3.11", BARE)
    machine.add(1, "python3.11", GOOD)
    machine.add(0, "python3", GOOD)
    result = machine.setup("dev")
    assert result.stdout == "1/python3.11: -I scripts/environment.py dev\n"
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", ["python3.12", "python3.11", "python3", "python"])
def test_knows_each_name_a_python_may_have(machine: Machine, name: str) -> None:
    machine.add(0, name, GOOD)
    assert machine.setup("runtime").stdout == f"0/{name}: -I scripts/environment.py runtime\n"


def test_takes_the_one_it_is_told_and_no_other(machine: Machine) -> None:
    machine.add(0, "python3.12", GOOD)
    chosen = machine.add(1, "mine", GOOD)
    assert machine.setup("dev", PYTHON=str(chosen)).stdout.startswith("1/mine: ")

    wrong = machine.add(1, "older", OTHER)
    result = machine.setup("dev", PYTHON=str(wrong))
    assert result.returncode == 1
    assert f"error: PYTHON={wrong} is not a Python 3.11 or 3.12 that starts" in result.stderr
    assert "help: " in result.stderr
    assert result.stdout == ""


def test_says_what_to_do_where_there_is_none(machine: Machine) -> None:
    machine.add(0, "python3", BROKEN)
    result = machine.setup("dev")
    assert result.returncode == 1
    assert "error: no Python 3.11 or 3.12 on the PATH starts\nhelp: install one" in result.stderr


def test_says_what_to_do_where_one_cannot_make_an_environment(machine: Machine) -> None:
    path = machine.add(0, "python3", BARE)
    result = machine.setup("dev")
    assert result.returncode == 1
    assert f"(no ensurepip, no pip): {path}\n" in result.stderr
    assert "help: install its package python3-venv or python3-pip" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("all",)])
def test_refuses_what_it_does_not_know(machine: Machine, arguments: tuple[str, ...]) -> None:
    machine.add(0, "python3", GOOD)
    result = machine.setup(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "usage: scripts/setup dev|runtime\n"
