"""Deterministic CBOR: the one place where values become bytes and bytes become values.

The encoding is the core deterministic form of RFC 8949 §4.2.1, cut down to what the chain needs:
integers of 64 bits, byte strings, text, booleans, null, arrays, and maps with text keys. Floats,
tags, undefined and simple values do not exist here: one that reaches the codec is an error.

`decode` is for input from outside. The CBOR library reads more than it should (long forms,
duplicate keys, indefinite lengths, trailing bytes), so what it read is encoded again and compared
with the input as a whole. `decode_trusted` is for our own database, which is written by `encode`.

With text keys only, "shorter first, then bytewise" (RFC 7049, what the library calls canonical) and
"bytewise on the encoded key" (RFC 8949) are the same order.
"""

from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias

import cbor2

Value: TypeAlias = (
    "bool | int | bytes | str | list[Value] | tuple[Value, ...] | dict[str, Value] | None"
)

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
DEPTH_MAX: Final = 16


class CodecError(ValueError):
    """The bytes or the value have no deterministic encoding here.

    CodecError
    ├── UnencodableError   a value of ours that must not reach the wire
    └── MalformedError     bytes from outside that are not in the one allowed form
    """


class UnencodableError(CodecError):
    """A value holds a float, an object, an integer beyond 64 bits, or is nested too deeply."""


class MalformedError(CodecError):
    """Bytes are not the deterministic encoding of any allowed value."""


def encode(value: Value) -> bytes:
    """Encode `value`; raises `UnencodableError` for anything outside the subset."""
    has_maps = _check(value, DEPTH_MAX)
    try:
        return cbor2.dumps(value, canonical=True) if has_maps else cbor2.dumps(value)
    except UnicodeEncodeError as error:
        raise UnencodableError("text holds an unpaired surrogate") from error


def decode(data: bytes, *, size_max: int) -> Value:
    """Decode bytes from outside, accepting exactly the one encoding of each value.

    Raises `MalformedError`, which says what is wrong with the input.
    """
    if len(data) > size_max:
        raise MalformedError(f"{len(data)} bytes, at most {size_max} are allowed here")
    try:
        value = _loads_strictly(data)
    except (cbor2.CBORDecodeError, ValueError, OverflowError) as error:
        raise MalformedError(_reason(error)) from error
    try:
        again = encode(value)
    except UnencodableError as error:
        raise MalformedError(str(error)) from error
    if again != data:
        raise MalformedError("not in deterministic form (RFC 8949 §4.2.1), or bytes follow it")
    return value


def encode_trusted(value: Value) -> bytes:
    """Encode a value whose shape has already been checked, without maps; same as `encode`.

    The library needs three times as long where it may have to sort, and shapes have no maps.
    """
    return cbor2.dumps(value)


def decode_trusted(data: bytes) -> Any:  # noqa: ANN401 - the caller's record knows the type
    """Decode bytes that `encode` wrote into our own database."""
    return cbor2.loads(data)


def _check(value: object, depth: int) -> bool:
    """Raise `UnencodableError` for what has no encoding; says whether there are maps."""
    kind = type(value)
    if kind is int:
        if not INT_MIN <= value <= INT_MAX:  # type: ignore[operator]  # narrowed by `kind`
            bits = value.bit_length()  # type: ignore[attr-defined]  # narrowed by `kind`
            raise UnencodableError(f"integer of {bits} bits is outside -2^63 … 2^63-1")
    elif kind is bytes or kind is str or value is None or kind is bool:
        return False
    elif depth == 0:
        raise UnencodableError(f"nested deeper than {DEPTH_MAX}")
    elif kind is list or kind is tuple:
        has_maps = False
        for item in value:  # type: ignore[attr-defined]  # narrowed by `kind`
            # Most items are of these; they need no call.
            of = type(item)
            if of is not bytes and (of is not int or not INT_MIN <= item <= INT_MAX):
                has_maps |= _check(item, depth - 1)
        return has_maps
    elif kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]  # narrowed by `kind`
            if type(key) is not str:
                raise UnencodableError(f"map key of type {type(key).__name__} is not text")
            _check(item, depth - 1)
        return True
    else:
        raise UnencodableError(f"{kind.__name__} has no encoding")
    return False


def _refuse_tag(_content: object, _immutable: object = None) -> NoReturn:
    raise MalformedError("tags are not allowed")


def _strict_loader() -> Callable[[bytes], Value]:
    # Tags that the library would turn into objects (dates, decimals, regular expressions, e-mail
    # messages, addresses, ...) before we could look at them. Each is refused while it is read.
    library_tags = (
        *range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799,
    )  # fmt: skip
    # A plain dictionary: the library asks any other mapping what it is, which takes longer than
    # reading a small value.
    decoders = dict.fromkeys(library_tags, _refuse_tag)

    def loads(data: bytes) -> Value:
        value: Value = cbor2.loads(
            data,
            max_depth=DEPTH_MAX + 1,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            # Keys that are arrays or numbers can be made to collide in the hash table.
            strict_hashable_types=True,
            semantic_decoders=decoders,
            tag_hook=_refuse_tag,
        )
        return value

    return loads


_loads_strictly: Final = _strict_loader()


def _reason(error: Exception) -> str:
    """Say in one short line what the library found; it repeats parts of the input."""
    if isinstance(error.__cause__, MalformedError):
        return str(error.__cause__)
    return "not well-formed CBOR: " + str(error).partition("\n")[0][:200]
