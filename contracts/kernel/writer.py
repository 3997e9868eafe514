"""Writing records quickly: one function for each record class, made together with it.

Asking the shape of each field takes a call for each, which for the record of an account is more
than all else that writing it costs. As `dataclasses` does for `__init__`, the function is put
together as source: from the names of the fields and the bounds of their shapes, nothing else. It
checks exactly what the shapes check, and where a value may not pass it says no more than that; the
shapes then find out what is wrong.
"""

from collections.abc import Callable, Sequence
from typing import Any

from contracts.kernel.codec import Value
from contracts.kernel.shape import (
    BoolShape,
    BytesShape,
    EnumShape,
    IntShape,
    OptionalShape,
    Shape,
    TextShape,
)

Writer = Callable[[Any], list[Value] | None]


def writer_of(version: int, names: Sequence[str], shapes: Sequence[Shape]) -> Writer:
    """Return what makes the array of a record, version first, or None where it has to be asked.

    Raises `BadValueError`, without the way to the fault, for what lies deeper than a field.
    """
    known: dict[str, Any] = {}
    fields = [_field(f"v{i}", shape, known) for i, shape in enumerate(shapes)]
    checks = " and ".join(check for check, _ in fields if check) or "True"
    lines = [
        "def write(record):",
        *(f"    v{i} = record.{name}" for i, name in enumerate(names)),
        f"    if {checks}:",
        f"        return [{', '.join((str(version), *(plain for _, plain in fields)))}]",
        "    return None",
    ]
    exec("\n".join(lines), known)  # noqa: S102  # own source: names and bounds of a class
    made: Writer = known["write"]
    return made


def _field(value: str, shape: Shape, known: dict[str, Any]) -> tuple[str, str]:
    """Return source that checks the field in the variable `value`, if any, and that writes it.

    What the source needs by a name goes into `known`.
    """
    low, high = getattr(shape, "low", 0), getattr(shape, "high", 0)
    if type(shape) is IntShape:
        return f"type({value}) is int and {low} <= {value} <= {high}", value
    if type(shape) is BoolShape:
        return f"type({value}) is bool", value
    if type(shape) is BytesShape:
        return f"type({value}) is bytes and {low} <= len({value}) <= {high}", value
    if type(shape) is TextShape:
        # Printable ASCII has no control characters, and as many bytes as characters.
        simple = f"{value}.isascii() and {value}.isprintable() and {low} <= len({value}) <= {high}"
        return f"type({value}) is str and {simple}", value
    if type(shape) is EnumShape:
        known[f"members_{value}"] = shape.members
        check = f"type({value}) is members_{value} and {low} <= {value} <= {high}"
        return check, f"int({value})"
    if type(shape) is OptionalShape:
        check, plain = _field(value, shape.inner, known)
        check = f"({value} is None or {check})" if check else ""
        return check, f"(None if {value} is None else {plain})"
    known[f"write_{value}"] = shape.to_wire
    return "", f"write_{value}({value})"
