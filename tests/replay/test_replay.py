"""Replays by real processes: a node, `gtx replay` against it, and both killed in the middle."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from chain.bech32 import encode_address
from client.devnet_keys import Identity
from client.replay.setup import WEEK_FOLDER, make_genesis
from client.replay.week import QUARTERS_PER_DAY, load_week
from node.failure import ExitCode
from tests.node.cli.program import Gtx

TIMEOUT_S = 600
POLL_S = 0.05
# 2016-06-09, a sunny Thursday, is the fourth day of the data.
DAY = 3
# The fingerprint of that day with seed 1: trades, balances and watt-hours, on any machine. Ties are
# broken by chain id, so that another genesis may move single watt-hours.
DAY_FINGERPRINT = "ff1c6d5ee69eee763816143c756f057f9a382da804a344d49baf69d353fd4964"
# Of the two runs that are compared.
QUARTERS = 20
KILLED_AFTER = (5, 12)


@dataclass
class Machine:
    """A folder with a devnet's home in it, whose processes can be killed."""

    gtx: Gtx
    genesis: Path

    @contextmanager
    def node(self) -> Iterator["subprocess.Popen[str]"]:
        """Run the node, kept where it was; ends killed, unless it has ended by itself."""
        process = subprocess.Popen(
            self.gtx.command(
                "devnet", "--keep", "--genesis", str(self.genesis), "--rpc-port", "0", "--json"
            ),
            cwd=self.gtx.folder,
            env=self.gtx.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            self.gtx.url = json.loads(line)["urls"][0]
            yield process
        finally:
            process.kill()
            process.communicate()

    def replay(self, out: str) -> "subprocess.Popen[str]":
        """Start a replay, or go on with one."""
        return subprocess.Popen(
            self.gtx.command("replay", "--json", "--quarters", str(QUARTERS), "--out", out),
            cwd=self.gtx.folder,
            env=self.gtx.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, quarter: int, start_s: int) -> None:
        """Return once the chain is past a quarter's gate."""
        assert self.gtx.url is not None
        body = {"jsonrpc": "2.0", "id": 1, "method": "chain_status"}
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            status = httpx.post(self.gtx.url, json=body).json()["result"]
            if status["market_time_s"] >= start_s + quarter * 900:
                return
            time.sleep(POLL_S)
        pytest.fail(f"quarter {quarter} was not reached")


def day_genesis(folder: Path) -> tuple[Path, int]:
    """Write the genesis of the day; returns its file and when the day starts."""
    day = load_week(WEEK_FOLDER).days(DAY, 1)
    path = folder / "day.json"
    path.write_text(make_genesis(day).to_json())
    return path, day.start_s


def result_of(process: "subprocess.Popen[str]") -> Any:  # noqa: ANN401
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    return json.loads(out)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(Gtx(tmp_path), day_genesis(tmp_path)[0])


def test_a_day_is_replayed_reported_and_audited_clean(tmp_path: Path) -> None:
    genesis, _ = day_genesis(tmp_path)
    done = subprocess.run(
        [
            sys.executable, "-m", "node.cli", "devnet", "--replay", "--exit-after-replay",
            "--genesis", str(genesis), "--rpc-port", "0",
        ],
        cwd=tmp_path,
        env=Gtx(tmp_path).environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "No difference" in done.stdout
    folder = tmp_path / "home" / "replay-report"
    audited = json.loads((folder / "audit.json").read_text())
    assert audited["is_clean"] is True
    counts = audited["counts"]
    assert counts["readings"] == counts["reading_signatures"] == 104 * QUARTERS_PER_DAY
    assert counts["substitutes"] == 0
    assert counts["settlements"] == 94 * QUARTERS_PER_DAY
    assert counts["orders"] > 80 * QUARTERS_PER_DAY
    for name in ("report.html", "report.json", "canonical.json"):
        assert (folder / name).stat().st_size > 10_000
    assert DAY_FINGERPRINT in done.stdout
    assert "beside the replay" not in done.stderr


def test_a_replay_that_was_killed_with_its_node_ends_as_if_it_had_not_been(
    machine: Machine, tmp_path: Path
) -> None:
    start_s = load_week(WEEK_FOLDER).days(DAY, 1).start_s
    for quarter in KILLED_AFTER:
        with machine.node() as node:
            replay = machine.replay("interrupted")
            machine.wait_for(quarter, start_s)
            for process in (node, replay):
                process.send_signal(signal.SIGKILL)
            replay.communicate()
    with machine.node():
        interrupted = result_of(machine.replay("interrupted"))
    (tmp_path / "other").mkdir()
    untouched = Machine(Gtx(tmp_path / "other"), machine.genesis)
    with untouched.node():
        uninterrupted = result_of(untouched.replay("uninterrupted"))
        again = result_of(untouched.replay("again"))
    assert interrupted["audit"]["is_clean"] is uninterrupted["audit"]["is_clean"] is True
    assert interrupted["unexplained_uthb"] == uninterrupted["unexplained_uthb"] == {}
    assert interrupted["fingerprint"] == uninterrupted["fingerprint"] == again["fingerprint"]
    forms = [tmp_path / "interrupted", tmp_path / "other" / "uninterrupted"]
    one, two = [(folder / "canonical.json").read_bytes() for folder in forms]
    assert one == two


def test_what_cannot_go_on_is_refused_before_anything_is_sent(machine: Machine) -> None:
    gtx = machine.gtx
    with machine.node():
        first = gtx.json("replay", "--quarters", "3", "--out", "first")
        before = gtx.json("block")
        for options, said in (
            (["--quarters", "4"], "was replayed for 3 quarter-hours"),
            ([], "was replayed for 3 quarter-hours"),
            (["--quarters", "3", "--seed", "2"], "with another seed"),
        ):
            done = gtx.run("replay", "--json", *options)
            assert (done.status, done.error["name"]) == (ExitCode.REFUSED, "ReplayError")
            assert said in done.error["message"]
            assert "begin anew with" in done.error["help"]
        assert "--quarters 3" in gtx.run("replay").err
        again = gtx.json("replay", "--quarters", "3", "--out", "again")
        assert again["fingerprint"] == first["fingerprint"]
        after = gtx.json("block")
    # Blocks without transactions come by themselves; each has the receipt of its own work.
    sent = range(before["height"] + 1, after["height"] + 1)
    with machine.node():
        for height in sent:
            assert gtx.json("block", str(height))["receipt_count"] == 1


def test_who_registers_during_a_replay_does_not_end_it(machine: Machine) -> None:
    gtx = machine.gtx
    visitor = encode_address(Identity("account 0").account)
    terms = json.dumps(
        {"import_limit_w": 9_000, "export_limit_w": 9_000, "base_load_wh": 50,
         "market_maker": False}
    )  # fmt: skip
    standing = json.dumps(
        {"standing": "compliant", "licence": "L-1", "licence_expires_s": 4_102_444_800}
    )
    day_s = load_week(WEEK_FOLDER).days(DAY, 1).start_s
    quarter_s = str(day_s + 3 * 900)
    with machine.node():
        for calls in (
            ("registry.register_participant", "1", visitor, terms, "--key", "devnet/registrar"),
            ("registry.set_compliance", "95", standing, "--key", "devnet/registrar"),
            ("registry.accept_account", "95", "--key", "devnet/account-0"),
            ("orders.submit_bid", "1", quarter_s, "1", "70", "3950", "false",
             "--key", "devnet/account-0"),
        ):  # fmt: skip
            gtx.json("call", *calls)
        done = gtx.run("replay", "--quarters", "4", "--out", "with")
        assert done.status == 0, done.err
        assert gtx.json("replay", "--quarters", "4")["audit"]["is_clean"]
    assert "Others: orders of participants who are none of the replay's: 1, 0.1 kWh" in done.out
    assert "beside the replay, µTHB: grid account" in done.err


def test_a_node_of_another_chain_is_told_apart(tmp_path: Path) -> None:
    gtx = Gtx(tmp_path)
    with gtx.running("devnet"):
        done = gtx.run("replay", "--json")
        assert done.error["name"] == "ReplayError"
        assert "gtx devnet --replay" in done.error["help"]
