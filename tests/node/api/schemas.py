"""A check of JSON values against the JSON schemas that our OpenRPC document uses."""

import re
from collections.abc import Iterator
from typing import Any

REF = "#/components/schemas/"
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {
    "$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "items",
    "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "pattern", "properties",
    "required", "title", "type",
}  # fmt: skip


Schema = dict[str, Any]


def faults(
    value: Any,  # noqa: ANN401 - any JSON
    schema: Schema,
    known: Schema,
    path: str = "$",
) -> Iterator[str]:
    """Yield what is wrong with a value, each with its path."""
    assert schema.keys() <= KNOWN, f"{path}: this check does not know {schema.keys() - KNOWN}"
    if "$ref" in schema:
        yield from faults(value, known[schema["$ref"].removeprefix(REF)], known, path)
        return
    if "anyOf" in schema:
        if all(any(faults(value, one, known, path)) for one in schema["anyOf"]):
            yield f"{path}: {value!r:.60} fits none of {schema['anyOf']}"
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{path}: {value!r:.60} is not of type {kinds}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r:.60} is none of {schema['enum']}"
    if isinstance(value, str):
        yield from _text(value, schema, path)
    elif isinstance(value, list):
        yield from _array(value, schema, known, path)
    elif isinstance(value, dict):
        yield from _object(value, schema, known, path)
    elif _is(value, "integer"):
        yield from _integer(value, schema, path)


def _is(value: object, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)


def _integer(value: int, schema: Schema, path: str) -> Iterator[str]:
    if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path}: {value} is out of bounds"


def _text(value: str, schema: Schema, path: str) -> Iterator[str]:
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: {value!r:.60} does not match {schema['pattern']}"
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{path}: {len(value)} characters"


def _array(value: list[Any], schema: Schema, known: Schema, path: str) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{path}: {len(value)} items"
    for index, item in enumerate(value):
        yield from faults(item, schema.get("items", {}), known, f"{path}[{index}]")


def _object(value: dict[str, Any], schema: Schema, known: Schema, path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    missing = [name for name in schema.get("required", []) if name not in value]
    if missing:
        yield f"{path}: lacks {missing}"
    for name, item in value.items():
        if name in properties:
            yield from faults(item, properties[name], known, f"{path}.{name}")
        elif isinstance(schema.get("additionalProperties"), dict):
            yield from faults(item, schema["additionalProperties"], known, f"{path}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{path}: has {name}, of which the schema knows nothing"
