"""How figures are written for people: kWh, THB, shares, days; one way for all pages.

Rounding is to the nearest, halves away from zero, and happens here only: figures stay integers.
Everything is ASCII, as a terminal may know no more.
"""

from datetime import UTC, datetime
from typing import Final

from client.replay.week import QUARTERS_PER_DAY, ZONE_OFFSET_S

PER_KILO: Final = 1_000
MICRO: Final = 1_000_000
NOTHING: Final = "-"

_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


def decimal(value: int, unit: int, digits: int) -> str:
    """Write value ÷ unit with so many digits after the point: `-1,234.50`."""
    scale = 10**digits
    rounded = (2 * abs(value) * scale + unit) // (2 * unit)
    whole, rest = divmod(rounded, scale)
    tail = f".{rest:0{digits}d}" if digits else ""
    sign = "-" if value < 0 and rounded else ""
    return sign + f"{whole:,}" + tail


def count(value: int) -> str:
    """Write a number of things."""
    return decimal(value, 1, 0)


def kwh(energy_wh: int, digits: int = 1) -> str:
    """Write Wh as kWh, without the unit."""
    return decimal(energy_wh, PER_KILO, digits)


def thb(amount_uthb: int, digits: int = 2) -> str:
    """Write µTHB as THB, without the unit."""
    return decimal(amount_uthb, MICRO, digits)


def thb_per_kwh(price_per_wh: int | None, digits: int = 2) -> str:
    """Write µTHB/Wh as THB/kWh, without the unit."""
    return NOTHING if price_per_wh is None else decimal(price_per_wh, PER_KILO, digits)


def percent(part: int, whole: int, digits: int = 1) -> str:
    """Write a share as `12.3%`, or a dash of nothing."""
    if whole == 0:
        return NOTHING
    if whole < 0:
        part, whole = -part, -whole
    return decimal(part * 100, whole, digits) + "%"


def local(time_s: int) -> datetime:
    """Return the local time of the data, which has one offset all week."""
    return datetime.fromtimestamp(time_s + ZONE_OFFSET_S, UTC)


def day(time_s: int) -> str:
    """Write a day as `Thu 9 Jun`."""
    then = local(time_s)
    return f"{_WEEKDAYS[then.weekday()]} {then.day} {_MONTHS[then.month - 1]}"


def moment(time_s: int) -> str:
    """Write a quarter's start as `Thu 9 Jun 2016, 14:15`."""
    then = local(time_s)
    return f"{day(time_s)} {then.year}, {then:%H:%M}"


def span(quarters: int) -> str:
    """Write a length of time in days, or in quarter-hours if it is no whole number of days."""
    days, rest = divmod(quarters, QUARTERS_PER_DAY)
    number, unit = (quarters, "quarter-hour") if rest else (days, "day")
    return f"{number} {unit}{'s' * (number != 1)}"
