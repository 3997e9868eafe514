"""Four `gtx run` processes on one chain: killed, missed, restarted, and still of one mind."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.node.cli.program import Gtx

SIZE = 4
WITHIN_S = 60.0


@dataclass
class Validator:
    """A home of `gtx testnet`, and the process that runs in it."""

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


@pytest.fixture
def validators(tmp_path: Path) -> Iterator[list[Validator]]:
    gtx = Gtx(tmp_path)
    rpc_port, p2p_port = free_ports(SIZE), free_ports(SIZE)
    made = gtx.json(
        "testnet", "-n", str(SIZE), "--out", "net",
        "--rpc-port", str(rpc_port), "--p2p-port", str(p2p_port),
    )  # fmt: skip
    all_ = [Validator(gtx, number, form) for number, form in enumerate(made["validators"])]
    try:
        for one in all_:
            one.start()
        yield all_
    finally:
        for one in all_:
            if one.process is not None:
                one.end(signal.SIGKILL)


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


def same_chain(validators: list[Validator]) -> int:
    """Assert that all have the same blocks as far as all have come; return how far that is."""
    height = min(one.height for one in validators)
    for at in range(height + 1):
        ids = {one.ask("chain_header", height=at)["block_id"] for one in validators}
        assert len(ids) == 1, f"block {at}: {ids}"
    return height


@pytest.mark.skipif(sys.platform != "linux", reason="processes are told apart by Linux's means")
def test_a_killed_validator_is_missed_by_nobody_and_comes_back(
    validators: list[Validator],
) -> None:
    first, *others = validators
    accounts = [one.form["account"] for one in validators]
    home = first.form["home"]
    for one in validators:
        one.pay(accounts[1], home)
    killed = others[-1]
    killed.end(signal.SIGKILL)
    for one in validators[:-1]:
        one.pay(accounts[2], home)
    stood_at = first.height
    killed.start()
    until(lambda: killed.height >= stood_at)
    killed.pay(accounts[3], home)
    until(lambda: len({one.height for one in validators}) == 1)
    assert same_chain(validators) >= stood_at
    for one in validators:
        known = one.ask("net_peers")["peers"]
        assert [(peer["is_up"], peer["lies"]) for peer in known] == [(True, 0)] * (SIZE - 1)
        assert len({peer["name"] for peer in known}) == SIZE - 1
        assert one.ask("consensus_state")["quorum"] == 3
    shown = first.gtx.start("consensus", "--rpc-url", first.form["rpc"]).out
    assert "waits for" in shown
    shown = first.gtx.start("peers", "--rpc-url", first.form["rpc"]).out
    assert shown.count(" up ") == SIZE - 1
    paid = {one.ask("account_get", address=accounts[0])["nonce"] for one in validators}
    assert paid == {2 * SIZE}
    for one in validators:
        one.end(signal.SIGTERM)
