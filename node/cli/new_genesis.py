"""The genesis of a new chain with one validator: who sits, who has what, and nothing else yet.

Zones, participants, meters and markets are registered by transactions afterwards. Market time
follows the headers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chain.genesis import Genesis
from contracts.governance.authorities import Authority, GenesisAuthority
from contracts.governance.parameters import ChainParameters, Timing
from contracts.grid.model import ROLES_ALL, GenesisRegistrar
from contracts.grid.reading import MeteringRules
from contracts.kernel import Value
from contracts.kernel.clock import ClockMode
from contracts.kernel.meter import WeightTable
from contracts.money.credit import Allocation
from contracts.money.nrg import POOLS, TOTAL_UNRG, NrgAllocation, PoolAllocation
from contracts.trading.settlement_model import SettlementRules

UTHB_PER_THB: Final = 1_000_000
POOL_UNRG: Final = 200_000_000 * 1_000_000
METERING: Final = MeteringRules(
    provisional_s=900,
    final_s=7_200,
    correction_s=30 * 86_400,
    window_days=40,
    capacity_margin_ppm=20_000,
)
SETTLEMENT: Final = SettlementRules(
    freeze_ahead_s=86_400,
    clearing_wh=1_000,
    clearing_ppm=50_000,
    arrears_limit_uthb=0,
    grid_minimum_uthb=0,
    slice_units=512,
)


@dataclass(frozen=True, slots=True)
class Founder:
    """The authority that a chain begins with."""

    name: str
    account: bytes
    consensus_key: bytes


def new_genesis(
    name: str,
    founder: Founder,
    *,
    time_ms: int,
    funded: Sequence[tuple[bytes, int]],
    devnet: bool,
    timing: Timing,
) -> Genesis:
    """Return the genesis of a chain; `funded` are accounts with their µTHB."""
    seat = GenesisAuthority(founder.account, Authority(founder.name, founder.consensus_key))
    registrar = GenesisRegistrar(founder.account, ROLES_ALL)
    left = NrgAllocation(founder.account, TOTAL_UNRG - len(POOLS) * POOL_UNRG)
    sections: dict[str, dict[str, Value]] = {
        "clock": {"mode": int(ClockMode.HEADER), "driver": None, "start_s": 0},
        "parameters": {"chain": _parameters(timing).to_wire()},
        "authorities": {"authorities": [seat.to_wire()]},
        "credit": {"allocations": [Allocation(*one).to_wire() for one in funded]},
        "nrg": {
            "allocations": [left.to_wire()],
            "pools": [PoolAllocation(pool, POOL_UNRG).to_wire() for pool in POOLS],
        },
        "registrars": {"registrars": [registrar.to_wire()]},
        "registry": {"zones": [], "participants": []},
        "devices": {"meters": [], "gateways": []},
        "metering": {"rules": METERING.to_wire()},
        "statements": {"first_quarter_s": None},
        "markets": {"markets": []},
        "auction": {},
        "settlement": {"rules": SETTLEMENT.to_wire(), "first_quarter_s": None},
    }
    return Genesis(name, time_ms, devnet=devnet, sections=sections)


def _parameters(timing: Timing) -> ChainParameters:
    return ChainParameters(
        execution_version=1,
        block_bytes_max=4 * 2**20,
        block_transactions_max=20_000,
        block_weight_max=20_000_000,
        unit_weight_max=20_000_000,
        fee_base_uthb=1_000,
        fee_per_weight_uthb=1,
        nonce_gap_max=64,
        validity_blocks_max=10_000,
        activation_delay_blocks=20,
        evidence_age_max_ms=86_400_000,
        weights=WeightTable(),
        timing=timing,
    )
