"""A virtual disk: the signer's log and its last-signed file, with crashes between the writes.

What a crash leaves is what was synced; of the append that was under way any prefix, perhaps
followed by zeros; of a slot that was being written any mixture of the new and the old, cut at one
place, either way round. The application's store is apart: its commits are atomic.
"""

import enum
from random import Random

from chain.consensus.guard import MustNotSign, Restored, recover
from chain.consensus.log import (
    LastSigned,
    LogRecord,
    SignerIdentity,
    compacted,
    frame,
    last_signed,
    read_frames,
)
from chain.consensus.slots import PAGE_BYTES, file_bytes, read_file, slot_bytes, slot_start


class CrashPoint(enum.Enum):
    """Where a node dies."""

    IDLE = "between two inputs"
    BEFORE_LOG = "before the append"
    TORN_LOG = "in the append"
    BEFORE_FILE = "after the log, before the file"
    TORN_FILE = "while a slot of the file is written"
    BEFORE_SEND = "after the file, before the message"
    BEFORE_COMMIT = "before the block is committed"
    AFTER_COMMIT = "after the block is committed, before the next height"


class Crashed(Exception):
    """The node is dead; its disk is as it was at this moment."""


class Disk:
    """The two files of one signer.

    The log is kept as records and framed when somebody reads it, which comes to the same bytes.
    """

    def __init__(self, identity: SignerIdentity, rng: Random) -> None:
        self._identity = identity
        self._rng = rng
        self._records: list[LogRecord] = [identity]
        self._torn = b""
        self._file = file_bytes(identity, None)
        self._next_slot: int | None = None

    @property
    def log(self) -> bytes:
        """Return the log's bytes."""
        return b"".join(frame(one) for one in self._records) + self._torn

    @property
    def file(self) -> bytes:
        """Return the last-signed file's bytes."""
        return self._file

    def persist(self, record: LogRecord, crash: CrashPoint | None) -> None:
        """Append to the log, sync, renew the file, sync; dies at `crash` if it is on the way."""
        if crash is CrashPoint.BEFORE_LOG:
            raise Crashed
        if crash is CrashPoint.TORN_LOG:
            written = frame(record)
            torn = self._rng.randrange(len(written))
            rest = self._rng.choice((0, len(written) - torn))
            self._torn = written[:torn] + bytes(rest)
            raise Crashed
        self._records.append(record)
        if crash is CrashPoint.BEFORE_FILE:
            raise Crashed
        last = last_signed(record)
        if last is not None:
            self._write_file(last, torn=crash is CrashPoint.TORN_FILE)
        if crash is CrashPoint.TORN_FILE:
            raise Crashed
        if crash is CrashPoint.BEFORE_SEND:
            raise Crashed

    def recover(self) -> Restored | MustNotSign:
        """Read both files back as a restarting node does, and put them in order."""
        log = read_frames(self.log)
        key = self._identity.public_key
        result = recover(log, read_file(self.file), self._identity.chain_id, key)
        if isinstance(result, Restored):
            self._records, self._torn = list(log.records), b""
            self._file = file_bytes(self._identity, result.last)
            self._next_slot = read_file(self._file).next_slot
        else:
            self.wipe()
        return result

    def compact(self, height: int) -> None:
        """Rewrite the log without the statements below a committed height."""
        self._records = list(compacted(self._records, height))

    def wipe(self) -> None:
        """Begin both files again, as those of a key whose past nobody knows."""
        identity = self._identity
        self._identity = SignerIdentity(identity.chain_id, identity.public_key, new=False)
        self._records, self._torn = [self._identity], b""
        self._file, self._next_slot = file_bytes(self._identity, None), None

    def _write_file(self, last: LastSigned, *, torn: bool) -> None:
        """Write the next slot, or the whole file, which is never torn: its rename is lost."""
        if self._next_slot is None:
            if not torn:
                self._file = file_bytes(self._identity, last)
                self._next_slot = read_file(self._file).next_slot
            return
        start = slot_start(self._next_slot)
        old, new = self._file[start : start + PAGE_BYTES], slot_bytes(last)
        if torn:
            cut = self._rng.randrange(len(new.rstrip(b"\0")))
            new = self._rng.choice((new[:cut] + old[cut:], old[:cut] + new[cut:]))
        self._file = self._file[:start] + new + self._file[start + PAGE_BYTES :]
        self._next_slot = 1 - self._next_slot
