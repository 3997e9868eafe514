"""Closing orders: what follows from their fills, in money, units and words. Pure.

A closed order leaves the book for good: filled, filled in part, expired, or refunded with a
cancelled product. With limit l, price p and fee f per Wh, quantity q and fill x:

    bid   BID_ESCROW −q(l + f)   FREE +q(l + f) − x(p + f)   pool +xp   market operator +xf
    ask   ASK_MARGIN −(q − x)m   FREE +(q − x)m              pool −xp   PROCEEDS +xp

The margin m per Wh of what is filled stays held until its unit is settled; so do the proceeds, save
the retailer's, which are free at once. (MARKET §2, §3, §5.)
"""

from dataclasses import dataclass, field

from contracts.kernel.ledger import Column, Entry
from contracts.trading.book import BookRows
from contracts.trading.model import CLEARING_POOL, RETAILER, Position, Product
from contracts.trading.order_words import EnergyTrade
from contracts.trading.uniform_price import Side


@dataclass(slots=True)
class UnitChange:
    """What closing changes in a unit: orders fewer, and in each quarter Wh and money."""

    orders: int = 0
    limits_per_wh: int = 0
    open_wh: int = 0
    filled_wh: int = 0
    proceeds_uthb: int = 0
    margin_uthb: int = 0

    def applied(self, side: Side, position: Position) -> Position:
        """Return a quarter's position after this change."""
        rest = position.with_open(side, -self.open_wh)
        if side is Side.BID:
            return rest._replace(bought_wh=rest.bought_wh + self.filled_wh)
        return rest._replace(
            sold_wh=rest.sold_wh + self.filled_wh,
            proceeds_uthb=rest.proceeds_uthb + self.proceeds_uthb,
            margin_uthb=rest.margin_uthb + self.margin_uthb,
        )


@dataclass(slots=True)
class AccountChange:
    """What closing moves on an account, and which of its orders were filled or not."""

    free_uthb: int = 0
    bid_escrow_uthb: int = 0
    ask_margin_uthb: int = 0
    proceeds_uthb: int = 0
    trades: list[EnergyTrade] = field(default_factory=list)
    unfilled: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class Closing:
    """What closing some orders of one side of a product comes to; each dict in order of rows."""

    accounts: dict[bytes, AccountChange] = field(default_factory=dict)
    units: dict[tuple[int, int], UnitChange] = field(default_factory=dict)
    filled_quarter_wh: int = 0
    pool_uthb: int = 0
    fees_uthb: int = 0

    def entries(self, operator: bytes) -> list[Entry]:
        """Return the posting; it adds up to zero."""
        entries = [
            Entry(CLEARING_POOL, Column.FREE, self.pool_uthb),
            Entry(operator, Column.FREE, self.fees_uthb),
        ]
        for account, change in self.accounts.items():
            entries += (
                Entry(account, Column.FREE, change.free_uthb),
                Entry(account, Column.BID_ESCROW, change.bid_escrow_uthb),
                Entry(account, Column.ASK_MARGIN, change.ask_margin_uthb),
                Entry(account, Column.PROCEEDS, change.proceeds_uthb),
            )
        return [entry for entry in entries if entry.amount_uthb]


def close_orders(
    product: Product, side: Side, rows: BookRows, fills_wh: list[int], price_per_wh: int
) -> Closing:
    """Return what follows if each row is filled by so many Wh a quarter and then leaves the book.

    The price is of no account where nothing is filled.
    """
    quarters, fee = product.terms.quarters, product.terms.fee_per_wh
    closing = Closing()
    columns = zip(
        rows.accounts(),
        rows.ids(),
        rows.limit_per_wh.tolist(),
        rows.quarter_wh.tolist(),
        rows.margin_per_wh.tolist(),
        zip(rows.zone.tolist(), rows.participant.tolist(), strict=True),
        rows.flags.tolist(),
        fills_wh,
        strict=True,
    )
    for account, id_, limit, quarter_wh, margin, owner, flags, fill_wh in columns:
        change = closing.accounts.get(account)
        if change is None:
            change = closing.accounts[account] = AccountChange()
        unit = closing.units.get(owner)
        if unit is None:
            unit = closing.units[owner] = UnitChange()
        rest_wh = quarter_wh - fill_wh
        assert 0 <= fill_wh <= quarter_wh, "a fill is a part of its order"
        value = fill_wh * quarters * price_per_wh
        closing.filled_quarter_wh += fill_wh
        unit.orders += 1
        unit.limits_per_wh += limit
        unit.open_wh += quarter_wh
        unit.filled_wh += fill_wh
        if side is Side.BID:
            escrow = quarter_wh * quarters * (limit + fee)
            fees = fill_wh * quarters * fee
            change.bid_escrow_uthb -= escrow
            change.free_uthb += escrow - value - fees
            closing.pool_uthb += value
            closing.fees_uthb += fees
        else:
            released = rest_wh * quarters * margin
            change.ask_margin_uthb -= released
            change.free_uthb += released
            closing.pool_uthb -= value
            unit.margin_uthb += fill_wh * margin
            if flags & RETAILER:
                change.free_uthb += value
            else:
                change.proceeds_uthb += value
                unit.proceeds_uthb += fill_wh * price_per_wh
        if fill_wh:
            change.trades.append(EnergyTrade(id_, fill_wh * quarters, rest_wh * quarters))
        else:
            change.unfilled.append(id_)
    return closing
