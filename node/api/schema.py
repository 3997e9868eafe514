"""JSON schemas of the chain's shapes: what OpenRPC and the reference say about records.

They describe the forms of `chain/json_form.py`: byte strings in hex, addresses in bech32m, enums by
name, integers from 2⁵³ on as decimal strings.
"""

from typing import Any, Final

from chain.block import Header
from chain.json_form import EXACT_MAX
from chain.merkle import InclusionProof
from chain.votes import Certificate
from contracts.governance.parameters import ChainParameters
from contracts.kernel.record import Record, RecordShape
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
from contracts.money.accounts import KeyRecord
from contracts.money.credit import Account

JsonSchema = dict[str, Any]

REF: Final = "#/components/schemas/"
# The generator of schemas knows no references but its own.
_MARK: Final = "x-record"
INTEGER_TEXT: Final = "^-?[0-9]+$"
# The records that stand in answers under their own names.
NAMED_RECORDS: Final[tuple[type[Record], ...]] = (
    Account,
    Certificate,
    ChainParameters,
    Header,
    InclusionProof,
    KeyRecord,
)


def reference_to(record: type[Record]) -> JsonSchema:
    """Return a mark for a record's schema, which `resolved` makes a reference."""
    return {_MARK: record.__name__}


def resolved(schema: Any) -> Any:  # noqa: ANN401 - a schema, or a part of one
    """Return a generated schema with references to records, and without titles of fields."""
    if isinstance(schema, list):
        return [resolved(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if _MARK in schema:
        return {"$ref": REF + schema[_MARK]}
    named = schema.get("type") == "object" and "properties" in schema
    kept = {k: v for k, v in schema.items() if named or k != "title" or not isinstance(v, str)}
    return {key: resolved(value) for key, value in kept.items()}


def record_schemas() -> dict[str, JsonSchema]:
    """Return the schemas of the records with names, by name."""
    return {one.__name__: described(one) for one in NAMED_RECORDS}


def described(record: type[Record]) -> JsonSchema:
    """Return a record's schema with what its class says of it."""
    text = " ".join((record.__doc__ or "").partition("\n\n")[0].split())
    return {"title": record.__name__, "description": text} | json_schema(record.shape)


def json_schema(shape: Shape) -> JsonSchema:
    """Return the schema of the JSON form of a shape."""
    match shape:
        case OptionalShape():
            return {"anyOf": [json_schema(shape.inner), {"type": "null"}]}
        case ListShape():
            bounds = {"minItems": shape.low, "maxItems": shape.high}
            return {"type": "array", "items": json_schema(shape.inner)} | bounds
        case RecordShape():
            return _record(shape)
        case EnumShape():
            return {"type": "string", "enum": [one.name.lower() for one in shape.meant.values()]}
        case BytesShape():
            return _bytes(shape)
        case IntShape():
            return _integer(shape)
        case BoolShape():
            return {"type": "boolean"}
        case TextShape():
            return {"type": "string", "maxLength": shape.high}
    msg = f"{shape} has no JSON schema"
    raise TypeError(msg)


def _record(shape: RecordShape) -> JsonSchema:
    fields = dict(zip(shape.names, shape.fields, strict=True))
    return {
        "type": "object",
        "properties": {name: json_schema(field) for name, field in fields.items()},
        "required": list(fields),
        "additionalProperties": False,
    }


def _bytes(shape: BytesShape) -> JsonSchema:
    if shape.unit == "address":
        return {"type": "string", "description": "an address: bech32m, or 40 hex digits"}
    bounds = {"minLength": 2 * shape.low, "maxLength": 2 * shape.high}
    out = {"type": "string", "pattern": "^([0-9a-f]{2})*$"} | bounds
    return out | {"description": shape.unit} if shape.unit else out


def _integer(shape: IntShape) -> JsonSchema:
    number: JsonSchema = {"type": "integer", "minimum": shape.low, "maximum": shape.high}
    if shape.unit:
        number["description"] = shape.unit
    if shape.low > -EXACT_MAX and shape.high < EXACT_MAX:
        return number
    return {"anyOf": [number, {"type": "string", "pattern": INTEGER_TEXT}]}
