"""The import floors in pyproject.toml watch everything they should, and hold."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from tests.tidy.determinism_rules import BANNED_MODULES
from tests.tidy.project import FLOORS, ROOT, pyproject

CONTEXTS = ("certificates", "governance", "grid", "money", "trading")

# A small house with one file for each kind of place.
HOUSE = (
    *("chain/__init__.py", "chain/block.py"),
    *("contracts/__init__.py", "contracts/registry.py"),
    *("contracts/kernel/__init__.py", "contracts/kernel/codec.py"),
    *("contracts/grid/__init__.py", "contracts/grid/meters.py"),
    *("contracts/governance/__init__.py", "contracts/money/__init__.py"),
    *("contracts/money/accounts.py", "contracts/money/credit.py"),
    *("contracts/trading/__init__.py", "contracts/trading/auction.py"),
    *("contracts/trading/rationing.py", "contracts/trading/uniform_price.py"),
)


def rules() -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in pyproject()["tool"]["importlinter"]["contracts"]}


def broken(house: Path) -> list[str]:
    """Return the names of the rules that import-linter finds broken in a house."""
    program = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [program, "--no-cache", "--no-logo"],
        cwd=house,
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "200"},
    )
    verdicts = re.findall(r"^(.+?) (KEPT|BROKEN)", result.stdout, re.MULTILINE)
    assert len(verdicts) == len(rules()), result.stdout + result.stderr
    found = [name for name, verdict in verdicts if verdict == "BROKEN"]
    assert (result.returncode == 0) == (not found)
    return found


@pytest.fixture
def house(tmp_path: Path) -> Path:
    packages = pyproject()["tool"]["importlinter"]["root_packages"]
    for name in (*HOUSE, *(f"{package}/__init__.py" for package in packages)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def test_a_house_in_order_breaks_nothing(house: Path) -> None:
    (house / "chain/block.py").write_text("import contracts.registry\nimport hashlib\n")
    (house / "contracts/registry.py").write_text("from contracts.money import credit\n")
    (house / "contracts/money/credit.py").write_text("from contracts.kernel import codec\n")
    (house / "contracts/trading/auction.py").write_text("import contracts.trading.rationing\n")
    assert broken(house) == []


@pytest.mark.parametrize(
    ("rule", "importer", "imported"),
    [
        ("floors", "contracts/registry.py", "chain.block"),
        ("contexts", "contracts/kernel/codec.py", "contracts.money.credit"),
        ("contexts", "contracts/grid/meters.py", "contracts.registry"),
        ("contexts", "contracts/grid/__init__.py", "contracts.money"),
        ("contracts", "contracts/money/credit.py", "contracts.money.accounts"),
        ("pure", "contracts/kernel/codec.py", "time"),
        ("pure", "chain/block.py", "plyvel"),
    ],
)
def test_an_import_against_a_rule_breaks_it(
    house: Path, rule: str, importer: str, imported: str
) -> None:
    (house / importer).write_text(f"import {imported}\n")
    assert broken(house) == [rules()[rule]["name"]]


def test_a_folder_that_no_rule_names_breaks_the_order_of_contexts(house: Path) -> None:
    (house / "contracts/weather").mkdir()
    (house / "contracts/weather/__init__.py").touch()
    assert broken(house) == [rules()["contexts"]["name"]]


def test_every_floor_there_is_is_watched() -> None:
    present = [floor for floor in FLOORS if (ROOT / floor / "__init__.py").exists()]
    assert pyproject()["tool"]["importlinter"]["root_packages"] == present
    named = set(re.findall(r"\w+", " ".join(rules()["floors"]["layers"])))
    assert named == set(FLOORS)


def test_every_context_is_in_both_rules() -> None:
    layers = " ".join(rules()["contexts"]["layers"])
    assert set(re.findall(r"\w+", layers)) == {*CONTEXTS, "kernel", "registry"}
    assert rules()["contracts"]["modules"] == [f"contracts.{each}.*" for each in CONTEXTS]


def test_the_modules_forbidden_are_those_of_the_determinism_lint() -> None:
    assert rules()["pure"]["forbidden_modules"] == sorted(BANNED_MODULES)


def test_what_contracts_share_beside_them_defines_no_contract() -> None:
    for exception in rules()["contracts"]["ignore_imports"]:
        module = exception.partition(" -> ")[2]
        path = ROOT / f"{module.replace('.', '/')}.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert "Contract" not in map(ast.unparse, node.bases), module
