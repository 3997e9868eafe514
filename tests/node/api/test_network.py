"""The network as the API shows it: peers by their authorities, and what a round waits for."""

from dataclasses import replace

import pytest

from node.backend import PeerState, RoundState
from p2p.peer_id import peer_id_text
from tests.node.api.backend import ChainBackend
from tests.node.api.serving import serving
from tests.support.genesis import network_name, validator_names
from tests.support.people import account_of, key_of

NAMES = validator_names(4)
ACCOUNTS = sorted(account_of(name) for name in NAMES)
PEER = PeerState("", is_up=True, height=7, rtt_ms=2, dials=1, failures=0, stale=0, lies=2,
                 last_failure="")  # fmt: skip
ROUND = RoundState(
    height=8, round=1, step="prevote", proposer=ACCOUNTS[0], quorum=3, is_due=True,
    has_proposal=True, may_sign=True,
    votes=tuple((one, place < 1, False) for place, one in enumerate(ACCOUNTS)),
)  # fmt: skip


def name_of(account: bytes) -> str:
    return next(name for name in NAMES if account_of(name) == account)


FIRST = name_of(ACCOUNTS[0])


async def test_peers_have_their_authoritys_name_and_those_that_are_up_are_first() -> None:
    ids = [peer_id_text(key_of(network_name(name))) for name in NAMES[:2]]
    friend = peer_id_text(key_of("friend"))
    async with serving(ChainBackend(validators=4)) as served:
        served.backend.others = [
            replace(PEER, peer_id=ids[0], is_up=False, last_failure="nobody answers"),
            replace(PEER, peer_id=friend),
            replace(PEER, peer_id=ids[1]),
        ]
        found = (await served.call("net_peers"))["peers"]
    assert {one["peer_id"]: one["name"] for one in found} == {
        ids[0]: NAMES[0], ids[1]: NAMES[1], friend: None,
    }  # fmt: skip
    assert [one["is_up"] for one in found] == [True, True, False]
    assert found[-1]["last_failure"] == "nobody answers"
    assert found[0]["lies"] == 2


@pytest.mark.parametrize(
    ("state", "waits_for"),
    [
        (replace(ROUND, is_due=False), "a reason for a block"),
        (
            replace(ROUND, step="propose", has_proposal=False),
            f"the proposal of {name_of(ACCOUNTS[0])}",
        ),
        (replace(ROUND, step="propose"), f"executing the proposal of {name_of(ACCOUNTS[0])}"),
        (ROUND, f"2 more prevotes of 3, from any of: {name_of(ACCOUNTS[1])}, "),
        (replace(ROUND, step="precommit"), "3 more precommits of 3, from any of: "),
        (
            replace(ROUND, votes=tuple((one, True, False) for one in ACCOUNTS)),
            "agreement among the 4 prevotes that are here",
        ),
    ],
)
async def test_a_round_says_what_it_waits_for(state: RoundState, waits_for: str) -> None:
    async with serving(ChainBackend(validators=4)) as served:
        served.backend.under_way = state
        found = await served.call("consensus_state")
    assert found["waits_for"].startswith(waits_for)
    assert (found["height"], found["round"], found["proposer_name"]) == (8, 1, FIRST)
    assert [one["name"] for one in found["validators"]] == [name_of(one) for one in ACCOUNTS]
