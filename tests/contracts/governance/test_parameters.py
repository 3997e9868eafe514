"""The chain's parameters: what they may be, and what follows from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.genesis import Genesis, InvalidGenesisError
from contracts.governance.parameters import (
    BLOCK_BYTES_MAX,
    TIMEOUT_CAP_MS_MIN,
    TRANSACTIONS_MAX,
    ChainParameters,
    Timing,
)
from contracts.kernel import BadValueError, Record, sha256
from contracts.kernel.codec import INT_MAX
from contracts.kernel.meter import WeightTable
from tests.support.genesis import make_genesis, parameters
from tests.support.world import World


def with_parameters(chain: ChainParameters) -> Genesis:
    return make_genesis(chain=chain)


def test_the_genesis_parameters_are_in_force() -> None:
    chain = parameters(fee_base_uthb=77)
    world = World(with_parameters(chain))
    assert world.read.parameters.in_force() == chain
    world.block()
    assert world.read.parameters.in_force() == chain
    assert world.block().next_parameters == chain
    assert chain.hash == sha256(chain.encode())


def test_any_other_parameter_is_another_hash() -> None:
    base = parameters()
    others = [
        parameters(execution_version=2),
        parameters(block_weight_max=4_000_001),
        parameters(weights=WeightTable(read=41)),
        parameters(timing=Timing(block_interval_min_ms=51)),
    ]
    assert len({one.hash for one in (base, *others)}) == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("execution_version", 0),
        ("block_bytes_max", BLOCK_BYTES_MAX + 1),
        ("block_bytes_max", 2**18 - 1),
        ("block_transactions_max", 0),
        ("block_transactions_max", TRANSACTIONS_MAX + 1),
        ("block_weight_max", -1),
        ("block_weight_max", 2**48 + 1),
        ("fee_base_uthb", -1),
        ("fee_per_weight_uthb", 10**9 + 1),
        ("nonce_gap_max", 0),
        ("validity_blocks_max", 0),
        ("activation_delay_blocks", 1),
        ("weights", WeightTable(step=-1)),
        ("timing", Timing(precision_ms=0)),
    ],
)
def test_values_out_of_range_are_refused_by_name(name: str, value: int | Record) -> None:
    with pytest.raises(BadValueError, match=name):
        parameters(**{name: value}).encode()


def small(**weights: int) -> ChainParameters:
    """Return parameters on the edge of what a chain could live with."""
    least = 700 + 300 + 100 + 256
    return parameters(
        block_weight_max=4 * least, unit_weight_max=least, weights=WeightTable(**weights)
    )


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (small(call=101), "block_weight_max: a quarter of it must hold a .* of 1357"),
        (small(byte=2), "block_weight_max: a quarter"),
        (parameters(unit_weight_max=999_999), "unit_weight_max: due work needs at least 1000000"),
        (
            parameters(fee_per_weight_uthb=10**9, block_weight_max=2**40, unit_weight_max=2**40),
            "fee_per_weight_uthb: the heaviest transaction",
        ),
        (
            parameters(timing=Timing(heartbeat_ms=999, block_interval_min_ms=1_000)),
            "timing.heartbeat_ms: shorter",
        ),
        (
            parameters(timing=Timing(timeout_cap_ms=TIMEOUT_CAP_MS_MIN - 1)),
            "timing.timeout_cap_ms: at least 30000",
        ),
    ],
)
def test_a_chain_that_could_not_go_on_never_begins(chain: ChainParameters, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chain.check()
    with pytest.raises(InvalidGenesisError, match=f"contracts.parameters: {message}"):
        World(with_parameters(chain))


def test_a_chain_on_the_edge_lives() -> None:
    small().check()
    timing = Timing(
        heartbeat_ms=1_000, block_interval_min_ms=1_000, timeout_cap_ms=TIMEOUT_CAP_MS_MIN
    )
    parameters(timing=timing).check()
    World(with_parameters(small())).block()


@given(st.integers(0, 2**48))
def test_the_fee_of_a_weight_is_what_a_transaction_that_uses_it_pays(weight: int) -> None:
    chain = parameters(fee_per_weight_uthb=10**6)
    read = World(with_parameters(chain)).read.parameters
    most = chain.transaction_weight_max
    assert most == 1_000_000
    assert read.fee_for(weight) == 1_000 + min(weight, most) * 10**6 <= INT_MAX
