"""The scripts that a newcomer starts with."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_given_without_any_set_up(option: str, tmp_path: Path) -> None:
    script = tmp_path / "scripts" / "test"
    script.parent.mkdir()
    script.write_text((ROOT / "scripts" / "test").read_text())
    done = subprocess.run(["sh", str(script), option], capture_output=True, text=True, check=True)
    assert "scripts/test PATH|OPTION…" in done.stdout
    assert "#" not in done.stdout
    assert done.stderr == ""
