"""Admission: what decides before any call runs whether a transaction may be in a block.

Shared by execution, which decides, and the mempool, which foresees. Weight is in units of the
weight table, fees in µTHB. (PROTOCOL §4, includable.)
"""

from chain.refusals import ExpiredTransaction, FeeTooLow, TooHeavy
from chain.transaction import PreparedTransaction
from contracts.governance.parameters import ChainParameters
from contracts.kernel.rounding import floor_div


def intrinsic_weight(prepared: PreparedTransaction, parameters: ChainParameters) -> int:
    """Return what a transaction weighs before any call: itself, its bytes, signatures, claims."""
    weights = parameters.weights
    signatures = len(prepared.signed.signatures) + prepared.claim_count
    return (
        weights.transaction
        + len(prepared.signed.raw) * weights.byte
        + signatures * weights.signature
    )


def weight_limit(prepared: PreparedTransaction, parameters: ChainParameters) -> int:
    """Return the weight a transaction may use; raises `TooHeavy` or `FeeTooLow`."""
    intrinsic = intrinsic_weight(prepared, parameters)
    if intrinsic > parameters.transaction_weight_max:
        raise TooHeavy(weight=intrinsic, weight_max=parameters.transaction_weight_max)
    price, base = parameters.fee_per_weight_uthb, parameters.fee_base_uthb
    fee_max = prepared.signed.transaction.fee_max_uthb
    need = parameters.fee_uthb(intrinsic)
    if fee_max < need:
        raise FeeTooLow(fee_max_uthb=fee_max, need_uthb=need)
    if price == 0:
        return parameters.transaction_weight_max
    return min(parameters.transaction_weight_max, floor_div(fee_max - base, price))


def check_window(valid_until_height: int, height: int, parameters: ChainParameters) -> None:
    """Raise `ExpiredTransaction` unless `height` is within the transaction's validity."""
    latest = height + parameters.validity_blocks_max
    if not height <= valid_until_height <= latest:
        raise ExpiredTransaction(
            valid_until_height=valid_until_height, height=height, latest=latest
        )
