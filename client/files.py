"""Small files that must never be half written: secrets, settings, progress."""

import os
import tempfile
from pathlib import Path
from typing import Final

SECRET_MODE: Final = 0o600


def write_whole(path: Path, data: bytes, *, mode: int = SECRET_MODE) -> None:
    """Replace `path` by `data` so that a crash leaves either the old file or the new one.

    The folder is synced too: without it a rename may be gone after a power failure.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_halves(path: Path) -> None:
    """Remove what a killed process left of replacing `path`; nobody else may write it now."""
    for half in path.parent.glob(f".{path.name}.*"):
        half.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
