"""Frames: what is written is read, and nothing else gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.kernel import codec
from p2p.frames import FRAME_BYTES_MAX, BadFrameError, encode_frame, read_frame

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=50),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=10,
)


class Bytes:
    """A stream of given bytes, in pieces of given sizes."""

    def __init__(self, data: bytes, pieces: list[int] | None = None) -> None:
        self.data = data
        self.pieces = pieces or []
        self.asked = 0

    async def read(self, n: int | None = None, /) -> bytes:
        assert n is not None
        self.asked = max(self.asked, n)
        size = min(n, self.pieces.pop()) if self.pieces else n
        some, self.data = self.data[:size], self.data[size:]
        return some

    async def write(self, data: bytes, /) -> None:
        self.data += data


@given(st.lists(VALUES, max_size=4), st.lists(st.integers(1, 9), max_size=40))
async def test_frames_come_out_as_they_went_in(values: list[object], pieces: list[int]) -> None:
    stream = Bytes(b"".join(encode_frame(value) for value in values), pieces)  # type: ignore[arg-type]  # of the strategy's kinds
    assert [await read_frame(stream) for _ in values] == values
    with pytest.raises(EOFError):
        await read_frame(stream)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\0", "ends after 1 of 4 bytes"),
        (b"\0\0\0\0", "a frame of 0 bytes"),
        (b"\0\0\0\x05\x01", "ends after 1 of 5 bytes"),
        (b"\0\0\0\x02\x18\x01", "deterministic"),  # the integer 1 in two bytes
        (b"\0\0\0\x02\x01\x01", "deterministic"),  # another value behind the first
        (b"\0\0\0\x01\xf9", "deterministic"),
        (b"\0\0\0\x05\xfa\x3f\x80\0\0", "deterministic"),  # a float
    ],
)
async def test_what_no_honest_peer_sends_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(BadFrameError, match=said):
        await read_frame(Bytes(data))


async def test_a_large_length_is_refused_before_anything_is_read_for_it() -> None:
    stream = Bytes((FRAME_BYTES_MAX + 1).to_bytes(4, "big") + bytes(10))
    with pytest.raises(BadFrameError, match="1 to 1048576 are allowed"):
        await read_frame(stream)
    assert stream.asked == 4
    with pytest.raises(BadFrameError, match="1 to 9 are allowed"):
        await read_frame(Bytes(encode_frame(bytes(9))), size_max=9)


async def test_a_nested_bomb_is_refused() -> None:
    body = b"\x81" * 100_000 + b"\x00"
    with pytest.raises(BadFrameError):
        await read_frame(Bytes(len(body).to_bytes(4, "big") + body))


def test_a_value_of_ours_that_does_not_fit_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        encode_frame(bytes(10), size_max=10)
    assert encode_frame(bytes(9), size_max=10) == b"\0\0\0\x0a" + codec.encode(bytes(9))


@given(st.binary(max_size=60))
async def test_any_bytes_are_a_value_or_refused(data: bytes) -> None:
    try:
        value = await read_frame(Bytes(data))
    except (BadFrameError, EOFError):
        return
    assert data.startswith(encode_frame(value))
