"""Events of committed blocks: their places, and who wants which.

An event's place is (height, receipt, event). Receipt 0 of a block is the block's own; receipt i is
of transaction i − 1. A cursor is the place from which to go on, as text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from chain.json_form import any_to_json, to_json
from chain.store import StoredBlock
from contracts.kernel import Event, Value, codec
from contracts.registry import CATALOGUE
from node.api.types import AddressIn, Answer, AnyObject, Hex, Name, Params

_CURSOR: Final = re.compile(r"([0-9]{1,19})\.([0-9]{1,9})\.([0-9]{1,9})")


class Place(NamedTuple):
    """Where an event stands; places order as events happened."""

    height: int
    receipt: int = 0
    event: int = 0

    def __str__(self) -> str:
        """Return the cursor."""
        return f"{self.height}.{self.receipt}.{self.event}"

    @classmethod
    def of(cls, cursor: str) -> "Place":
        """Read a cursor; raises `ValueError`."""
        parts = _CURSOR.fullmatch(cursor)
        if parts is None:
            msg = "a cursor is height.receipt.event, as an answer gave it"
            raise ValueError(msg)
        return cls(*map(int, parts.groups()))


class EventFilter(Params):
    """Which events are wanted; what is left out matches all."""

    contract: Name | None = None
    event: Name | None = None
    owner: AddressIn | None = None

    def matches(self, data: bytes) -> bool:
        """Say whether an event, in its bytes, is wanted."""
        # Most events are not: their bytes lack the owner or the names, and are not decoded.
        if self.owner is not None and self.owner not in data:
            return False
        if self.contract is not None and self.contract.encode() not in data:
            return False
        if self.event is not None and self.event.encode() not in data:
            return False
        _, contract, name, fields = codec.decode_trusted(data)
        if self.contract not in (None, contract) or self.event not in (None, name):
            return False
        return self.owner is None or self.owner in _owners(contract, name, fields)


class EventAnswer(Answer):
    """One event: where it stands, what it says, and its bytes as the receipt's root has them."""

    height: int
    receipt: int
    index: int
    transaction_id: Hex | None
    contract: str
    event: str
    fields: AnyObject
    data: Hex


@dataclass(frozen=True, slots=True)
class PlacedEvent:
    """An event's bytes with its place and the transaction that caused it."""

    place: Place
    transaction_id: bytes | None
    data: bytes

    def form(self) -> EventAnswer:
        """Return the event for people."""
        _, contract, name, fields = codec.decode_trusted(self.data)
        known = _class_of(contract, name)
        shown = {"values": any_to_json(fields)} if known is None else to_json(known.shape, fields)
        return EventAnswer(
            height=self.place.height,
            receipt=self.place.receipt,
            index=self.place.event,
            transaction_id=self.transaction_id,
            contract=contract,
            event=name,
            fields=shown,
            data=self.data,
        )


def events_from(block: StoredBlock, start: Place, wanted: EventFilter) -> Iterator[PlacedEvent]:
    """Yield the wanted events of a block from a place on, in order."""
    height = block.header.height
    first = start.receipt if start.height == height else 0
    for receipt, events in enumerate(block.events[first:], first):
        transaction_id = block.transaction_ids[receipt - 1] if receipt else None
        for index, data in enumerate(events):
            place = Place(height, receipt, index)
            if place >= start and wanted.matches(data):
                yield PlacedEvent(place, transaction_id, data)


def scan_cost(block: StoredBlock) -> int:
    """Return roughly how many bytes reading a block for its events goes through."""
    events = sum(len(data) for receipt in block.events for data in receipt)
    return events + sum(map(len, block.body.transactions))


def _class_of(contract: str, name: str) -> type[Event] | None:
    spec = CATALOGUE.by_name.get(contract)
    return None if spec is None else spec.events.get(name)


def _owners(contract: str, name: str, fields: list[Value]) -> list[Value]:
    known = _class_of(contract, name)
    if known is None:
        return []
    values = dict(zip(known.shape.names, fields[1:], strict=True))
    return [values[owner] for owner in known.owner_fields]
