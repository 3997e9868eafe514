"""The signer on disk: the consensus key, its log, and the last-signed file.

The log lies in the data folder, the last-signed file outside of it, so that a data folder put back
from a backup cannot make the validator sign twice. Both are made together with the key and begin
with the same synced record. What may be signed is decided by `chain.consensus.guard`; this file
only moves bytes, in the order log, file, send. (PROTOCOL §5.)
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.consensus.guard import Guard, MustNotSign, Restored, recover
from chain.consensus.log import (
    FRAME_BYTES_MAX,
    LogContents,
    LogRecord,
    SignerIdentity,
    compacted,
    file_bytes,
    frame,
    last_signed,
    read_frames,
)
from chain.consensus.messages import StatusClaim, claim_message
from chain.consensus.statement import Statement
from chain.crypto import public_key_of, sign
from client.files import sync_folder, write_whole

COMPACT_BYTES: Final = 16 * 2**20
LOG_BYTES_MAX: Final = COMPACT_BYTES + 4 * FRAME_BYTES_MAX


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
        """Open log and file and find out what may be signed; see `recovered`."""
        self._seed = seed
        self._chain_id = chain_id
        self._paths = paths
        self.public_key = public_key_of(seed)
        log = _read(paths.log)
        self.recovered: Restored | MustNotSign = recover(
            log, _read(paths.last_signed), chain_id, self.public_key
        )
        self._guard = Guard(self.recovered)
        self._identity = _identity(log, chain_id, self.public_key)
        self._handle = -1
        if isinstance(self.recovered, Restored):
            self._open_log(log)
            if self.recovered.last is not None:
                # The log may be one statement ahead of the file.
                content = file_bytes(self._identity, self.recovered.last)
                write_whole(paths.last_signed, content)

    @classmethod
    def create(cls, seed: bytes, chain_id: bytes, paths: SignerPaths) -> "Signer":
        """Make log and file for a new key; raises `SignerError` if either is there already."""
        for path in (paths.log, paths.last_signed):
            if path.exists():
                msg = f"{path} exists: this key has signed before; never make it anew"
                raise SignerError(msg)
        content = frame(SignerIdentity(chain_id, public_key_of(seed), new=True))
        write_whole(paths.log, content)
        write_whole(paths.last_signed, content)
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
        """Append a record, synced; then renew the last-signed file if the record is signed."""
        assert self._handle >= 0, "a signer that must not sign has no open log"
        data = frame(record)
        written = os.write(self._handle, data)
        if written != len(data):
            msg = f"only {written} of {len(data)} bytes reached {self._paths.log}; disk full?"
            raise SignerError(msg)
        os.fsync(self._handle)
        last = last_signed(record)
        if last is not None:
            write_whole(self._paths.last_signed, file_bytes(self._identity, last))

    def compact(self, height: int) -> None:
        """Rewrite a long log without what is settled below `height`; a short one stays."""
        if self._handle < 0 or self._paths.log.stat().st_size < COMPACT_BYTES:
            return
        records = compacted(_read(self._paths.log).records, height)
        os.close(self._handle)
        write_whole(self._paths.log, b"".join(frame(one) for one in records))
        self._handle = os.open(self._paths.log, os.O_WRONLY | os.O_APPEND)

    def close(self) -> None:
        """Close the log."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open_log(self, log: LogContents) -> None:
        self._handle = os.open(self._paths.log, os.O_WRONLY | os.O_APPEND)
        if self._paths.log.stat().st_size > log.size_bytes:
            # A torn last frame: it was never sent.
            os.truncate(self._paths.log, log.size_bytes)
            os.fsync(self._handle)
            sync_folder(self._paths.log.parent)


def _read(path: Path) -> LogContents:
    try:
        if path.stat().st_size > LOG_BYTES_MAX:
            return LogContents((), 0, f"{path} is larger than any log of ours")
        return read_frames(path.read_bytes())
    except FileNotFoundError:
        return LogContents((), 0, None)


def _identity(log: LogContents, chain_id: bytes, public_key: bytes) -> SignerIdentity:
    if log.records and isinstance(log.records[0], SignerIdentity):
        return log.records[0]
    return SignerIdentity(chain_id, public_key, new=False)
