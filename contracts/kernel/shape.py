"""Shapes: what an annotation says about a value, as checks, wire form, key form and struct form.

`shape_of(Annotated[int, Range(0, 10)])` reads the annotation once, when a class is made; checking a
value later is one method call. There are two directions and two levels of trust:

- `from_wire` takes plain codec values from outside and raises `BadValueError` with the path to
  the fault;
- `to_wire` gives the plain form of a typed value and checks ranges again (pair assertion);
- `load` turns what our own database holds back into typed values without checks.

Keys of stored maps are fixed width and sort as their values do (`to_key`, `from_key`): integers are
big-endian, negative ranges are offset, text is hashed. Packed values use `struct` (`pack_format`).
"""

# A shape takes any value: that is its work. An override says what its base says.
# ruff: noqa: ANN401, ARG002, D102

import enum
import re
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.kernel.codec import INT_MAX, INT_MIN, Value
from contracts.kernel.crypto import sha256

_WIDTHS: Final = (1, 2, 4, 8)
_STRUCT_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}.get
_BYTE_MAX: Final = 255
# Unicode's category Cc, which never changes: C0, delete and C1.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


class BadValueError(ValueError):
    """A value does not fit its shape; `path` leads to it, as in `items[3].price_per_wh`."""

    def __init__(self, reason: str, path: str = "") -> None:
        """Keep the reason and the path apart, so that an outer shape can prefix the path."""
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        """Path and reason in one line."""
        return f"{self.path}: {self.reason}" if self.path else self.reason

    def under(self, step: str) -> "BadValueError":
        """Return the same fault, seen from one level further out."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        return BadValueError(self.reason, f"{step}{joint}{self.path}")


@dataclass(frozen=True, slots=True)
class Range:
    """Inclusive bounds of an integer, or of the members of an enum that are meant."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a byte string, or UTF-8 bytes of a text: exactly `low`, or `low` to `high`."""

    low: int
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Items:
    """How many items a tuple may hold."""

    high: int
    low: int = 0


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number or byte string means to people: `Wh`, `address`; for manifests and forms."""

    name: str


class Shape(ABC):
    """One annotated type; subclasses are public so that manifests and forms can match on them."""

    __slots__ = ()

    key_size: int | None = None
    pack_format: str | None = None
    has_claims: bool = False
    loads_as_is: bool = True

    @abstractmethod
    def from_wire(self, value: Value) -> Any:
        """Return the typed value, or raise `BadValueError`."""

    def to_wire(self, value: Any) -> Value:
        """Return the plain value, or raise `BadValueError`."""
        return self.from_wire(value)  # type: ignore[no-any-return]  # scalars are their own wire form

    def load(self, value: Any) -> Any:
        """Return the typed value of trusted plain data."""
        return value

    def to_key(self, value: Any) -> bytes:
        """Return the fixed-width key form, or raise `BadValueError`."""
        raise TypeError(f"{self} cannot be part of a key")

    def from_key(self, data: bytes) -> Any:
        """Invert `to_key`; shapes that are hashed in keys cannot."""
        raise TypeError(f"{self} cannot be read back from a key")

    def claims(self, value: Any) -> Iterator[Any]:
        """Yield every signed claim inside `value`."""
        yield from ()


@dataclass(frozen=True)
class IntShape(Shape):
    """An integer within inclusive bounds."""

    low: int
    high: int
    unit: str = ""

    def __post_init__(self) -> None:
        if not INT_MIN <= self.low <= self.high <= INT_MAX:
            raise TypeError(f"{self} does not fit 64 bits")
        span = self.high if self.low >= 0 else self.high - INT_MIN
        width = next(w for w in _WIDTHS if span < 1 << 8 * w)
        object.__setattr__(self, "key_size", width)
        if self.low >= 0:
            object.__setattr__(self, "pack_format", _STRUCT_CODES(width))

    def from_wire(self, value: Value) -> int:
        if type(value) is not int:
            raise BadValueError(f"{_said(value)} is not an integer")
        if not self.low <= value <= self.high:
            raise BadValueError(f"{_said(value)} is outside {self.low} … {self.high}")
        return value

    def to_key(self, value: Any) -> bytes:
        number = self.from_wire(value)
        assert self.key_size is not None
        return (number if self.low >= 0 else number - INT_MIN).to_bytes(self.key_size, "big")

    def from_key(self, data: bytes) -> int:
        number = int.from_bytes(data, "big")
        return number if self.low >= 0 else number + INT_MIN


@dataclass(frozen=True)
class BoolShape(Shape):
    """True or false."""

    key_size = 1
    pack_format = "?"

    def from_wire(self, value: Value) -> bool:
        if type(value) is not bool:
            raise BadValueError(f"{_said(value)} is not a boolean")
        return value

    def to_key(self, value: Any) -> bytes:
        return b"\x01" if self.from_wire(value) else b"\x00"

    def from_key(self, data: bytes) -> bool:
        return data != b"\x00"


@dataclass(frozen=True)
class BytesShape(Shape):
    """A byte string of bounded size; of one size, it can be a key."""

    low: int
    high: int
    unit: str = ""

    def __post_init__(self) -> None:
        if self.low == self.high:
            object.__setattr__(self, "key_size", self.low)
            object.__setattr__(self, "pack_format", f"{self.low}s")

    def from_wire(self, value: Value) -> bytes:
        if type(value) is not bytes:
            raise BadValueError(f"{_said(value)} is not a byte string")
        if not self.low <= len(value) <= self.high:
            raise BadValueError(f"{len(value)} bytes are outside {self.low} … {self.high}")
        return value

    def to_key(self, value: Any) -> bytes:
        if self.key_size is None:
            raise TypeError(f"{self} cannot be part of a key: its size varies")
        return self.from_wire(value)

    def from_key(self, data: bytes) -> bytes:
        return data


@dataclass(frozen=True)
class TextShape(Shape):
    """Text of bounded UTF-8 size without control characters; hashed where it is a key.

    No Unicode normalisation: its tables differ between Python versions.
    """

    low: int
    high: int
    key_size = 32

    def from_wire(self, value: Value) -> str:
        if type(value) is not str:
            raise BadValueError(f"{_said(value)} is not text")
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise BadValueError("text holds an unpaired surrogate") from error
        if not self.low <= size <= self.high:
            raise BadValueError(f"text of {size} bytes is outside {self.low} … {self.high}")
        if _CONTROL.search(value):
            raise BadValueError("text holds a control character")
        return value

    def to_key(self, value: Any) -> bytes:
        return sha256(self.from_wire(value).encode())


@dataclass(frozen=True)
class EnumShape(Shape):
    """One of the members of an `IntEnum` with values 0 … 255, or of those within bounds."""

    members: type[enum.IntEnum]
    low: int = 0
    high: int = _BYTE_MAX
    meant: dict[int, enum.IntEnum] = field(init=False, repr=False, compare=False)
    key_size = 1
    pack_format = "B"
    loads_as_is = False

    def __post_init__(self) -> None:
        """Check that every member fits the byte of its key; find those within bounds."""
        if not all(0 <= member <= _BYTE_MAX for member in self.members):
            raise TypeError(f"{self.members.__name__} has members outside 0 … {_BYTE_MAX}")
        meant = {int(m): m for m in self.members if self.low <= m <= self.high}
        object.__setattr__(self, "meant", meant)

    def from_wire(self, value: Value) -> enum.IntEnum:
        # A dict finds a member by any equal value: True and 1.0 would pass for 1.
        if type(value) is not int:
            raise BadValueError(f"{_said(value)} is not an integer")
        if value not in self.meant:
            names = ", ".join(f"{number} {m.name}" for number, m in self.meant.items())
            raise BadValueError(f"{_said(value)} is none of {names}")
        return self.meant[value]

    def to_wire(self, value: Any) -> int:
        return int(self.from_wire(int(value) if type(value) is self.members else value))

    def load(self, value: Any) -> enum.IntEnum:
        return self.meant[value]

    def to_key(self, value: Any) -> bytes:
        return bytes((self.to_wire(value),))

    def from_key(self, data: bytes) -> enum.IntEnum:
        return self.meant[data[0]]


@dataclass(frozen=True)
class OptionalShape(Shape):
    """A value or null."""

    inner: Shape

    def __post_init__(self) -> None:
        object.__setattr__(self, "loads_as_is", self.inner.loads_as_is)
        object.__setattr__(self, "has_claims", self.inner.has_claims)

    def from_wire(self, value: Value) -> Any:
        return None if value is None else self.inner.from_wire(value)

    def to_wire(self, value: Any) -> Value:
        return None if value is None else self.inner.to_wire(value)

    def load(self, value: Any) -> Any:
        return None if value is None else self.inner.load(value)

    def claims(self, value: Any) -> Iterator[Any]:
        if value is not None:
            yield from self.inner.claims(value)


@dataclass(frozen=True)
class ListShape(Shape):
    """A tuple of equal items, an array on the wire."""

    inner: Shape
    low: int
    high: int
    loads_as_is = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "has_claims", self.inner.has_claims)

    def from_wire(self, value: Value) -> tuple[Any, ...]:
        return tuple(self._each(value, self.inner.from_wire))

    def to_wire(self, value: Any) -> list[Value]:
        return self._each(value, self.inner.to_wire)

    def load(self, value: Any) -> tuple[Any, ...]:
        return tuple(value if self.inner.loads_as_is else map(self.inner.load, value))

    def claims(self, value: Any) -> Iterator[Any]:
        if self.has_claims:
            for item in value:
                yield from self.inner.claims(item)

    def _each(self, value: Any, convert: Callable[[Any], Any]) -> list[Any]:
        if type(value) is not list and type(value) is not tuple:
            raise BadValueError(f"{_said(value)} is not an array")
        if not self.low <= len(value) <= self.high:
            raise BadValueError(f"{len(value)} items are outside {self.low} … {self.high}")
        out = []
        for position, item in enumerate(value):
            try:
                out.append(convert(item))
            except BadValueError as error:
                raise error.under(f"[{position}]") from None
        return out


def shape_of(annotation: Any) -> Shape:
    """Read an annotation; raises `TypeError` for one that has no bounds or no wire form."""
    marks: tuple[Any, ...] = ()
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *rest = typing.get_args(annotation)
        marks = tuple(rest)
    own = getattr(annotation, "shape", None)
    if isinstance(own, Shape):
        return own
    if annotation is bool:
        return BoolShape()
    if annotation is int:
        bounds = _mark(marks, Range, annotation)
        return IntShape(bounds.low, bounds.high, _unit(marks))
    if annotation in (bytes, str):
        size = _mark(marks, Size, annotation)
        high = size.low if size.high is None else size.high
        _check_bounds(size.low, high)
        if annotation is str:
            return TextShape(size.low, high)
        return BytesShape(size.low, high, _unit(marks))
    if isinstance(annotation, type) and issubclass(annotation, enum.IntEnum):
        bounds = next((mark for mark in marks if isinstance(mark, Range)), Range(0, _BYTE_MAX))
        return EnumShape(annotation, bounds.low, bounds.high)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple and args[1:] == (Ellipsis,):
        count = _mark(marks, Items, annotation)
        _check_bounds(count.low, count.high)
        return ListShape(shape_of(args[0]), count.low, count.high)
    if origin in (typing.Union, types.UnionType) and args[1:] == (type(None),):
        return OptionalShape(shape_of(args[0]))
    raise TypeError(f"{annotation} has no shape: use an annotated type of contracts.kernel")


def _mark(marks: tuple[Any, ...], kind: type[Any], annotation: object) -> Any:
    for mark in marks:
        if isinstance(mark, kind):
            return mark
    raise TypeError(f"{annotation} needs a {kind.__name__}: everything from outside is bounded")


def _check_bounds(low: int, high: int) -> None:
    if not 0 <= low <= high:
        raise TypeError(f"nothing has a size of {low} … {high}")


def _unit(marks: tuple[Any, ...]) -> str:
    return next((mark.name for mark in marks if isinstance(mark, Unit)), "")


def _said(value: object) -> str:
    """Say a bad value in a few characters, whatever its size."""
    if type(value) is int and not INT_MIN <= value <= INT_MAX:
        return f"integer of {value.bit_length()} bits"
    if value is None or type(value) in (bool, int):
        return str(value)
    if isinstance(value, bytes | str | list | tuple | dict):
        return f"{type(value).__name__} of length {len(value)}"
    return type(value).__name__
