"""The last-signed file: whose it is, and in two slots what that key signed last.

The file has three pages, each a frame of the log (`log.py`) filled up with zeros:

    page 0   SignerIdentity, written once
    page 1   slot 0: LastSigned
    page 2   slot 1: LastSigned

A statement is written over the older slot, so that at any moment the newer one is whole: a page of
its own, which a torn write to another leaves alone. The file has its full size from the beginning,
so that a write needs no room. A file that is made whole has the same in both slots: zeros while its
key has signed nothing, and the first statement makes the file whole once more. Hence zeros beside a
statement are never ours, but a slot that does not read. What an unreadable slot means depends on
the log (`guard.py`). (PROTOCOL §5.)
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from chain.consensus.log import LastSigned, LogRecord, SignerIdentity, frame, read_frames

PAGE_BYTES: Final = 4_096
FILE_BYTES: Final = 3 * PAGE_BYTES
Slots: TypeAlias = tuple[LastSigned | None, LastSigned | None]


@dataclass(frozen=True, slots=True)
class LastSignedFile:
    """What a last-signed file holds, and what is wrong with it apart from its slots.

    A slot is None if it does not read, or if both are as created (`nothing_signed`).
    """

    identity: SignerIdentity | None
    slots: Slots
    nothing_signed: bool
    damage: str | None

    @property
    def whole(self) -> bool:
        """Say whether both slots read, or both are as created."""
        return self.nothing_signed or None not in self.slots

    @property
    def newest(self) -> LastSigned | None:
        """Return the higher position of those that read."""
        held = [one for one in self.slots if one is not None]
        return max(held, key=lambda one: one.position, default=None)

    @property
    def next_slot(self) -> int | None:
        """Return which slot the next statement goes to; None if it makes the file whole."""
        if None in self.slots:
            return None
        return 1 if self.slots[0] == self.newest else 0


MISSING: Final = LastSignedFile(None, (None, None), nothing_signed=False, damage=None)


def file_bytes(identity: SignerIdentity, last: LastSigned | None) -> bytes:
    """Return the whole content of a file that is made anew; both slots hold `last`."""
    slot = bytes(PAGE_BYTES) if last is None else slot_bytes(last)
    return _page(identity) + 2 * slot


def slot_bytes(last: LastSigned) -> bytes:
    """Return what is written over a slot."""
    return _page(last)


def slot_start(slot: int) -> int:
    """Return the place of a slot in the file."""
    return (1 + slot) * PAGE_BYTES


def read_file(data: bytes) -> LastSignedFile:
    """Read a file back; slots of a damaged file are read too, they may still tell something.

    Bytes after the first `FILE_BYTES` + 1 change nothing.
    """
    if not data:
        return MISSING
    pages = [data[start : start + PAGE_BYTES] for start in range(0, FILE_BYTES, PAGE_BYTES)]
    identity, first, second = (_record_of(page) for page in pages)
    damage = None
    if len(data) != FILE_BYTES:
        damage = f"its size is not {FILE_BYTES} bytes: it was cut, or has an older form"
    elif not isinstance(identity, SignerIdentity):
        damage = "page 0 does not name its signer"
    elif _both_at_one_position(first, second):
        damage = "its slots hold two statements of one position"
    return LastSignedFile(
        identity if isinstance(identity, SignerIdentity) else None,
        (
            first if isinstance(first, LastSigned) else None,
            second if isinstance(second, LastSigned) else None,
        ),
        nothing_signed=len(data) == FILE_BYTES and not any(data[PAGE_BYTES:]),
        damage=damage,
    )


def _page(one: LogRecord) -> bytes:
    framed = frame(one)
    assert len(framed) <= PAGE_BYTES, f"frame of {len(framed)} bytes in a page"
    return framed.ljust(PAGE_BYTES, b"\0")


def _record_of(page: bytes) -> LogRecord | None:
    """Return what a page holds; None unless it is the very page that would be written."""
    records = read_frames(page).records
    if len(records) != 1 or _page(records[0]) != page:
        return None
    return records[0]


def _both_at_one_position(first: LogRecord | None, second: LogRecord | None) -> bool:
    if not isinstance(first, LastSigned) or not isinstance(second, LastSigned):
        return False
    return first.position == second.position and first != second
