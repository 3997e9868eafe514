"""What every genesis made here begins with: limits of blocks, fees, the rules of metering.

A new chain and the replay's devnet differ in who takes part, not in these.
"""

from typing import Final

from contracts.governance.parameters import ChainParameters, Timing
from contracts.grid.reading import MeteringRules
from contracts.kernel import Value
from contracts.kernel.meter import WeightTable
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


def chain_parameters(timing: Timing, *, validity_blocks_max: int) -> ChainParameters:
    """Return the parameters of a chain with this timing; a quicker one needs more blocks."""
    return ChainParameters(
        execution_version=1,
        block_bytes_max=4 * 2**20,
        block_transactions_max=20_000,
        block_weight_max=3_000_000,
        unit_weight_max=20_000_000,
        fee_base_uthb=1_000,
        fee_per_weight_uthb=1,
        nonce_gap_max=64,
        validity_blocks_max=validity_blocks_max,
        activation_delay_blocks=20,
        evidence_age_max_ms=86_400_000,
        weights=WeightTable(),
        timing=timing,
    )


def settlement_rules(*, arrears_limit_uthb: int, grid_minimum_uthb: int) -> SettlementRules:
    """Return how quarters are settled; see `SettlementRules` for the two limits."""
    return SettlementRules(
        freeze_ahead_s=86_400,
        clearing_wh=1_000,
        clearing_ppm=50_000,
        arrears_limit_uthb=arrears_limit_uthb,
        grid_minimum_uthb=grid_minimum_uthb,
        slice_units=512,
    )


def nrg_section(holder: bytes) -> dict[str, Value]:
    """Return the supply of NRG: the pools, and all the rest with one account."""
    rest = NrgAllocation(holder, TOTAL_UNRG - len(POOLS) * POOL_UNRG)
    return {
        "allocations": [rest.to_wire()],
        "pools": [PoolAllocation(name, POOL_UNRG).to_wire() for name in POOLS],
    }
