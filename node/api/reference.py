"""The reference of this API as a Markdown page, made from its OpenRPC document.

Run `python -m node.api.reference > docs/reference/rpc.md` after a change of the API.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import chain.mempool.refusals  # noqa: F401 - those of the mempool belong to the list
from chain.refusals import NotIncludableError
from node.api.errors import explained
from node.api.limits import ApiLimits
from node.api.openrpc import DESCRIPTION, openrpc_document
from node.api.schema import REF, JsonSchema
from node.api.table import METHODS

_SUBJECTS: Final = (
    ("chain_", "The chain"),
    ("tx_", "Transactions"),
    ("mempool_", "The mempool"),
    ("account_", "Accounts"),
    ("state_", "The state"),
    ("contract_", "Contracts"),
    ("events_", "Events"),
    ("node_", "The node"),
    ("rpc_", "The API itself"),
)
_HEAD: Final = """\
# The RPC API

Made from the code by `python -m node.api.reference`; do not edit it by hand.

{description}

    curl -s http://127.0.0.1:26680/ -H 'Content-Type: application/json' \\
      -d '{{"jsonrpc": "2.0", "id": 1, "method": "chain_status"}}'

An error has a `data` object with `name`, `code` (that of a refusal, else null), `values` and
`hint`. A body that is refused as a whole has the HTTP status 408, 413, 415, 429 or 503; everything
else is 200, or 204 where nothing but notifications was sent.
"""


def reference() -> str:
    """Return the page."""
    document = openrpc_document(METHODS.values())
    return "\n".join(_lines(document)) + "\n"


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield _HEAD.format(description=DESCRIPTION)
    for prefix, title in _SUBJECTS:
        yield f"## {title}"
        yield ""
        for method in document["methods"]:
            if method["name"].startswith(prefix):
                yield from _method(method)
    yield from _types(document)
    yield from _errors(document["components"]["errors"])
    yield from _refusals()
    yield from _limits()


def _method(method: dict[str, Any]) -> Iterator[str]:
    yield f"### `{method['name']}`"
    yield ""
    yield method["summary"]
    if method["description"]:
        yield ""
        yield method["description"]
    if "x-transport" in method:
        yield ""
        notification = method["x-notification"]
        yield f"On a WebSocket only. Messages: `{notification['name']}` with a [Notification]."
    yield ""
    if method["params"]:
        yield "| parameter | type | default |"
        yield "|---|---|---|"
        for one in method["params"]:
            default = "required" if one["required"] else f"`{_default(one['schema'])}`"
            yield f"| `{one['name']}` | {_kind(one['schema'])} | {default} |"
        yield ""
    yield f"Returns {_kind(method['result']['schema'])}."
    yield ""


def _types(document: dict[str, Any]) -> Iterator[str]:
    yield "## Types"
    yield ""
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Params"):
            continue
        yield f"### {name}"
        yield ""
        yield " ".join(schema.get("description", "").split())
        yield ""
        yield "| field | type |"
        yield "|---|---|"
        for field, of in schema.get("properties", {}).items():
            yield f"| `{field}` | {_kind(of)} |"
        yield ""


def _errors(errors: dict[str, Any]) -> Iterator[str]:
    yield "## Errors"
    yield ""
    yield "| code | name | what happened | what to do |"
    yield "|---|---|---|---|"
    for name, error in errors.items():
        yield f"| {error['code']} | {name} | {error['message']} | {error['data']['hint']} |"
    yield ""


def _refusals() -> Iterator[str]:
    yield "## Refusals of transactions"
    yield ""
    yield (
        "What `TransactionRefused` carries as name, code and hint. The refusals of calls stand in "
        "the manifest (`contract_manifest`)."
    )
    yield ""
    yield "| code | name | what happened | what to do |"
    yield "|---|---|---|---|"
    for one in sorted(NotIncludableError.__subclasses__(), key=lambda one: one.code):
        what, hint = explained(one)
        yield f"| {one.code} | {one.__name__} | {what} | {hint} |"
    yield ""


def _limits() -> Iterator[str]:
    yield "## Limits"
    yield ""
    yield "| limit | default | of what |"
    yield "|---|---|---|"
    for name, default, meaning in ApiLimits.described():
        yield f"| `{name}` | {default:_} | {meaning} |"


def _kind(schema: JsonSchema) -> str:
    """Say a schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        kinds = dict.fromkeys(_kind(one) for one in schema["anyOf"])
        return " or ".join(kinds)
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_kind(schema['items'])}"
    if kind == "object" and schema.get("properties"):
        return "object of " + ", ".join(f"`{name}`" for name in schema["properties"])
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])} by name"
    if schema.get("pattern", "").startswith("^([0-9a-f]"):
        return "hex" + _of_size(schema) + _unit(schema)
    if kind == "string" and "description" in schema:
        return str(schema["description"])
    if kind == "string" and schema.get("pattern"):
        return "decimal string"
    said = " or ".join(kind) if isinstance(kind, list) else kind or schema.get("description", "any")
    return f"{said}{_unit(schema)}"


def _of_size(schema: JsonSchema) -> str:
    low, high = schema.get("minLength"), schema.get("maxLength")
    if low is None or high is None:
        return ""
    return f" of {low // 2} bytes" if low == high else f" of {low // 2} to {high // 2} bytes"


def _unit(schema: JsonSchema) -> str:
    unit = schema.get("description")
    return f" ({unit})" if unit else ""


def _default(schema: JsonSchema) -> str:
    return json.dumps(schema.get("default"))


if __name__ == "__main__":
    sys.stdout.write(reference())
