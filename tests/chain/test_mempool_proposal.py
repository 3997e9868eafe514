"""What a block gets of the mempool: order of lanes, senders and nonces (PROTOCOL §4)."""

import pytest

from chain.mempool import (
    LANE_PERCENT,
)
from chain.transaction import (
    Call,
    Mode,
    Transaction,
    prepare,
    sign_transaction,
)
from contracts.kernel import Lane
from tests.support.genesis import parameters
from tests.support.lab import LabRegistry
from tests.support.mempool import (
    CALLS,
    CHAIN,
    all_of,
    crowd,
    made,
    pool,
    rich,
)
from tests.support.mempool_model import nonce_of, sender_of, size_of
from tests.support.people import account_of, seed_of


def test_a_block_takes_each_lane_in_order_of_arrival_whatever_is_offered() -> None:
    mempool = pool()
    order = [("carol", 5_000), ("alice", 90_000), ("dave", 7_000), ("bob", 6_000)]
    for sender, fee in order:
        mempool.add(made(sender, 0, fee))
    assert [sender_of(one) for one in all_of(mempool)] == [account_of(name) for name, _ in order]


def test_a_transaction_comes_after_its_senders_lower_nonces_and_never_without_them() -> None:
    mempool = pool()
    for sender, nonce in (("alice", 2), ("alice", 1), ("bob", 0), ("alice", 0), ("carol", 1)):
        mempool.add(made(sender, nonce))
    found = [(sender_of(one), nonce_of(one)) for one in all_of(mempool)]
    alice, bob = account_of("alice"), account_of("bob")
    assert found == [(bob, 0), (alice, 0), (alice, 1), (alice, 2)]


def test_every_lane_gets_its_share_of_a_block_under_flood() -> None:
    senders = [f"flood {n}" for n in range(40)]
    mempool = pool(crowd())
    for nonce in range(40):
        mempool.add(made(senders[0], nonce, lane=Lane.MARKET))
        mempool.add(made(senders[1], nonce, lane=Lane.OTHER))
    for number in range(6):
        mempool.add(made(senders[2 + number], 0, lane=Lane.METERING))
    mempool.add(made(senders[10], 0, lane=Lane.GOVERNANCE))
    size = size_of(made(senders[0], 0, lane=Lane.MARKET))
    found = list(mempool.proposal(bytes_max=20 * size, weight_max=2**40))
    count = {lane: sum(one.lane is lane for one in found) for lane in Lane}
    assert count[Lane.GOVERNANCE] == 1
    assert count[Lane.METERING] >= 5
    assert count[Lane.MARKET] >= 7
    assert count[Lane.OTHER] >= 3
    assert sum(map(size_of, found)) <= 20 * size


def test_shares_are_of_bytes_where_bytes_are_short() -> None:
    mempool = pool(crowd())
    for number in range(20):
        mempool.add(made(f"flood {number}", 0, lane=Lane.METERING, memo=250))
        mempool.add(made(f"flood {20 + number}", 0, lane=Lane.MARKET))
    proposal = mempool.proposal(bytes_max=14 * 210, weight_max=10**9)
    size = dict.fromkeys(Lane, 0)
    for one in proposal:
        size[one.lane] += size_of(one)
        proposal.spent(10)
    assert abs(4 * size[Lane.METERING] - 3 * size[Lane.MARKET]) < 4 * 500


def test_a_lane_of_heavy_transactions_cannot_take_the_weight_of_the_others() -> None:
    senders = [f"flood {n}" for n in range(40)]
    mempool = pool(crowd())
    for number in range(20):
        mempool.add(made(senders[number], 0, lane=Lane.GOVERNANCE))
        mempool.add(made(senders[20 + number], 0, lane=Lane.METERING))
    proposal = mempool.proposal(bytes_max=2**30, weight_max=1_000)
    used = dict.fromkeys(Lane, 0)
    for one in proposal:
        weight = 100 if one.lane is Lane.GOVERNANCE else 10
        if sum(used.values()) + weight > 1_000:
            break
        used[one.lane] += weight
        proposal.spent(weight)
        if 0 < used[Lane.METERING] < 200:
            assert 3 * used[Lane.GOVERNANCE] <= used[Lane.METERING] + 3 * 100
    assert used[Lane.METERING] == 200, "all of them"
    assert 700 <= used[Lane.GOVERNANCE] <= 800, "what the others leave"


def test_nothing_follows_a_transaction_that_failed() -> None:
    mempool = pool()
    for nonce in range(3):
        mempool.add(made("alice", nonce))
        mempool.add(made("bob", nonce))
    proposal = mempool.proposal(bytes_max=2**30, weight_max=1_000)
    found = []
    for one in proposal:
        if one.id == made("alice", 1).id:
            proposal.failed()
        else:
            found.append((sender_of(one), nonce_of(one)))
    assert found.count((account_of("alice"), 2)) == 0
    assert [nonce for sender, nonce in found if sender == account_of("bob")] == [0, 1, 2]


def test_a_proposal_is_of_what_waited_when_it_was_made() -> None:
    mempool = pool()
    mempool.add(made("alice", 0))
    proposal = mempool.proposal(bytes_max=2**30, weight_max=1_000)
    mempool.add(made("bob", 0))
    mempool.remove(made("alice", 0).id)
    assert [one.id for one in proposal] == [made("alice", 0).id]
    for report in (proposal.failed, lambda: proposal.spent(1)):
        report()
    fresh = mempool.proposal(bytes_max=2**30, weight_max=1_000)
    for report in (fresh.failed, lambda: fresh.spent(1)):
        with pytest.raises(AssertionError):
            report()


def test_a_proposal_passes_over_what_a_block_has_used_meanwhile() -> None:
    accounts = rich()
    mempool = pool(accounts)
    for nonce in range(3):
        mempool.add(made("alice", nonce))
    proposal = mempool.proposal(bytes_max=2**30, weight_max=1_000)
    accounts.nonces[account_of("alice")] = 2
    mempool.update(accounts, parameters(), 1, {account_of("alice"): False})
    assert [nonce_of(one) for one in proposal] == [2]


def test_lanes_are_of_the_calls_that_a_transaction_makes() -> None:
    for lane in Lane:
        assert made("alice", 0, lane=lane).lane is lane
    mixed = (CALLS[Lane.METERING], CALLS[Lane.MARKET])
    unknown = (CALLS[Lane.METERING], Call("nobody", "nothing", ()))
    for calls in (mixed, unknown, unknown[::-1], unknown[1:]):
        one = Transaction(CHAIN, account_of("alice"), 0, 9, 9, Mode(0), calls)
        signed = sign_transaction(one, [seed_of("alice")])
        assert prepare(signed, LabRegistry.catalogue).lane is Lane.OTHER
    assert sorted(LANE_PERCENT) == sorted(Lane)
