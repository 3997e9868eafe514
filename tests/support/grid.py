"""The grid of the tests: one zone, its retailer, and the people, each with a settlement meter.

The retailer is participant 1, the people follow from 2 on. A settlement meter has the number of its
participant, and the key of the person called `meter N`.
"""

from collections.abc import Sequence

from contracts.grid.model import (
    Compliance,
    GenesisGateway,
    GenesisMeter,
    GenesisParticipant,
    GenesisRegistrar,
    GenesisZone,
    Installation,
    MeterRole,
    ParticipantTerms,
    Standing,
    ZoneTerms,
)
from contracts.grid.reading import MeteringRules
from contracts.kernel import Value
from tests.support.people import account_of, key_of

FIRST_QUARTER_S = 1_465_171_200
ZONE = 1
UTC_OFFSET_S = 7_200
RETAILER_NUMBER = 1
FIRST_NUMBER = 2
REGISTRAR = "registrar"
GATEWAY = "gateway"
RETAILER = "retailer"
GRID = "grid"
METERING_OPERATOR = "metering operator"
MARKET_OPERATOR = "market operator"
OFFICES = (REGISTRAR, GATEWAY, RETAILER, GRID, METERING_OPERATOR, MARKET_OPERATOR)

CAPACITY_W = 40_000
TERMS = ParticipantTerms(
    import_limit_w=30_000, export_limit_w=20_000, base_load_wh=50, market_maker=False
)
RETAILER_TERMS = ParticipantTerms(
    import_limit_w=250_000, export_limit_w=250_000, base_load_wh=0, market_maker=True
)
RULES = MeteringRules(
    provisional_s=900,
    final_s=7_200,
    correction_s=30 * 86_400,
    window_days=40,
    capacity_margin_ppm=20_000,
)
LICENSED = Compliance(Standing.COMPLIANT, "licence", 4_000_000_000)
ZONE_TERMS = ZoneTerms(
    name="north",
    utc_offset_s=UTC_OFFSET_S,
    metering_operator=account_of(METERING_OPERATOR),
    market_operator=account_of(MARKET_OPERATOR),
    grid_account=account_of(GRID),
)


def meter_name(number: int) -> str:
    """Return the name whose key the settlement meter of a participant has."""
    return f"meter {number}"


def installation(
    participant: int, role: MeterRole = MeterRole.SETTLEMENT, first_quarter_s: int = FIRST_QUARTER_S
) -> Installation:
    """Return a meter of a participant whose registers begin at 0."""
    return Installation(participant, role, CAPACITY_W, first_quarter_s, 0, 0)


def grid_sections(
    people: Sequence[str], rules: MeteringRules, *, statements: bool
) -> dict[str, dict[str, Value]]:
    """Return the genesis of the grid's contracts, the people being participants 2, 3 and so on.

    Those who hold an office are not among them. Without statements nothing is due until somebody
    sends a reading.
    """
    residents = [name for name in people if name not in OFFICES]
    retailer = GenesisParticipant(ZONE, None, (account_of(RETAILER),), RETAILER_TERMS, LICENSED)
    households = [
        GenesisParticipant(ZONE, None, (account_of(name),), TERMS, LICENSED) for name in residents
    ]
    meters = [
        GenesisMeter(number, installation(number), key_of(meter_name(number)), LICENSED)
        for number, _ in enumerate(residents, start=FIRST_NUMBER)
    ]
    registrar = GenesisRegistrar(account_of(REGISTRAR), 63)
    gateway = GenesisGateway(account_of(GATEWAY), GATEWAY, None)
    return {
        "registrars": {"registrars": [registrar.to_wire()]},
        "registry": {
            "zones": [GenesisZone(ZONE, ZONE_TERMS, RETAILER_NUMBER).to_wire()],
            "participants": [one.to_wire() for one in (retailer, *households)],
        },
        "devices": {
            "meters": [one.to_wire() for one in meters],
            "gateways": [gateway.to_wire()],
        },
        "metering": {"rules": rules.to_wire()},
        "statements": {"first_quarter_s": FIRST_QUARTER_S if statements else None},
    }
