"""The project's own files, and where things stand in it."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
FLOORS: Final = ("chain", "client", "contracts", "node", "p2p")

# What a tool made, or what others wrote.
_NOT_OURS: Final = ("build", "data", "devnet-data", "dist", "node_modules")


def project_files(*suffixes: str, under: Path = ROOT) -> Iterator[Path]:
    """Yield the files with one of these suffixes, in order; hidden folders are left out."""
    for path in sorted(under.iterdir()):
        if path.is_dir():
            ours = not path.name.startswith((".", "__pycache__")) and path.name not in _NOT_OURS
            if ours and not path.name.endswith(".egg-info"):
                yield from project_files(*suffixes, under=path)
        elif path.suffix in suffixes:
            yield path


def name_of(path: Path) -> str:
    """Return a path as seen from the root of the project."""
    return str(path.relative_to(ROOT))


def pyproject() -> dict[str, Any]:
    """Return what pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
