"""JSON forms of wire values, by shape: what people and web clients read and write.

Byte strings are hex, addresses bech32m, enums their names in lower case, records objects with their
fields' names. Integers beyond 2⁵³ are decimal strings in output, because many JSON readers round
them. Read are also integers as strings (`"5_000"`), hex in upper case or after `0x`, addresses in
hex, and enums by number. `from_json` gives wire values that the shape has checked.
"""

import re
from typing import Any, Final

from chain.bech32 import decode_address, encode_address
from contracts.kernel import BadValueError, Value
from contracts.kernel.record import RecordShape
from contracts.kernel.shape import (
    BoolShape,
    BytesShape,
    EnumShape,
    IntShape,
    ListShape,
    OptionalShape,
    Shape,
    TextShape,
)

EXACT_MAX: Final = 2**53
Json = Any

_SAID_MAX: Final = 40
_INTEGER: Final = re.compile(r"-?[0-9](_?[0-9]){0,25}")
_HEX: Final = re.compile(r"(0x)?((?:[0-9a-fA-F]{2})*)")
_ADDRESS_HEX: Final = re.compile(r"(0x)?[0-9a-fA-F]{40}")


def to_json(shape: Shape, value: Any) -> Json:  # noqa: ANN401 - a wire value of this shape
    """Return the JSON form of a wire value of this shape."""
    match shape:
        case OptionalShape():
            return None if value is None else to_json(shape.inner, value)
        case ListShape():
            return [to_json(shape.inner, item) for item in value]
        case RecordShape():
            fields = zip(shape.names, shape.fields, value[1:], strict=True)
            return {name: to_json(field, item) for name, field, item in fields}
        case EnumShape():
            return shape.members(value).name.lower()
        case BytesShape():
            return encode_address(value) if shape.unit == "address" else value.hex()
        case IntShape():
            return value if -EXACT_MAX < value < EXACT_MAX else str(value)
        case BoolShape() | TextShape():
            return value
    msg = f"{shape} has no JSON form"
    raise TypeError(msg)


def from_json(shape: Shape, value: Json) -> Value:
    """Return the wire value that this JSON stands for; raises `BadValueError` with its path."""
    match shape:
        case OptionalShape():
            return None if value is None else from_json(shape.inner, value)
        case ListShape():
            if not isinstance(value, list):
                msg = f"{_said(value)} is not an array"
                raise BadValueError(msg)
            if not shape.low <= len(value) <= shape.high:
                msg = f"{len(value)} items are outside {shape.low} … {shape.high}"
                raise BadValueError(msg)
            return [_under(f"[{i}]", shape.inner, item) for i, item in enumerate(value)]
        case RecordShape():
            return _record(shape, value)
        case EnumShape():
            return shape.to_wire(shape.from_wire(_enum(shape, value)))
        case BytesShape():
            return shape.from_wire(_bytes(shape, value))
        case IntShape():
            return shape.from_wire(_integer(value))
        case BoolShape() | TextShape():
            return shape.to_wire(shape.from_wire(value))
    msg = f"{shape} has no JSON form"
    raise TypeError(msg)


def any_to_json(value: Value) -> Json:
    """Return a readable JSON form of a wire value whose shape is not known."""
    match value:
        case bytes():
            return value.hex()
        case list() | tuple():
            return [any_to_json(item) for item in value]
        case dict():
            return {key: any_to_json(item) for key, item in value.items()}
        case int() if not isinstance(value, bool):
            return value if -EXACT_MAX < value < EXACT_MAX else str(value)
    return value


def _under(step: str, shape: Shape, value: Json) -> Value:
    try:
        return from_json(shape, value)
    except BadValueError as error:
        raise error.under(step) from None


def _record(shape: RecordShape, value: Json) -> Value:
    names = ", ".join(shape.names)
    if not isinstance(value, dict):
        msg = f"{_said(value)} is not an object with {names}"
        raise BadValueError(msg)
    missing = [name for name in shape.names if name not in value]
    unknown = [_cut(name) for name in value if name not in shape.names]
    if unknown or missing:
        said = [f"unknown field {unknown[0]}"] if unknown else []
        said += [f"no {name}" for name in missing]
        msg = f"{', '.join(said)}: a {shape.cls.__name__} has {names}"
        raise BadValueError(msg)
    pairs = zip(shape.names, shape.fields, strict=True)
    return [shape.version, *(_under(name, field, value[name]) for name, field in pairs)]


def _enum(shape: EnumShape, value: Json) -> Value:
    if not isinstance(value, str):
        plain: Value = value
        return plain
    names = {member.name.lower(): int(member) for member in shape.members}
    if value.lower() not in names:
        msg = f"{_cut(value)} is none of {', '.join(names)}"
        raise BadValueError(msg)
    return names[value.lower()]


def _bytes(shape: BytesShape, value: Json) -> bytes:
    if not isinstance(value, str):
        msg = f"{_said(value)} is not a string of hex digits"
        raise BadValueError(msg)
    if shape.unit == "address" and not _ADDRESS_HEX.fullmatch(value):
        try:
            return decode_address(value)
        except ValueError as error:
            raise BadValueError(str(error)) from error
    digits = _HEX.fullmatch(value)
    if digits is None:
        msg = f"{_cut(value)} is not an even number of hex digits"
        raise BadValueError(msg)
    return bytes.fromhex(digits[2])


def _integer(value: Json) -> Value:
    if not isinstance(value, str):
        plain: Value = value
        return plain
    if not _INTEGER.fullmatch(value):
        msg = f"{_cut(value)} is not an integer"
        raise BadValueError(msg)
    return int(value.replace("_", ""))


def _said(value: Json) -> str:
    """Name a value of the wrong kind as JSON does."""
    if value is None or isinstance(value, bool):
        return str(value).lower() if value is not None else "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "a string" if isinstance(value, str) else "a number"


def _cut(text: str) -> str:
    """Repeat what somebody wrote, as far as it helps."""
    return repr(text if len(text) <= _SAID_MAX else text[:_SAID_MAX] + "…")
