"""CONTRACT.METHOD and its arguments, as people write them, by the installed manifest.

An argument is plain text for a number, address, hex string or enum, and JSON for a record or list;
`@FILE` reads it from a file. They come in order, or as NAME=VALUE. What is written is checked here
already, so that the fault is named with its place before a node is asked.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from chain.json_form import from_json
from contracts.kernel import BadValueError, Kind, Method, Value
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
from contracts.registry import CATALOGUE
from node.cli.misspelt import did_you_mean
from node.failure import ExitCode, Failure

ARGUMENT_BYTES_MAX: Final = 8 * 2**20

# What a person calls a kind of method, and the verb that reaches it.
_VERBS: Final = {Kind.CALL: "call", Kind.QUERY: "query"}


def names_of(kind: Kind) -> tuple[str, ...]:
    """Return every CONTRACT.METHOD of a kind."""
    return tuple(f"{spec.name}.{name}" for spec in CATALOGUE.specs for name in spec.of_kind(kind))


def find(text: str, kind: Kind) -> tuple[str, Method]:
    """Return the contract's name and its method; raises `Failure` with what was probably meant."""
    contract, _, name = text.partition(".")
    spec = CATALOGUE.by_name.get(contract)
    if spec is None:
        whole = did_you_mean(text, names_of(kind)) or did_you_mean(contract, CATALOGUE.by_name)
        known = f"contracts are {', '.join(CATALOGUE.by_name)}"
        raise _wrong(f"there is no contract {contract!r}", whole or known)
    found = spec.of_kind(kind)
    if name in found:
        return contract, found[name]
    for other, verb in _VERBS.items():
        if other is not kind and name in spec.of_kind(other):
            raise _wrong(f"{text} is no {_VERBS[kind]}", f"use: gtx {verb} {text}")
    what = f"{contract} has no {_VERBS[kind]} {name!r}" if name else f"which of {contract}'s?"
    close = did_you_mean(name, found)
    if close is not None:
        close = close.replace("did you mean ", f"did you mean {contract}.")
    names = ", ".join(f"{contract}.{one}" for one in found) or "none"
    raise _wrong(what, close or f"its {_VERBS[kind]} names are: {names}")


def misspelt_method(text: str, choices: tuple[str, ...] | None) -> Failure | None:
    """Return what to say of a text that is none of the methods to choose from, if they are ours."""
    for kind in _VERBS:
        if choices == names_of(kind):
            try:
                find(text, kind)
            except Failure as failure:
                return failure
    return None


def arguments_of(contract: str, method: Method, written: Sequence[str]) -> tuple[Value, ...]:
    """Return the wire values of what was written; raises `Failure` with the place of a fault."""
    texts = _by_name(contract, method, written)
    values = []
    for name, shape in method.arguments:
        try:
            values.append(from_json(shape, _json_of(shape, texts[name], name)))
        except BadValueError as error:
            raise _wrong(f"{error.under(name)}", f"it takes: {usage(contract, method)}") from error
    return tuple(values)


def usage(contract: str, method: Method) -> str:
    """Return CONTRACT.METHOD with what its arguments are."""
    arguments = (f"{name}:{say(shape)}" for name, shape in method.arguments)
    return " ".join((f"{contract}.{method.name}", *arguments))


def say(shape: Shape) -> str:
    """Say a shape in a word or two."""
    match shape:
        case OptionalShape():
            return f"{say(shape.inner)}|null"
        case ListShape():
            return f"[{say(shape.inner)}, …]"
        case RecordShape():
            fields = zip(shape.names, shape.fields, strict=True)
            return "{" + ", ".join(f"{name}:{say(field)}" for name, field in fields) + "}"
        case EnumShape():
            return "|".join(member.name.lower() for member in shape.members)
        case IntShape():
            return shape.unit or "integer"
        case BytesShape():
            return shape.unit or "hex"
        case BoolShape():
            return "true|false"
        case TextShape():
            return "text"
    msg = f"{shape} has no name for people"
    raise TypeError(msg)


def _by_name(contract: str, method: Method, written: Sequence[str]) -> dict[str, str]:
    names = [name for name, _ in method.arguments]
    texts: dict[str, str] = {}
    in_order: list[str] = []
    for one in written:
        name, equals, value = one.partition("=")
        if not equals or not name.isidentifier():
            in_order.append(one)
        elif name not in names:
            # No argument in order looks like this but a text, and that can be given by its name.
            what = f"{contract}.{method.name} has no argument {name!r}"
            raise _wrong(what, did_you_mean(name, names) or f"it takes: {usage(contract, method)}")
        elif name in texts:
            raise _wrong(f"{name} is given twice", f"it takes: {usage(contract, method)}")
        else:
            texts[name] = value
    free = [name for name in names if name not in texts]
    while len(free) > len(in_order) and _may_be_empty(dict(method.arguments)[free[-1]]):
        texts[free.pop()] = ""
    if len(in_order) != len(free):
        raise _wrong(
            f"{contract}.{method.name} takes {_counts(method)}, not {len(written)}",
            f"it takes: {usage(contract, method)}",
        )
    return texts | dict(zip(free, in_order, strict=True))


def _may_be_empty(shape: Shape) -> bool:
    """Say whether leaving an argument out can only mean that it is empty, as of a memo."""
    return isinstance(shape, BytesShape | TextShape) and shape.low == 0


def _json_of(shape: Shape, text: str, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value that a text stands for where this shape is asked for."""
    match shape:
        case OptionalShape():
            return None if text == "null" else _json_of(shape.inner, text, name)
        case TextShape():
            return text
        case RecordShape() | ListShape():
            return _parsed(_content(text, name), name)
        case BoolShape():
            return {"true": True, "false": False}.get(text, text)
    return text


def _content(text: str, name: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        with Path(text[1:]).open("rb") as file:
            content = file.read(ARGUMENT_BYTES_MAX + 1)
        if len(content) > ARGUMENT_BYTES_MAX:
            raise _wrong(f"{name}: {text[1:]} is larger than {ARGUMENT_BYTES_MAX} bytes", None)
        return content.decode()
    except OSError as error:
        raise _wrong(f"{name}: cannot read {text[1:]}: {error.strerror}", None) from error
    except UnicodeDecodeError as error:
        raise _wrong(f"{name}: {text[1:]} is not UTF-8 text", None) from error


def _parsed(text: str, name: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        help_ = f"""quote it for the shell, as in '{{"field": 1}}', or use {name}=@FILE"""
        raise _wrong(f"{name}: not JSON: {error}", help_) from error


def _counts(method: Method) -> str:
    """Say how many arguments a method takes, those at the end that may be left out apart."""
    shapes = [shape for _, shape in method.arguments]
    most = least = len(shapes)
    while least and _may_be_empty(shapes[least - 1]):
        least -= 1
    count = f"{most}" if least == most else f"{least} to {most}"
    return f"{count} argument{'' if most == 1 else 's'}"


def _wrong(what: str, help_: str | None) -> Failure:
    return Failure(ExitCode.USAGE, what, help_, name="Usage")
