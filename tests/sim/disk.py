"""A virtual disk: the signer's log and its last-signed file, with crashes between the writes.

What a crash leaves is what was synced, and of the append that was under way any prefix, perhaps
followed by zeros. The application's store is apart: its commits are atomic.
"""

import enum
from random import Random

from chain.consensus.guard import MustNotSign, Restored, recover
from chain.consensus.log import (
    LastSigned,
    LogRecord,
    MaySignAbove,
    SignerIdentity,
    compacted,
    file_bytes,
    frame,
    last_signed,
    read_frames,
)


class CrashPoint(enum.Enum):
    """Where a node dies."""

    IDLE = "between two inputs"
    BEFORE_LOG = "before the append"
    TORN_LOG = "in the append"
    BEFORE_FILE = "after the log, before the file"
    BEFORE_SEND = "after the file, before the message"
    BEFORE_COMMIT = "before the block is committed"
    AFTER_COMMIT = "after the block is committed, before the next height"


class Crashed(Exception):
    """The node is dead; its disk is as it was at this moment."""


class Disk:
    """The two files of one signer.

    Both are kept as records and framed when somebody reads them, which comes to the same bytes.
    """

    def __init__(self, identity: SignerIdentity, rng: Random) -> None:
        self._identity = identity
        self._rng = rng
        self._records: list[LogRecord] = [identity]
        self._torn = b""
        self._last: LastSigned | None = None

    @property
    def log(self) -> bytes:
        """Return the log's bytes."""
        return b"".join(frame(one) for one in self._records) + self._torn

    @property
    def file(self) -> bytes:
        """Return the last-signed file's bytes."""
        return file_bytes(self._identity, self._last)

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
        if not isinstance(record, MaySignAbove):
            self._last = last_signed(record)
        if crash is CrashPoint.BEFORE_SEND:
            raise Crashed

    def recover(self) -> Restored | MustNotSign:
        """Read both files back as a restarting node does, and put them in order."""
        log = read_frames(self.log)
        key = self._identity.public_key
        result = recover(log, read_frames(self.file), self._identity.chain_id, key)
        if isinstance(result, Restored):
            self._records, self._torn = list(log.records), b""
            self._last = result.last
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
        self._records, self._torn, self._last = [self._identity], b"", None
