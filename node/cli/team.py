"""A devnet's nodes in processes of their own, and a replay beside them.

All end with this process, whatever ends it: it holds the other end of each node's stdin.
"""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import trio

from client.groups import leaves
from client.rpc import Rpc
from node.cli.output import note
from node.config import Config
from node.failure import ExitCode, Failure
from node.home import Home
from node.process import Running

GTX: Final = (sys.executable, "-m", "node.cli")
START_TIMEOUT_S: Final = 120.0
LINE_BYTES_MAX: Final = 2**16
PIECE_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Member:
    """One node of a team: its home, and the settings that its command line gives."""

    home: Home
    config: Config


@dataclass(frozen=True, slots=True)
class Replaying:
    """A replay beside the nodes; `command` is followed by their addresses and the first's home."""

    command: Sequence[str]
    exit_after: bool


async def run_team(
    members: Sequence[Member],
    announce: Callable[[Sequence[Running]], None],
    replaying: Replaying | None = None,
) -> int:
    """Run nodes until Ctrl-C, or until the replay ends; returns the replay's exit status.

    Raises `Failure` if a node does not come up, or ends before it is told to.
    """
    status = int(ExitCode.OK)
    try:
        async with _nodes(members) as nodes:
            runnings = [await _running(node) for node in nodes]
            announce(runnings)
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_cancel_on_signal, signals, nursery.cancel_scope)
                    for number, node in enumerate(nodes):
                        nursery.start_soon(_fail_when_it_ends, node, _name(number, nodes))
                    if replaying is not None:
                        status = await _replay(replaying, members[0].home, runnings)
                    if replaying is None or not replaying.exit_after:
                        if status:
                            note(f"the replay ended with status {status}; Ctrl-C ends the rest")
                        await trio.sleep_forever()
                    nursery.cancel_scope.cancel()
    except ExceptionGroup as group:
        # Who runs a devnet need not know that a task watches each node.
        raise next(leaves(group)) from group
    return status


@asynccontextmanager
async def _nodes(members: Sequence[Member]) -> AsyncIterator[list[trio.Process]]:
    """Start all, and end all that still run."""
    nodes: list[trio.Process] = []
    try:
        for member in members:
            nodes.append(await _start(member))  # noqa: PERF401 - if one fails, the others are ended
        yield nodes
    finally:
        with trio.CancelScope(shield=True):
            for node in nodes:
                if node.returncode is None:
                    node.terminate()
            for node in nodes:
                await node.wait()


async def _start(member: Member) -> trio.Process:
    rpc, log = member.config.rpc, member.config.log
    return await trio.lowlevel.open_process(
        [
            *GTX, "run", "--json", "--until-stdin-closes",
            "--home", str(member.home.folder), "--rpc-host", rpc.host, "--rpc-port", str(rpc.port),
            "--log-format", log.format, "--log-level", log.level,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C reaches this process only; it then stops the nodes after the replay.
        start_new_session=True,
    )  # fmt: skip


async def _running(node: trio.Process) -> Running:
    """Return what the node says once it serves, and answers; raises `Failure`."""
    assert node.stdout is not None, "it was asked for"
    line = b""
    with trio.move_on_after(START_TIMEOUT_S):
        while not line.endswith(b"\n") and len(line) < LINE_BYTES_MAX:
            piece = await node.stdout.receive_some(PIECE_BYTES)
            if not piece:
                break
            line += piece
    if not line.endswith(b"\n"):
        if node.returncode is None:
            node.terminate()
        raise _ended(await node.wait(), "the node")
    form: dict[str, Any] = json.loads(line)
    async with Rpc(form["urls"][0]) as rpc:
        await rpc.call("node_health")
    return Running.of_json(form)


async def _replay(plan: Replaying, home: Home, runnings: Sequence[Running]) -> int:
    """Run the replay to its end; returns its exit status. Told to stop if cancelled."""
    first, *others = [one.urls[0] for one in runnings]
    also = [word for url in others for word in ("--also", url)]
    command = [*plan.command, "--rpc-url", first, *also, "--home", str(home.folder)]
    process = await trio.lowlevel.open_process(command, start_new_session=True)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            with trio.CancelScope(shield=True):
                process.terminate()
                await process.wait()


async def _cancel_on_signal(signals: Any, scope: trio.CancelScope) -> None:  # noqa: ANN401
    async for _ in signals:
        scope.cancel()


async def _fail_when_it_ends(node: trio.Process, name: str) -> None:
    raise _ended(await node.wait(), name)


def _name(number: int, nodes: Sequence[trio.Process]) -> str:
    return "the node" if len(nodes) == 1 else f"the node of validator {number}"


def _ended(status: int, name: str) -> Failure:
    if status < 0:
        return Failure(
            ExitCode.BUG,
            f"{name} was ended by {signal.Signals(-status).name}",
            "nothing that was final is lost: give the same command with --keep to go on",
        )
    known = [code for code in ExitCode if code == status]
    return Failure(
        known[0] if known and status else ExitCode.BUG,
        f"{name} ended with status {status}",
        "its own message is above",
    )
