"""The write points of a process: every operation that changes or syncs a file of its home.

They are met where they happen: the system's calls under the signer's log and last-signed file, and
the store's commit. A run without a fault lists them by name; a run with one ends at the point asked
for, so a write point that is added later is met as well.
"""

import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from chain.store import CommitBatch
from node.home import Home
from node.leveldb import LevelStore

How: TypeAlias = Literal["before", "half", "after", "full"]
# What still fits on a full disk: part of a record, so that appends end in the middle of one.
ROOM_BYTES: Final = 40


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at one write point.

    before, after  the process is killed there
    half           the process is killed in the middle of a write; elsewhere as `before`
    full           the disk is full from there on; elsewhere than at an append or a write in place
                   it refuses every later write, also one in place, which needs no room
    """

    point: int
    how: How


class WritePoints:
    """Counts the write points of this process and performs the fault at the one it is for."""

    def __init__(self, home: Home, fault: Fault | None, tell: Callable[[int, str], None]) -> None:
        """Tell each point's number and name before it happens."""
        self._home = home
        self._fault = fault
        self._tell = tell
        self._count = 0

    def watch(self) -> None:
        """Stand between this process and its files from now on."""
        points, write, write_at = self, os.write, os.pwrite
        sync, sync_data = os.fsync, os.fdatasync
        rename, truncate, commit = os.replace, os.truncate, LevelStore.commit

        def watched_write(handle: int, data: bytes) -> int:
            half = partial(write, handle, _half(data))
            written: int = points.meet(
                "append to", _path_of(handle), lambda: write(handle, data), half
            )
            return written

        def watched_write_at(handle: int, data: bytes, place: int) -> int:
            half = partial(write_at, handle, _half(data), place)
            written: int = points.meet(
                "write into", _path_of(handle), lambda: write_at(handle, data, place), half
            )
            return written

        def watched_sync(handle: int) -> None:
            points.meet("sync", _path_of(handle), lambda: sync(handle))

        def watched_sync_data(handle: int) -> None:
            points.meet("sync", _path_of(handle), lambda: sync_data(handle))

        def watched_rename(source: Any, target: Any) -> None:  # noqa: ANN401 - any kind of path
            points.meet("rename", Path(target), lambda: rename(source, target))

        def watched_truncate(where: Any, size: int) -> None:  # noqa: ANN401 - a path or a handle
            path = _path_of(where) if isinstance(where, int) else Path(where)
            points.meet("cut", path, lambda: truncate(where, size))

        def watched_commit(store: LevelStore, batch: CommitBatch) -> None:
            points.meet("commit to", points.database_log(), lambda: commit(store, batch))

        os.write, os.pwrite = watched_write, watched_write_at  # type: ignore[assignment]
        os.fsync, os.fdatasync = watched_sync, watched_sync_data  # type: ignore[assignment]
        os.replace, os.truncate = watched_rename, watched_truncate  # type: ignore[assignment]
        LevelStore.commit = watched_commit  # type: ignore[method-assign, assignment]

    def is_ours(self, path: Path) -> bool:
        """Say whether this is a file of the chain or the signer, or a folder of theirs."""
        home = self._home.folder
        return any(path.is_relative_to(home / name) for name in ("data", "signer"))

    def meet(
        self,
        verb: str,
        path: Path,
        act: Callable[[], Any],
        half: Callable[[], int] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the operation returns
        """Perform an operation, or what happens instead of it."""
        if not self.is_ours(path):
            return act()
        self._count += 1
        self._tell(self._count, f"{verb} {self._name(path)}")
        fault = self._fault
        if fault is None or fault.point != self._count:
            return act()
        if fault.how == "full":
            return self._fill_disk(verb, path, act)
        if fault.how == "half" and half is not None:
            half()
        if fault.how == "after":
            act()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("a killed process does nothing more")

    def _fill_disk(self, verb: str, path: Path, act: Callable[[], Any]) -> Any:  # noqa: ANN401
        grows = verb in {"append to", "commit to"}
        room = path.stat().st_size + ROOM_BYTES if grows else 0
        done = act() if verb == "write into" else None
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        return act() if done is None else done

    def database_log(self) -> Path:
        """Return LevelDB's own log, which the next commit is appended to."""
        return max(self._home.database.glob("*.log"))

    def _name(self, path: Path) -> str:
        relative = path.relative_to(self._home.folder)
        if relative.suffix == ".log" and relative.name != "consensus.log":
            return "the database"
        if ".last" in relative.name:
            return "the last-signed file"
        if "consensus.log" in relative.name:
            return "the signer's log"
        return f"the folder {relative}"


def _half(data: bytes) -> bytes:
    """Return the first half of what is written, without the zeros that fill up a slot."""
    return data[: len(data.rstrip(b"\0")) >> 1]


def _path_of(handle: int) -> Path:
    return Path(f"/proc/self/fd/{handle}").readlink()
