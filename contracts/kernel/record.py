"""Records: frozen dataclasses that are arrays on the wire, their version first.

```python
@record(version=1)
class Zone(Record):
    name: Text32
    feed_in_per_wh: PricePerWh
```

`Zone("north", 2200).to_wire()` is `[1, "north", 2200]`. A record whose fields are all of fixed size
can also be *packed* into a struct of the same order. A `Claim` is a record that carries a public
key and a signature over the rest; its verdict is found before execution, in batches.
"""

# A shape takes any value: that is its work. A method that overrides says what its base says.
# ruff: noqa: ANN401, D102

import dataclasses
import struct
import typing
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, ClassVar, Final, Self, TypeVar, dataclass_transform

from contracts.kernel import codec
from contracts.kernel.codec import Value
from contracts.kernel.frozen import maker
from contracts.kernel.shape import BadValueError, BytesShape, IntShape, Shape, TextShape, shape_of
from contracts.kernel.types import PublicKey, Signature
from contracts.kernel.writer import writer_of

_VERSION_MAX: Final = 255
# What contracts may ask devices and people to sign. The chain has the tag of each; a claim in one
# of its own domains (a transaction, a vote) would turn any signature of that kind into a claim.
CLAIM_DOMAINS: Final = ("READING", "GATEWAY", "POSSESSION", "CHANNEL")


class Record:
    """Base of everything that travels or is stored; made complete by `@record`."""

    __slots__ = ()
    shape: ClassVar["RecordShape"]

    def to_wire(self) -> list[Value]:
        """Return the plain array; raises `BadValueError` if a field is out of range."""
        return self.shape.to_wire(self)

    def encode(self) -> bytes:
        """Return the deterministic bytes."""
        return codec.encode_trusted(self.shape.to_wire(self))

    @classmethod
    def from_wire(cls, value: Value) -> Self:
        """Check plain values from outside; raises `BadValueError`."""
        return cls.shape.from_wire(value)  # type: ignore[no-any-return]  # the shape makes `cls`

    @classmethod
    def decode(cls, data: bytes, *, size_max: int) -> Self:
        """Decode bytes from outside; raises `MalformedError` or `BadValueError`."""
        return cls.from_wire(codec.decode(data, size_max=size_max))

    @classmethod
    def decode_trusted(cls, data: bytes) -> Self:
        """Decode bytes of our own database."""
        one: Self = cls.shape.load(codec.decode_trusted(data))
        return one


class Claim(Record):
    """A statement signed by a device or person other than the sender of the transaction.

    Subclasses name a `domain` of `CLAIM_DOMAINS` and have the fields `public_key` and `signature`.
    What is signed is the record without its signature.
    """

    __slots__ = ()
    domain: ClassVar[str]
    if typing.TYPE_CHECKING:
        public_key: PublicKey
        signature: Signature

    def payload(self) -> bytes:
        """Return the bytes that the signature covers, before domain tag and chain id."""
        return codec.encode_trusted([v for n, v in self._named() if n != "signature"])

    def _named(self) -> Iterator[tuple[str, Value]]:
        return zip(("version", *self.shape.names), self.shape.to_wire(self), strict=True)


class RecordShape(Shape):
    """The shape of one record class."""

    __slots__ = ("_checks", "_getter", "_plains", "_struct", "_write", "cls", "fields",
                 "has_claims", "is_flat", "loads_as_is", "make", "names", "pack_format",
                 "version")  # fmt: skip

    def __init__(self, cls: type[Record], version: int) -> None:
        """Read the annotations of `cls` once."""
        if not 1 <= version <= _VERSION_MAX:
            raise TypeError(f"version {version} of {cls.__name__} is outside 1 … {_VERSION_MAX}")
        hints = typing.get_type_hints(cls, include_extras=True)
        own = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]  # is one by now
        self.cls = cls
        self.make: Callable[..., Any] = maker(cls)
        self.version = version
        self.names = tuple(own)
        self.fields = tuple(shape_of(hints[name]) for name in own)
        self.loads_as_is = False
        self.has_claims = issubclass(cls, Claim) or any(f.has_claims for f in self.fields)
        formats = [f.pack_format for f in self.fields]
        self.pack_format = None
        self._struct: struct.Struct | None = None
        if all(f is not None for f in formats):
            self._struct = struct.Struct(">B" + "".join(f for f in formats if f))
        self._getter = _tuple_getter(self.names)
        self._checks = tuple(check_of(f, f.from_wire) for f in self.fields)
        self._plains = tuple(f.to_wire for f in self.fields)
        self._write = writer_of(version, self.names, self.fields)
        self.is_flat = all(f.loads_as_is for f in self.fields)

    def from_wire(self, value: Value) -> Any:
        if type(value) is not list and type(value) is not tuple:
            raise BadValueError(f"{type(value).__name__} is not a {self.cls.__name__} record")
        if len(value) != len(self.names) + 1:
            expected = ", ".join(("version", *self.names))
            raise BadValueError(f"{len(value)} fields instead of ({expected})")
        if value[0] != self.version or type(value[0]) is not int:
            raise BadValueError(f"version {value[0]!r:.20} instead of {self.version}")
        return self.make(*self._each(self._checks, value[1:]))

    def to_wire(self, value: Any) -> list[Value]:
        if type(value) is not self.cls:
            raise BadValueError(f"{type(value).__name__} is not a {self.cls.__name__} record")
        try:
            plain = self._write(value)
        except BadValueError:
            plain = None
        if plain is None:
            # This way takes longer, and finds out where.
            plain = [self.version, *self._each(self._plains, self._getter(value))]
        return plain

    def load(self, value: Any) -> Any:
        assert value[0] == self.version, f"stored {self.cls.__name__} has version {value[0]}"
        if self.is_flat:
            return self.make(*value[1:])
        items = zip(self.fields, value[1:], strict=True)
        return self.make(*[v if f.loads_as_is else f.load(v) for f, v in items])

    def claims(self, value: Any) -> Iterator[Any]:
        if isinstance(value, Claim):
            yield value
        for field, item in zip(self.fields, self._getter(value), strict=True):
            if field.has_claims:
                yield from field.claims(item)

    @property
    def packed_size(self) -> int | None:
        """Return the size of the packed form, or None if a field varies in size."""
        return None if self._struct is None else self._struct.size

    def pack(self, value: Record) -> bytes:
        """Return the fixed-width form: one version byte, then the fields."""
        assert self._struct is not None, f"{self.cls.__name__} has fields of varying size"
        return self._struct.pack(*self.to_wire(value))

    def unpack(self, data: bytes) -> Any:
        """Invert `pack` for trusted bytes."""
        assert self._struct is not None, f"{self.cls.__name__} has fields of varying size"
        return self.load(self._struct.unpack(data))

    def _each(self, converters: tuple[Callable[[Any], Any], ...], values: Any) -> list[Any]:
        try:
            return [convert(value) for convert, value in zip(converters, values, strict=True)]
        except BadValueError:
            # The fast way does not know its place; the slow one finds it again.
            for name, convert, value in zip(self.names, converters, values, strict=True):
                try:
                    convert(value)
                except BadValueError as error:
                    raise error.under(name) from None
            raise


def check_of(shape: Shape, check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what checks a field as `check` does, but looks nothing up where all is well."""
    if type(shape) is IntShape:
        low, high = shape.low, shape.high
        return lambda v: v if type(v) is int and low <= v <= high else check(v)
    if type(shape) is BytesShape:
        least, most = shape.low, shape.high
        return lambda v: v if type(v) is bytes and least <= len(v) <= most else check(v)
    if type(shape) is TextShape:
        few, many = shape.low, shape.high

        def check_text(v: Any) -> Any:
            # Printable ASCII has no control characters, and as many bytes as characters.
            simple = type(v) is str and v.isascii() and v.isprintable() and few <= len(v) <= many
            return v if simple else check(v)

        return check_text
    return check


T = TypeVar("T", bound=Record)


@dataclass_transform(frozen_default=True)
def record(*, version: int) -> Callable[[type[T]], type[T]]:
    """Make a frozen slotted dataclass of a `Record` subclass and read its annotations."""

    def complete(cls: type[T]) -> type[T]:
        made = dataclasses.dataclass(frozen=True, slots=True)(cls)
        made.shape = RecordShape(made, version)
        if issubclass(made, Claim):
            missing = [n for n in ("public_key", "signature") if n not in made.shape.names]
            if missing or not hasattr(made, "domain"):
                raise TypeError(f"claim {cls.__name__} lacks {missing or 'its domain'}")
            if made.domain not in CLAIM_DOMAINS:
                known = ", ".join(CLAIM_DOMAINS)
                raise TypeError(f"claim {cls.__name__}: domain {made.domain} is none of {known}")
        return made

    return complete


def _tuple_getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if not names:
        return lambda _record: ()
    if len(names) == 1:
        only = attrgetter(names[0])
        return lambda one: (only(one),)
    return attrgetter(*names)
