"""The market's rules once more, in plain dictionaries and exact fractions, to compare with.

Nothing here is shared with the contracts but the names of sides and refusals: it keeps every order
in a list, tries every limit as a price, and shares by handing out one Wh after another.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import TypeVar

from contracts.kernel import Reject
from contracts.money.credit import InsufficientFunds
from contracts.trading.market_words import GateClosed, NotTrading
from contracts.trading.order_words import (
    BadLimit,
    BadQuantity,
    BothSides,
    CapExceeded,
    MakerOrders,
    TooManyOrders,
)
from contracts.trading.terms import Terms
from contracts.trading.uniform_price import Side

MAKER_AND_RETAILER = 1

Key = TypeVar("Key", int, bytes)


@dataclass
class ModelAccount:
    """An account of a participant."""

    participant: int
    free: int
    escrow: int = 0
    margin: int = 0
    proceeds: int = 0


@dataclass(frozen=True)
class ModelParticipant:
    """What the rules know of a participant."""

    group: int
    is_maker: bool
    import_cap_wh: int
    export_cap_wh: int


@dataclass(frozen=True)
class ModelOrder:
    """An open order."""

    id: bytes
    account: str
    start_s: int
    side: Side
    quantity_wh: int
    limit: int


@dataclass
class ModelMarket:
    """One market: participants by number, accounts by name, open orders, what was traded."""

    terms: Terms
    participants: dict[int, ModelParticipant]
    accounts: dict[str, ModelAccount]
    orders: list[ModelOrder] = field(default_factory=list)
    bought: dict[tuple[int, int], int] = field(default_factory=dict)
    sold: dict[tuple[int, int], int] = field(default_factory=dict)
    margins: dict[tuple[int, int], int] = field(default_factory=dict)
    fees: int = 0
    closed: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)

    # ── Orders ──

    def refusal(
        self, account: str, start_s: int, side: Side, quantity_wh: int, limit: int
    ) -> type[Reject] | None:
        """Say why an order would be refused, or None."""
        terms, number = self.terms, self.accounts[account].participant
        who = self.participants[number]
        if start_s in self.cancelled:
            return NotTrading
        if start_s in self.closed:
            return GateClosed
        if (
            limit % terms.tick_per_wh
            or not terms.band_low_per_wh <= limit <= terms.band_high_per_wh
        ):
            return BadLimit
        if quantity_wh % terms.quarters or not (
            terms.order_min_wh <= quantity_wh <= terms.order_max_wh
        ):
            return BadQuantity
        mine = [o for o in self.orders if self.accounts[o.account].participant == number]
        here = [o for o in mine if o.start_s == start_s]
        if who.is_maker:
            same = [o for o in here if o.side is side]
            bids = [o.limit for o in here if o.side is Side.BID] + [limit] * (side is Side.BID)
            asks = [o.limit for o in here if o.side is Side.ASK] + [limit] * (side is Side.ASK)
            if same or (bids and asks and not min(asks) > max(bids)):
                return MakerOrders
        for order in self.orders:
            other = self.accounts[order.account].participant
            if order.start_s != start_s or order.side is side:
                continue
            if self.participants[other].group == who.group and not (
                other == number and who.is_maker
            ):
                return BothSides
        if not who.is_maker and len(mine) >= terms.orders_max:
            return TooManyOrders
        share = quantity_wh // terms.quarters
        open_wh = sum(o.quantity_wh for o in here if o.side is side) // terms.quarters
        bought, sold = self.bought.get((number, start_s), 0), self.sold.get((number, start_s), 0)
        net, cap = (
            (bought - sold, who.import_cap_wh)
            if side is Side.BID
            else (sold - bought, who.export_cap_wh)
        )
        if open_wh + net + share > cap:
            return CapExceeded
        if self.hold(number, side, quantity_wh, limit) > self.accounts[account].free:
            return InsufficientFunds
        return None

    def hold(self, participant: int, side: Side, quantity_wh: int, limit: int) -> int:
        """Return what an order holds."""
        if side is Side.BID:
            return quantity_wh * (limit + self.terms.fee_per_wh)
        if participant == MAKER_AND_RETAILER:
            return 0
        return quantity_wh * max(0, self.terms.import_per_wh - limit)

    def place(self, order: ModelOrder) -> None:
        """Take an order that is not refused."""
        account = self.accounts[order.account]
        held = self.hold(account.participant, order.side, order.quantity_wh, order.limit)
        account.free -= held
        if order.side is Side.BID:
            account.escrow += held
        else:
            account.margin += held
        self.orders.append(order)

    def remove(self, order: ModelOrder) -> None:
        """Give back all that an order holds."""
        account = self.accounts[order.account]
        held = self.hold(account.participant, order.side, order.quantity_wh, order.limit)
        account.free += held
        if order.side is Side.BID:
            account.escrow -= held
        else:
            account.margin -= held
        self.orders.remove(order)

    def refund(self, start_s: int) -> None:
        """Cancel a product."""
        self.cancelled.add(start_s)
        for order in [o for o in self.orders if o.start_s == start_s]:
            self.remove(order)

    # ── Auction ──

    def clear(self, start_s: int, tie_domain: bytes) -> tuple[int | None, int]:
        """Close a product's orders; returns the price and the Wh that changed hands."""
        self.closed.add(start_s)
        orders = [o for o in self.orders if o.start_s == start_s]
        quarters = self.terms.quarters
        volume = best_volume(orders) // quarters
        price = middle_price(orders, volume * quarters) if volume else None
        filled = {id_: wh * quarters for id_, wh in self.shares(orders, volume, tie_domain).items()}
        for order in orders:
            self.remove(order)
            if filled[order.id]:
                assert price is not None
                self.pay(order, filled[order.id], price)
        return price, volume * quarters

    def pay(self, order: ModelOrder, wh: int, price: int) -> None:
        """Move the money of a fill, of an order that holds nothing any more."""
        account = self.accounts[order.account]
        number = account.participant
        place, per_quarter = (number, order.start_s), wh // self.terms.quarters
        if order.side is Side.BID:
            assert order.limit >= price
            account.free -= wh * (price + self.terms.fee_per_wh)
            self.fees += wh * self.terms.fee_per_wh
            self.bought[place] = self.bought.get(place, 0) + per_quarter
            return
        assert order.limit <= price
        self.sold[place] = self.sold.get(place, 0) + per_quarter
        if number == MAKER_AND_RETAILER:
            account.free += wh * price
            return
        margin = self.hold(number, Side.ASK, wh, order.limit)
        account.free -= margin
        account.margin += margin
        account.proceeds += wh * price
        self.margins[place] = self.margins.get(place, 0) + margin

    def shares(self, orders: list[ModelOrder], volume: int, tie_domain: bytes) -> dict[bytes, int]:
        """Return each order's fill in Wh a quarter: best limits first, makers last at a limit."""
        filled = {order.id: 0 for order in orders}
        for side in Side:
            left = volume
            own = [o for o in orders if o.side is side]
            for limit in sorted({o.limit for o in own}, reverse=side is Side.BID):
                for makers in (False, True):
                    pool = [o for o in own if o.limit == limit and self.of(o).is_maker is makers]
                    left -= self.share_pool(pool, left, tie_domain, filled)
            assert left == 0
        return filled

    def share_pool(
        self, pool: list[ModelOrder], left: int, tie_domain: bytes, filled: dict[bytes, int]
    ) -> int:
        """Share what is left among the groups of a pool, and within a group among its orders."""
        quarters = self.terms.quarters
        claims: dict[int, int] = {}
        for order in pool:
            group = self.of(order).group
            claims[group] = claims.get(group, 0) + order.quantity_wh // quarters
        total = min(left, sum(claims.values()))
        by_group = hand_out(
            total, claims, {g: sha256(tie_domain + g.to_bytes(8, "big")).digest() for g in claims}
        )
        for group, wh in by_group.items():
            own = {o.id: o.quantity_wh // quarters for o in pool if self.of(o).group == group}
            filled.update(hand_out(wh, own, {id_: id_ for id_ in own}))
        return total

    def of(self, order: ModelOrder) -> ModelParticipant:
        """Return whose order it is."""
        return self.participants[self.accounts[order.account].participant]


def best_volume(orders: list[ModelOrder]) -> int:
    """Return the most Wh that can change hands at one price."""
    return max(
        (
            min(
                sum(o.quantity_wh for o in orders if o.side is Side.BID and o.limit >= price),
                sum(o.quantity_wh for o in orders if o.side is Side.ASK and o.limit <= price),
            )
            for price in {o.limit for o in orders}
        ),
        default=0,
    )


def middle_price(orders: list[ModelOrder], volume: int) -> int:
    """Return the middle of the prices at which nobody is forced and nobody left wanting.

    The ends of that interval are limits of orders.
    """
    fair = []
    for price in {o.limit for o in orders}:
        within = [
            sum(o.quantity_wh for o in orders if o.side is Side.BID and o.limit >= price),
            sum(o.quantity_wh for o in orders if o.side is Side.ASK and o.limit <= price),
        ]
        better = [
            sum(o.quantity_wh for o in orders if o.side is Side.BID and o.limit > price),
            sum(o.quantity_wh for o in orders if o.side is Side.ASK and o.limit < price),
        ]
        if max(better) <= volume <= min(within):
            fair.append(price)
    middle = Fraction(min(fair) + max(fair), 2)
    assert middle.denominator == 1
    return middle.numerator


def hand_out(total: int, claims: dict[Key, int], ties: dict[Key, bytes]) -> dict[Key, int]:
    """Hand out single Wh, always to whom the most of its exact share is missing."""
    everything = sum(claims.values())
    if total == 0:
        return dict.fromkeys(claims, 0)
    exact = {key: Fraction(claim * total, everything) for key, claim in claims.items()}
    given = {key: int(share) for key, share in exact.items()}
    for key in sorted(claims, key=lambda k: (given[k] - exact[k], ties[k])):
        if sum(given.values()) < total:
            given[key] += 1
    assert sum(given.values()) == total
    return given
