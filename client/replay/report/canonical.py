"""The canonical form of a run: what two runs with the same seed share to the byte.

JSON of integers and texts only, keys sorted, no spaces, UTF-8; its SHA-256 is the run's
fingerprint. In it stand, per quarter, the auction's result, the Wh that stood in its book, what
everybody traded, metered and was paid; the totals; and all balances before transaction fees.

Not in it is what an interruption may change: heights, hashes, wall times, transaction fees and
order ids. Trades are summed per participant and side, because order ids decide which of a
participant's own orders is filled. What follows from the data alone, the optimum for one, is left
out too: a solver's last digits are not the run's.
"""

import json
from hashlib import sha256
from typing import Any, Final

from client.replay.report.facts import Facts, Quarter
from client.replay.report.figures import balances_uthb
from contracts.trading.uniform_price import Side

VERSION: Final = 1


def fingerprint(facts: Facts) -> str:
    """Return the SHA-256 of the canonical form, in hex."""
    return sha256(canonical_form(facts)).hexdigest()


def canonical_form(facts: Facts) -> bytes:
    """Return the run in its one form."""
    value = {
        "version": VERSION,
        "zone": facts.run.zone,
        "market": facts.run.market,
        "quarters": [_quarter(facts, quarter) for quarter in facts.quarters],
        "totals": _totals(facts),
        "balances_uthb": balances_uthb(facts),
    }
    _check(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _quarter(facts: Facts, quarter: Quarter) -> dict[str, Any]:
    fills = sorted((fill.participant, fill.side, fill.energy_wh) for fill in quarter.fills)
    return {
        "start_s": quarter.start_s,
        "price_per_wh": quarter.price_per_wh,
        "volume_wh": quarter.volume_wh,
        "bid_wh": quarter.offered_wh(Side.BID),
        "ask_wh": quarter.offered_wh(Side.ASK),
        "fills": [
            {"participant": participant, "side": side.name.lower(), "energy_wh": energy_wh}
            for participant, side, energy_wh in fills
        ],
        "households": [
            {
                "participant": party.number,
                "forecast_wh": one.forecast_wh,
                "import_wh": one.import_wh,
                "export_wh": one.export_wh,
                "settled_uthb": one.settled_uthb,
                "stored_wh": one.soc_wh,
            }
            for party, one in zip(facts.run.parties, quarter.households, strict=True)
        ],
    }


def _totals(facts: Facts) -> dict[str, int]:
    ones = [one for row in facts.of_household for one in row]
    return {
        "volume_wh": sum(quarter.volume_wh for quarter in facts.quarters),
        "import_wh": sum(one.import_wh for one in ones),
        "export_wh": sum(one.export_wh for one in ones),
        "charge_wh": sum(one.charge_wh for one in ones),
        "discharge_wh": sum(one.discharge_wh for one in ones),
        "settled_uthb": sum(one.settled_uthb for one in ones),
    }


def _check(value: object) -> None:
    """Assert that nothing but texts, integers and nulls is in a form."""
    if isinstance(value, dict):
        for key, item in value.items():
            assert isinstance(key, str), f"{key!r} is no text"
            _check(item)
    elif isinstance(value, list):
        for item in value:
            _check(item)
    else:
        assert value is None or type(value) in {int, str}, f"{value!r} is no integer"
