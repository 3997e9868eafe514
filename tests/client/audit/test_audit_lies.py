"""A source that lies: one word of a block is changed on the way, and the audit names it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chain.store import StoredBlock
from chain.votes import Certificate
from client.audit import SourceError
from contracts.kernel import Value, codec
from tests.client.audit.audited import AuditedMarket
from tests.support.people import account_of

Change = Callable[[StoredBlock], StoredBlock]


@pytest.fixture(scope="module")
def world() -> AuditedMarket:
    """A market with two orders that trade, and a transfer."""
    world = AuditedMarket()
    world.ask("alice", 100, 2_500)
    world.bid("bob", 60, 3_000)
    world.call("carol", "credit", "transfer", account_of("dave"), 1_000, b"")
    world.pass_gate()
    assert world.differences() == ()
    return world


def height_of(world: AuditedMarket, event: str) -> tuple[int, int, int]:
    """Return height, receipt and number of the first event of this name."""
    for height in range(1, world.height + 1):
        block = world.store.block(height)
        assert block is not None
        for receipt, events in enumerate(block.events):
            for number, data in enumerate(events):
                if event.encode() in data:
                    return height, receipt, number
    raise AssertionError(event)


def changed(data: bytes, change: Callable[[list[Value]], None]) -> bytes:
    """Return an event or receipt with its fields changed."""
    value = codec.decode_trusted(data)
    change(value)
    return codec.encode(value)


def at(height: int, change: Change) -> Change:
    """Return what changes the block at one height alone."""
    return lambda block: change(block) if block.header.height == height else block


def with_event(place: tuple[int, int, int], change: Callable[[list[Value]], None]) -> Change:
    """Return what changes one event."""
    height, receipt, number = place

    def lie(block: StoredBlock) -> StoredBlock:
        events = [list(one) for one in block.events]
        events[receipt][number] = changed(events[receipt][number], change)
        return replace(block, events=tuple(tuple(one) for one in events))

    return at(height, lie)


@pytest.mark.parametrize(
    ("event", "field"),
    [("OrderPlaced", 8), ("TradesExecuted", 5), ("MarketCleared", 4), ("CreditTransferred", 3)],
)
def test_a_changed_event_is_the_only_difference(
    world: AuditedMarket, event: str, field: int
) -> None:
    place = height_of(world, event)

    def change(value: list[Value]) -> None:
        fields = value[3]
        assert isinstance(fields, list)
        fields[field] = 12_345

    (one,) = world.differences(with_event(place, change))
    block = world.store.block(place[0])
    assert block is not None
    assert one.height == place[0]
    assert one.what == f"event of receipt {place[1]} differs"
    assert one.subject == f"number {place[2]}"
    assert one.expected == block.events[place[1]][place[2]].hex()
    assert one.found != one.expected


def test_an_event_left_out_or_added_is_the_only_difference(world: AuditedMarket) -> None:
    height, receipt, _ = height_of(world, "CreditTransferred")

    def without(block: StoredBlock) -> StoredBlock:
        events = list(block.events)
        events[receipt] = events[receipt][:-1]
        return replace(block, events=tuple(events))

    def with_more(block: StoredBlock) -> StoredBlock:
        events = list(block.events)
        events[receipt] *= 2
        return replace(block, events=tuple(events))

    for lie, found in ((without, "0"), (with_more, "2")):
        (one,) = world.differences(at(height, lie))
        assert (one.height, one.expected, one.found) == (height, "1", found)


def test_a_changed_receipt_is_the_only_difference(world: AuditedMarket) -> None:
    height, receipt, _ = height_of(world, "CreditTransferred")

    def lie(block: StoredBlock) -> StoredBlock:
        receipts = list(block.receipts)
        receipts[receipt] = changed(receipts[receipt], lambda value: value.__setitem__(5, 0))
        return replace(block, receipts=tuple(receipts))

    (one,) = world.differences(at(height, lie))
    assert (one.height, one.what, one.subject) == (
        height, "receipt differs", f"number {receipt}"
    )  # fmt: skip


@pytest.mark.parametrize(
    "field", ["state_root", "receipts_root", "txs_root", "time_ms", "parent_hash", "proposer"]
)
def test_a_changed_header_ends_the_reexecution_there(world: AuditedMarket, field: str) -> None:
    height, _, _ = height_of(world, "CreditTransferred")

    def lie(block: StoredBlock) -> StoredBlock:
        old = getattr(block.header, field)
        other = old + 1 if isinstance(old, int) else bytes(len(old))
        return replace(block, header=replace(block.header, **{field: other}))  # type: ignore[arg-type]  # by name

    (one,) = world.differences(at(height, lie))
    assert one.height == height
    assert one.what == "block does not follow"
    assert one.subject.endswith("re-execution ends here")


def test_a_certificate_without_a_true_signature_is_refused(world: AuditedMarket) -> None:
    def lie(block: StoredBlock) -> StoredBlock:
        held = block.certificate
        assert isinstance(held, Certificate)
        return replace(block, certificate=replace(held, signatures=(bytes(64),)))

    for change in (lie, lambda block: replace(block, certificate=None)):
        (one,) = world.differences(at(5, change))
        assert (one.height, one.what) == (5, "block does not follow")
        assert one.subject.startswith("certificate;")


def test_a_changed_transaction_is_found_by_both_ways(world: AuditedMarket) -> None:
    height, receipt, _ = height_of(world, "CreditTransferred")

    def lie(block: StoredBlock) -> StoredBlock:
        raws = list(block.body.transactions)

        def more(value: list[Value]) -> None:
            value[0][7][0][2][1] = 1_001  # type: ignore[index]  # a transaction's form

        raws[receipt - 1] = changed(raws[receipt - 1], more)
        return replace(block, body=replace(block.body, transactions=tuple(raws)))

    found = world.differences(at(height, lie))
    assert {one.height for one in found} == {height}
    assert [one.what for one in found] == [
        "block does not follow",
        "receipt is of another transaction",
        "call and event",
    ]
    assert "1001" in found[2].expected
    assert "1000" in found[2].found


def test_another_genesis_is_not_that_of_the_chain(world: AuditedMarket) -> None:
    other = AuditedMarket(fee_base_uthb=2)
    other.store = world.store
    found = other.differences()
    assert {"chain_id", "params_hash", "state_root"} <= {one.subject for one in found}
    assert found[0].height == 0


def test_a_missing_block_ends_the_audit(world: AuditedMarket) -> None:
    def missing(block: StoredBlock) -> StoredBlock:
        raise SourceError(f"block {block.header.height} is missing")

    with pytest.raises(SourceError, match="block 5 is missing"):
        world.differences(at(5, missing))
