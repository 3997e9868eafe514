"""The chain that a replay runs on: who takes part, with which meters and money, under which rules.

Participant 1 is the retailer; the households follow in the order of the data, from 2 on. Each has
one settlement meter of its own number, and one more meter if it has a generator. A connection takes
30 kW, or the battery's power more, and gives what generator and battery can. All keys are public
(`client.devnet_keys`).

    python -m client.replay.setup > genesis.json
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from chain.genesis import Genesis
from client.devnet_keys import Identity, node, validator
from client.genesis_rules import (
    METERING,
    UTHB_PER_THB,
    chain_parameters,
    nrg_section,
    settlement_rules,
)
from client.replay.agents import FEED_IN_PER_WH, RETAIL_PER_WH, TICK
from client.replay.week import (
    QUARTER_S,
    WH_PER_W_QUARTER,
    ZONE_OFFSET_S,
    Household,
    Week,
    load_week,
)
from contracts.governance.authorities import Authority, GenesisAuthority
from contracts.governance.parameters import Timing
from contracts.grid.model import (
    ROLES_ALL,
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
from contracts.kernel import Value
from contracts.kernel.clock import ClockMode
from contracts.money.credit import Allocation
from contracts.trading.markets import GenesisMarket
from contracts.trading.terms import Mechanism, Terms

NAME: Final = "gridtokenx-devnet"
# Of the chain in genesis.json: one of them may fail. (PROTOCOL §5: f of 3f + 1.)
VALIDATORS: Final = 4
VALIDATORS_MAX: Final = 25
WEEK_FOLDER: Final = Path(__file__).parents[2] / "data" / "simbench_rural2"
ZONE: Final = 1
MARKET: Final = 1

RETAILER_NUMBER: Final = 1
FIRST_HOUSEHOLD: Final = 2
GENERATION_METERS: Final = 1_000

DRIVER: Final = Identity("driver")
GATEWAY: Final = Identity("gateway")
RETAILER: Final = Identity("retailer")
GRID: Final = Identity("grid")
REGISTRAR: Final = Identity("registrar")
METERING_OPERATOR: Final = Identity("metering operator")
MARKET_OPERATOR: Final = Identity("market operator")
OFFICES: Final = (
    DRIVER, GATEWAY, RETAILER, GRID, REGISTRAR, METERING_OPERATOR, MARKET_OPERATOR,
)  # fmt: skip
VISITORS: Final = 10

HOUSEHOLD_UTHB: Final = 5_000 * UTHB_PER_THB
OFFICE_UTHB: Final = 100_000 * UTHB_PER_THB
VISITOR_UTHB: Final = 10_000 * UTHB_PER_THB
CONNECTION_W: Final = 30_000
BASE_LOAD_WH: Final = 50
LICENCE: Final = Compliance(Standing.COMPLIANT, "devnet", 4_102_444_800)

GATE_LEAD_S: Final = 300
OPEN_AHEAD_S: Final = 86_400
VALIDITY_BLOCKS_MAX: Final = 100_000
BLOCK_INTERVAL_MS: Final = 10
SETTLEMENT: Final = settlement_rules(
    arrears_limit_uthb=100 * UTHB_PER_THB, grid_minimum_uthb=10_000 * UTHB_PER_THB
)


@dataclass(frozen=True)
class Member:
    """A household on the chain: its number, keys, meters and the limits of its connection."""

    number: int
    household: Household

    @cached_property
    def identity(self) -> Identity:
        """Return who trades for it."""
        return Identity(f"household {self.household.bus}")

    @cached_property
    def meter(self) -> Identity:
        """Return the device of its settlement meter, which has the number of the household."""
        return Identity(f"meter {self.number}")

    @cached_property
    def generation_meter(self) -> Identity | None:
        """Return the device that counts what its generator makes, if it has one."""
        if self.household.solar_wh is None:
            return None
        return Identity(f"meter {self.generation_meter_number}")

    @property
    def generation_meter_number(self) -> int:
        """Return the number of that meter."""
        return GENERATION_METERS + self.number

    @cached_property
    def solar_w(self) -> int:
        """Return the most that its generator gave in a quarter, as a power."""
        return WH_PER_W_QUARTER * max(self.household.solar_wh or (0,))

    @cached_property
    def import_limit_w(self) -> int:
        """Return what its connection takes."""
        return CONNECTION_W + self._battery_w

    @cached_property
    def export_limit_w(self) -> int:
        """Return what its connection gives."""
        return self.solar_w + self._battery_w

    @property
    def _battery_w(self) -> int:
        battery = self.household.battery
        return 0 if battery is None else battery.power_w


def members_of(week: Week) -> tuple[Member, ...]:
    """Return the households of a week as members of the chain, in its order."""
    return tuple(Member(n, one) for n, one in enumerate(week.households, start=FIRST_HOUSEHOLD))


def visitors() -> tuple[Identity, ...]:
    """Return accounts with credit and no office, for whoever wants to try something."""
    return tuple(Identity(f"account {number}") for number in range(VISITORS))


def clock_start_s(week: Week) -> int:
    """Return the market time of genesis: a quarter before the first delivery."""
    return week.start_s - QUARTER_S


def make_genesis(week: Week, validators: int = 1) -> Genesis:
    """Return the genesis of a devnet on which this week can be replayed."""
    start_s, members = clock_start_s(week), members_of(week)
    timing = Timing(block_interval_min_ms=BLOCK_INTERVAL_MS)
    chain = chain_parameters(timing, validity_blocks_max=VALIDITY_BLOCKS_MAX)
    sections: dict[str, dict[str, Value]] = {
        "clock": {"mode": int(ClockMode.DRIVEN), "driver": DRIVER.account, "start_s": start_s},
        "parameters": {"chain": chain.to_wire()},
        "authorities": {"authorities": [seat.to_wire() for seat in seats(validators)]},
        "credit": {"allocations": [one.to_wire() for one in _credit(members)]},
        "nrg": nrg_section(validator(0).account),
        "registrars": {"registrars": [GenesisRegistrar(REGISTRAR.account, ROLES_ALL).to_wire()]},
        "registry": {
            "zones": [GenesisZone(ZONE, _zone(), RETAILER_NUMBER).to_wire()],
            "participants": [one.to_wire() for one in _participants(week, members)],
        },
        "devices": {
            "meters": [one.to_wire() for one in _meters(week, members)],
            "gateways": [GenesisGateway(GATEWAY.account, GATEWAY.name, None).to_wire()],
        },
        "metering": {"rules": METERING.to_wire()},
        "statements": {"first_quarter_s": week.start_s},
        "markets": {"markets": [GenesisMarket(MARKET, "local", _terms(), week.start_s).to_wire()]},
        "auction": {},
        "settlement": {"rules": SETTLEMENT.to_wire(), "first_quarter_s": week.start_s},
    }
    return Genesis(NAME, start_s * 1_000, devnet=True, sections=sections)


def seats(validators: int) -> tuple[GenesisAuthority, ...]:
    """Return the first authorities of the devnet."""
    return tuple(_seat(validator(n), node(n)) for n in range(validators))


def _seat(authority: Identity, network: Identity) -> GenesisAuthority:
    keys = authority.public_key, network.public_key
    return GenesisAuthority(authority.account, Authority(authority.name, *keys))


def _terms() -> Terms:
    return Terms(
        zones=(ZONE,),
        quarters=1,
        mechanism=Mechanism.UNIFORM_PRICE,
        tick_per_wh=TICK,
        band_low_per_wh=1_000,
        band_high_per_wh=10_000,
        fee_per_wh=0,
        import_per_wh=RETAIL_PER_WH,
        feed_in_per_wh=FEED_IN_PER_WH,
        gate_lead_s=GATE_LEAD_S,
        open_ahead_s=OPEN_AHEAD_S,
        order_min_wh=1,
        order_max_wh=10_000_000,
        orders_max=100,
        product_orders_max=100_000,
        slice_orders_max=1_000,
    )


def _zone() -> ZoneTerms:
    return ZoneTerms(
        name="rural2",
        utc_offset_s=ZONE_OFFSET_S,
        metering_operator=METERING_OPERATOR.account,
        market_operator=MARKET_OPERATOR.account,
        grid_account=GRID.account,
    )


def _credit(members: tuple[Member, ...]) -> Iterator[Allocation]:
    for office in OFFICES:
        yield Allocation(office.account, OFFICE_UTHB)
    for member in members:
        yield Allocation(member.identity.account, HOUSEHOLD_UTHB)
    for visitor in visitors():
        yield Allocation(visitor.account, VISITOR_UTHB)


def _participants(week: Week, members: tuple[Member, ...]) -> Iterator[GenesisParticipant]:
    """Yield the retailer, who stands for the grid above the transformer, and the households."""
    maker = ParticipantTerms(week.transformer_va, week.transformer_va, 0, market_maker=True)
    yield GenesisParticipant(ZONE, None, (RETAILER.account,), maker, LICENCE)
    for one in members:
        terms = ParticipantTerms(
            one.import_limit_w, one.export_limit_w, BASE_LOAD_WH, market_maker=False
        )
        yield GenesisParticipant(ZONE, None, (one.identity.account,), terms, LICENCE)


def _meters(week: Week, members: tuple[Member, ...]) -> Iterator[GenesisMeter]:
    for one in members:
        installed = Installation(
            one.number,
            MeterRole.SETTLEMENT,
            one.import_limit_w + one.export_limit_w,
            week.start_s,
            0,
            0,
        )
        yield GenesisMeter(one.number, installed, one.meter.public_key, LICENCE)
    for one in members:
        if one.generation_meter is not None:
            installed = Installation(
                one.number, MeterRole.GENERATION, one.solar_w, week.start_s, 0, 0
            )
            key = one.generation_meter.public_key
            yield GenesisMeter(one.generation_meter_number, installed, key, LICENCE)


if __name__ == "__main__":
    sys.stdout.write(make_genesis(load_week(WEEK_FOLDER), VALIDATORS).to_json())
