"""The OpenRPC document of this API, made from the table of methods."""

from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from node.api.errors import ERRORS, ApiError, explained
from node.api.schema import REF, JsonSchema, record_schemas, resolved
from node.api.subscriptions import NOTIFICATION, Notification
from node.api.table import Method, Where

OPENRPC_VERSION: Final = "1.3.2"
TITLE: Final = "GridTokenX node"
API_VERSION: Final = "1"
ERROR_REF: Final = "#/components/errors/"
DESCRIPTION: Final = (
    "JSON-RPC 2.0 by HTTP (POST /, Content-Type: application/json) and WebSocket (/ws). Byte "
    "strings are hex, addresses bech32m, integers from 2^53 on decimal strings. Parameters go by "
    "name or in order."
)


def openrpc_document(methods: Iterable[Method]) -> dict[str, Any]:
    """Return the OpenRPC document of these methods."""
    rows = list(methods)
    schemas = (
        _schemas([row.params for row in rows], "validation")
        | _schemas([*(row.answer for row in rows), Notification], "serialization")
        | record_schemas()
    )
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {"title": TITLE, "version": API_VERSION, "description": DESCRIPTION},
        "methods": [_method(row, schemas) for row in rows],
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "errors": {error.__name__: _error(error) for error in ERRORS},
        },
    }


def _schemas(
    models: Iterable[type[BaseModel]], mode: Literal["validation", "serialization"]
) -> dict[str, JsonSchema]:
    unique = [(model, mode) for model in dict.fromkeys(models)]
    _, found = models_json_schema(unique, ref_template=REF + "{model}")
    return {name: resolved(schema) for name, schema in found.get("$defs", {}).items()}


def _method(row: Method, schemas: dict[str, JsonSchema]) -> dict[str, Any]:
    summary, _, rest = row.doc.partition("\n\n")
    described = schemas[row.params.__name__]
    required = described.get("required", [])
    out: dict[str, Any] = {
        "name": row.name,
        "summary": " ".join(summary.split()),
        "description": " ".join(rest.split()),
        "paramStructure": "either",
        "params": [
            {"name": name, "required": name in required, "schema": schema}
            for name, schema in described.get("properties", {}).items()
        ],
        "result": {"name": row.answer.__name__, "schema": {"$ref": REF + row.answer.__name__}},
        "errors": [{"$ref": ERROR_REF + error.__name__} for error in ERRORS],
    }
    if row.where is Where.SOCKET:
        out["x-transport"] = "WebSocket"
        out["x-notification"] = {"name": NOTIFICATION, "schema": {"$ref": REF + "Notification"}}
    return out


def _error(error: type[ApiError]) -> dict[str, Any]:
    message, hint = explained(error)
    return {"code": error.code, "message": message, "data": {"name": error.__name__, "hint": hint}}
