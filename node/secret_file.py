"""Secrets of a node on disk: small JSON files that only their owner may read.

A node uses them without a person beside it, so they cannot wait for a passphrase.
"""

import json
import stat
from pathlib import Path
from typing import Any, Final

from client.files import write_whole
from node.failure import ExitCode, Failure

FILE_BYTES_MAX: Final = 4_096


def save_secret(path: Path, content: dict[str, Any], *, what: str) -> None:
    """Write a file that is not there yet; raises `Failure` if it is."""
    if path.exists():
        raise Failure(
            ExitCode.CONFIG,
            f"{path} exists: this home has a {what} already",
            "use another folder with --home",
        )
    write_whole(path, json.dumps(content, indent=1).encode() + b"\n")


def load_secret(path: Path) -> dict[str, Any]:
    """Read a file; raises `Failure` if it is missing, damaged, or readable by others."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            raise Failure(
                ExitCode.CONFIG,
                f"{path} holds a secret, but others may read it",
                f"chmod 600 {path}",
            )
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX)
    except FileNotFoundError as error:
        raise Failure(
            ExitCode.CONFIG, f"there is no {path}", "make a home with: gtx init"
        ) from error
    except OSError as error:
        raise Failure(ExitCode.CONFIG, f"cannot read {path}: {error.strerror}") from error
    try:
        fields = json.loads(content)
    except ValueError:
        # Not chained: a decoder's message can repeat what it read.
        fields = None
    if not isinstance(fields, dict):
        raise damaged(path)
    return fields


def damaged(path: Path) -> Failure:
    """Return what to say of a file that is not what was written."""
    return Failure(ExitCode.CONFIG, f"{path} is damaged", "restore it from a backup")
