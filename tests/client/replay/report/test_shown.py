"""Figures for people: rounded to the nearest, with their sign, in the time of the data."""

from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from client.replay.report import shown


def test_figures_are_written_like_this() -> None:
    assert shown.kwh(1_234_567) == "1,234.6"
    assert shown.kwh(-50, 1) == "-0.1"
    assert shown.kwh(-49, 1) == "0.0"
    assert shown.kwh(0) == "0.0"
    assert shown.thb(-2_706_000) == "-2.71"
    assert shown.thb(999_999_999) == "1,000.00"
    assert shown.thb_per_kwh(2_970, 3) == "2.970"
    assert shown.thb_per_kwh(None) == "-"
    assert shown.percent(1, 3) == "33.3%"
    assert shown.percent(5, 0) == "-"
    assert shown.percent(-1, 4, 0) == "-25%"
    assert shown.percent(1, -4, 0) == "-25%"
    assert shown.count(62_164) == "62,164"
    assert shown.day(1_465_164_000) == "Mon 6 Jun"
    assert shown.day(1_465_164_000 - 1) == "Sun 5 Jun"
    assert shown.moment(1_465_164_000 + 900) == "Mon 6 Jun 2016, 00:15"
    assert shown.span(96) == "1 day"
    assert shown.span(672) == "7 days"
    assert shown.span(97) == "97 quarter-hours"
    assert shown.span(1) == "1 quarter-hour"


@given(st.integers(-(10**15), 10**15), st.sampled_from([1, 1_000, 10**6]), st.integers(0, 3))
def test_rounding_is_to_the_nearest_and_halves_go_away_from_zero(
    value: int, unit: int, digits: int
) -> None:
    written = shown.decimal(value, unit, digits).replace(",", "")
    exact = Decimal(value) / Decimal(unit)
    nearest = exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)
    assert Decimal(written) == nearest
