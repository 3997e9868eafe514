"""The signer on disk: the consensus key, its log, and the last-signed file.

The log lies in the data folder, the last-signed file outside of it, so that a data folder put back
from a backup cannot make the validator sign twice. Both are made together with the key and begin
with the same synced record. What may be signed is decided by `chain.consensus.guard`; this file
only moves bytes, in the order log, file, send. Both stay open: the log is appended to, the file is
written in place, in two slots by turns (`chain.consensus.slots`). Wherever a file is made, also for
the first statement of its key, it replaces the old one as a whole. After a failed write nobody
knows what is on disk: the signer signs nothing more, and the node stops. (PROTOCOL §5.)
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.consensus.guard import Guard, MustNotSign, Restored, recover
from chain.consensus.log import (
    FRAME_BYTES_MAX,
    LastSigned,
    LogContents,
    LogRecord,
    MaySignAbove,
    SignerIdentity,
    compacted,
    frame,
    last_signed,
    read_frames,
)
from chain.consensus.messages import StatusClaim, claim_message
from chain.consensus.slots import (
    FILE_BYTES,
    MISSING,
    LastSignedFile,
    file_bytes,
    read_file,
    slot_bytes,
    slot_start,
)
from chain.consensus.statement import Statement
from chain.crypto import public_key_of, sign
from client.files import remove_halves, sync_folder, write_whole

COMPACT_BYTES: Final = 16 * 2**20
# A height keeps its statements until it is decided; two of each round carry a block.
ROUNDS_WITH_FULL_BLOCKS: Final = 50
LOG_BYTES_MAX: Final = COMPACT_BYTES + 2 * ROUNDS_WITH_FULL_BLOCKS * FRAME_BYTES_MAX
ASIDE_MAX: Final = 1_000


class SignerError(Exception):
    """The signer cannot do what was asked; says why and what to do."""


@dataclass(frozen=True, slots=True)
class SignerPaths:
    """Where a signer's two files lie."""

    log: Path
    last_signed: Path

    @classmethod
    def of(cls, data: Path, outside: Path, chain_id: bytes, public_key: bytes) -> "SignerPaths":
        """Name the last-signed file by chain and key, so that no other can be taken for it."""
        name = f"{chain_id.hex()[:16]}-{public_key.hex()[:16]}.last"
        return cls(data / "consensus.log", outside / name)


class Signer:
    """Signs for one consensus key, never twice; one thread uses it."""

    def __init__(self, seed: bytes, chain_id: bytes, paths: SignerPaths) -> None:
        """Open log and file and find out what may be signed; see `recovered`.

        Raises `SignerError` if the disk does not let it.
        """
        self._seed = seed
        self._chain_id = chain_id
        self._paths = paths
        self.public_key = public_key_of(seed)
        self._log = -1
        self._file = -1
        with _disk("open the signer's log and last-signed file"):
            log, file = read_log(paths.log), read_last_signed(paths.last_signed)
            self.recovered: Restored | MustNotSign = recover(log, file, chain_id, self.public_key)
            self._guard = Guard(self.recovered)
            self._identity = _identity(log, chain_id, self.public_key)
            # None: nothing is signed yet, and the first statement makes the file.
            self._next_slot = file.next_slot
            if isinstance(self.recovered, Restored):
                self._put_in_order(log, file, self.recovered)

    @classmethod
    def create(cls, seed: bytes, chain_id: bytes, paths: SignerPaths) -> "Signer":
        """Make log and file for a new key; raises `SignerError` if either is there already."""
        for path in (paths.log, paths.last_signed):
            if path.exists():
                msg = f"{path} exists: this key has signed before; never make it anew"
                raise SignerError(msg)
        identity = SignerIdentity(chain_id, public_key_of(seed), new=True)
        with _disk(f"make {paths.log} and {paths.last_signed}"):
            write_whole(paths.log, frame(identity))
            write_whole(paths.last_signed, file_bytes(identity, None))
        return cls(seed, chain_id, paths)

    def sign(self, statement: Statement) -> bytes:
        """Return the signature of a statement; raises `SignerError` if it must not be signed."""
        refusal = self._guard.refusal(statement)
        if refusal is not None:
            msg = f"refused to sign: {refusal}"
            raise SignerError(msg)
        self._guard.note(statement)
        return sign(self._seed, statement.message(self._chain_id))

    def claim(self, account: bytes, height: int, nonce: bytes) -> StatusClaim:
        """Sign our undecided height for a validator that lost its log."""
        signature = sign(self._seed, claim_message(self._chain_id, height, nonce))
        return StatusClaim(height, nonce, account, signature)

    def persist(self, record: LogRecord) -> None:
        """Append a record, synced, then do what it means for file and guard.

        A statement costs two syncs; the first of a key makes the file, which costs one more.
        Raises `SignerError` if a write fails, after which nothing is signed any more.
        """
        try:
            with _disk(f"write to {self._paths.log} and {self._paths.last_signed}"):
                if isinstance(record, MaySignAbove):
                    self._begin_again(record.height)
                else:
                    self._append(record)
        except SignerError:
            self.close()
            self._guard = Guard(MustNotSign("a write failed"))
            raise

    def compact(self, height: int) -> None:
        """Rewrite a long log without what is settled below `height`; a short one stays."""
        if self._log < 0 or self._paths.log.stat().st_size < COMPACT_BYTES:
            return
        with _disk(f"rewrite {self._paths.log}"):
            log = read_log(self._paths.log)
            if log.damage is not None or log.size_bytes != self._paths.log.stat().st_size:
                msg = (
                    f"{self._paths.log} changed while the node ran: {log.damage or 'torn'}; "
                    "check the disk, then restart the node"
                )
                raise SignerError(msg)
            records = compacted(log.records, height)
            write_whole(self._paths.log, b"".join(frame(one) for one in records))
            self._open()

    def close(self) -> None:
        """Close log and file."""
        log, file = self._log, self._file
        self._log = self._file = -1
        for handle in (log, file):
            if handle >= 0:
                os.close(handle)

    def _put_in_order(self, log: LogContents, file: LastSignedFile, restored: Restored) -> None:
        """Remove what a crash left: halves of files, a torn frame, a file one statement back."""
        remove_halves(self._paths.log)
        remove_halves(self._paths.last_signed)
        self._open()
        if self._paths.log.stat().st_size > log.size_bytes:
            # It was never sent.
            os.truncate(self._paths.log, log.size_bytes)
        # What a killed process wrote was perhaps not synced. Were the file's newest slot not on
        # disk, the next statement would go to the only slot that is.
        os.fsync(self._log)
        os.fdatasync(self._file)
        held = (file.identity, file.newest)
        if not file.whole or held != (self._identity, restored.last):
            self._make_file(restored.last)

    def _open(self) -> None:
        """Open log and file, anew if they are open."""
        self.close()
        self._log = os.open(self._paths.log, os.O_WRONLY | os.O_APPEND)
        self._file = os.open(self._paths.last_signed, os.O_WRONLY)

    def _append(self, record: LogRecord) -> None:
        assert self._log >= 0, "a signer that must not sign has no open log"
        data = frame(record)
        _whole(os.write(self._log, data), data)
        os.fsync(self._log)
        last = last_signed(record)
        if last is None:
            return
        if self._next_slot is None:
            self._make_file(last)
            return
        data = slot_bytes(last)
        _whole(os.pwrite(self._file, data, slot_start(self._next_slot)), data)
        os.fdatasync(self._file)
        self._next_slot = 1 - self._next_slot

    def _make_file(self, last: LastSigned | None) -> None:
        content = file_bytes(self._identity, last)
        write_whole(self._paths.last_signed, content)
        self._open()
        self._next_slot = read_file(content).next_slot

    def _begin_again(self, above: int) -> None:
        begin_again(self._paths, self._chain_id, self.public_key, above)
        self._open()
        self._identity = SignerIdentity(self._chain_id, self.public_key, new=False)
        self._next_slot = None
        self._guard.release(above)


def begin_again(paths: SignerPaths, chain_id: bytes, public_key: bytes, above: int) -> list[Path]:
    """Begin log and file of a released key, which may sign above a height only.

    What was there is put aside, never deleted; returns where it lies now. The log comes first: a
    crash before the file is there leaves a key that must not sign.
    """
    aside = [_put_aside(path) for path in (paths.log, paths.last_signed) if path.exists()]
    identity = SignerIdentity(chain_id, public_key, new=False)
    write_whole(paths.log, frame(identity) + frame(MaySignAbove(above)))
    write_whole(paths.last_signed, file_bytes(identity, None))
    return aside


def put_aside_of(path: Path) -> list[Path]:
    """Return what was put aside of a log or file so far."""
    return sorted(path.parent.glob(f"{path.name}.before-reset-*"))


def read_log(path: Path) -> LogContents:
    """Read a log; one that is missing is empty."""
    try:
        if path.stat().st_size > LOG_BYTES_MAX:
            return LogContents((), 0, f"{path} is larger than any log of ours")
        return read_frames(path.read_bytes())
    except FileNotFoundError:
        return LogContents((), 0, None)


def read_last_signed(path: Path) -> LastSignedFile:
    """Read a last-signed file, which may be missing."""
    try:
        with path.open("rb") as file:
            return read_file(file.read(FILE_BYTES + 1))
    except FileNotFoundError:
        return MISSING


def _put_aside(path: Path) -> Path:
    for number in range(1, ASIDE_MAX):
        aside = path.with_name(f"{path.name}.before-reset-{number}")
        if not aside.exists():
            path.rename(aside)
            sync_folder(path.parent)
            return aside
    msg = f"{path.parent} holds {ASIDE_MAX - 1} files of earlier resets; move some away"
    raise SignerError(msg)


@contextmanager
def _disk(doing: str) -> Iterator[None]:
    """Say what to do when the disk refuses."""
    try:
        yield
    except OSError as error:
        msg = f"cannot {doing}: {error.strerror}; make room or repair the disk, then restart"
        raise SignerError(msg) from error


def _whole(written: int, data: bytes) -> None:
    if written != len(data):
        raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written")


def _identity(log: LogContents, chain_id: bytes, public_key: bytes) -> SignerIdentity:
    if log.records and isinstance(log.records[0], SignerIdentity):
        return log.records[0]
    return SignerIdentity(chain_id, public_key, new=False)
