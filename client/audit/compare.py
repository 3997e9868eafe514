"""The comparison: the accountant's books against the re-executed state, item by item.

Whatever either side has is looked at: accounts with every column and history, nonces, NRG, open
orders, units, meters' quarters and registers, participants and zones.
"""

from collections.abc import Iterator

from client.audit.accountant import Accountant
from client.audit.compare_settlement import compare_settlement
from client.audit.directory import QUARTER_S
from client.audit.orders import Unit
from client.audit.pairs import both
from client.audit.report import Findings
from contracts.grid.reading import READINGS
from contracts.kernel.ledger import Column
from contracts.registry import Registry
from contracts.trading.model import Position
from contracts.trading.units import positions_of

DAY_S = 86_400
SLOT_FIELDS = ("import Wh", "export Wh", "version", "quality", "registers")


def compare_with_state(accountant: Accountant, state: Registry, findings: Findings) -> None:
    """Note every item in which the books and the state differ."""
    findings.at(None)
    _compare_accounts(accountant, state, findings)
    _compare_orders(accountant, state, findings)
    _compare_units(accountant, state, findings)
    _compare_directory(accountant, state, findings)
    _compare_meters(accountant, state, findings)
    compare_settlement(accountant, state, findings)


def _compare_accounts(accountant: Accountant, state: Registry, findings: Findings) -> None:
    books, zero = accountant.books, [0] * len(Column)
    held = dict(state.credit.accounts.items())
    columns = {account: one.columns() for account, one in held.items()}
    for account, expected, found in both(books.accounts, columns):
        pairs = zip(Column, expected or zero, found or zero, strict=True)
        for column, one, other in pairs:
            findings.compare("balance", column.name.lower(), one, other, account)
    histories = {account: (one.history_count, one.history_head) for account, one in held.items()}
    empty = (0, bytes(32))
    for account, history, kept in both(books.histories, histories):
        findings.compare("history", "count, head", history or empty, kept or empty, account)
    findings.compare("supply", "credit", books.supply_uthb, state.credit.supply.get())
    for account, nonce, used in both(accountant.nonces, dict(state.accounts.nonces.items())):
        findings.compare("nonce", "next", nonce or 0, used or 0, account)
    for account, one_unrg, other_unrg in both(accountant.nrg, dict(state.nrg.balances.items())):
        findings.compare("balance", "NRG", one_unrg or 0, other_unrg or 0, account)


def _compare_orders(accountant: Accountant, state: Registry, findings: Findings) -> None:
    trades = accountant.trades
    expected = {
        (*key, order.side, order.limit_per_wh, id_): (
            order.quarter_wh, order.participant, order.account, order.margin_per_wh
        )
        for key, product in trades.products.items()
        for id_, order in product.orders.items()
    }  # fmt: skip
    found = {
        key: (entry.quarter_wh, entry.participant, entry.account, entry.margin_per_wh)
        for key, entry in state.orders.book.items()
        if entry is not None
    }
    for key, one, other in both(expected, found):
        findings.compare("open order", key[-1].hex(), one, other)


def _compare_units(accountant: Accountant, state: Registry, findings: Findings) -> None:
    expected = {
        (participant, *place): unit.as_tuple()
        for place, units in accountant.trades.units.items()
        for participant, unit in units.items()
        if any(unit.as_tuple())
    }
    found = {}
    for (zone, day, participant), record in state.positions.all_units():
        for slot, position in positions_of(record):
            key = (participant, zone, day * DAY_S + slot * QUARTER_S)
            found[key] = tuple(position)
    empty = Unit().as_tuple()
    for key, one, other in both(expected, found):
        pairs = zip(Position._fields, one or empty, other or empty, strict=True)
        for name, a, b in pairs:
            findings.compare("unit", f"participant, zone, quarter {key}: {name}", a, b)


def _compare_directory(accountant: Accountant, state: Registry, findings: Findings) -> None:
    directory = accountant.directory
    zones = {
        number: (one.retailer, one.market_operator, one.metering_operator)
        for number, one in directory.zones.items()
    }
    held_zones = {
        number: (one.retailer, one.market_operator, one.metering_operator)
        for number, one in state.grid.zones.items()
        if one is not None
    }
    for number, zone, held_zone in both(zones, held_zones):
        findings.compare("zone", str(number), zone, held_zone)
    participants = {
        number: (one.zone, one.group, one.terms, tuple(one.accounts))
        for number, one in directory.participants.items()
    }
    held = {
        number: (one.zone, one.group, one.terms, state.grid.accounts(number))
        for number, one in state.grid.participants.items()
        if one is not None
    }
    for number, participant, known in both(participants, held):
        findings.compare("participant", str(number), participant, known)
    meters = {
        number: (one.zone, one.installation.participant, one.public_key, one.last_quarter_s)
        for number, one in directory.meters.items()
    }
    held_meters = {
        number: (one.zone, one.participant, one.public_key, one.last_quarter_s)
        for number, one in state.devices.meters.items()
        if one is not None
    }
    for number, meter, held_meter in both(meters, held_meters):
        findings.compare("meter", str(number), meter, held_meter)


def _compare_meters(accountant: Accountant, state: Registry, findings: Findings) -> None:
    """Compare the quarters that the state still keeps, and where each meter's registers stand."""
    retired_day = state.metering.retired_day.get()
    found: dict[tuple[int, int], tuple[int, ...]] = {}
    for (day, meter), record in state.metering.days.items():
        if record is not None and day >= retired_day:
            for slot, fields in READINGS.items(record.slots):
                found[meter, day * DAY_S + slot * QUARTER_S] = fields
    expected = {
        (number, quarter_s): tuple(slot)
        for number, book in accountant.readings.meters.items()
        for quarter_s, slot in book.slots.items()
        if quarter_s >= retired_day * DAY_S
    }
    for (which, quarter_s), due, kept in both(expected, found):
        subject = f"meter {which} quarter {quarter_s}"
        for name, one, other in _named(due, kept):
            findings.compare("metered", f"{subject}: {name}", one, other)
    for number, book in accountant.readings.meters.items():
        if book.newest_s is not None:
            newest = state.metering.newest(number)
            registers = (book.newest_s, *book.anchors[book.newest_s][2:])
            known = newest and (
                newest.last_s, newest.import_register_wh, newest.export_register_wh
            )  # fmt: skip
            findings.compare("registers", f"meter {number}", registers, known)


def _named(
    slot: tuple[int, ...] | None, kept: tuple[int, ...] | None
) -> Iterator[tuple[str, int | None, int | None]]:
    """Yield the fields of a quarter by name, None where it is missing."""
    missing = (None,) * len(SLOT_FIELDS)
    yield from zip(SLOT_FIELDS, slot or missing, kept or missing, strict=True)
