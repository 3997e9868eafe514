"""A small genesis for tests: n validators, a few funded people, a driven clock."""

from collections.abc import Sequence

from chain.genesis import Genesis
from contracts.governance.authorities import Authority, GenesisAuthority
from contracts.governance.parameters import ChainParameters, Timing
from contracts.grid.reading import MeteringRules
from contracts.kernel import Value
from contracts.kernel.clock import ClockMode
from contracts.kernel.meter import WeightTable
from contracts.money.credit import Allocation
from contracts.money.nrg import TOTAL_UNRG, NrgAllocation, PoolAllocation
from contracts.trading.settlement_model import SettlementRules
from tests.support.grid import FIRST_QUARTER_S, OFFICES, RULES, grid_sections
from tests.support.people import account_of, key_of

START_S = FIRST_QUARTER_S
GENESIS_TIME_MS = START_S * 1_000
PEOPLE = ("alice", "bob", "carol", "dave")
FUNDS_UTHB = 5_000_000_000
DRIVER = "driver"
SETTLEMENT = SettlementRules(
    freeze_ahead_s=86_400,
    clearing_wh=1_000,
    clearing_ppm=50_000,
    arrears_limit_uthb=0,
    grid_minimum_uthb=0,
    slice_units=512,
)
POOL_UNRG = 200_000_000 * 1_000_000


def validator_names(count: int) -> tuple[str, ...]:
    """Return the names of the first `count` validators."""
    return tuple(f"validator {i}" for i in range(count))


def network_name(name: str) -> str:
    """Return whose key is that of a validator's node on the network."""
    return f"node of {name}"


def parameters(**overrides: object) -> ChainParameters:
    """Return chain parameters with small fees; `overrides` replace fields."""
    values: dict[str, object] = {
        "execution_version": 1,
        "block_bytes_max": 4 * 2**20,
        "block_transactions_max": 20_000,
        "block_weight_max": 4_000_000,
        "unit_weight_max": 20_000_000,
        "fee_base_uthb": 1_000,
        "fee_per_weight_uthb": 1,
        "nonce_gap_max": 64,
        "validity_blocks_max": 10_000,
        "activation_delay_blocks": 20,
        "evidence_age_max_ms": 86_400_000,
        "weights": WeightTable(),
        "timing": Timing(block_interval_min_ms=50),
    }
    return ChainParameters(**(values | overrides))  # type: ignore[arg-type]  # by name


def make_genesis(
    *,
    validators: int = 1,
    people: Sequence[str] = PEOPLE,
    chain: ChainParameters | None = None,
    mode: ClockMode = ClockMode.DRIVEN,
    metering: MeteringRules = RULES,
    statements: bool = False,
) -> Genesis:
    """Return a genesis whose people have 5 000 THB each."""
    names = validator_names(validators)
    authorities = [
        GenesisAuthority(account_of(n), Authority(n, key_of(n), key_of(network_name(n))))
        for n in names
    ]
    funded = dict.fromkeys((*people, DRIVER, *OFFICES))
    credit = [Allocation(account_of(n), FUNDS_UTHB) for n in funded]
    held = 3 * POOL_UNRG
    nrg = [NrgAllocation(account_of(people[0]), TOTAL_UNRG - held)]
    pools = [PoolAllocation(name, POOL_UNRG) for name in ("staking", "incentives", "community")]
    driven = mode is ClockMode.DRIVEN
    driver = account_of(DRIVER) if driven else None
    sections: dict[str, dict[str, Value]] = {
        "clock": {"mode": int(mode), "driver": driver, "start_s": START_S if driven else 0},
        "parameters": {"chain": (chain or parameters()).to_wire()},
        "authorities": {"authorities": [one.to_wire() for one in authorities]},
        "credit": {"allocations": [one.to_wire() for one in credit]},
        "nrg": {
            "allocations": [one.to_wire() for one in nrg],
            "pools": [one.to_wire() for one in pools],
        },
        **grid_sections(people, metering, statements=statements),
        "markets": {"markets": []},
        "auction": {},
        "settlement": {"rules": SETTLEMENT.to_wire(), "first_quarter_s": None},
    }
    return Genesis("test", GENESIS_TIME_MS, devnet=True, sections=sections)
