"""Starts processes under test quickly: one process imports everything, then forks for each.

Requests and answers are lines of JSON on standard input and output. Every process gets a session of
its own and pipes for what it says; nothing of it may be left when its main process has ended.

    {"folder": "...", "plan": "..."}  →  {"status": -9, "out": "...", "err": "..."}
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RUN_S_MAX: Final = 60
# How long worker processes may outlive the node that they belong to.
LEFTOVER_S_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its status (minus the signal that killed it) and what it said."""

    status: int
    out: str
    err: str


class Launcher:
    """The test's side: a running launcher."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Use `launcher()`."""
        self._process = process

    def run(self, folder: Path, plan: str) -> Ended:
        """Run one process to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"folder": str(folder), "plan": plan}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the launcher died"
        return Ended(**json.loads(answer))


@contextlib.contextmanager
def launcher() -> Iterator[Launcher]:
    """Keep a launcher for the length of a `with` block."""
    with subprocess.Popen(
        [sys.executable, "-m", __spec__.name if __name__ == "__main__" else __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        yield Launcher(process)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Answer requests until there are no more."""
    # A worker process imports this module anew and must stay small.
    from tests.node.damage.program import main  # noqa: PLC0415 - see above

    for line in sys.stdin:
        asked = json.loads(line)
        (out_read, out_write), (err_read, err_write) = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            os.setsid()
            os.dup2(out_write, 1)
            os.dup2(err_write, 2)
            for handle in (out_read, out_write, err_read, err_write, 0):
                os.close(handle)
            os.open(os.devnull, os.O_RDONLY)
            status = 1
            try:
                status = main([asked["folder"], asked["plan"]])
            except BaseException:  # noqa: BLE001 - it is shown, and nothing may run after it
                traceback.print_exc()
            os._exit(status)
        os.close(out_write)
        os.close(err_write)
        said = _drained(child, out_read, err_read)
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


def _drained(child: int, *handles: int) -> dict[str, object]:
    """Read what a process and its workers say until all of them are gone."""
    said = {handle: bytearray() for handle in handles}
    deadline = time.monotonic() + RUN_S_MAX
    status: int | None = None
    with selectors.DefaultSelector() as waiting:
        for handle in handles:
            waiting.register(handle, selectors.EVENT_READ)
        while waiting.get_map():
            if status is None and (ended := os.waitpid(child, os.WNOHANG))[0]:
                status = os.waitstatus_to_exitcode(ended[1])
                deadline = time.monotonic() + LEFTOVER_S_MAX
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                said[handles[1]] += b"\nthe launcher had to end processes that were left over\n"
                deadline = float("inf")
            for key, _ in waiting.select(0.02):
                data = os.read(key.fd, 2**16)
                said[key.fd] += data
                if not data:
                    waiting.unregister(key.fd)
                    os.close(key.fd)
    if status is None:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    out, err = (said[handle].decode(errors="replace") for handle in handles)
    return {"status": status, "out": out, "err": err}


if __name__ == "__main__":
    serve()
