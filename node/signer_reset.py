"""Lifting the guard against signing twice, by an operator's word alone.

A validator whose log or last-signed file is missing, cut or damaged does not know what it has
signed. Others can release it by telling their heights, if a quorum of others exists. Where it does
not (the only validator, or more than f wiped), an operator may say above which height the key has
never signed. If that is wrong, the validator can sign two blocks of one height: agreement rests on
the operator's word. So it is refused unless the guard is really closed, and below any height that
this home can show was reached. (PROTOCOL §5.)

Old files are put aside, never deleted. Writing order: log, then file; a crash between the two
leaves the guard closed, and the reset can be done again.
"""

from dataclasses import dataclass
from pathlib import Path

import structlog

from chain.consensus.guard import MustNotSign, Restored, recover
from chain.consensus.log import MaySignAbove, SignerIdentity, last_signed
from node.signer import (
    SignerError,
    SignerPaths,
    begin_again,
    put_aside_of,
    read_last_signed,
    read_log,
)

log = structlog.get_logger(__name__)


class OtherGenesisError(Exception):
    """The genesis is not the one that a home was made with; says what to do."""


@dataclass(frozen=True, slots=True)
class SignerState:
    """What log and last-signed file say of a consensus key."""

    fault: str | None
    """Why the key must not sign, or None."""
    highest: int
    """The highest height that these or files put aside show as signed or released; 0 if none."""


def signer_state(paths: SignerPaths, chain_id: bytes, public_key: bytes) -> SignerState:
    """Read both files without changing them."""
    records, file = read_log(paths.log), read_last_signed(paths.last_signed)
    logs = [records, *map(read_log, put_aside_of(paths.log))]
    files = [file, *map(read_last_signed, put_aside_of(paths.last_signed))]
    heights = [0]
    for one in (record for content in logs for record in content.records):
        last = last_signed(one)
        if last is not None:
            heights.append(last.height)
        elif isinstance(one, MaySignAbove):
            heights.append(one.height)
    heights += [one.newest.height for one in files if one.newest is not None]
    recovered = recover(records, file, chain_id, public_key)
    match recovered:
        case MustNotSign():
            return SignerState(recovered.reason, max(heights))
        case Restored():
            return SignerState(None, max(heights))


def refuse_other_genesis(paths: SignerPaths, chain_id: bytes, public_key: bytes) -> None:
    """Refuse a genesis that is not the one with which the key's log was made.

    Raises `OtherGenesisError` before anything is written: a database that began with it would
    be of no chain. Whatever else is wrong with the log is for `recover` to tell.
    """
    first = next(iter(read_log(paths.log).records), None)
    if (
        isinstance(first, SignerIdentity)
        and first.public_key == public_key
        and first.chain_id != chain_id
    ):
        msg = (
            f"genesis.json has changed since this home was made: it makes chain {chain_id.hex()}, "
            f"the signer's files are of chain {first.chain_id.hex()}; put the first genesis.json "
            "back, or make another home with gtx init, which takes changes by --sections"
        )
        raise OtherGenesisError(msg)


def reset_signer(paths: SignerPaths, chain_id: bytes, public_key: bytes, above: int) -> list[Path]:
    """Allow the key to sign above a height; returns where the old files lie now.

    Raises `SignerError` if the guard is open, or `above` is below what the files show.
    """
    state = signer_state(paths, chain_id, public_key)
    if state.fault is None:
        msg = "log and last-signed file are whole: this validator may sign; nothing is to be reset"
        raise SignerError(msg)
    if above < state.highest:
        msg = (
            f"this key has signed at height {state.highest}, so it may not sign again from "
            f"{above + 1}; give --above {state.highest} or more"
        )
        raise SignerError(msg)
    aside = begin_again(paths, chain_id, public_key, above)
    log.warning(
        "signer_reset",
        public_key=public_key.hex(),
        above=above,
        reason=state.fault,
        aside=[str(path) for path in aside],
    )
    return aside
