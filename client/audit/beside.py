"""An audit in a process of its own, beside what makes the chain grow.

    with audit_beside(url, genesis, progress) as auditing:
        ...                                    # the chain grows; now and then:
        auditing.look()
        report = await auditing.finish(height)

The process reads blocks from the node as they become final, at a low priority: it takes what the
others leave of the machine, and is nearly through when the chain has reached its last block. It
ends with whoever began it: at the end of the `with`, or when its pipe is closed.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

import trio

from chain.genesis import Genesis, InvalidGenesisError
from client.audit.report import AuditReport
from client.audit.run import Progress, audit
from client.audit.source import RpcSource, SourceError
from client.rpc import NodeUnreachableError, Rpc, RpcError

NICENESS: Final = 10
POLL_S: Final = 0.5

# What the process tells: how far it is, and in the end its report, or in words what went wrong.
_Told = Progress | AuditReport | str


class AuditBeside:
    """One such audit; made by `audit_beside`."""

    def __init__(
        self, pipe: "Connection[int, _Told]", progress: Callable[[Progress], object]
    ) -> None:
        """Listen at the pipe."""
        self._pipe = pipe
        self._progress = progress
        self._came: AuditReport | None = None

    def look(self) -> None:
        """Hear what the process told since the last look; raises `SourceError`.

        Call it now and then: a process to which nobody listens waits in the end.
        """
        try:
            while self._came is None and self._pipe.poll():
                self._hear(self._pipe.recv())
        except (EOFError, OSError) as error:
            raise SourceError("the audit's process ended before its report") from error

    async def finish(self, height: int) -> AuditReport:
        """Return the report on the blocks up to this height, or the newest that the process saw.

        Raises `SourceError`.
        """
        self.look()
        try:
            self._pipe.send(height)
        except OSError as error:
            raise SourceError("the audit's process ended before its report") from error
        while self._came is None:
            await trio.lowlevel.wait_readable(self._pipe.fileno())
            self.look()
        return self._came

    def _hear(self, told: _Told) -> None:
        if isinstance(told, str):
            raise SourceError(told)
        if isinstance(told, AuditReport):
            self._came = told
        else:
            self._progress(told)


@contextmanager
def audit_beside(
    url: str, genesis: Genesis, progress: Callable[[Progress], object]
) -> Iterator[AuditBeside]:
    """Begin the audit of a node's chain in another process, which ends with the context."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_follow, args=(theirs, url, genesis), daemon=True)
    process.start()
    theirs.close()
    try:
        yield AuditBeside(ours, progress)
    finally:
        process.kill()
        process.join()
        ours.close()


def _follow(pipe: "Connection[_Told, int]", url: str, genesis: Genesis) -> None:
    """Audit a growing chain: what the process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    told: _Told
    try:
        told = trio.run(_audited, pipe, url, genesis)
    except* (SourceError, RpcError, NodeUnreachableError, InvalidGenesisError) as group:
        told = f"the audit ended without a report: {group.exceptions[0]}"
    except* (EOFError, OSError):
        sys.exit()  # Nobody waits for the report any more.
    pipe.send(told)


async def _audited(pipe: "Connection[_Told, int]", url: str, genesis: Genesis) -> AuditReport:
    async with Rpc(url) as rpc:
        source = RpcSource(genesis, rpc)
        return await audit(source, pipe.send, _heights(source, pipe))


async def _heights(source: RpcSource, pipe: "Connection[_Told, int]") -> AsyncGenerator[int, None]:
    """Yield the node's newest height again and again, and in the end the one that is asked for."""
    while True:
        yield await source.tip_height()
        with trio.move_on_after(POLL_S) as waited:
            await trio.lowlevel.wait_readable(pipe.fileno())
        if not waited.cancelled_caught:
            yield pipe.recv()
            return
