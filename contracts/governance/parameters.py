"""The chain's parameters: one record in state, named by its hash in every header.

Limits of blocks and transactions, the weight table and fees, and the timing that validators agree
on. Changing them is a decision of governance; until a change is in force the old record holds.
(PROTOCOL §4–6.)
"""

from typing import Annotated, Final

from contracts.kernel import Cell, Contract, Lane, Range, Record, genesis, query, record, sha256
from contracts.kernel.codec import INT_MAX
from contracts.kernel.meter import Weight, WeightTable
from contracts.kernel.types import TimeMs, Uthb

BLOCK_BYTES_MAX: Final = 4 * 2**20
TRANSACTIONS_MAX: Final = 20_000

# About a transfer; a chain on which not even that fits could never change its parameters again.
TRANSACTION_BYTES_MIN: Final = 256
TIMEOUT_CAP_MS_MIN: Final = 30_000

DurationMs = Annotated[int, Range(1, 3_600_000)]


@record(version=1)
class Timing(Record):
    """When blocks are due and how far clocks may differ; milliseconds."""

    block_interval_min_ms: DurationMs = 1_000
    heartbeat_ms: DurationMs = 15_000
    precision_ms: DurationMs = 500
    message_delay_ms: DurationMs = 2_000
    timeout_propose_ms: DurationMs = 1_000
    timeout_vote_ms: DurationMs = 500
    timeout_step_ms: DurationMs = 500
    timeout_cap_ms: DurationMs = 60_000


@record(version=1)
class ChainParameters(Record):
    """Everything about blocks that governance may change."""

    execution_version: Annotated[int, Range(1, 2**16)]
    block_bytes_max: Annotated[int, Range(2**18, BLOCK_BYTES_MAX)]
    block_transactions_max: Annotated[int, Range(1, TRANSACTIONS_MAX)]
    block_weight_max: Weight
    unit_weight_max: Weight
    fee_base_uthb: Uthb
    fee_per_weight_uthb: Annotated[int, Range(0, 10**9)]
    nonce_gap_max: Annotated[int, Range(1, 1024)]
    validity_blocks_max: Annotated[int, Range(1, 1_000_000)]
    activation_delay_blocks: Annotated[int, Range(2, 10_000)]
    evidence_age_max_ms: TimeMs
    weights: WeightTable
    timing: Timing

    @property
    def transaction_weight_max(self) -> int:
        """Return a quarter of a block: no transaction can crowd out all others."""
        return self.block_weight_max >> 2

    @property
    def hash(self) -> bytes:
        """Return what headers call `params_hash`."""
        return sha256(self.encode())

    def fee_uthb(self, weight: int) -> int:
        """Return the fee of a transaction that used this much weight."""
        return self.fee_base_uthb + weight * self.fee_per_weight_uthb

    def fee_aside_uthb(self, fee_max_uthb: int) -> int:
        """Return what a transaction's calls cannot reach: the most that its fee can come to."""
        return min(fee_max_uthb, self.fee_uthb(self.transaction_weight_max))

    def check(self) -> None:
        """Raise `ValueError` for parameters with which the chain could not go on."""
        weights, timing = self.weights, self.timing
        least = weights.transaction + weights.signature + weights.call
        least += TRANSACTION_BYTES_MIN * weights.byte
        if self.transaction_weight_max < least:
            msg = f"block_weight_max: a quarter of it must hold a small transaction of {least}"
            raise ValueError(msg)
        if self.unit_weight_max < self.transaction_weight_max:
            msg = f"unit_weight_max: due work needs at least {self.transaction_weight_max}"
            raise ValueError(msg)
        if self.fee_uthb(self.transaction_weight_max) > INT_MAX:
            msg = "fee_per_weight_uthb: the heaviest transaction would cost more than there can be"
            raise ValueError(msg)
        if timing.heartbeat_ms < timing.block_interval_min_ms:
            msg = "timing.heartbeat_ms: shorter than block_interval_min_ms"
            raise ValueError(msg)
        if timing.timeout_cap_ms < TIMEOUT_CAP_MS_MIN:
            msg = f"timing.timeout_cap_ms: at least {TIMEOUT_CAP_MS_MIN} ms"
            raise ValueError(msg)


class Parameters(Contract, name="parameters", number=0x41, lane=Lane.GOVERNANCE):
    """The parameters in force."""

    current = Cell[ChainParameters | None](id=0x4101, default=None)

    @genesis
    def set_up(self, chain: ChainParameters) -> None:
        """Put the genesis parameters in force."""
        chain.check()
        self.current.set(chain)

    @query
    def in_force(self) -> ChainParameters:
        """The parameters in force."""
        held = self.current.get()
        assert held is not None, "genesis sets the parameters"
        return held

    @query
    def fee_for(self, weight: Weight) -> Uthb:
        """The fee of a transaction that uses this much weight, at most what one may, in µTHB."""
        chain = self.in_force()
        return chain.fee_uthb(min(weight, chain.transaction_weight_max))
