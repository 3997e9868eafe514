"""Slices of an allocation: which orders a unit of due work closes, and how far each is filled.

Every fill is a pure function of the clearing, so that slices of any size give the same. At the
rationed level an order's fill depends on all orders of its group there: a slice takes whole groups.
"""

from typing import Protocol

import numpy as np

from contracts.kernel.rounding import Int64s
from contracts.trading.book import BookRows
from contracts.trading.model import MAKER
from contracts.trading.rationing import np_share_and_split
from contracts.trading.uniform_price import Clearing, Side


class OpenBook(Protocol):
    """Where slices come from: the orders that are still open."""

    def rows(self, market: int, start_s: int, side: Side, limit: int | None = None) -> BookRows:
        """Return the open orders of one side, all or the first `limit`, by limit and id."""

    def level(self, market: int, start_s: int, side: Side, limit_per_wh: int) -> BookRows:
        """Return the open orders of one side at one price."""


def next_slice(
    book: OpenBook, product: tuple[int, int], count: int, clearing: Clearing
) -> tuple[Side, BookRows] | None:
    """Return the orders of a product, (market, start), to close next; None if all are closed.

    Bids before asks, by limit, about `count` at a time, the rationed level apart from all others.
    """
    for side in Side:
        rows = book.rows(*product, side, count)
        if not len(rows):
            continue
        level = clearing.level_per_wh(side)
        if side is not clearing.rationed_side or level is None:
            return side, rows
        below = rows.where(rows.limit_per_wh < level)
        if len(below):
            return side, below
        if rows.limit_per_wh[0] == level:
            return side, whole_groups(book.level(*product, side, level), count)
        return side, rows
    return None


def fills_of(clearing: Clearing, side: Side, rows: BookRows) -> Int64s:
    """Return the quarter Wh by which each row is filled, int64[n].

    The rows hold all or none of a group's orders at the rationed level.
    """
    level = clearing.level_per_wh(side)
    fill_wh = np.zeros_like(rows.quarter_wh)
    if level is None:
        return fill_wh
    limit = rows.limit_per_wh
    accepted = limit >= level if side is Side.BID else limit <= level
    fill_wh[accepted] = rows.quarter_wh[accepted]
    if side is clearing.rationed_side:
        assert clearing.rationing is not None, "a rationed side has a rationing"
        is_maker = (rows.flags & MAKER) != 0
        at_level = limit == level
        if not clearing.makers_share:
            fill_wh[at_level & is_maker] = 0
        sharing = np.flatnonzero(at_level & (is_maker == clearing.makers_share))
        if sharing.size:
            fill_wh[sharing] = np_share_and_split(
                clearing.rationing,
                rows.group[sharing],
                rows.quarter_wh[sharing],
                rows.id[sharing],
            )
    return fill_wh


def whole_groups(rows: BookRows, count: int) -> BookRows:
    """Return all rows of the first groups, as many as `count` rows hold, at least one group."""
    groups, sizes = np.unique(rows.group, return_counts=True)
    taken = max(1, int(np.searchsorted(np.cumsum(sizes), count, side="right")))
    return rows.where(rows.group < groups[taken]) if taken < groups.size else rows
