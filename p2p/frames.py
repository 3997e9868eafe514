"""Frames: how values travel on a stream.

A frame is the length of its body as four bytes, big-endian, and the body: one value in the chain's
deterministic CBOR (PROTOCOL §2). A length is checked before anything is read for it, a value before
anybody sees it. Whatever is wrong with a frame is the sender's fault, and ends the stream.
"""

import struct
from typing import Final, Protocol

from contracts.kernel import CodecError, Value, codec

FRAME_BYTES_MAX: Final = 2**20
GREETING_BYTES_MAX: Final = 128
_LENGTH: Final = struct.Struct(">I")
READ_BYTES_MAX: Final = 2**16


class BadFrameError(Exception):
    """A frame that no honest peer sends; says what is wrong with it."""


class ByteStream(Protocol):
    """What frames need of a stream: libp2p's, or a pair in memory."""

    async def read(self, n: int | None = None, /) -> bytes:
        """Return at most n bytes, at least one; nothing, or an error of its own, at the end."""

    async def write(self, data: bytes, /) -> None:
        """Write all of it."""


def encode_frame(value: Value, size_max: int = FRAME_BYTES_MAX) -> bytes:
    """Return the frame of a value of ours, which must fit."""
    body = codec.encode(value)
    assert len(body) <= size_max, f"a frame of {len(body)} bytes; at most {size_max} travel here"
    return _LENGTH.pack(len(body)) + body


async def read_frame(stream: ByteStream, size_max: int = FRAME_BYTES_MAX) -> Value:
    """Read a value; raises `BadFrameError`, `EOFError` between frames, or what the stream does."""
    head = await _read_exactly(stream, _LENGTH.size, may_end=True)
    (size,) = _LENGTH.unpack(head)
    if not 0 < size <= size_max:
        raise BadFrameError(f"a frame of {size} bytes; 1 to {size_max} are allowed here")
    body = await _read_exactly(stream, size, may_end=False)
    try:
        return codec.decode(body, size_max=size_max)
    except CodecError as error:
        raise BadFrameError(f"a frame that is not deterministic CBOR: {error}") from error


async def read_greeting(stream: ByteStream, expected: Value) -> None:
    """Read the first frame of a stream, which says for what it is; raises as `read_frame` does."""
    greeting = await read_frame(stream, GREETING_BYTES_MAX)
    if codec.encode(greeting) != codec.encode(expected):
        raise BadFrameError(f"greeted with {_shown(greeting)}, here it is {_shown(expected)}")


def _shown(greeting: Value) -> str:
    parts = greeting if isinstance(greeting, list | tuple) else [greeting]
    return ", ".join(one.hex() if isinstance(one, bytes) else repr(one) for one in parts)


async def _read_exactly(stream: ByteStream, size: int, *, may_end: bool) -> bytes:
    found = bytearray()
    while len(found) < size:
        try:
            some = await stream.read(min(size - len(found), READ_BYTES_MAX))
        except EOFError:
            some = b""
        if not some:
            if may_end and not found:
                raise EOFError("the stream has ended")
            raise BadFrameError(f"the stream ends after {len(found)} of {size} bytes")
        found += some
    return bytes(found)
