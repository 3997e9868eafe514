"""A database that lost its last blocks gets them back from the signer's log, or the node stops."""

import pytest

from chain.consensus.guard import MustNotSign, Restored
from chain.consensus.log import LastSigned, SignedPrecommit
from chain.ledger import Ledger
from chain.store import MemoryStore
from chain.validators import Validator
from chain.verdicts import Verdicts
from chain.votes import Step, Vote
from contracts.kernel.errors import StorageError
from node.recovery import recover_chain
from node.signer import SignerError
from tests.support.chain import ChainNode
from tests.support.genesis import validator_names
from tests.support.people import account_of, key_of

NAME = validator_names(1)[0]
ME = Validator(account_of(NAME), key_of(NAME))


def grown(heights: int, validators: int = 1) -> ChainNode:
    """Return a chain of so many blocks, each with one transaction."""
    chain = ChainNode(validators)
    for nonce in range(heights):
        chain.decide(chain.transfer("alice", nonce))
    return chain


def spoken_in(chain: ChainNode) -> tuple[SignedPrecommit, ...]:
    """Return the first validator's precommits of all blocks, as its log holds them."""
    out = []
    for height in range(1, chain.ledger.tip.height + 1):
        stored = chain.store.block(height)
        assert stored is not None
        assert stored.certificate is not None
        vote = Vote(
            Step.PRECOMMIT, height, stored.certificate.round, stored.block_id, ME.address,
            stored.certificate.signatures[0],
        )  # fmt: skip
        out.append(SignedPrecommit(vote, None, stored.header, stored.body))
    return tuple(out)


def restored(spoken: tuple[SignedPrecommit, ...], height: int, above: int = 0) -> Restored:
    last = LastSigned(height, 0, Step.PREVOTE, bytes(32)) if height else None
    return Restored(spoken, last, above)


def emptied(chain: ChainNode) -> tuple[Ledger, MemoryStore]:
    """Return the chain as a database that lost everything has it."""
    store = MemoryStore()
    return Ledger.create(chain.genesis, store, Verdicts()), store


def test_the_only_validator_restores_its_blocks_with_their_certificates() -> None:
    chain = grown(5)
    ledger, store = emptied(chain)
    recover_chain(ledger, ME, restored(spoken_in(chain), 6))
    assert ledger.tip.height == 5
    for height in range(6):
        assert store.block(height) == chain.store.block(height)


def test_the_height_under_way_is_left_to_the_machine() -> None:
    chain = grown(5)
    ledger, _ = emptied(chain)
    recover_chain(ledger, ME, restored(spoken_in(chain), 5))
    assert ledger.tip.height == 4


def test_nothing_is_done_where_nothing_is_missing() -> None:
    chain = grown(3)
    before = chain.ledger.tip
    recover_chain(chain.ledger, ME, restored(spoken_in(chain), 3))
    recover_chain(chain.ledger, ME, restored((), 0))
    assert chain.ledger.tip is before


def test_blocks_that_the_log_lacks_as_well_stop_the_only_validator() -> None:
    chain = grown(5)
    ledger, _ = emptied(chain)
    with pytest.raises(
        StorageError, match=r"ends at height 0, .* signed at height 6, .*; put back"
    ):
        recover_chain(ledger, ME, restored(spoken_in(chain)[2:], 6))
    assert ledger.tip.height == 0


def test_a_block_of_another_chain_stops_it() -> None:
    chain, other = grown(2), ChainNode()
    other.decide(other.transfer("alice", 0, amount=6))
    with pytest.raises(StorageError, match="block 2 of the signer's log does not follow"):
        recover_chain(other.ledger, ME, restored(spoken_in(chain), 3))
    assert other.ledger.tip.height == 1


def test_one_of_four_waits_for_the_others() -> None:
    chain = grown(3, validators=4)
    ledger, _ = emptied(chain)
    recover_chain(ledger, ME, restored(spoken_in(chain), 4))
    recover_chain(ledger, ME, MustNotSign("wiped"))
    recover_chain(ledger, ME, restored((), 0, above=9))
    assert ledger.tip.height == 0


@pytest.mark.parametrize("validators", [1, 2, 3])
def test_who_cannot_be_released_by_others_stops_and_says_why(validators: int) -> None:
    ledger = ChainNode(validators).ledger
    height = "0" if validators == 1 else "HEIGHT"
    words = rf"the log is torn; .*: gtx signer reset --above {height}$"
    with pytest.raises(SignerError, match=words):
        recover_chain(ledger, ME, MustNotSign("the log is torn"))
    with pytest.raises(SignerError, match=r"above height 1 only, but the chain stands at 0"):
        recover_chain(ledger, ME, restored((), 0, above=1))
    recover_chain(ledger, ME, restored((), 0))


def test_the_only_validator_is_told_of_a_reset_only_where_one_can_be_right() -> None:
    ledger = grown(3).ledger
    for shown in (0, 2, 3):
        with pytest.raises(SignerError, match=r"nothing above 3, .*gtx signer reset --above 3$"):
            recover_chain(ledger, ME, MustNotSign("the log is torn"), shown)
    with pytest.raises(StorageError, match=r"ends at height 3, .* signed at height 4") as lost:
        recover_chain(ledger, ME, MustNotSign("the log is torn"), 4)
    assert "reset" not in str(lost.value)
    assert "consensus.log" in str(lost.value)


def test_of_several_that_need_each_other_the_height_is_no_lower_than_the_files_show() -> None:
    ledger = grown(3, validators=2).ledger
    for shown, least in ((0, 3), (3, 3), (9, 9)):
        with pytest.raises(SignerError, match=f"which is {least} at least: .* --above HEIGHT"):
            recover_chain(ledger, ME, MustNotSign("the log is torn"), shown)


def test_who_is_not_a_validator_is_not_asked() -> None:
    stranger = Validator(account_of("alice"), key_of("alice"))
    recover_chain(ChainNode(1).ledger, stranger, MustNotSign("no log"))
