"""A devnet with a replay beside it: the node in a process of its own, then `gtx replay` against it.

The node ends with this process, whatever ends it: it holds the other end of the node's stdin.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import trio

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
class Replaying:
    """What runs: a node over this home, then a replay; `command` is followed by its options."""

    home: Home
    config: Config
    exit_after: bool
    command: Sequence[str]


async def run_with_replay(plan: Replaying, announce: Callable[[Running], None]) -> int:
    """Run both until Ctrl-C, or until the replay ends; returns the replay's exit status.

    Raises `Failure` if the node does not come up, or ends before it is told to.
    """
    node = await _start_node(plan)
    stopping = False
    status = int(ExitCode.OK)
    try:
        running = await _running(node)
        announce(running)
        url = running.urls[0]
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_on_signal, signals, nursery.cancel_scope)
                nursery.start_soon(_fail_when_it_ends, node)
                status = await _replay(plan, url)
                if not plan.exit_after:
                    if status:
                        note(
                            f"the replay ended with status {status}; the node runs on until Ctrl-C"
                        )
                    await trio.sleep_forever()
                nursery.cancel_scope.cancel()
        stopping = True
    finally:
        with trio.CancelScope(shield=True):
            await _stop(node)
    assert stopping, "an exception left before"
    return status


async def _start_node(plan: Replaying) -> trio.Process:
    rpc, log = plan.config.rpc, plan.config.log
    return await trio.lowlevel.open_process(
        [
            *GTX, "run", "--json", "--until-stdin-closes",
            "--home", str(plan.home.folder), "--rpc-host", rpc.host, "--rpc-port", str(rpc.port),
            "--log-format", log.format, "--log-level", log.level,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C reaches this process only; it then stops the node after the replay.
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
        raise _ended(await _stop(node))
    form: dict[str, Any] = json.loads(line)
    async with Rpc(form["urls"][0]) as rpc:
        await rpc.call("node_health")
    return Running.of_json(form)


async def _replay(plan: Replaying, url: str) -> int:
    """Run the replay to its end; returns its exit status. Told to stop if cancelled."""
    command = [*plan.command, "--rpc-url", url, "--home", str(plan.home.folder)]
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


async def _fail_when_it_ends(node: trio.Process) -> None:
    raise _ended(await node.wait())


async def _stop(node: trio.Process) -> int:
    if node.returncode is None:
        node.terminate()
    return await node.wait()


def _ended(status: int) -> Failure:
    if status < 0:
        return Failure(
            ExitCode.BUG,
            f"the node was ended by {signal.Signals(-status).name}",
            "nothing that was final is lost: give the same command with --keep to go on",
        )
    known = [code for code in ExitCode if code == status]
    return Failure(
        known[0] if known and status else ExitCode.BUG,
        f"the node ended with status {status}",
        "its own message is above",
    )
