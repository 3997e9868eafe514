"""Nodes as processes of their own: `gtx run` in homes that `gtx` made, asked over their API."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.node.cli.program import Gtx

WITHIN_S = 60.0


@dataclass
class NodeProcess:
    """A home, what `gtx` said when it was made, and the process that runs in it."""

    gtx: Gtx
    number: int
    form: dict[str, Any]
    process: "subprocess.Popen[str] | None" = None
    logs: list[Path] = field(default_factory=list)

    def start(self) -> None:
        log = self.gtx.folder / f"{self.number}-{len(self.logs)}.log"
        self.logs.append(log)
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                self.gtx.command("run", "--home", self.form["home"], "--json"),
                cwd=self.gtx.folder,
                env=self.gtx.environment(),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        assert self.process.stdout.readline(), log.read_text()

    def end(self, how: signal.Signals) -> None:
        assert self.process is not None, "it runs"
        self.process.send_signal(how)
        self.process.communicate(timeout=WITHIN_S)
        self.process = None

    def ask(self, method: str, **params: Any) -> Any:  # noqa: ANN401
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.form["rpc"], json=body, timeout=WITHIN_S).json()
        assert "error" not in answer, answer
        return answer["result"]

    @property
    def height(self) -> int:
        height: int = self.ask("chain_status")["height"]
        return height

    def pay(self, recipient: str, key_home: str) -> None:
        done = self.gtx.start(
            "call", "credit.transfer", recipient, "5", "--key", "authority", "--json",
            "--home", key_home, "--rpc-url", self.form["rpc"],
        )  # fmt: skip
        assert done.status == 0, done.err
        assert json.loads(done.out)["height"] > 0


def free_ports(count: int) -> int:
    """Return the first of so many successive ports that nobody listens at."""
    for first in range(20_000 + 37 * (time.time_ns() // 1_000 % 500), 60_000, 37):
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)


def same_chain(nodes: Sequence[NodeProcess]) -> int:
    """Assert that all have the same blocks as far as all have come; return how far that is."""
    height = min(one.height for one in nodes)
    for at in range(height + 1):
        ids = {one.ask("chain_header", height=at)["block_id"] for one in nodes}
        assert len(ids) == 1, f"block {at}: {ids}"
    return height
