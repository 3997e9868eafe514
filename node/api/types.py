"""The types of parameters and answers: pydantic models over the chain's shapes.

Parameters are read by the shapes that also check contract arguments, so that an address or a height
is the same thing everywhere. Answers are checked against their model before they are sent: what the
reference says of them is true.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from chain.bech32 import encode_address
from chain.block import Header
from chain.json_form import EXACT_MAX, from_json, to_json
from chain.merkle import InclusionProof
from chain.trie.nodes import ASKED_KEY_BYTES_MAX
from chain.votes import Certificate
from contracts.governance.parameters import ChainParameters
from contracts.kernel import Record, Size
from contracts.kernel import types as kernel
from contracts.kernel.shape import shape_of
from contracts.money.accounts import KeyRecord
from contracts.money.credit import Account
from node.api.schema import INTEGER_TEXT, json_schema, reference_to

Json = Any
Form = dict[str, Json]

HEX_PATTERN: Final = "^([0-9a-f]{2})*$"


class Params(BaseModel):
    """Base of all parameters: nothing unknown, nothing converted silently."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Answer(BaseModel):
    """Base of all answers; byte strings leave as hex."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, ser_json_bytes="hex")


def _reader(annotation: Any) -> Callable[[Json], Any]:  # noqa: ANN401 - whatever has a shape
    """Return what reads JSON by the shape of an annotation; it raises `BadValueError`."""
    shape = shape_of(annotation)
    return lambda value: from_json(shape, value)


def _schema(annotation: Any) -> WithJsonSchema:  # noqa: ANN401 - whatever has a shape
    return WithJsonSchema(json_schema(shape_of(annotation)))


def _transaction_bytes(value: Json) -> bytes:
    """Read hex, or base64; a transaction never begins with the same letter in both."""
    if not isinstance(value, str):
        msg = "a transaction is a string of hex digits, or base64"
        raise ValueError(msg)  # noqa: TRY004 - the validator wants this type
    try:
        return binascii.unhexlify(value.removeprefix("0x"))
    except ValueError:
        pass
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        msg = "neither an even number of hex digits nor base64"
        raise ValueError(msg) from None


def _number(value: int) -> int | str:
    return value if -EXACT_MAX < value < EXACT_MAX else str(value)


# Parameters.
_Key = Annotated[bytes, Size(1, ASKED_KEY_BYTES_MAX)]
HeightIn = Annotated[int, BeforeValidator(_reader(kernel.Height)), _schema(kernel.Height)]
HashIn = Annotated[bytes, BeforeValidator(_reader(kernel.Hash32)), _schema(kernel.Hash32)]
AddressIn = Annotated[bytes, BeforeValidator(_reader(kernel.Address)), _schema(kernel.Address)]
KeyIn = Annotated[bytes, BeforeValidator(_reader(_Key)), _schema(_Key)]
TransactionIn = Annotated[
    bytes,
    BeforeValidator(_transaction_bytes),
    WithJsonSchema({"type": "string", "description": "a signed transaction in hex or base64"}),
]
LIMIT_DEFAULT: Final = 1_000
Limit = Annotated[int, Field(ge=1, le=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=64)]

# Answers.
Hex = Annotated[bytes, WithJsonSchema({"type": "string", "pattern": HEX_PATTERN})]
AddressOut = Annotated[
    bytes,
    PlainSerializer(encode_address, return_type=str),
    WithJsonSchema({"type": "string", "description": "an address in bech32m"}),
]
Number = Annotated[
    int,
    PlainSerializer(_number),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": INTEGER_TEXT}]}),
]
AnyJson = Annotated[Json, WithJsonSchema({"description": "any JSON value"})]
AnyObject = Annotated[Form, WithJsonSchema({"type": "object"})]
AccountForm = Annotated[Form, WithJsonSchema(reference_to(Account))]
CertificateForm = Annotated[Form, WithJsonSchema(reference_to(Certificate))]
HeaderForm = Annotated[Form, WithJsonSchema(reference_to(Header))]
InclusionForm = Annotated[Form, WithJsonSchema(reference_to(InclusionProof))]
KeyRecordForm = Annotated[Form, WithJsonSchema(reference_to(KeyRecord))]
ParametersForm = Annotated[Form, WithJsonSchema(reference_to(ChainParameters))]


def form(record: Record) -> Form:
    """Return the JSON form of a record."""
    made: Form = to_json(record.shape, record.to_wire())
    return made


def form_or_null(record: Record | None) -> Form | None:
    """Return the JSON form of a record, or null."""
    return None if record is None else form(record)
