"""The golden chain of a market: a zone's three hours, from the first order to the last bill.

Dice say who orders, changes and uses what. The scenes are what chance would not bring: a newcomer,
a mandate, a debt, a halt, a suspension, a cancelled product, false, late and corrected readings.
"""

from collections.abc import Callable, Mapping
from typing import Final

from tests.chain.golden_scenes import (
    LAST,
    cancel_a_product,
    change_the_terms,
    come_too_early,
    come_too_late,
    correct_readings,
    empty_the_grid_account,
    halt_the_hours,
    install_a_meter,
    keep_them_out,
    lend_a_hand,
    order_too_much,
    pay_a_debt,
    register_a_latecomer,
    resume_the_hours,
    send_a_late_reading,
    send_false_readings,
    settle_by_hand,
    suspend_somebody,
    take_somebody_back,
    trade_an_hour,
)
from tests.support.diced_market import POOR, DicedMarket
from tests.support.metering import quarter

Scene = Callable[[DicedMarket], None]

# The last quarter that was traded for, LAST, is settled when the last of these begins.
QUARTERS: Final = 13
BY_HAND: Final = 3
SILENT: Final = {3: ("bob",), 5: ("erin",), 6: ("erin",)}
# What somebody draws and gives beside what it traded.
EXTRA_WH: Final = {2: {POOR: (6_000, 0)}, 4: {"alice": (0, 7_000)}}
SCENES: Final[Mapping[int, tuple[Scene, ...]]] = {
    0: (come_too_early, register_a_latecomer),
    1: (lend_a_hand, change_the_terms),
    2: (trade_an_hour, cancel_a_product),
    3: (come_too_late,),
    4: (suspend_somebody, send_false_readings),
    5: (take_somebody_back, keep_them_out, halt_the_hours),
    6: (pay_a_debt, resume_the_hours, order_too_much),
    7: (correct_readings, install_a_meter, empty_the_grid_account),
    8: (send_a_late_reading,),
    QUARTERS - 2: (settle_by_hand,),
}


def golden_market() -> DicedMarket:
    """Run the chain; returns the world that it left."""
    world = DicedMarket("gridtokenx golden market 1")
    for number in range(QUARTERS):
        world.advance(quarter(number))
        if 1 < number <= LAST + 1:
            past = number - 1
            world.use(past, silent=SILENT.get(past, ()), extra=EXTRA_WH.get(past, {}))
        for scene in SCENES.get(number, ()):
            scene(world)
        if number < LAST:
            world.trade(number)
            if number == BY_HAND:
                world.clear_by_hand(number)
            else:
                world.pass_gate(number)
    return world
