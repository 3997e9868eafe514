"""The linear program against cases whose optimum is known by hand, and against the real week."""

from pathlib import Path

import pytest

from client.replay.dispatch import Values, best_dispatch
from client.replay.week import Battery, Household, Week, load_week

DATA = Path(__file__).parents[3] / "data" / "simbench_rural2"
LOSSLESS = Values(efficiency_ppm=1_000_000)


def week(*households: Household) -> Week:
    return Week(0, households, 250_000)


def home(net: list[int], battery: Battery | None = None) -> Household:
    load = tuple(max(x, 0) for x in net)
    return Household(1, load, tuple(max(-x, 0) for x in net), battery)


def test_surplus_meets_need_within_a_quarter_and_saves_the_spread() -> None:
    found = best_dispatch(week(home([1000]), home([-600])))
    assert found.welfare_thb == pytest.approx(600 * 1_750 / 1e6)
    assert found.import_wh == pytest.approx(400)
    assert found.export_wh == pytest.approx(0)


def test_without_a_battery_nothing_moves_between_quarters() -> None:
    found = best_dispatch(week(home([1000, 0]), home([0, -1000])))
    assert found.welfare_thb == pytest.approx(0)


def test_a_lossless_battery_moves_surplus_to_a_later_need() -> None:
    store = Battery(energy_wh=2_000, power_w=4_000)
    found = best_dispatch(week(home([-800, 0, 1000], store)), LOSSLESS)
    assert found.welfare_thb == pytest.approx(800 * 1_750 / 1e6)


def test_power_limits_what_a_battery_moves() -> None:
    store = Battery(energy_wh=2_000, power_w=400)
    found = best_dispatch(week(home([-800, 1000], store)), LOSSLESS)
    assert found.welfare_thb == pytest.approx(100 * 1_750 / 1e6)


def test_losses_cost_what_is_put_in_and_does_not_come_out() -> None:
    store = Battery(energy_wh=20_000, power_w=40_000)
    values = Values(efficiency_ppm=900_000)
    found = best_dispatch(week(home([-1000, 1000], store)), values)
    # 1 000 Wh in give 810 Wh out: 810 · 3.95 saved, 1 000 · 2.20 not earned.
    assert found.welfare_thb == pytest.approx((810 * 3_950 - 1_000 * 2_200) / 1e6)


def test_a_loss_beyond_the_spread_leaves_the_battery_idle() -> None:
    store = Battery(energy_wh=2_000, power_w=4_000)
    found = best_dispatch(week(home([-1000, 1000], store)), Values(efficiency_ppm=700_000))
    assert found.welfare_thb == pytest.approx(0)


def test_the_real_week_has_93_households_11_generators_8_batteries() -> None:
    real = load_week(DATA)
    assert len(real.households) == 93
    assert sum(h.solar_wh is not None for h in real.households) == 11
    assert sum(h.battery is not None for h in real.households) == 8
    assert real.quarters == 672
    one_day = real.days(3, 1)
    assert one_day.quarters == 96
    assert one_day.start_s == real.start_s + 3 * 86_400
    found = best_dispatch(one_day)
    net = sum(wh for h in one_day.households for wh in h.net_wh)
    losses = found.import_wh - found.export_wh - net
    stored = sum(h.battery.energy_wh for h in one_day.households if h.battery is not None)
    assert found.welfare_thb > 0
    # In a day the batteries cannot lose more than a few fillings' worth of the round trip.
    assert 0 <= losses < stored
