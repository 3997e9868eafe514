"""JSON forms of wire values, by shape: what people and web clients read and write.

Byte strings are hex, addresses bech32m, enums their names, records objects with their fields'
names. Integers beyond 2⁵³ are decimal strings in output, because many JSON readers round them; both
forms are read. `from_json` gives wire values that the shape has checked.
"""

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


def to_json(shape: Shape, value: Value) -> Json:
    """Return the JSON form of a wire value of this shape."""
    match shape:
        case OptionalShape():
            return None if value is None else to_json(shape.inner, value)
        case ListShape():
            assert isinstance(value, list | tuple)
            return [to_json(shape.inner, item) for item in value]
        case RecordShape():
            assert isinstance(value, list | tuple)
            fields = zip(shape.names, shape.fields, value[1:], strict=True)
            return {name: to_json(field, item) for name, field, item in fields}
        case EnumShape():
            assert isinstance(value, int)
            return shape.members(value).name.lower()
        case BytesShape():
            assert isinstance(value, bytes)
            return encode_address(value) if shape.unit == "address" else value.hex()
        case IntShape():
            assert isinstance(value, int)
            return value if -EXACT_MAX < value < EXACT_MAX else str(value)
    return value


def from_json(shape: Shape, value: Json) -> Value:
    """Return the wire value that this JSON stands for; raises `BadValueError` with its path."""
    match shape:
        case OptionalShape():
            return None if value is None else from_json(shape.inner, value)
        case ListShape():
            if not isinstance(value, list):
                msg = f"{type(value).__name__} is not an array"
                raise BadValueError(msg)
            items = [_under(f"[{i}]", shape.inner, item) for i, item in enumerate(value)]
            return shape.to_wire(shape.from_wire(items))
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
    if not isinstance(value, dict):
        msg = f"{type(value).__name__} is not an object with {', '.join(shape.names)}"
        raise BadValueError(msg)
    unknown = sorted(set(value) - set(shape.names))
    missing = [name for name in shape.names if name not in value]
    if unknown or missing:
        said = [f"unknown field {name}" for name in unknown] + [f"no {name}" for name in missing]
        msg = f"{'; '.join(said)}: a {shape.cls.__name__} has {', '.join(shape.names)}"
        raise BadValueError(msg)
    pairs = zip(shape.names, shape.fields, strict=True)
    return [shape.version, *(_under(name, field, value[name]) for name, field in pairs)]


def _enum(shape: EnumShape, value: Json) -> Value:
    names = {member.name.lower(): int(member) for member in shape.members}
    if isinstance(value, str):
        if value.lower() not in names:
            msg = f"{value!r:.40} is none of {', '.join(names)}"
            raise BadValueError(msg)
        return names[value.lower()]
    plain: Value = value
    return plain


def _bytes(shape: BytesShape, value: Json) -> Value:
    if not isinstance(value, str):
        msg = f"{type(value).__name__} is not a string of hex digits"
        raise BadValueError(msg)
    try:
        if shape.unit == "address" and not _is_hex(value):
            address: bytes = decode_address(value)
            return address
        return bytes.fromhex(value.removeprefix("0x"))
    except ValueError as error:
        raise BadValueError(str(error)) from error


def _is_hex(text: str) -> bool:
    return len(text.removeprefix("0x")) == 40 and not text.startswith("gtx")  # noqa: PLR2004 - 20 bytes


def _integer(value: Json) -> Value:
    if isinstance(value, str):
        digits = value.removeprefix("-").replace("_", "")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 20:  # noqa: PLR2004 - 64 bits
            msg = f"{value!r:.40} is not an integer"
            raise BadValueError(msg)
        return int(value.replace("_", ""))
    plain: Value = value
    return plain
