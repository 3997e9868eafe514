"""Typed storage: `Map` and `Cell`, declared on a contract class and bound to a state.

```python
class Nicknames(Contract, name="nick", number=0x7F):
    owner_of = Map[Text32, Address | None](id=0x7F01, default=None)
```

A key in the state is the table's permanent 2-byte id and the fixed-width, order-preserving forms of
the key's parts. A value is deterministic CBOR or, in tables marked `packed`, a struct of fixed
width. Setting the default deletes the key: absence and the default are the same thing.
"""

import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, Generic, Self, TypeVar

from contracts.kernel import codec
from contracts.kernel.record import RecordShape
from contracts.kernel.shape import BytesShape, IntShape, OptionalShape, Shape, shape_of
from contracts.kernel.state import TABLE_ID_BYTES, State, after

# Decoded values that a table keeps, and how long the bytes of one may be.
KNOWN_MAX: Final = 4_096
KNOWN_BYTES_MAX: Final = 2_048
_PAIR: Final = 2
_TRIPLE: Final = 3

K = TypeVar("K")
V = TypeVar("V")


class Table(ABC):
    """What `Map` and `Cell` share: an id, a value form, and the state they are bound to."""

    _state: State
    _known: dict[bytes, Any]
    _encode: Callable[[Any], bytes]
    _decode: Callable[[bytes], Any]

    def __init__(self, *, id: int, default: Any, packed: bool) -> None:  # noqa: ANN401
        """Declare a table; `read_types` follows when its contract's class is made."""
        self.id = id
        self.prefix = id.to_bytes(TABLE_ID_BYTES, "big")
        self.packed = packed
        self.default = default
        self.name = ""
        self.value_shape: Shape
        self._default_data: bytes | None = None

    @abstractmethod
    def read_types(self, name: str) -> None:
        """Read the types off `Map[...]` or `Cell[...]`; raises `TypeError`."""

    def bind(self, state: State) -> Self:
        """Return a copy of the declaration that reads and writes `state`."""
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__)
        bound._state = state
        bound._known = state.decoded.of(self.id)
        return bound

    def _types(self) -> tuple[Any, ...]:
        """Return the type arguments of `Map[...]` or `Cell[...]`."""
        alias = getattr(self, "__orig_class__", None)
        if alias is None:
            msg = f"{self.name} needs its types: Map[Key, Value](id=…)"
            raise TypeError(msg)
        return typing.get_args(alias)

    def _read_value_type(self, annotation: Any) -> None:  # noqa: ANN401
        shape = shape_of(annotation)
        if isinstance(shape, OptionalShape) != (self.default is None):
            msg = f"{self.name}: the default of a value that may be null is null, and of no other"
            raise TypeError(msg)
        self.value_shape = shape.inner if isinstance(shape, OptionalShape) else shape
        self._encode, self._decode = _value_codec(self.value_shape, packed=self.packed)
        self._default_data = None if self.default is None else self._encode(self.default)
        # Encoding has checked each field to be exactly what decoding would make of it.
        of = self.value_shape
        self._reads_as_written = of.is_flat if isinstance(of, RecordShape) else of.loads_as_is

    def _read(self, raw_key: bytes) -> Any:  # noqa: ANN401
        data = self._state.get(raw_key)
        if data is None:
            return self.default
        value = self._known.get(data)
        return self._decoded(data) if value is None else value

    def _decoded(self, data: bytes) -> Any:  # noqa: ANN401
        value = self._decode(data)
        self._know(data, value)
        return value

    def _write(self, raw_key: bytes, value: Any) -> None:  # noqa: ANN401
        # Encoded forms are compared, not values: True equals 1 in Python, and is no integer here.
        data = None if value is None and self.default is None else self._encode(value)
        if data is None or data == self._default_data:
            self._state.put(raw_key, None)
            return
        self._state.put(raw_key, data)
        if self._reads_as_written:
            self._know(data, value)

    def _know(self, data: bytes, value: Any) -> None:  # noqa: ANN401
        if len(data) > KNOWN_BYTES_MAX:
            return
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[data] = value


class Map(Table, Generic[K, V]):
    """An ordered map from keys to values; a tuple key orders by its parts from left to right."""

    _to_raw: Callable[[Any], bytes]

    def __init__(self, *, id: int, default: V, packed: bool = False) -> None:
        """Declare a map; `default` is what an absent key has."""
        super().__init__(id=id, default=default, packed=packed)
        self.key_shapes: tuple[Shape, ...] = ()
        self._single = True

    def read_types(self, name: str) -> None:
        """Read the types of key and value; raises `TypeError`."""
        self.name = name
        key, value = self._types()
        self._read_value_type(value)
        self._single = typing.get_origin(key) is not tuple
        parts = (key,) if self._single else typing.get_args(key)
        self.key_shapes = tuple(shape_of(part) for part in parts)
        for shape in self.key_shapes:
            if shape.key_size is None:
                msg = f"{name}: {shape} has no fixed-width key form"
                raise TypeError(msg)
        self._to_raw = _key_codec(self.prefix, self.key_shapes, single=self._single)

    def __getitem__(self, key: K) -> V:
        """Return the value of `key`, or the default."""
        # As `_read`, without the call: nothing is done as often.
        data = self._state.get(self._to_raw(key))
        if data is None:
            return self.default  # type: ignore[no-any-return]  # declared with this type
        value: V | None = self._known.get(data)
        return self._decoded(data) if value is None else value

    def __setitem__(self, key: K, value: V) -> None:
        """Write `value`; the default deletes the key."""
        self._write(self._to_raw(key), value)

    def __delitem__(self, key: K) -> None:
        """Delete the key; one that is absent stays absent."""
        self._state.put(self._to_raw(key), None)

    def __contains__(self, key: K) -> bool:
        """Say whether the key has a value other than the default."""
        return self._state.get(self._to_raw(key)) is not None

    def raw_key(self, key: K) -> bytes:
        """Return the key as the state and its proofs know it."""
        return self._to_raw(key)

    def items(
        self,
        *leading: Any,  # noqa: ANN401 - the parts have the types of the key
        start: Any = None,  # noqa: ANN401
        end: Any = None,  # noqa: ANN401
        reverse: bool = False,
    ) -> Iterator[tuple[K, V]]:
        """Yield pairs whose key begins with the parts `leading`, in key order or its reverse.

        `start` (inclusive) and `end` (exclusive) bound the next part after the leading ones.
        """
        low, high = self.bounds(*leading, start=start, end=end)
        for raw, data in self._state.scan(low, high, reverse=reverse):
            yield self._key_of(raw), self._decode(data)

    def bounds(
        self,
        *leading: Any,  # noqa: ANN401 - the parts have the types of the key
        start: Any = None,  # noqa: ANN401
        end: Any = None,  # noqa: ANN401
    ) -> tuple[bytes, bytes]:
        """Return the raw half-open range that `items` walks."""
        assert len(leading) <= len(self.key_shapes), f"{self.name} has keys of fewer parts"
        shapes = self.key_shapes[: len(leading)]
        parts = [shape.to_key(part) for part, shape in zip(leading, shapes, strict=True)]
        base = self.prefix + b"".join(parts)
        following = self.key_shapes[len(leading)] if len(leading) < len(self.key_shapes) else None
        if following is None:
            assert start is None, "no key part is left to bound"
            assert end is None, "no key part is left to bound"
            return base, base + b"\0"
        low = base if start is None else base + following.to_key(start)
        return low, after(base) if end is None else base + following.to_key(end)

    def first(self, *leading: Any) -> tuple[K, V] | None:  # noqa: ANN401
        """Return the first pair below the leading parts, or None."""
        return next(self.items(*leading), None)

    def scan_raw(
        self,
        *leading: Any,  # noqa: ANN401 - the parts have the types of the key
        skip: int = 0,
        limit: int | None = None,
    ) -> tuple[bytes, bytes, int]:
        """Return all keys and all values below the leading parts, each joined, and their count.

        For whole-range work by numpy on packed tables. The first `skip` bytes of what follows the
        leading parts stay out of the keys. `limit` ends the range after so many keys.
        """
        assert self.packed, f"{self.name} is not packed"
        low, high = self.bounds(*leading)
        cut = len(low) + skip
        pairs = list(islice(self._state.scan(low, high), limit))
        keys = b"".join([key[cut:] for key, _ in pairs])
        return keys, b"".join([value for _, value in pairs]), len(pairs)

    def _key_of(self, raw: bytes) -> K:
        position = TABLE_ID_BYTES
        parts = []
        for shape in self.key_shapes:
            size = shape.key_size
            assert size is not None
            parts.append(shape.from_key(raw[position : position + size]))
            position += size
        return parts[0] if self._single else tuple(parts)  # type: ignore[return-value]  # K says which


class Cell(Table, Generic[V]):
    """A single value."""

    def __init__(self, *, id: int, default: V, packed: bool = False) -> None:
        """Declare a cell; `default` is what it holds at first."""
        super().__init__(id=id, default=default, packed=packed)

    def read_types(self, name: str) -> None:
        """Read the type of the value; raises `TypeError`."""
        self.name = name
        (value,) = self._types()
        self._read_value_type(value)

    def get(self) -> V:
        """Return the value, or the default."""
        value: V = self._read(self.prefix)
        return value

    def set(self, value: V) -> None:
        """Write the value; the default deletes the key."""
        self._write(self.prefix, value)


def _key_codec(prefix: bytes, shapes: tuple[Shape, ...], *, single: bool) -> Callable[[Any], bytes]:
    """Return what makes raw keys; short keys, which most are, without a loop."""
    forms = tuple(_key_form(shape) for shape in shapes)
    if single:
        (only,) = forms
        return lambda key: prefix + only(key)
    if len(forms) == _PAIR:
        first, second = forms

        def of_two(key: tuple[Any, Any]) -> bytes:
            a, b = key
            return prefix + first(a) + second(b)

        return of_two
    if len(forms) == _TRIPLE:
        one, two, three = forms

        def of_three(key: tuple[Any, Any, Any]) -> bytes:
            a, b, c = key
            return prefix + one(a) + two(b) + three(c)

        return of_three
    return lambda key: prefix + b"".join([form(p) for form, p in zip(forms, key, strict=True)])


def _key_form(shape: Shape) -> Callable[[Any], bytes]:
    """Return `shape.to_key`, without the calls in it where a value is as it should be."""
    slow, size = shape.to_key, shape.key_size
    assert size is not None, "a key has a fixed width"
    if type(shape) is BytesShape:
        return lambda v: v if type(v) is bytes and len(v) == size else slow(v)
    if type(shape) is IntShape and shape.low >= 0:
        low, high = shape.low, shape.high

        def of_int(v: Any) -> bytes:  # noqa: ANN401 - whatever a contract asks for
            return v.to_bytes(size, "big") if type(v) is int and low <= v <= high else slow(v)

        return of_int
    return slow


def _value_codec(
    shape: Shape, *, packed: bool
) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    if packed:
        if not isinstance(shape, RecordShape) or shape.packed_size is None:
            msg = f"{shape} cannot be packed: not a record of fixed-size fields"
            raise TypeError(msg)
        return shape.pack, shape.unpack
    to_wire, load = shape.to_wire, shape.load
    return (
        lambda value: codec.encode_trusted(to_wire(value)),
        lambda data: load(codec.decode_trusted(data)),
    )
