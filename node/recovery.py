"""Before a validator works: bring database and signer together, and see whether it can go on.

The signer's log and the database are written one after the other, so after a crash the log may hold
one height that the database lacks; the machine finishes that one. More is missing if the database
lost its last blocks: a log of LevelDB that is cut at its end looks clean. Then

- other validators have these blocks: this one follows them without a voice until it is there;
- the only validator finds them in its own log, which holds every block that it has precommitted and
  has not been compacted since. Its precommit is the whole certificate.

What cannot go on is refused here, because alone it would wait for ever. (PROTOCOL §5.)
"""

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


def recover_chain(ledger: Ledger, me: Validator, recovered: Restored | MustNotSign) -> None:
    """Bring the database up to the signer's log; raises `StorageError` or `SignerError`.

    Returns without a word for a validator whose peers can help it.
    """
    if me not in ledger.tip.next_validators.members:
        return
    alone = _needs_every_other(ledger.tip.next_validators)
    if isinstance(recovered, MustNotSign):
        if alone:
            tip = ledger.tip.height
            msg = (
                f"this validator does not know what it has signed: {recovered.reason}; "
                f"if it has signed nothing above some height (the chain stands at {tip}): "
                "gtx signer reset --above HEIGHT"
            )
            raise SignerError(msg)
        return
    _commit_what_was_signed(ledger, me, recovered)
    tip = ledger.tip.height
    last = recovered.last
    if last is not None and last.height > tip + 1:
        if alone:
            msg = (
                f"the database ends at height {tip}, but this validator has signed at "
                f"{last.height}: it has lost blocks; {RESTORE}"
            )
            raise StorageError(msg)
        log.warning("database_behind_signer", tip=tip, signed=last.height)
    if alone and recovered.above > tip:
        msg = (
            f"this validator may sign above height {recovered.above} only, but the chain stands at "
            f"{tip} and nobody else can carry it on; restore the data folder from a backup"
        )
        raise SignerError(msg)


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
