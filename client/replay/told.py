"""What the chain told of a replay: market time, prices, fills and orders, from its events alone.

A replay that goes on after an interruption reads the same events from the beginning; there is no
other memory.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from client.replay.setup import MARKET, ZONE
from client.replay.week import QUARTER_S

BUY: Final = "bid"


class Told:
    """The newest state of a replay, event by event; quarters are named by their start."""

    def __init__(self, market_time_s: int, participant_of: Mapping[str, int]) -> None:
        """Begin at genesis; accounts are written as the node writes them."""
        self.market_time_s = market_time_s
        self.height = 0
        self.orders = 0
        self.trades = 0
        self.energy_wh = 0
        self.transactions: set[str] = set()
        self._participant_of = participant_of
        self._placed: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
        self._prices: dict[int, int | None] = {}
        self._fills: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
        self._closed: set[int] = set()
        self._settled: set[int] = set()

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event, as the node shows it."""
        if event["transaction_id"] is not None:
            self.transactions.add(event["transaction_id"])
        fields = event["fields"]
        match event["contract"], event["event"]:
            case "clock", "ClockAdvanced":
                self.market_time_s = int(fields["to_s"])
            case "orders", "OrderPlaced" if int(fields["market"]) == MARKET:
                self.orders += 1
                wh, limit_per_wh = int(fields["quantity_wh"]), int(fields["limit_per_wh"])
                order = (wh if fields["side"] == BUY else -wh), limit_per_wh
                self._placed[int(fields["start_s"])].setdefault(fields["account"], order)
            case "orders", "TradesExecuted" if int(fields["market"]) == MARKET:
                self._trade(fields)
            case "auction", "MarketCleared" if int(fields["market"]) == MARKET:
                price = fields["price_per_wh"]
                self._prices[int(fields["start_s"])] = None if price is None else int(price)
                self.energy_wh += int(fields["volume_wh"])
            case "auction", "ProductCleared" if int(fields["market"]) == MARKET:
                self._closed.add(int(fields["start_s"]))
            case "settlement", "TradeSettled" if int(fields["zone"]) == ZONE:
                self._settled.add(int(fields["quarter_s"]))

    def has_order(self, start_s: int, account: str) -> bool:
        """Say whether an account placed an order for a quarter."""
        return account in self._placed[start_s]

    def first_order(self, start_s: int, account: str) -> tuple[int, int] | None:
        """Return the first order of an account for a quarter: Wh, negative if sold, and limit."""
        return self._placed[start_s].get(account)

    def is_closed(self, start_s: int) -> bool:
        """Say whether all orders of a quarter are filled or expired."""
        return start_s in self._closed

    def is_settled(self, start_s: int) -> bool:
        """Say whether a quarter is settled."""
        return start_s in self._settled

    def prices_per_wh(self, start_s: int, quarters: int) -> list[int | None]:
        """Return the clearing prices of so many quarters from a start on."""
        return [self._prices[start_s + n * QUARTER_S] for n in range(quarters)]

    def fills_wh(self, start_s: int) -> dict[int, tuple[int, int]]:
        """Return (bought, sold) by participant of a closed quarter."""
        assert self.is_closed(start_s), "fills may still come"
        return self._fills[start_s]

    def _trade(self, fields: Mapping[str, Any]) -> None:
        participant = self._participant_of.get(fields["account"])
        if participant is None:
            return
        trades = fields["trades"]
        energy_wh = sum(int(trade["energy_wh"]) for trade in trades)
        self.trades += len(trades)
        fills = self._fills[int(fields["start_s"])]
        bought_wh, sold_wh = fills.get(participant, (0, 0))
        if fields["side"] == BUY:
            fills[participant] = bought_wh + energy_wh, sold_wh
        else:
            fills[participant] = bought_wh, sold_wh + energy_wh
