"""The manifest: what contracts say of themselves, as plain values.

Clients, forms, documentation and typed bindings are made from it; two nodes with the same
`execution_version` have the same manifest, and its hash tells a client whether its own is current.
"""

from typing import Any

from contracts.kernel import codec
from contracts.kernel.codec import Value
from contracts.kernel.contract import ContractSpec, Kind, Method
from contracts.kernel.crypto import sha256
from contracts.kernel.errors import KERNEL_REJECTS, Reject
from contracts.kernel.record import Claim, RecordShape
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

MANIFEST_VERSION = 1


def manifest_of(specs: tuple[ContractSpec, ...]) -> dict[str, Value]:
    """Return the manifest of these contracts, in their order, and the refusals of all calls."""
    return {
        "version": MANIFEST_VERSION,
        "contracts": [_contract(spec) for spec in specs],
        "rejects": [_reject(0, reject) for reject in KERNEL_REJECTS],
    }


def manifest_hash(manifest: dict[str, Value]) -> bytes:
    """Return the SHA-256 of the manifest's codec bytes."""
    return sha256(codec.encode(manifest))


def describe_shape(shape: Shape) -> dict[str, Value]:
    """Return a shape as plain values, nested records inline; a claim has its domain."""
    match shape:
        case IntShape():
            return {"type": "integer", "low": shape.low, "high": shape.high, "unit": shape.unit}
        case BoolShape():
            return {"type": "boolean"}
        case BytesShape():
            return {"type": "bytes", "low": shape.low, "high": shape.high, "unit": shape.unit}
        case TextShape():
            return {"type": "text", "low": shape.low, "high": shape.high}
        case EnumShape():
            members: dict[str, Value] = {m.name: int(m) for m in shape.members}
            return {"type": "enum", "name": shape.members.__name__, "members": members}
        case OptionalShape():
            return {"type": "optional", "of": describe_shape(shape.inner)}
        case ListShape():
            inner = describe_shape(shape.inner)
            return {"type": "array", "low": shape.low, "high": shape.high, "of": inner}
        case RecordShape():
            fields = _named(tuple(zip(shape.names, shape.fields, strict=True)))
            out: dict[str, Value] = {"type": "record", "name": shape.cls.__name__}
            out |= {"version": shape.version, "fields": fields}
            if issubclass(shape.cls, Claim):
                out["domain"] = shape.cls.domain
            return out
    msg = f"{shape} has no description"
    raise TypeError(msg)


def _contract(spec: ContractSpec) -> dict[str, Value]:
    return {
        "name": spec.name,
        "number": spec.number,
        "doc": spec.doc,
        "calls": [_method(m) for m in spec.of_kind(Kind.CALL).values()],
        "queries": [_method(m) for m in spec.of_kind(Kind.QUERY).values()],
        "units": [_method(m) for m in spec.of_kind(Kind.UNIT).values()],
        "genesis": [_method(m) for m in spec.of_kind(Kind.GENESIS).values()],
        "rejects": [_reject(spec.number, spec.rejects[code]) for code in sorted(spec.rejects)],
        "events": [
            {"name": name, "doc": _doc(event), "of": describe_shape(event.shape)}
            for name, event in sorted(spec.events.items())
        ],
        "tables": [
            {
                "id": table.id,
                "name": name,
                "packed": table.packed,
                "key": [describe_shape(s) for s in getattr(table, "key_shapes", ())],
                "value": describe_shape(table.value_shape),
            }
            for name, table in sorted(spec.tables.items(), key=lambda item: item[1].id)
        ],
    }


def _method(method: Method) -> dict[str, Value]:
    out: dict[str, Value] = {
        "name": method.name,
        "doc": method.doc,
        "arguments": _named(method.arguments),
        "returns": None if method.result is None else describe_shape(method.result),
    }
    if method.lane is not None:
        out["lane"] = method.lane.name.lower()
    return out


def _reject(number: int, reject: type[Reject]) -> dict[str, Value]:
    what, _, hint = _doc(reject).partition("\n\n")
    code = number << 8 | reject.code
    return {"code": code, "name": reject.__name__, "what": what, "hint": hint}


def _named(pairs: tuple[tuple[str, Shape], ...]) -> list[Value]:
    return [{"name": name, "of": describe_shape(shape)} for name, shape in pairs]


def _doc(cls: type[Any]) -> str:
    return "\n".join(line.strip() for line in (cls.__doc__ or "").strip().splitlines())
