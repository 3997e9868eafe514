"""The journal of a node's consensus on disk: what the machine was told since the node started.

Two files are kept, this start's and the one before. They serve whoever looks for a fault, and no
part of the node reads them: whatever goes wrong with them ends the journal, never the node.
"""

import os
from pathlib import Path
from typing import Final

import structlog

from node.home import Home

FILE_BYTES_MAX: Final = 2**30
FILE_MODE: Final = 0o600

log = structlog.get_logger(__name__)


class JournalFile:
    """The file of this start; `write` is for a `RecordedMachine`."""

    def __init__(self, home: Home) -> None:
        """Begin a new one, and keep the one before."""
        self.path = home.journal
        self._size = 0
        self._handle: int | None = None
        try:
            if self.path.exists():
                self.path.replace(before(self.path))
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            self._handle = os.open(self.path, flags, FILE_MODE)
        except OSError as error:
            self._end("journal_not_begun", error.strerror)

    def write(self, frame: bytes) -> None:
        """Append a frame; the file may end with a part of one."""
        if self._handle is None:
            return
        if self._size + len(frame) > FILE_BYTES_MAX:
            self._end("journal_is_full", f"{self._size} bytes")
            return
        try:
            left = memoryview(frame)
            while left:
                left = left[os.write(self._handle, left) :]
        except OSError as error:
            self._end("journal_broke", error.strerror)
            return
        self._size += len(frame)

    def close(self) -> None:
        """End the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _end(self, event: str, reason: str | None) -> None:
        log.warning(event, path=str(self.path), reason=reason)
        self.close()


def before(path: Path) -> Path:
    """Return where the journal of the start before lies."""
    return path.with_name(f"{path.name}.1")
