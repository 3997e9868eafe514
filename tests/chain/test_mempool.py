"""The mempool: lanes, order, replacement, eviction, caps and what a block gets (PROTOCOL §4)."""

from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain.mempool import (
    LANE_PERCENT,
    AlreadyKnown,
    Departure,
    Mempool,
    MempoolLimits,
    PoolFull,
    Replaced,
    SenderCapReached,
    UnderpricedReplacement,
    accounts_in,
)
from chain.refusals import (
    BadSignature,
    CannotPayFee,
    ExpiredTransaction,
    FeeTooLow,
    LowNonce,
    NonceGap,
    NotIncludableError,
    TooHeavy,
    WrongKeys,
)
from chain.transaction import (
    Call,
    Mode,
    PreparedTransaction,
    SignedTransaction,
    Transaction,
    prepare,
    sign_transaction,
)
from chain.verdicts import SignedMessage, Verdicts
from contracts.governance.parameters import ChainParameters
from contracts.kernel import Lane
from tests.support.genesis import parameters
from tests.support.lab import LabRegistry
from tests.support.mempool_model import Accounts, Model, fee_of, nonce_of, sender_of, size_of
from tests.support.people import account_of, seed_of
from tests.support.world import World

CHAIN = bytes(32)
NAMES = ("alice", "bob", "carol", "dave", "erin")
RICH = 2**60
CALLS = {
    Lane.GOVERNANCE: Call("clock", "advance", (1,)),
    Lane.METERING: Call("lab", "total", ()),
    Lane.MARKET: Call("lab", "who", ()),
    Lane.OTHER: Call("nrg", "transfer", (bytes(20), 1, b"")),
}
SIGNED: dict[Transaction, PreparedTransaction] = {}


class Trusting:
    """Holds every signature for good: the pool's order does not depend on them."""

    def verdict(self, signed: SignedMessage) -> bool:
        return True


def made(
    sender: str,
    nonce: int,
    fee: int = 1_000_000,
    lane: Lane = Lane.OTHER,
    *,
    memo: int = 0,
    until: int = 10_000,
) -> PreparedTransaction:
    """Return a signed transaction; equal ones are signed once."""
    transaction = Transaction(
        CHAIN, account_of(sender), nonce, until, fee, Mode(0), (CALLS[lane],), bytes(memo)
    )
    if transaction not in SIGNED:
        signed = sign_transaction(transaction, [seed_of(sender)])
        SIGNED[transaction] = prepare(signed, LabRegistry.catalogue)
    return SIGNED[transaction]


def rich() -> Accounts:
    return Accounts(free={account_of(name): RICH for name in NAMES})


def crowd() -> Accounts:
    names = (*NAMES, *(f"flood {number}" for number in range(40)))
    return Accounts(free={account_of(name): RICH for name in names})


def pool(
    accounts: Accounts | None = None, chain: ChainParameters | None = None, **limits: int
) -> Mempool:
    view = accounts or rich()
    return Mempool(view, chain or parameters(), 0, Trusting(), MempoolLimits(**limits))


def all_of(mempool: Mempool) -> list[PreparedTransaction]:
    return list(mempool.proposal(bytes_max=2**40, weight_max=2**40))


def left(departures: Sequence[Departure]) -> dict[bytes, type[NotIncludableError]]:
    return {one.prepared.id: type(one.reason) for one in departures}


def refused(mempool: Mempool, error: type[NotIncludableError], one: PreparedTransaction) -> None:
    """Assert the refusal, and that nothing has changed by it."""
    before = (mempool.status(), all_of(mempool))
    with pytest.raises(NotIncludableError) as caught:
        mempool.add(one)
    assert type(caught.value) is error, caught.value
    assert (mempool.status(), all_of(mempool)) == before


# Taking in


def test_a_transaction_waits_until_it_is_removed() -> None:
    mempool, one = pool(), made("alice", 0)
    assert not mempool.has_ready()
    assert mempool.add(one) == []
    assert len(mempool) == 1
    assert one.id in mempool
    assert mempool.get(one.id) is one
    assert mempool.has_ready()
    refused(mempool, AlreadyKnown, one)
    mempool.remove(one.id)
    mempool.remove(one.id)
    assert len(mempool) == 0
    assert mempool.get(one.id) is None
    assert not mempool.has_ready()
    assert mempool.status()["senders"] == 0


def test_a_used_nonce_is_refused_and_one_too_far_ahead_too() -> None:
    accounts = rich()
    accounts.nonces[account_of("alice")] = 5
    mempool = pool(accounts, parameters(nonce_gap_max=2))
    refused(mempool, LowNonce, made("alice", 4))
    refused(mempool, NonceGap, made("alice", 8))
    mempool.add(made("alice", 7))
    assert not mempool.has_ready()
    for nonce in (5, 6):
        mempool.add(made("alice", nonce))
    mempool.add(made("alice", 10))
    refused(mempool, NonceGap, made("alice", 11))
    assert [nonce_of(one) for one in all_of(mempool)] == [5, 6, 7]


def test_expired_and_too_long_valid_transactions_are_refused() -> None:
    mempool = pool(chain=parameters(validity_blocks_max=3))
    refused(mempool, ExpiredTransaction, made("alice", 0, until=0))
    refused(mempool, ExpiredTransaction, made("alice", 0, until=5))
    mempool.add(made("alice", 0, until=1))
    mempool.add(made("alice", 1, until=4))


def test_what_no_block_would_take_for_its_fee_or_weight_is_refused() -> None:
    refused(pool(), FeeTooLow, made("alice", 0, 1_200))
    weighty = parameters(block_weight_max=1_000)
    refused(pool(chain=weighty), TooHeavy, made("alice", 0))


def test_keys_and_signatures_are_checked() -> None:
    accounts = rich()
    accounts.locked[account_of("bob")] = None
    mempool = Mempool(accounts, parameters(), 0, Verdicts())
    mempool.add(made("alice", 0))
    refused(mempool, WrongKeys, made("bob", 0))
    good = made("alice", 1).signed
    ((key, _),) = good.signatures
    forged = SignedMessage(key, good.signed[0].message, bytes(64))
    bad = SignedTransaction(good.transaction, ((key, bytes(64)),), good.raw, b"id", (forged,))
    refused(mempool, BadSignature, prepare(bad, LabRegistry.catalogue))


def test_a_sender_offers_no_more_fees_than_it_has() -> None:
    accounts = rich()
    accounts.free[account_of("alice")] = 20_000
    mempool = pool(accounts)
    mempool.add(made("alice", 0, 8_000))
    mempool.add(made("alice", 1, 8_000))
    refused(mempool, CannotPayFee, made("alice", 2, 4_001))
    refused(mempool, CannotPayFee, made("alice", 0, 12_001))
    mempool.add(made("alice", 0, 12_000))
    refused(mempool, CannotPayFee, made("alice", 2, 4_000))
    refused(mempool, CannotPayFee, made("nobody", 0))


def test_a_sender_has_a_cap_on_count_and_bytes() -> None:
    size = size_of(made("alice", 0))
    mempool = pool(sender_transactions=2, sender_bytes=2 * size + 100)
    mempool.add(made("alice", 0))
    mempool.add(made("alice", 1))
    refused(mempool, SenderCapReached, made("alice", 2))
    refused(mempool, SenderCapReached, made("alice", 1, 2_000_000, memo=200))
    mempool.add(made("alice", 1, 2_000_000, memo=50))
    mempool.add(made("bob", 0))


def test_a_replacement_offers_ten_percent_more_and_goes_to_the_end_of_the_lane() -> None:
    mempool = pool()
    first = made("alice", 0, 10_001)
    mempool.add(first)
    mempool.add(made("bob", 0))
    refused(mempool, UnderpricedReplacement, made("alice", 0, 11_001))
    better = made("alice", 0, 11_002)
    assert left(mempool.add(better)) == {first.id: Replaced}
    assert [sender_of(one) for one in all_of(mempool)] == [account_of("bob"), account_of("alice")]
    refused(mempool, UnderpricedReplacement, first)


def test_even_an_offer_of_nothing_is_outbid_by_something() -> None:
    free = parameters(fee_base_uthb=0, fee_per_weight_uthb=0)
    mempool = pool(chain=free)
    mempool.add(made("alice", 0, 0))
    refused(mempool, UnderpricedReplacement, made("alice", 0, 0, memo=1))
    mempool.add(made("alice", 0, 1))


# A full pool


def test_the_cheapest_leaves_a_full_pool_and_of_equals_the_youngest() -> None:
    mempool = pool(transactions=3)
    waiting = [made("alice", 0, 9_000), made("bob", 0, 8_000), made("carol", 0, 8_000)]
    for one in waiting:
        mempool.add(one)
    refused(mempool, PoolFull, made("dave", 0, 8_000))
    assert left(mempool.add(made("dave", 0, 8_001))) == {waiting[2].id: PoolFull}
    assert left(mempool.add(made("erin", 0, 8_500))) == {waiting[1].id: PoolFull}
    assert len(mempool) == 3


def test_a_senders_highest_nonce_leaves_first_and_never_for_its_own_sender() -> None:
    mempool = pool(transactions=3)
    chain = [made("alice", 0, 5_000), made("alice", 1, 90_000), made("alice", 2, 7_000)]
    for one in chain:
        mempool.add(one)
    refused(mempool, PoolFull, made("alice", 3, 99_000))
    assert left(mempool.add(made("bob", 0, 8_000))) == {chain[2].id: PoolFull}
    refused(mempool, PoolFull, made("bob", 1, 7_500))
    assert left(mempool.add(made("carol", 0, 95_000))) == {made("bob", 0, 8_000).id: PoolFull}


def test_what_waits_behind_a_missing_nonce_leaves_before_what_is_ready() -> None:
    mempool = pool(transactions=2)
    mempool.add(made("alice", 3, 90_000))
    mempool.add(made("bob", 0, 5_000))
    refused(mempool, PoolFull, made("carol", 1, 80_000))
    assert left(mempool.add(made("carol", 0, 4_500))) == {made("alice", 3, 90_000).id: PoolFull}
    refused(mempool, PoolFull, made("dave", 1, 99_000))


def test_what_is_not_ready_has_no_claim_on_its_lanes_share() -> None:
    mempool = pool(crowd(), transactions=10)
    for number in range(10):
        mempool.add(made(f"flood {number}", 0, 900_000))
    refused(mempool, PoolFull, made("alice", 1, 4_000, Lane.METERING))
    refused(mempool, PoolFull, made("alice", 1, 999_000, Lane.METERING))
    mempool.add(made("alice", 0, 4_000, Lane.METERING))


def test_a_replacement_in_a_full_pool_drives_nobody_else_out() -> None:
    size = size_of(made("alice", 0, 10_000))
    for mempool in (pool(transactions=2), pool(bytes=2 * size)):
        mempool.add(made("alice", 0, 10_000))
        mempool.add(made("bob", 0, 5_000))
        gone = mempool.add(made("alice", 0, 12_000))
        assert left(gone) == {made("alice", 0, 10_000).id: Replaced}
        assert len(mempool) == 2


def test_a_lane_above_its_share_gives_way_to_one_within_whatever_it_offers() -> None:
    accounts = crowd()
    mempool = pool(accounts, transactions=10)
    for number in range(10):
        mempool.add(made(f"flood {number}", 0, 900_000 + number))
    for lane, count in ((Lane.GOVERNANCE, 1), (Lane.METERING, 3), (Lane.MARKET, 4)):
        for number in range(count):
            cheap = made(f"flood {10 + 5 * lane + number}", 0, 4_000, lane)
            (gone,) = mempool.add(cheap)
            assert gone.prepared.lane is Lane.OTHER
        refused(mempool, PoolFull, made("alice", 0, 4_000, lane))
    assert [one.lane for one in all_of(mempool)].count(Lane.OTHER) == 2
    for number in range(20):
        flood = made(f"flood {25 + number % 5}", 0, 990_000 + number)
        assert {gone.prepared.lane for gone in mempool.add(flood)} == {Lane.OTHER}


def test_bytes_are_shared_like_places() -> None:
    accounts = crowd()
    size = size_of(made("alice", 0, memo=200))
    mempool = pool(accounts, bytes=10 * size)
    for number in range(10):
        mempool.add(made(f"flood {number}", 0, 900_000, memo=200))
    (gone,) = mempool.add(made("alice", 0, 4_000, Lane.METERING))
    assert gone.prepared.lane is Lane.OTHER
    assert len(mempool.add(made("bob", 0, 990_000, Lane.MARKET, memo=200))) <= 2
    refused(pool(bytes=size - 1), PoolFull, made("alice", 0, memo=200))


def test_who_hides_behind_another_lane_leaves_with_what_hides_it() -> None:
    """A high nonce in a lane within its share does not keep the lower ones in the pool."""
    accounts = crowd()
    mempool = pool(accounts, transactions=10)
    for number in range(9):
        mempool.add(made("flood 0", number, 900_000))
    mempool.add(made("flood 0", 9, 900_000, Lane.GOVERNANCE))
    gone = left(mempool.add(made("alice", 0, 4_000, Lane.METERING)))
    lower = made("flood 0", 8, 900_000).id
    assert gone == {lower: PoolFull, made("flood 0", 9, 900_000, Lane.GOVERNANCE).id: PoolFull}


def test_a_large_transaction_drives_out_several_or_none() -> None:
    small = size_of(made("flood 0", 0, 10_000))
    mempool = pool(crowd(), bytes=10 * small)
    waiting = [made(f"flood {number}", 0, 10_000 + number) for number in range(10)]
    for one in waiting:
        mempool.add(one)
    large = made("alice", 0, 50_000, memo=small)
    assert 2 * small <= size_of(large) < 3 * small
    gone = left(mempool.add(large))
    assert gone == {one.id: PoolFull for one in waiting[:3]}
    refused(mempool, PoolFull, made("bob", 0, 10_004, memo=small))
    assert len(mempool) == 8


def test_the_order_of_leaving_survives_any_number_of_changes() -> None:
    mempool = pool(crowd(), transactions=3)
    for name, fee in (("alice", 9_000), ("bob", 8_500)):
        mempool.add(made(name, 0, fee))
    for number in range(300):
        mempool.add(made("carol", 0, 5_000 + number % 3))
        mempool.remove(made("carol", 0, 5_000 + number % 3).id)
    mempool.add(made("carol", 0, 8_000))
    assert left(mempool.add(made("dave", 0, 8_200))) == {made("carol", 0, 8_000).id: PoolFull}
    assert left(mempool.add(made("erin", 0, 8_800))) == {made("dave", 0, 8_200).id: PoolFull}


# What a block gets


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
    mempool.update(accounts, parameters(), 1, [account_of("alice")])
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


# After a block


def test_after_a_block_the_pool_drops_what_is_used_expired_or_cannot_be_paid() -> None:
    accounts = rich()
    mempool = pool(accounts)
    used, next_one = made("alice", 0), made("alice", 1)
    expired, behind = made("bob", 0, until=1), made("bob", 1)
    poor = [made("carol", nonce, 10_000) for nonce in range(3)]
    locked = made("dave", 0)
    untouched = made("erin", 0)
    for one in (used, next_one, expired, behind, *poor, locked, untouched):
        mempool.add(one)
    accounts.nonces[account_of("alice")] = 1
    accounts.free[account_of("carol")] = 25_000
    accounts.locked[account_of("dave")] = None
    accounts.locked[account_of("erin")] = None
    touched = [account_of(name) for name in ("dave", "nobody", "alice", "carol")]
    departures = mempool.update(accounts, parameters(), 1, touched)
    assert left(departures) == {
        used.id: LowNonce,
        expired.id: ExpiredTransaction,
        poor[2].id: CannotPayFee,
        locked.id: WrongKeys,
    }
    assert [one.id for one in all_of(mempool)] == [
        next_one.id,
        poor[0].id,
        poor[1].id,
        untouched.id,
    ]
    assert left(mempool.update(accounts, parameters(), 1)) == {untouched.id: WrongKeys}


def test_a_hole_drops_what_is_too_far_behind_it() -> None:
    mempool = pool(chain=parameters(nonce_gap_max=2))
    chain = [made("alice", nonce, until=1 if nonce == 1 else 99) for nonce in range(6)]
    for one in chain:
        mempool.add(one)
    departures = mempool.update(rich(), parameters(nonce_gap_max=2), 1, [])
    assert left(departures) == {
        chain[1].id: ExpiredTransaction,
        chain[4].id: NonceGap,
        chain[5].id: NonceGap,
    }
    assert [one.id for one in all_of(mempool)] == [chain[0].id]
    mempool.add(made("alice", 1))
    assert [nonce_of(one) for one in all_of(mempool)] == [0, 1, 2, 3]


def test_new_parameters_and_an_older_tip_are_applied_to_all_that_waits() -> None:
    mempool = pool()
    cheap, dear = made("alice", 0, 2_000), made("bob", 0, 100_000)
    mempool.add(cheap)
    mempool.add(dear)
    assert mempool.update(rich(), parameters(), 8, []) == []
    departures = mempool.update(rich(), parameters(fee_base_uthb=50_000), 9, [])
    assert left(departures) == {cheap.id: FeeTooLow}
    short = parameters(fee_base_uthb=50_000, validity_blocks_max=9_991)
    assert mempool.update(rich(), short, 9, []) == []
    assert left(mempool.update(rich(), short, 7, [])) == {dear.id: ExpiredTransaction}


def test_the_accounts_that_a_block_touched_are_found_in_its_changes() -> None:
    world = World()
    result = world.block(
        world.signed("alice", Call("credit", "transfer", (account_of("bob"), 5, b"")))
    )
    touched = accounts_in(result.changes)
    assert len(touched) == len(set(touched))
    assert {account_of("alice"), account_of("bob")} <= set(touched)
    assert account_of("carol") not in touched
    other = world.block(world.signed("bob", Call("nrg", "transfer", (account_of("dave"), 5, b""))))
    assert account_of("dave") not in accounts_in(other.changes)


SIZE = size_of(made("alice", 0, 10_000))
LIMITS = st.builds(
    MempoolLimits,
    transactions=st.integers(3, 24),
    bytes=st.integers(3 * SIZE, 30 * SIZE),
    sender_transactions=st.integers(2, 6),
    sender_bytes=st.integers(2 * SIZE, 8 * SIZE),
)
CHAIN_PARAMETERS = parameters(nonce_gap_max=2)
ARRIVALS = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from((0, 0, 0, 0, 1, 2, 3, -1)),
    st.booleans(),
    st.sampled_from((5_000, 5_499, 5_500, 6_000, 7_000, 9_000)),
    st.sampled_from(Lane),
    st.sampled_from((0, 0, 0, 100, 250)),
    st.sampled_from((50, 50, 50, 5, 2, 1, 0)),
)


class MempoolMachine(RuleBasedStateMachine):
    """Any sequence of arrivals, blocks and changes of accounts, beside the rules said plainly."""

    @initialize(limits=LIMITS)
    def begin(self, limits: MempoolLimits) -> None:
        self.accounts = rich()
        self.model = Model(self.accounts, limits, CHAIN_PARAMETERS.nonce_gap_max)
        self.pool = Mempool(self.accounts, CHAIN_PARAMETERS, 0, Trusting(), limits)

    @rule(arrivals=st.lists(ARRIVALS, min_size=1, max_size=8))
    def add(self, arrivals: list[tuple[str, int, bool, int, Lane, int, int]]) -> None:
        for arrival in arrivals:
            self.add_one(*arrival)

    def add_one(
        self, name: str, ahead: int, from_account: bool, fee: int, lane: Lane, memo: int, last: int
    ) -> None:
        sender = account_of(name)
        base = self.accounts.nonce(sender) if from_account else self.model.hole(sender)
        until = self.model.height + last
        one = made(name, max(0, base + ahead), fee, lane, memo=memo, until=until)
        expected = self.model.refusal(one)
        gone = None if expected else self.model.who_leaves(one)
        if expected is None and gone is None:
            expected = PoolFull
        if expected is None and sender in self.accounts.locked:
            expected = WrongKeys
        if expected is not None:
            with pytest.raises(NotIncludableError) as caught:
                self.pool.add(one)
            assert type(caught.value) is expected
            return
        assert gone is not None
        replaced = self.model.of(sender).get(nonce_of(one))
        expected_left: dict[bytes, type[NotIncludableError]] = {x.id: PoolFull for x in gone}
        if replaced is not None:
            expected_left[replaced.id] = Replaced
        assert left(self.pool.add(one)) == expected_left
        self.model.admit(one, gone)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.model.waiting:
            one = data.draw(st.sampled_from(self.model.waiting))
            self.pool.remove(one.id)
            self.model.waiting.remove(one)

    @rule(count=st.integers(0, 4), passed=st.integers(1, 3), data=st.data())
    def block(self, count: int, passed: int, data: st.DataObject) -> None:
        taken = all_of(self.pool)[:count]
        touched = [sender_of(one) for one in taken]
        for one in taken:
            self.accounts.nonces[sender_of(one)] = nonce_of(one) + 1
        name = data.draw(st.sampled_from(NAMES))
        change = data.draw(st.sampled_from(("nothing", "poor", "rich", "lock", "unlock")))
        if change in {"poor", "rich"}:
            self.accounts.free[account_of(name)] = 13_000 if change == "poor" else RICH
        elif change == "lock":
            self.accounts.locked[account_of(name)] = None
        elif change == "unlock":
            self.accounts.locked.pop(account_of(name), None)
        touched.append(account_of(name))
        self.model.height += passed
        ask = data.draw(st.sampled_from((touched, touched[::-1], None)))
        departures = self.pool.update(self.accounts, CHAIN_PARAMETERS, self.model.height, ask)
        assert left(departures) == self.model.follow()

    @rule(places=st.integers(1, 30), heavy=st.sampled_from(Lane), data=st.data())
    def propose(self, places: int, heavy: Lane, data: st.DataObject) -> None:
        weights = {x.id: 60 if x.lane is heavy else 1 for x in self.model.waiting}
        failing = {x.id for x in self.model.waiting if data.draw(st.integers(0, 9)) == 0}
        bytes_max, weight_max = places * SIZE, 100
        proposal = self.pool.proposal(bytes_max=bytes_max, weight_max=weight_max)
        found = []
        for one in proposal:
            found.append(one.id)
            if one.id in failing:
                proposal.failed()
            else:
                proposal.spent(weights[one.id])
        expected = self.model.proposal(bytes_max, weight_max, weights, failing)
        assert found == [one.id for one in expected]

    @invariant()
    def what_waits_is_what_should_and_within_all_limits(self) -> None:
        waiting, limits = self.model.waiting, self.model.limits
        status = self.pool.status()
        assert (status["transactions"], status["bytes"]) == (
            len(waiting),
            sum(map(size_of, waiting)),
        )
        assert all(one.id in self.pool for one in waiting)
        assert len(waiting) <= limits.transactions
        assert sum(map(size_of, waiting)) <= limits.bytes
        for name in NAMES:
            mine = self.model.of(account_of(name)).values()
            assert len(mine) <= limits.sender_transactions
            assert sum(map(size_of, mine)) <= limits.sender_bytes
            assert sum(map(fee_of, mine)) <= self.accounts.free_uthb(account_of(name))

    @invariant()
    def a_block_could_hold_exactly_what_waits_without_a_hole(self) -> None:
        ready = [x for x in self.model.waiting if nonce_of(x) < self.model.hole(sender_of(x))]
        assert sorted(x.id for x in all_of(self.pool)) == sorted(x.id for x in ready)
        assert self.pool.has_ready() == bool(ready)


TestMempoolMachine = MempoolMachine.TestCase
TestMempoolMachine.settings = settings(max_examples=60, stateful_step_count=25)
