"""Receipts: what came of a transaction, call by call; receipt 0 is the block's own.

`[1, id, mode, results, weight, fee_uthb, events_root]` with a result `[code, weight, value]` per
call. Code 0 is success and `value` what the call returned; a refusal's code names contract and
reason and `value` holds the values that explain it. Receipt 0 has one result per due unit.
"""

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final

from contracts.kernel import BadValueError, Range, Value, codec
from contracts.kernel.shape import shape_of
from contracts.kernel.types import Hash32, Uint, Uthb

RECEIPT_VERSION: Final = 1
RECEIPT_BYTES_MAX: Final = 2**20


class Outcome(enum.IntEnum):
    """Result codes that are not a contract's refusal."""

    OK = 0
    NOT_RUN = 0xF0
    """An earlier call ended the transaction."""
    UNDONE = 0xF1
    """It ran well, but a later call failed and the transaction is all or nothing."""
    OUT_OF_WEIGHT = 0xF2
    """The weight limit was reached in this call."""
    UNIT_FAILED = 0xF3
    """A due unit failed and was set aside."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """What came of one call or unit."""

    code: int
    weight: int
    value: Value = None


@dataclass(frozen=True)
class Receipt:
    """What came of one transaction, or of the block's own work."""

    id: bytes
    mode: int
    results: tuple[CallResult, ...]
    weight: int
    fee_uthb: int
    events_root: bytes

    def to_wire(self) -> list[Value]:
        """Return the plain array."""
        results: list[Value] = [[int(r.code), r.weight, r.value] for r in self.results]
        return [
            RECEIPT_VERSION,
            self.id,
            self.mode,
            results,
            self.weight,
            self.fee_uthb,
            self.events_root,
        ]

    def encode(self) -> bytes:
        """Return the deterministic bytes, a leaf of the receipts tree."""
        return self._encoded

    @cached_property
    def _encoded(self) -> bytes:
        return codec.encode(self.to_wire())

    @classmethod
    def decode(cls, data: bytes) -> "Receipt":
        """Decode bytes from outside; raises `MalformedError` or `BadValueError`."""
        value = codec.decode(data, size_max=RECEIPT_BYTES_MAX)
        if type(value) is not list or len(value) != 7:  # noqa: PLR2004 - as in to_wire
            msg = "a receipt is [version, id, mode, results, weight, fee, events_root]"
            raise BadValueError(msg)
        version, id_, mode, results, weight, fee_uthb, events_root = value
        _VERSION.from_wire(version)
        if type(results) is not list:
            msg = "results are an array"
            raise BadValueError(msg)
        return cls(
            _HASH.from_wire(id_),
            _MODE.from_wire(mode),
            tuple(_result(item) for item in results),
            _UINT.from_wire(weight),
            _UTHB.from_wire(fee_uthb),
            _HASH.from_wire(events_root),
        )


_VERSION: Final = shape_of(Annotated[int, Range(RECEIPT_VERSION, RECEIPT_VERSION)])
_MODE: Final = shape_of(Annotated[int, Range(0, 1)])
_HASH: Final = shape_of(Hash32)
_UINT: Final = shape_of(Uint)
_UTHB: Final = shape_of(Uthb)


def _result(value: Value) -> CallResult:
    if type(value) is not list or len(value) != 3:  # noqa: PLR2004 - code, weight, value
        msg = "a result is [code, weight, value]"
        raise BadValueError(msg)
    return CallResult(_UINT.from_wire(value[0]), _UINT.from_wire(value[1]), value[2])
