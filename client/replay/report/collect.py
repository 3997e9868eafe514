"""Facts from the chain's events, in the form in which the node's API tells them.

An event is an object with `contract`, `event` and `fields`, as in `events_query` and in full blocks
(`chain/json_form.py`); whatever else it holds is not looked at, nor are events of other contracts
and markets. Whoever else takes part, registered after genesis, is told of as far as the auction
needs it: orders and fills; what they settle is left to the audit.

The battery of a household is computed from its fills as the replay does it, and the load that
follows must be what the chain metered: facts that do not fit are refused, not mended.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from client.replay.agents import Agent
from client.replay.battery import Storage, flows
from client.replay.report.facts import (
    Facts,
    FactsError,
    Fill,
    HouseholdQuarter,
    Offer,
    Quarter,
    Run,
)
from client.replay.week import QUARTER_S, Week
from contracts.trading.uniform_price import Side

ChainEvent: TypeAlias = Mapping[str, Any]

_SIDES: Final = {side.name.lower(): side for side in Side}


def facts_of(run: Run, events: Iterable[ChainEvent]) -> Facts:
    """Return the facts of a finished run; raises `FactsError`.

    `events` are those of contracts orders, auction and settlement in the order of the chain.
    """
    collector = Collector(run)
    for event in events:
        collector.add(event)
    return collector.facts()


def forecasts_wh(week: Week, seed: int) -> tuple[tuple[int, ...], ...]:
    """Return what each household's agent expects of every quarter at its gate."""
    rows = []
    for household in week.households:
        forecaster = Agent.of(household, seed).forecaster
        readings = household.net_wh
        rows.append(tuple(forecaster.net_wh(t, readings) for t in range(week.quarters)))
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class _Auction:
    volume_wh: int
    price_per_wh: int | None
    orders: dict[Side, int]
    offered_wh: dict[Side, int]


@dataclass(frozen=True, slots=True)
class _Unit:
    import_wh: int
    export_wh: int
    bought_wh: int
    sold_wh: int
    settled_uthb: int


class Collector:
    """Takes events one by one, so that a driver can feed it page by page."""

    def __init__(self, run: Run) -> None:
        """Begin with nothing known of any quarter."""
        self._run = run
        everybody = (*run.parties, run.retailer)
        self._participant_of = {party.account: party.number for party in everybody}
        start_s = run.week.start_s
        self._numbers = frozenset(self._participant_of.values())
        self._others_of: dict[str, int] = {}
        self._others_settled: set[int] = set()
        self._starts = range(start_s, start_s + run.week.quarters * QUARTER_S, QUARTER_S)
        self._offers: dict[int, dict[str, Offer]] = defaultdict(dict)
        self._auctions: dict[int, _Auction] = {}
        self._fills: dict[tuple[int, int, Side], Fill] = {}
        self._units: dict[tuple[int, int], _Unit] = {}
        self._grid_uthb: dict[int, int] = {}
        self._takers = {
            ("orders", "OrderPlaced"): self._placed,
            ("orders", "OrderReplaced"): self._replaced,
            ("orders", "OrderCancelled"): self._cancelled,
            ("orders", "TradesExecuted"): self._executed,
            ("auction", "MarketCleared"): self._cleared,
            ("settlement", "QuarterSettled"): self._settled,
            ("settlement", "CorrectionSettled"): self._corrected,
            ("settlement", "TradeSettled"): self._closed,
        }

    def add(self, event: ChainEvent) -> None:
        """Take one event; raises `FactsError`."""
        try:
            taker = self._takers.get((event["contract"], event["event"]))
            if taker is not None:
                taker(event["fields"])
        except FactsError:
            raise
        except KeyError as missing:
            raise FactsError(f"{_said(event)} has no {missing}, or names one not known") from None
        except (TypeError, ValueError) as error:
            raise FactsError(f"{_said(event)} cannot be read: {error}") from None

    def facts(self) -> Facts:
        """Return the facts once every quarter is settled; raises `FactsError`."""
        households: list[list[HouseholdQuarter]] = [[] for _ in self._starts]
        for row, party in enumerate(self._run.parties):
            for quarter, one in enumerate(self._household(row, party.number)):
                households[quarter].append(one)
        quarters = zip(self._starts, households, strict=True)
        return Facts(self._run, tuple(self._quarter(s, tuple(rows)) for s, rows in quarters))

    # ── Events ──

    def _placed(self, fields: ChainEvent) -> None:
        start_s = self._start_s(fields)
        if start_s is not None:
            account = fields["account"]
            if account not in self._participant_of:
                self._others_of[account] = int(fields["participant"])
            self._offers[start_s][fields["id"]] = Offer(
                self._number_of(account),
                _SIDES[fields["side"]],
                int(fields["quantity_wh"]),
                int(fields["limit_per_wh"]),
            )

    def _replaced(self, fields: ChainEvent) -> None:
        start_s = self._start_s(fields)
        if start_s is not None:
            old = self._offers[start_s].pop(fields["replaced"])
            quantity_wh, limit = int(fields["quantity_wh"]), int(fields["limit_per_wh"])
            new = Offer(old.participant, old.side, quantity_wh, limit)
            self._offers[start_s][fields["id"]] = new

    def _cancelled(self, fields: ChainEvent) -> None:
        start_s = self._start_s(fields)
        if start_s is not None:
            del self._offers[start_s][fields["id"]]

    def _cleared(self, fields: ChainEvent) -> None:
        start_s = self._start_s(fields)
        if start_s is None:
            return
        if start_s in self._auctions:
            raise FactsError(f"quarter {start_s} was cleared twice")
        price = fields["price_per_wh"]
        self._auctions[start_s] = _Auction(
            int(fields["volume_wh"]),
            None if price is None else int(price),
            {Side.BID: int(fields["bids"]), Side.ASK: int(fields["asks"])},
            {Side.BID: int(fields["bid_wh"]), Side.ASK: int(fields["ask_wh"])},
        )

    def _executed(self, fields: ChainEvent) -> None:
        start_s = self._start_s(fields)
        if start_s is None:
            return
        auction = self._auctions.get(start_s)
        if auction is None or auction.price_per_wh != int(fields["price_per_wh"]):
            raise FactsError(f"quarter {start_s} has trades at another price than its auction's")
        key = (start_s, self._number_of(fields["account"]), _SIDES[fields["side"]])
        energy_wh = sum(int(trade["energy_wh"]) for trade in fields["trades"])
        before = self._fills.get(key, Fill(key[1], key[2], 0, 0))
        trades = before.trades + len(fields["trades"])
        self._fills[key] = Fill(key[1], key[2], before.energy_wh + energy_wh, trades)

    def _settled(self, fields: ChainEvent) -> None:
        key = (int(fields["quarter_s"]), int(fields["participant"]))
        if not self._is_ours(key[0], fields):
            return
        if key[1] not in self._numbers:
            self._others_settled.add(key[0])
            return
        said = f"participant {key[1]} in quarter {key[0]}"
        if key in self._units:
            raise FactsError(f"{said} was settled twice")
        if fields["substituted"]:
            raise FactsError(f"{said} was settled without its reading")
        charge_uthb, due_uthb = int(fields["charge_uthb"]), int(fields["due_uthb"])
        if int(fields["arrears_uthb"]) or due_uthb != int(fields["paid_uthb"]):
            raise FactsError(f"{said} was not settled in full")
        if int(fields["fee_uthb"]):
            raise FactsError(f"{said} paid a market fee, of which the report does not know")
        self._units[key] = _Unit(
            int(fields["import_wh"]),
            int(fields["export_wh"]),
            int(fields["bought_wh"]),
            int(fields["sold_wh"]),
            due_uthb - charge_uthb,
        )

    def _corrected(self, fields: ChainEvent) -> None:
        start_s = int(fields["quarter_s"])
        if self._is_ours(start_s, fields) and int(fields["participant"]) in self._numbers:
            raise FactsError(f"quarter {start_s} was corrected after its settlement")

    def _closed(self, fields: ChainEvent) -> None:
        start_s = int(fields["quarter_s"])
        if self._is_ours(start_s, fields):
            self._grid_uthb[start_s] = int(fields["grid_uthb"])

    def _number_of(self, account: str) -> int:
        """Return who has an account: a party of the run, or whoever else ordered with it."""
        number = self._participant_of.get(account)
        return self._others_of[account] if number is None else number

    def _is_ours(self, start_s: int, fields: ChainEvent) -> bool:
        """Say whether a settled quarter is one of the run's."""
        return int(fields["zone"]) == self._run.zone and start_s in self._starts

    def _start_s(self, fields: ChainEvent) -> int | None:
        """Return the product's quarter, or None if the product is none of the run."""
        start_s = int(fields["start_s"])
        ours = int(fields["market"]) == self._run.market and start_s in self._starts
        return start_s if ours else None

    # ── What follows from them ──

    def _household(self, row: int, number: int) -> Iterable[HouseholdQuarter]:
        household = self._run.week.households[row]
        storage = None if household.battery is None else Storage.at_start(household.battery)
        for quarter, start_s in enumerate(self._starts):
            forecast_wh = self._run.forecasts_wh[row][quarter]
            actual_wh = household.net_wh[quarter]
            bought_wh = self._filled_wh(start_s, number, Side.BID)
            sold_wh = self._filled_wh(start_s, number, Side.ASK)
            charge_wh = discharge_wh = 0
            if storage is not None:
                charge_wh, discharge_wh = flows(storage, forecast_wh, bought_wh, sold_wh)
                storage = storage.after(charge_wh, discharge_wh)
            unit = self._units.get((start_s, number))
            said = f"participant {number} in quarter {start_s}"
            if unit is None:
                raise FactsError(f"{said} is not settled")
            if (unit.bought_wh, unit.sold_wh) != (bought_wh, sold_wh):
                raise FactsError(f"{said} is settled for other Wh than it traded")
            net_wh = actual_wh + charge_wh - discharge_wh
            if (unit.import_wh, unit.export_wh) != (max(net_wh, 0), max(-net_wh, 0)):
                raise FactsError(f"{said} is metered at other Wh than its load and battery took")
            yield HouseholdQuarter(
                forecast_wh,
                actual_wh,
                bought_wh,
                sold_wh,
                charge_wh,
                discharge_wh,
                0 if storage is None else storage.soc_wh,
                unit.import_wh,
                unit.export_wh,
                unit.settled_uthb,
            )

    def _quarter(self, start_s: int, households: tuple[HouseholdQuarter, ...]) -> Quarter:
        auction = self._auctions.get(start_s)
        if auction is None:
            raise FactsError(f"quarter {start_s} is not cleared")
        offers = tuple(self._offers[start_s].values())
        everybody = sorted(self._numbers.union(self._others_of.values()))
        keys = [(start_s, number, side) for number in everybody for side in Side]
        fills = tuple(self._fills[key] for key in keys if key in self._fills)
        for side in Side:
            quantities = [offer.quantity_wh for offer in offers if offer.side is side]
            found = (len(quantities), sum(quantities))
            if found != (auction.orders[side], auction.offered_wh[side]):
                raise FactsError(f"quarter {start_s} was cleared with other orders than placed")
            if sum(fill.energy_wh for fill in fills if fill.side is side) != auction.volume_wh:
                raise FactsError(f"quarter {start_s}: its trades do not add up to its volume")
        retailer = self._units.get((start_s, self._run.retailer.number))
        if retailer is not None and retailer.settled_uthb:
            raise FactsError(f"quarter {start_s}: the retailer's own imbalance moved money")
        grid_uthb = self._grid_uthb.get(start_s)
        with_others = grid_uthb is not None and start_s in self._others_settled
        if not with_others and grid_uthb != -sum(one.settled_uthb for one in households):
            raise FactsError(f"quarter {start_s}: the grid account did not get what was paid")
        return Quarter(start_s, auction.price_per_wh, auction.volume_wh, offers, fills, households)

    def _filled_wh(self, start_s: int, participant: int, side: Side) -> int:
        fill = self._fills.get((start_s, participant, side))
        return 0 if fill is None else fill.energy_wh


def _said(event: ChainEvent) -> str:
    return f"{event.get('contract')}.{event.get('event')}"
