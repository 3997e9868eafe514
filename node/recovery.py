"""Before a validator works: bring database and signer together, and see whether it can go on.

The signer's log and the database are written one after the other, so after a crash the log may hold
one height that the database lacks; the machine finishes that one. More is missing if the database
lost its last blocks: a log of LevelDB that is cut at its end looks clean. Then

- other validators have these blocks: this one follows them without a voice until it is there;
- the only validator finds them in its own log, which holds every block that it has precommitted and
  has not been compacted since. Its precommit is the whole certificate.

A key whose files do not tell what it signed is released by others, or by an operator's word
(`node.signer_reset`), unless its chain ends below what they show: then only the lost files help.

What cannot go on is refused here, because alone it would wait for ever. (PROTOCOL §5.)
"""

from typing import Final

import structlog

from chain.block import Block, InvalidBlockError
from chain.consensus.guard import MustNotSign, Restored
from chain.consensus.log import SignedPrecommit
from chain.ledger import Ledger
from chain.validators import Validator, ValidatorSet
from chain.votes import Certificate
from contracts.kernel.errors import StorageError
from node.leveldb import RESTORE
from node.signer import SignerError

log = structlog.get_logger(__name__)

# The size of a set whose only validator nobody can help.
ALONE: Final = 1


def recover_chain(
    ledger: Ledger, me: Validator, recovered: Restored | MustNotSign, highest: int = 0
) -> None:
    """Bring the database up to the signer's log; raises `StorageError` or `SignerError`.

    Returns without a word for a validator whose peers can help it. `highest` is the highest height
    that the files of a key that must not sign show.
    """
    validators = ledger.tip.next_validators
    if me not in validators.members:
        return
    needed = _needs_every_other(validators)
    if isinstance(recovered, MustNotSign):
        if needed:
            raise _cannot_sign(ledger.tip.height, validators, recovered, highest)
        return
    _commit_what_was_signed(ledger, me, recovered)
    tip = ledger.tip.height
    last = recovered.last
    if last is not None and last.height > tip + 1:
        if validators.size == ALONE:
            raise StorageError(lost_blocks(tip, last.height))
        if needed:
            msg = (
                f"the database ends at height {tip}, but this validator has signed at "
                f"{last.height}: it has lost blocks; {RESTORE}"
            )
            raise StorageError(msg)
        log.warning("database_behind_signer", tip=tip, signed=last.height)
    if needed and recovered.above > tip:
        msg = (
            f"this validator may sign above height {recovered.above} only, but the chain stands at "
            f"{tip} and nobody else can carry it on; {_put_back(recovered.above)}"
        )
        raise SignerError(msg)


def lost_blocks(tip: int, signed: int) -> str:
    """Say what the only validator has lost whose database ends below what it signed.

    No height is right for a reset then: up to `signed` it may have made blocks final that others
    have seen, and above that nobody has the blocks before.
    """
    return (
        f"the database ends at height {tip}, but this validator has signed at height {signed}, and "
        "blocks that are lost may be final for others, so it must not make them anew; "
        + _put_back(signed)
    )


def _put_back(height: int) -> str:
    return (
        "put back the newest data/consensus.log, from which lost blocks are restored, or a whole "
        f"data folder that reaches height {height}; without either this chain cannot go on, and "
        "gtx init begins another"
    )


def _cannot_sign(
    tip: int, validators: ValidatorSet, why: MustNotSign, highest: int
) -> StorageError | SignerError:
    """Return what to tell where no others can release this validator."""
    unknown = f"this validator does not know what it has signed: {why.reason}"
    if validators.size > ALONE:
        return SignerError(
            f"{unknown}; if it has certainly signed nothing above some height, which is "
            f"{max(tip, highest)} at least: gtx signer reset --above HEIGHT"
        )
    if highest > tip:
        return StorageError(lost_blocks(tip, highest))
    return SignerError(
        f"{unknown}; if it has certainly signed nothing above {tip}, where the chain stands: "
        f"gtx signer reset --above {tip}"
    )


def _needs_every_other(validators: ValidatorSet) -> bool:
    """Say whether the others are no quorum without one of them."""
    return validators.size - 1 < validators.quorum


def _commit_what_was_signed(ledger: Ledger, me: Validator, recovered: Restored) -> None:
    """Commit the blocks that the only validator has precommitted, but for the height under way."""
    under_way = 0 if recovered.last is None else recovered.last.height
    for one in recovered.spoken:
        tip = ledger.tip
        if not isinstance(one, SignedPrecommit) or one.header is None or one.body is None:
            continue
        if one.vote.height != tip.height + 1 or one.vote.height == under_way:
            continue
        if tip.next_validators.members != (me,):
            return
        block = Block(one.header, one.body)
        certificate = Certificate.of(
            tip.header.chain_id, tip.next_validators, {me.address: one.vote}
        )
        try:
            ledger.validate(block)
        except InvalidBlockError as error:
            msg = f"block {block.height} of the signer's log does not follow the database: {error}"
            raise StorageError(f"{msg}; {RESTORE}") from error
        ledger.commit(block.id, certificate)
        log.warning("block_restored_from_log", height=block.height, id=block.id.hex())
