"""A state that is not what the blocks say: one falsified item is found, and nothing besides."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from client.audit.reexecute import Reexecution
from client.audit.report import Difference
from contracts.registry import Registry
from contracts.trading.model import day_and_slot
from contracts.trading.settlement_model import BILLS, QUARTERS
from contracts.trading.uniform_price import Side
from tests.client.audit.audited import AuditedSettlement
from tests.support.grid import ZONE
from tests.support.market import MARKET
from tests.support.metering import quarter
from tests.support.people import account_of

Edit = Callable[[Registry], None]


@pytest.fixture(scope="module")
def world() -> AuditedSettlement:
    """A market with an open order, one settled quarter and one that is not settled yet."""
    world = AuditedSettlement()
    for product in (0, 1):
        world.bid("alice", 500, 3_950, product=product)
        world.ask("bob", 300, 3_000, product=product)
    world.bid("carol", 7, 3_000, product=12)
    world.deliver(1, {"alice": (400, 0), "bob": (0, 900)})
    world.deliver(2, {"alice": (10, 0)})
    world.settle(1)
    assert world.differences() == ()
    return world


@pytest.fixture
def find(
    world: AuditedSettlement, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Edit], tuple[Difference, ...]]:
    """Return what audits the world after an edit of the state that re-execution reached."""
    honest = Reexecution.contracts

    def found(edit: Edit) -> tuple[Difference, ...]:
        def contracts(self: Reexecution) -> Registry:
            registry = honest(self)
            edit(registry)
            return registry

        monkeypatch.setattr(Reexecution, "contracts", contracts)
        return world.differences()

    return found


@pytest.mark.parametrize("column", ["free", "bid_escrow", "ask_margin", "proceeds", "premium"])
def test_one_balance(find: Callable[[Edit], tuple[Difference, ...]], column: str) -> None:
    account = account_of("bob")

    def edit(registry: Registry) -> None:
        held = registry.credit.accounts[account]
        registry.credit.accounts[account] = replace(held, **{column: getattr(held, column) + 9})

    (one,) = find(edit)
    assert (one.what, one.subject, one.account) == ("balance", column, account)
    assert int(one.found) - int(one.expected) == 9


def test_one_history(find: Callable[[Edit], tuple[Difference, ...]]) -> None:
    account = account_of("carol")

    def edit(registry: Registry) -> None:
        held = registry.credit.accounts[account]
        registry.credit.accounts[account] = replace(held, history_head=bytes(32))

    (one,) = find(edit)
    assert (one.what, one.account) == ("history", account)


def test_one_open_order(
    world: AuditedSettlement, find: Callable[[Edit], tuple[Difference, ...]]
) -> None:
    def edit(registry: Registry) -> None:
        ((key, _),) = registry.orders.book.items(MARKET, world.start_s(12), Side.BID)
        del registry.orders.book[key]

    (one,) = find(edit)
    assert (one.what, one.found) == ("open order", "none")


def test_one_reading(
    world: AuditedSettlement, find: Callable[[Edit], tuple[Difference, ...]]
) -> None:
    meter = world.participant("alice")

    def edit(registry: Registry) -> None:
        store = registry.metering._store  # noqa: SLF001 - a hand in the database
        slot = store.slot(meter, quarter(2))
        assert slot is not None
        store.put(meter, quarter(2), slot._replace(import_wh=11))

    (one,) = find(edit)
    assert (one.what, one.subject) == ("metered", f"meter {meter} quarter {quarter(2)}: import Wh")
    assert (one.expected, one.found) == ("10", "11")


def test_one_unit(world: AuditedSettlement, find: Callable[[Edit], tuple[Difference, ...]]) -> None:
    bob = world.participant("bob")
    day, slot = day_and_slot(quarter(2))

    def edit(registry: Registry) -> None:
        unit = registry.positions.unit(ZONE, day, bob)
        unit.set_position(slot, unit.position(slot)._replace(sold_wh=299))
        registry.positions.store(ZONE, day, bob, unit)

    (one,) = find(edit)
    assert one.what == "unit"
    assert (one.expected, one.found) == ("300", "299")
    assert one.subject.endswith("sold_wh")


def test_one_bill(world: AuditedSettlement, find: Callable[[Edit], tuple[Difference, ...]]) -> None:
    alice = world.participant("alice")
    day, slot = day_and_slot(quarter(1))

    def edit(registry: Registry) -> None:
        data = registry.settlement.bills[day, ZONE, alice]
        values = BILLS.get(data, slot)
        assert values is not None
        changed = BILLS.put(data, slot, (*values[:2], values[2] + 1, *values[3:]))
        registry.settlement.bills[day, ZONE, alice] = changed

    (one,) = find(edit)
    assert one.what == "bill"
    assert one.subject.endswith("bought Wh")
    assert int(one.found) == int(one.expected) + 1


def test_one_price(find: Callable[[Edit], tuple[Difference, ...]]) -> None:
    day, slot = day_and_slot(quarter(1))

    def edit(registry: Registry) -> None:
        data = registry.settlement.quarters[day, ZONE]
        values = QUARTERS.get(data, slot)
        assert values is not None
        changed = QUARTERS.put(data, slot, (values[0] + 10, *values[1:]))
        registry.settlement.quarters[day, ZONE] = changed

    (one,) = find(edit)
    assert (one.what, one.expected, one.found) == ("quarter", "3950", "3960")


def test_a_debt_a_claim_and_nrg(
    world: AuditedSettlement, find: Callable[[Edit], tuple[Difference, ...]]
) -> None:
    alice = world.participant("alice")

    def edit(registry: Registry) -> None:
        registry.arrears.debts[alice] = 3
        registry.settlement.claims[ZONE, quarter(1), alice] = 4
        registry.nrg.balances[account_of("dave")] = 5

    found = find(edit)
    assert sorted((one.what, one.found) for one in found) == [
        ("arrears", "3"), ("balance", "5"), ("claim", "4")
    ]  # fmt: skip
