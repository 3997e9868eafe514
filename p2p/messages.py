"""Consensus messages on the wire: `[kind, record]`, the kind counted from 0 in the order below.

Sizes, counts, types and ranges are checked here; who signed, and whether it is of this height, is
the machine's to ask. (PROTOCOL §5.)
"""

import typing
from types import MappingProxyType
from typing import Final

from chain.consensus.effects import Message
from contracts.kernel import Record, Value
from contracts.kernel.shape import BadValueError

# A proposal with the polka of 64 validators is the largest.
MESSAGE_BYTES_MAX: Final = 16 * 2**10
KINDS: Final[tuple[type[Record], ...]] = typing.get_args(Message)
_NUMBER_OF: Final = MappingProxyType({kind: number for number, kind in enumerate(KINDS)})


class BadMessageError(Exception):
    """A value that is no consensus message; says what is wrong with it."""


def message_to_wire(message: Message) -> Value:
    """Return what travels."""
    return [_NUMBER_OF[type(message)], message.to_wire()]


def message_from_wire(value: Value) -> Message:
    """Read what came; raises `BadMessageError`."""
    if type(value) is not list or len(value) != len(("kind", "record")):
        raise BadMessageError("a message is an array of its kind and a record")
    number, fields = value
    if type(number) is not int or not 0 <= number < len(KINDS):
        raise BadMessageError(f"messages have kinds 0 to {len(KINDS) - 1}, not {number!r:.20}")
    kind = KINDS[number]
    try:
        return typing.cast("Message", kind.from_wire(fields))
    except BadValueError as error:
        raise BadMessageError(f"{kind.__name__}: {error}") from error
