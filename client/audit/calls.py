"""Calls: what a signed transaction ordered, against what the events say was done.

Of each call that ran well it follows from the signed arguments, and from the codes of a list, which
orders were placed, cancelled or replaced, which credit moved, and how market time advanced. The
events of the transaction must say exactly that, in that order: nobody trades or pays for others.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from client.audit.deeds import Deed, DoneCall
from client.audit.report import Findings
from contracts.grid.metering_words import ReadingsSubmitted
from contracts.kernel import Event, sha256
from contracts.kernel.clock import ClockAdvanced
from contracts.money.credit import CreditTransferred
from contracts.money.nrg import NrgTransferred
from contracts.trading.order_words import OrderCancelled, OrderPlaced, OrderReplaced
from contracts.trading.uniform_price import Side


class Act(NamedTuple):
    """One thing done: its kind, and what tells it from others."""

    kind: str
    values: tuple[Any, ...]


# Which part of an event follows from the signed call alone.
_OF_EVENT: Final[dict[type[Event], Callable[[Any], tuple[Any, ...]]]] = {
    OrderPlaced: lambda e: (
        e.account, e.market, e.start_s, e.zone, e.side, e.id, e.quantity_wh, e.limit_per_wh,
        e.source, e.green,
    ),
    OrderCancelled: lambda e: (e.account, e.market, e.start_s, e.side, e.id),
    OrderReplaced: lambda e: (
        e.account, e.market, e.start_s, e.side, e.replaced, e.id, e.quantity_wh, e.limit_per_wh,
    ),
    CreditTransferred: lambda e: (e.sender, e.recipient, e.amount_uthb, e.memo),
    NrgTransferred: lambda e: (e.sender, e.recipient, e.amount_unrg, e.memo),
    ClockAdvanced: lambda e: (e.to_s,),
    ReadingsSubmitted: lambda e: (e.accepted, e.refused),
}  # fmt: skip


def check_calls(deed: Deed, findings: Findings) -> None:
    """Compare what a transaction ordered with what its events say; nothing may be untold."""
    ordered = [act for done in deed.done_calls() for act in _acts_of(deed, done)]
    told = []
    for one in deed.events:
        of_event = _OF_EVENT.get(type(one.event))
        if of_event is not None:
            told.append(Act(type(one.event).__name__, of_event(one.event)))
    if ordered == told:
        return
    for number in range(max(len(ordered), len(told))):
        expected = ordered[number] if number < len(ordered) else None
        found = told[number] if number < len(told) else None
        findings.compare("call and event", f"act {number}", expected, found)


def accepted_items(done: DoneCall) -> Iterator[tuple[int, list[Any]]]:
    """Yield (place, item) of a list call's items that were accepted."""
    (items,) = done.call.arguments
    assert isinstance(items, list), "a call that ran well had arguments of its shape"
    codes = done.value if isinstance(done.value, list) else []
    for place, (item, code) in enumerate(zip(items, codes, strict=False)):
        if code == 0:
            yield place, item  # type: ignore[misc]  # an item of a checked list of records


def _acts_of(deed: Deed, done: DoneCall) -> Iterator[Act]:
    call, caller = done.call, done.caller
    arguments: tuple[Any, ...] = call.arguments
    match call.contract, call.method:
        case "orders", "submit_bid":
            market, start_s, zone, quantity_wh, limit, green = arguments
            item = (market, start_s, zone, Side.BID, quantity_wh, limit, None, green)
            yield _placed(deed, done, 0, item)
        case "orders", "submit_ask":
            market, start_s, zone, quantity_wh, limit, source, green = arguments
            item = (market, start_s, zone, Side.ASK, quantity_wh, limit, source, green)
            yield _placed(deed, done, 0, item)
        case "orders", "submit_orders":
            for place, fields in accepted_items(done):
                yield _placed(deed, done, place, tuple(fields[1:]))
        case "orders", "cancel_order":
            market, start_s, side, _, id_ = arguments
            yield Act("OrderCancelled", (caller, market, start_s, side, id_))
        case "orders", "replace_order":
            market, start_s, side, _, id_, quantity_wh, limit = arguments
            new = _item_id(deed, done.index, 0)
            values = (caller, market, start_s, side, id_, new, quantity_wh, limit)
            yield Act("OrderReplaced", values)
        case "credit", "transfer":
            yield Act("CreditTransferred", (caller, *arguments))
        case "nrg", "transfer":
            yield Act("NrgTransferred", (caller, *arguments))
        case "clock", "advance":
            yield Act("ClockAdvanced", arguments)
        case "metering", "submit_readings":
            (items,) = arguments
            accepted = sum(1 for _ in accepted_items(done))
            yield Act("ReadingsSubmitted", (accepted, len(items) - accepted))


def _placed(deed: Deed, done: DoneCall, place: int, item: tuple[Any, ...]) -> Act:
    market, start_s, zone, side, quantity_wh, limit, source, green = item
    id_ = _item_id(deed, done.index, place)
    values = (market, start_s, zone, side, id_, quantity_wh, limit, source, green)
    return Act("OrderPlaced", (done.caller, *values))


def _item_id(deed: Deed, call_index: int, place: int) -> bytes:
    """Return SHA-256(sender ‖ nonce ‖ call index ‖ item index), each number 8 bytes."""
    assert deed.signed is not None, "only transactions have calls"
    transaction = deed.signed.transaction
    numbers = (transaction.nonce, call_index, place)
    return sha256(transaction.sender + b"".join(one.to_bytes(8, "big") for one in numbers))
