"""A street without a chain: the real auction, and the events that a chain would tell of it.

Settlement is by the rule for prices between feed-in and retail: what is missing costs the retail
price, what is too much brings the feed-in price.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from client.replay.battery import Storage, flows
from client.replay.report.facts import Party, Run
from client.replay.week import Battery, Household, Week
from contracts.trading.uniform_price import Book, Orders, Side, clear, fills

BID, ASK = Side.BID, Side.ASK
RETAIL, FEED_IN = 3_950, 2_200
RETAILER = 1
RETAILER_WH = 62_500
START_S = 1_465_164_000

# A participant's order: side, Wh, limit.
Plan = tuple[Side, int, int]


def home(bus: int, net_wh: Sequence[int], battery: Battery | None = None) -> Household:
    load = tuple(max(wh, 0) for wh in net_wh)
    solar = tuple(max(-wh, 0) for wh in net_wh)
    return Household(bus, load, solar if any(solar) else None, battery)


def street(forecasts_wh: Sequence[Sequence[int]], *households: Household) -> Run:
    parties = [Party(n, f"gtx{n}", 5_000_000_000) for n in range(2, 2 + len(households))]
    return Run(
        week=Week(START_S, households, 250_000),
        zone=1,
        market=7,
        parties=tuple(parties),
        retailer=Party(RETAILER, "gtx1", 100_000_000_000),
        grid_opening_uthb=100_000_000_000,
        forecasts_wh=tuple(map(tuple, forecasts_wh)),
    )


class Street:
    """Quarter after quarter: orders in, events out."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.events: list[dict[str, Any]] = []
        self.storages = [
            None if home.battery is None else Storage.at_start(home.battery)
            for home in run.week.households
        ]
        self._quarter = 0

    def quarter(self, plans: Mapping[int, Plan]) -> None:
        """Trade a quarter: one order each of some households, and the retailer's two."""
        start_s = self.run.week.quarter_start_s(self._quarter)
        rows = [(RETAILER, (BID, RETAILER_WH, FEED_IN)), (RETAILER, (ASK, RETAILER_WH, RETAIL))]
        rows += sorted(plans.items())
        for number, (side, quantity_wh, limit) in rows:
            account, id_ = f"gtx{number}", self._order_id(number, side).hex()
            self._tell(
                "orders",
                "OrderPlaced",
                account=account,
                participant=number,
                market=7,
                start_s=start_s,
                zone=1,
                side=side.name.lower(),
                id=id_,
                quantity_wh=quantity_wh,
                limit_per_wh=limit,
                source=None,
                green=False,
            )
        traded = self._auction(start_s, rows)
        self._settle(start_s, traded)
        self._quarter += 1

    def _auction(
        self, start_s: int, rows: Sequence[tuple[int, Plan]]
    ) -> dict[tuple[int, Side], int]:
        sides = {s: [(n, wh, limit) for n, (side, wh, limit) in rows if side is s] for s in Side}
        book = Book(_orders(sides[BID]), _orders(sides[ASK]), bytes(32), b"street")
        clearing = clear(book)
        self._tell(
            "auction",
            "MarketCleared",
            market=7,
            start_s=start_s,
            volume_wh=clearing.volume_wh,
            price_per_wh=clearing.price_per_wh,
            lo_per_wh=clearing.lo_per_wh,
            hi_per_wh=clearing.hi_per_wh,
            bids=len(sides[BID]),
            bid_wh=sum(wh for _, wh, _ in sides[BID]),
            asks=len(sides[ASK]),
            ask_wh=sum(wh for _, wh, _ in sides[ASK]),
        )
        traded = {}
        for side, orders in ((BID, book.bids), (ASK, book.asks)):
            ids = [self._order_id(number, side) for number, _, _ in sides[side]]
            id_rows = np.frombuffer(b"".join(ids), dtype=np.uint8).reshape(-1, 32)
            order_wh = fills(clearing, side, orders, id_rows).order_wh.tolist()
            for (number, wh, _), id_, filled_wh in zip(sides[side], ids, order_wh, strict=True):
                if filled_wh:
                    traded[number, side] = filled_wh
                    trade = {"order": id_.hex(), "energy_wh": filled_wh}
                    self._tell(
                        "orders",
                        "TradesExecuted",
                        account=f"gtx{number}",
                        market=7,
                        start_s=start_s,
                        side=side.name.lower(),
                        price_per_wh=clearing.price_per_wh,
                        trades=[{**trade, "unfilled_wh": wh - filled_wh}],
                    )
        return traded

    def _settle(self, start_s: int, traded: Mapping[tuple[int, Side], int]) -> None:
        grid_uthb = 0
        for row, party in enumerate(self.run.parties):
            bought, sold = traded.get((party.number, BID), 0), traded.get((party.number, ASK), 0)
            net_wh = self.run.week.households[row].net_wh[self._quarter]
            storage = self.storages[row]
            if storage is not None:
                forecast_wh = self.run.forecasts_wh[row][self._quarter]
                charge_wh, discharge_wh = flows(storage, forecast_wh, bought, sold)
                self.storages[row] = storage.after(charge_wh, discharge_wh)
                net_wh += charge_wh - discharge_wh
            imbalance_wh = bought - sold - net_wh
            charge_uthb = RETAIL * max(-imbalance_wh, 0)
            due_uthb = FEED_IN * max(imbalance_wh, 0)
            grid_uthb += charge_uthb - due_uthb
            self._tell(
                "settlement",
                "QuarterSettled",
                account=party.account,
                participant=party.number,
                zone=1,
                quarter_s=start_s,
                import_wh=max(net_wh, 0),
                export_wh=max(-net_wh, 0),
                substituted=False,
                bought_wh=bought,
                sold_wh=sold,
                imbalance_wh=imbalance_wh,
                charge_uthb=charge_uthb,
                fee_uthb=0,
                arrears_uthb=0,
                due_uthb=due_uthb,
                paid_uthb=due_uthb,
            )
        self._tell("settlement", "TradeSettled", zone=1, quarter_s=start_s, grid_uthb=grid_uthb)

    def _order_id(self, number: int, side: Side) -> bytes:
        return sha256(f"{self._quarter} {number} {side}".encode()).digest()

    def _tell(self, contract: str, event: str, **fields: object) -> None:
        place = {"height": 10 + self._quarter, "receipt": 1, "index": len(self.events)}
        named = {"contract": contract, "event": event, "fields": fields}
        self.events.append({**place, "transaction_id": "ab" * 32, **named, "data": "00"})


def _orders(rows: Sequence[tuple[int, int, int]]) -> Orders:
    return Orders(
        price_per_wh=np.array([limit for _, _, limit in rows], dtype=np.int64),
        quantity_wh=np.array([wh for _, wh, _ in rows], dtype=np.int64),
        participant=np.array([number for number, _, _ in rows], dtype=np.int64),
        is_maker=np.array([number == RETAILER for number, _, _ in rows], dtype=np.bool_),
    )


def example() -> Street:
    """Return four quarters of three households, one with a battery, small enough for a pencil.

    Households 2, 3 and 4 consume, generate, and store. Quarter 0: peers trade; household 3 gives
    200 Wh less than it sold. Quarter 1: the battery takes 700 of 800 Wh of surplus, the retailer
    the rest. Quarter 2: the battery gives 700 Wh, 200 of them to its own house. Quarter 3: nobody
    orders, and 50 Wh are missing beside 30 Wh too many.
    """
    forecasts = [[500, 0, 500, 0], [-600, -800, 0, 0], [100, 0, 200, 0]]
    run = street(
        forecasts,
        home(11, [500, 0, 600, 50]),
        home(12, [-400, -800, 0, -30]),
        home(13, [100, 0, 200, 0], Battery(energy_wh=2_000, power_w=4_000)),
    )
    told = Street(run)
    told.quarter({2: (BID, 500, 3_000), 3: (ASK, 600, 2_400), 4: (BID, 100, 3_000)})
    told.quarter({3: (ASK, 800, 2_200), 4: (BID, 700, 3_000)})
    told.quarter({2: (BID, 500, 3_500), 4: (ASK, 500, 2_600)})
    told.quarter({})
    return told
