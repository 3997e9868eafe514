"""The mempool: what it takes in, who leaves a full one, what a block drops (PROTOCOL §4)."""

from chain.mempool import (
    AlreadyKnown,
    Mempool,
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
    TooHeavy,
    WrongKeys,
)
from chain.transaction import (
    Call,
    SignedTransaction,
    prepare,
)
from chain.verdicts import SignedMessage, Verdicts
from contracts.kernel import Lane, Value
from tests.support.genesis import parameters
from tests.support.lab import LabRegistry
from tests.support.mempool import (
    all_of,
    crowd,
    left,
    made,
    pool,
    refused,
    rich,
)
from tests.support.mempool_model import nonce_of, sender_of, size_of
from tests.support.people import account_of, key_of
from tests.support.world import World

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
    rekeyed = {"dave": True, "nobody": True, "alice": False, "carol": False}
    touched = {account_of(name): keys for name, keys in rekeyed.items()}
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
    departures = mempool.update(rich(), parameters(nonce_gap_max=2), 1, {})
    assert left(departures) == {
        chain[1].id: ExpiredTransaction,
        chain[4].id: NonceGap,
        chain[5].id: NonceGap,
    }
    assert [one.id for one in all_of(mempool)] == [chain[0].id]
    mempool.add(made("alice", 1))
    assert [nonce_of(one) for one in all_of(mempool)] == [0, 1, 2, 3]


def test_what_was_removed_leaves_a_hole_like_any_other() -> None:
    mempool = pool(chain=parameters(nonce_gap_max=2))
    chain = [made("alice", nonce) for nonce in range(5)]
    for one in chain:
        mempool.add(one)
    mempool.remove(chain[0].id)
    departures = mempool.update(rich(), parameters(nonce_gap_max=2), 1, {})
    assert left(departures) == {chain[3].id: NonceGap, chain[4].id: NonceGap}


def test_new_parameters_and_an_older_tip_are_applied_to_all_that_waits() -> None:
    mempool = pool()
    cheap, dear = made("alice", 0, 3_000), made("bob", 0, 100_000)
    mempool.add(cheap)
    mempool.add(dear)
    assert mempool.update(rich(), parameters(), 8, {}) == []
    departures = mempool.update(rich(), parameters(fee_base_uthb=50_000), 9, {})
    assert left(departures) == {cheap.id: FeeTooLow}
    short = parameters(fee_base_uthb=50_000, validity_blocks_max=9_991)
    assert mempool.update(rich(), short, 9, {}) == []
    assert left(mempool.update(rich(), short, 7, {})) == {dear.id: ExpiredTransaction}


def test_the_accounts_that_a_block_touched_are_found_in_its_changes() -> None:
    world = World()
    result = world.block(
        world.signed("alice", Call("credit", "transfer", (account_of("bob"), 5, b"")))
    )
    touched = accounts_in(result.changes)
    assert touched[account_of("alice")] is touched[account_of("bob")] is False
    assert account_of("carol") not in touched
    other = world.block(world.signed("bob", Call("nrg", "transfer", (account_of("dave"), 5, b""))))
    assert account_of("dave") not in accounts_in(other.changes)
    keys: list[Value] = [*sorted([key_of("carol"), key_of("carol's phone")])]
    rekeyed = world.block(world.signed("carol", Call("accounts", "set_keys", (keys, 2))))
    assert accounts_in(rekeyed.changes)[account_of("carol")] is True


def test_keys_are_asked_for_again_only_of_accounts_that_changed_them() -> None:
    accounts = rich()
    mempool = pool(accounts)
    one = made("alice", 0)
    mempool.add(one)
    accounts.locked[account_of("alice")] = None
    assert mempool.update(accounts, parameters(), 1, {account_of("alice"): False}) == []
    departures = mempool.update(accounts, parameters(), 2, {account_of("alice"): True})
    assert left(departures) == {one.id: WrongKeys}
    refused(mempool, WrongKeys, one)
    del accounts.locked[account_of("alice")]
    mempool.update(accounts, parameters(), 3, {account_of("alice"): True})
    assert mempool.add(one) == []
