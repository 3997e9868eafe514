"""The report as JSON: all figures, integers with their units in their names.

Beside the canonical form, which two runs share, this is for whoever reads or plots a run: the
figures of `figures`, welfare and fingerprint, and a row per interval.
"""

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final

from client.replay.report.canonical import fingerprint
from client.replay.report.facts import Facts
from client.replay.report.figures import Report, balances_uthb
from client.replay.report.kinds import interval_of, volume_of

NOTES: Final = (
    "energy in Wh, prices in µTHB/Wh, money in µTHB, times in s since the epoch",
    "network charges are zero for now, in both bills",
    "transaction fees are in no figure; balances are before them",
)


def report_json(facts: Facts, report: Report) -> bytes:
    """Return the report as indented JSON in UTF-8."""
    value = {
        "fingerprint": fingerprint(facts),
        "notes": list(NOTES),
        **_plain(report),
        "balances_uthb": balances_uthb(facts),
        "intervals": [_interval(facts, number) for number in range(len(facts.quarters))],
    }
    for bill, named in zip(report.bills, value["bills"], strict=True):
        named |= {"market_uthb": bill.market_uthb, "saving_uthb": bill.saving_uthb}
    value["welfare"] |= {
        "realised_uthb": report.welfare.realised_uthb,
        "unstored_uthb": report.welfare.unstored_uthb,
    }
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"


def _interval(facts: Facts, number: int) -> dict[str, Any]:
    quarter = facts.quarters[number]
    volume = volume_of(facts, quarter)
    return {
        "start_s": quarter.start_s,
        "price_per_wh": quarter.price_per_wh,
        "volume_wh": quarter.volume_wh,
        "kind": interval_of(volume).value,
        "sold_wh": _plain(volume.sold_wh),
        "bought_wh": _plain(volume.bought_wh),
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - anything that a report holds
    """Return records and kinds as objects and texts."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
