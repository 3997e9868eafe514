"""The lock files name every package, every hash, and no address."""

import re
from typing import NamedTuple

import pytest

from scripts.environment import EXPECTED_CHECK, PURE_SOURCE
from tests.tidy.project import ROOT, pyproject

LOCKS = ("setup", "runtime", "dev")

PIN = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[A-Za-z0-9.]+)( ; (?P<marker>[^\\]+))?"
)
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


class Pin(NamedTuple):
    version: str
    hashes: int


def read_lock(text: str) -> dict[str, Pin]:
    """Read a lock file; raises ValueError at anything but comments and pins with hashes."""
    pins: dict[str, Pin] = {}
    logical = re.sub(r" \\\n\s+", " ", text)
    for line in logical.splitlines():
        if not line or re.fullmatch(r"# +[\w :/]+", line):
            continue
        requirement, *hashes = re.split(r" (?=--)", line)
        pin = PIN.fullmatch(requirement.strip())
        if pin is None or not hashes or not all(map(HASH.fullmatch, hashes)):
            msg = f"not a pin with hashes: {line[:80]}"
            raise ValueError(msg)
        if pin["name"] in pins:
            msg = f"pinned twice, so the two Pythons would differ: {pin['name']}"
            raise ValueError(msg)
        pins[pin["name"]] = Pin(pin["version"], len(hashes))
    return pins


def lock(name: str) -> dict[str, Pin]:
    return read_lock((ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8"))


def direct_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[>=<~! ;]", requirement)[0].lower() for requirement in requirements}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_pins_and_hashes_only(name: str) -> None:
    assert lock(name)


HASHED = f"numpy==2.4.6 --hash=sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://index.example/simple",
        "--extra-index-url https://index.example/simple",
        "--find-links ./wheels",
        "-e .",
        "numpy @ file:///numpy.whl",
        "numpy @ https://index.example/numpy.whl",
        "# from https://index.example/simple",
        "numpy==2.4.6",
        "numpy>=2.4 --hash=sha256:" + "0" * 64,
        "numpy==2.4.6 --hash=md5:" + "0" * 32,
        f"{HASHED}\n{HASHED}",
    ],
)
def test_a_line_of_any_other_kind_is_seen(line: str) -> None:
    assert read_lock(f"# made by\n{HASHED}\n") == {"numpy": Pin("2.4.6", 1)}
    with pytest.raises(ValueError, match=r"not a pin|twice"):
        read_lock(f"{line}\n")


def test_what_checks_the_project_is_what_runs_it() -> None:
    runtime, dev = lock("runtime"), lock("dev")
    assert runtime.items() <= dev.items()
    assert not dev.keys() & lock("setup").keys()


def test_every_direct_dependency_is_locked() -> None:
    project, groups = pyproject()["project"], pyproject()["dependency-groups"]
    assert direct_names(project["dependencies"]) <= lock("runtime").keys()
    assert direct_names(groups["dev"]) <= lock("dev").keys()
    assert direct_names(groups["setup"]) == lock("setup").keys()


def test_the_override_is_the_one_that_pip_may_report() -> None:
    overrides = (ROOT / "requirements" / "overrides.txt").read_text(encoding="utf-8").splitlines()
    (override,) = (line for line in overrides if not line.startswith("#"))
    name, _, version = override.partition("==")
    assert lock("runtime")[name].version == version
    assert EXPECTED_CHECK.endswith(f"but you have {name} {version}.")
    assert EXPECTED_CHECK.startswith(f"libp2p {lock('runtime')['libp2p'].version} ")


def test_what_comes_as_source_comes_as_nothing_else() -> None:
    # One file each: were there a wheel among them, it would not have to be an exception.
    assert {lock("runtime")[name].hashes for name in PURE_SOURCE} == {1}
