"""Four `gtx run` processes on one chain: killed, missed, restarted, and still of one mind."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.home import Home
from tests.node.cli.program import Gtx
from tests.node.net.processes import NodeProcess, free_ports, same_chain, until

SIZE = 4


@pytest.fixture
def validators(tmp_path: Path) -> Iterator[list[NodeProcess]]:
    gtx = Gtx(tmp_path)
    rpc_port, p2p_port = free_ports(SIZE), free_ports(SIZE)
    made = gtx.json(
        "testnet", "-n", str(SIZE), "--out", "net",
        "--rpc-port", str(rpc_port), "--p2p-port", str(p2p_port),
    )  # fmt: skip
    all_ = [NodeProcess(gtx, number, form) for number, form in enumerate(made["validators"])]
    try:
        for one in all_:
            config = Home(Path(one.form["home"])).config
            config.write_text(config.read_text().replace("journal = false", "journal = true"))
            one.start()
        yield all_
    finally:
        for one in all_:
            if one.process is not None:
                one.end(signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are told apart by Linux's means")
def test_a_killed_validator_is_missed_by_nobody_and_comes_back(
    validators: list[NodeProcess],
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
    for one in validators:
        again = first.gtx.json("replay-wal", "--home", one.form["home"], "--last", "1")
        assert (again["differing"], again["failure"]) == (0, None)
        assert again["seat"] is not None
        assert again["height"] > stood_at
    before = Home(Path(killed.form["home"])).journal.with_name("consensus.journal.1")
    assert first.gtx.json("replay-wal", str(before))["differing"] == 0
