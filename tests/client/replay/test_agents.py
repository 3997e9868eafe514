"""Agents, forecasts and batteries: reproducible, blind to the future, within physical limits."""

from hypothesis import given
from hypothesis import strategies as st

from client.replay.agents import FEED_IN_PER_WH, RETAIL_PER_WH, TICK, Agent
from client.replay.battery import EFFICIENCY_PPM, Storage, flows
from client.replay.forecast import KNOWN_BEFORE, Forecaster
from client.replay.week import Battery, Household

BATTERIES = st.builds(Battery, st.integers(100, 70_000), st.integers(100, 40_000))
READINGS = st.lists(st.integers(-5_000, 5_000), min_size=300, max_size=300)


def home(bus: int = 1, battery: Battery | None = None) -> Household:
    return Household(bus, (0,) * 300, None, battery)


@given(readings=READINGS, quarter=st.integers(0, 299), weight=st.integers(0, 100), data=st.data())
def test_a_forecast_never_looks_at_what_is_not_known_yet(
    readings: list[int], quarter: int, weight: int, data: st.DataObject
) -> None:
    known = max(0, quarter - KNOWN_BEFORE + 1)
    other = readings[:known] + data.draw(READINGS)[known:]
    forecaster = Forecaster(weight)
    assert forecaster.net_wh(quarter, readings) == forecaster.net_wh(quarter, other)
    assert forecaster.net_wh(quarter, readings[:known]) == forecaster.net_wh(quarter, readings)


def test_a_household_that_does_the_same_every_day_is_forecast_exactly() -> None:
    day = [(7 * t) % 50 - 10 for t in range(96)]
    readings = day * 4
    forecaster = Forecaster(50)
    assert all(forecaster.net_wh(t, readings) == day[t % 96] for t in range(2 * 96, 4 * 96))


def test_a_level_shift_of_the_last_hour_moves_the_forecast_by_its_weight() -> None:
    readings = [100] * 200 + [200] * 8
    assert Forecaster(100).net_wh(206, readings) == 200
    assert Forecaster(50).net_wh(206, readings) == 150
    assert Forecaster(0).net_wh(206, readings) == 100


@given(readings=READINGS, quarter=st.integers(0, 299), bus=st.integers(0, 99), seed=st.integers(0))
def test_orders_are_within_the_prices_on_the_tick_and_the_same_for_the_same_seed(
    readings: list[int], quarter: int, bus: int, seed: int
) -> None:
    prices = [None, 3_005, 2_500, 3_950]
    agent = Agent.of(home(bus), seed)
    order = agent.plan(quarter, readings, prices, None)
    assert order == Agent.of(home(bus), seed).plan(quarter, readings, prices, None)
    if order is not None:
        assert order.quantity_wh == order.forecast_wh != 0
        assert FEED_IN_PER_WH <= order.limit_per_wh <= RETAIL_PER_WH
        assert order.limit_per_wh % TICK == 0


@given(
    battery=BATTERIES,
    soc_percent=st.integers(0, 100),
    readings=READINGS,
    quarter=st.integers(0, 299),
    fill_percent=st.integers(0, 100),
)
def test_a_battery_never_leaves_its_bounds_whatever_is_filled(
    battery: Battery, soc_percent: int, readings: list[int], quarter: int, fill_percent: int
) -> None:
    storage = Storage(battery, battery.energy_wh * soc_percent // 100)
    order = Agent.of(home(1, battery), 1).plan(quarter, readings, [], storage)
    if order is None:
        return
    filled = abs(order.quantity_wh) * fill_percent // 100
    bought, sold = (filled, 0) if order.quantity_wh > 0 else (0, filled)
    charge, discharge = flows(storage, order.forecast_wh, bought, sold)
    assert charge == 0 or discharge == 0
    assert max(charge, discharge) <= battery.quarter_wh_max
    after = storage.after(charge, discharge)
    assert 0 <= after.soc_wh <= battery.energy_wh
    assert filled or after == storage


@given(battery=BATTERIES, put_in=st.integers(0, 10_000))
def test_a_round_trip_gives_back_at_most_ninety_percent(battery: Battery, put_in: int) -> None:
    empty = Storage(battery, 0)
    charge = min(put_in, empty.room_wh())
    full = empty.after(charge, 0)
    assert full.deliverable_wh() * 10 <= charge * 9
    assert EFFICIENCY_PPM**2 <= 900_000 * 1_000_000


def test_both_characters_and_weights_vary_over_households() -> None:
    agents = [Agent.of(home(bus), 7) for bus in range(93)]
    assert len({agent.character for agent in agents}) == 3
    assert len({agent.forecaster for agent in agents}) > 4
