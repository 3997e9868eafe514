"""The guard against signing twice, and what a signer may do after a restart.

A validator that signs two payloads for one (height, round, step), or goes back to a position it has
passed, can break agreement. `Guard` allows a position only above every one before, or the same
payload again. `recover` compares the log with the last-signed file, which is kept outside the data
folder. The order of writing is log, file, send; so after a crash

    log and file agree              normal
    log one statement ahead         normal: the crash came between log and file, or in the file,
                                    of which then one slot does not read (`slots.py`)
    file ahead, or of another line  the log was cut or replaced
    log further ahead               the file was replaced
    a slot unreadable, and the log not one ahead of the other   the file is damaged
    either missing or damaged, or not made together with the key   wiped

and in the last five cases the validator must not sign until it is released (`wiped.py`).
(PROTOCOL §5.)
"""

from dataclasses import dataclass

from chain.consensus.log import (
    LastSigned,
    LogContents,
    LogRecord,
    MaySignAbove,
    SignedPrecommit,
    SignedPrevote,
    SignedProposal,
    SignerIdentity,
    Spoken,
    last_signed,
    said,
)
from chain.consensus.slots import LastSignedFile
from chain.consensus.statement import Position, Statement
from contracts.kernel import sha256


@dataclass(frozen=True, slots=True)
class Restored:
    """The log is whole: sign on from `last`, at heights above `above` only.

    `spoken` are the statements of the log, ascending. The log may be one statement ahead of the
    last-signed file: renew the file with `last` before anything else is signed.
    """

    spoken: tuple[Spoken, ...]
    last: LastSigned | None
    above: int


@dataclass(frozen=True, slots=True)
class MustNotSign:
    """Nobody knows what this key has signed; says why.

    Log and file are put aside, and both begin again with an identity that is not `new`.
    """

    reason: str


def recover(
    log: LogContents, file: LastSignedFile, chain_id: bytes, public_key: bytes
) -> Restored | MustNotSign:
    """Say what this key may sign, given its log and its last-signed file; both may be empty."""
    first = log.records[0] if log.records else None
    for reason in (
        _fault("log", first, log.damage, chain_id, public_key),
        _fault("last-signed file", file.identity, file.damage, chain_id, public_key),
    ):
        if reason is not None:
            return MustNotSign(reason)
    release: MaySignAbove | None = None
    spoken: list[Spoken] = []
    line: list[LastSigned] = []
    since_release = 0
    for one in log.records[1:]:
        if isinstance(one, SignerIdentity):
            return MustNotSign("the log names its signer twice")
        if isinstance(one, MaySignAbove):
            release, since_release = one, 0
            continue
        last = last_signed(one)
        assert last is not None, "every other record has a position"
        if line and last.position <= line[-1].position:
            return MustNotSign(f"the log goes back at {_shown(last)}")
        if release is not None and last.height <= release.height:
            return MustNotSign(f"the log signs at {last.height}, not above {release.height}")
        line.append(last)
        since_release += 1
        if isinstance(one, SignedProposal | SignedPrevote | SignedPrecommit):
            spoken.append(one)
    if release is None and not (_is_new(first) and _is_new(file.identity)):
        return MustNotSign("the key is imported, or its log and file were not made with it")
    above = 0 if release is None else release.height
    reason = _disagreement(line, file, above, since_release)
    if reason is not None:
        return MustNotSign(reason)
    return Restored(tuple(spoken), line[-1] if line else None, above)


class Guard:
    """Says what may be signed now; the signer asks before every signature and notes it after."""

    def __init__(self, recovered: Restored | MustNotSign) -> None:
        """Begin with what the log says; nothing may be signed after `MustNotSign`."""
        self._above: int | None = None
        self._last: Position | None = None
        self._payloads: dict[Position, bytes] = {}
        if isinstance(recovered, Restored):
            self._above = recovered.above
            if recovered.last is not None:
                self._last = recovered.last.position
                self._payloads[self._last] = recovered.last.payload_hash
            for one in recovered.spoken:
                statement = said(one)
                self._payloads[statement.position] = sha256(statement.payload)

    def refusal(self, statement: Statement) -> str | None:
        """Return why this must not be signed, or None if it may."""
        if self._above is None:
            return "this signer does not know what it has signed"
        if statement.height <= self._above:
            return f"height {statement.height}: this signer may sign above {self._above} only"
        position = statement.position
        if self._last is None or position > self._last:
            return None
        known = self._payloads.get(position)
        if known == sha256(statement.payload):
            return None
        if known is not None:
            return f"another payload is signed at {_shown(position)}"
        return f"{_shown(position)} is below {_shown(self._last)}"

    def note(self, statement: Statement) -> None:
        """Keep a statement that is about to be signed; those of heights before are forgotten."""
        assert self.refusal(statement) is None, "the guard was not asked"
        position = statement.position
        if self._last is None or position > self._last:
            if self._last is not None and position.height > self._last.height:
                self._payloads.clear()
            self._last = position
        self._payloads[position] = sha256(statement.payload)

    def release(self, above: int) -> None:
        """Allow heights above this one, after `MaySignAbove` is on disk."""
        self._above = above if self._above is None else max(above, self._above)


def _disagreement(
    line: list[LastSigned], file: LastSignedFile, above: int, since_release: int
) -> str | None:
    """Return why log and file do not belong together, or None; `line` is what the log signed."""
    remembered = file.newest
    ends = (
        f"the log ends with {_shown(line[-1] if line else None)}, "
        f"the last-signed file with {_shown(remembered)}"
    )
    if not file.whole:
        # A crash while the file was written: the log has that statement, the other slot the one
        # before. Anything else may be the loss of the newest statement.
        if remembered is not None and line[-2:-1] == [remembered]:
            return None
        return f"the last-signed file is damaged: a slot does not read; {ends}"
    # A file from before the release is as good as none, but only until it has been renewed.
    outdated = remembered is None or remembered.height <= above
    if remembered in line[-2:] or (outdated and since_release <= 1):
        return None
    return ends


def _fault(
    name: str, first: LogRecord | None, damage: str | None, chain_id: bytes, public_key: bytes
) -> str | None:
    """Return what is wrong with log or file by itself; `first` is what it begins with."""
    if damage is not None:
        return f"the {name} is damaged: {damage}"
    if first is None:
        return f"the {name} is missing or empty"
    if not isinstance(first, SignerIdentity):
        return f"the {name} does not name its signer"
    if (first.chain_id, first.public_key) != (chain_id, public_key):
        return f"the {name} is of key {first.public_key.hex()} on chain {first.chain_id.hex()}"
    return None


def _is_new(first: LogRecord | None) -> bool:
    return isinstance(first, SignerIdentity) and first.new


def _shown(place: LastSigned | Position | None) -> str:
    if place is None:
        return "nothing"
    return f"height {place.height}, round {place.round}, {place.step.name.lower()}"
