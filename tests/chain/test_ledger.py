"""The ledger: building, checking and committing blocks, and what makes a block invalid."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chain.block import Block, Body, Header, InvalidBlockError
from chain.ledger import CANDIDATES_MAX, CorruptStateError, ForeignChainError, Ledger
from chain.light import verify_earlier_block, verify_final, verify_receipt, verify_transaction
from chain.merkle import InclusionProof, merkle_root
from chain.mmr import prove as prove_history
from chain.refusals import CannotPayFee, LowNonce
from chain.validity import check_body, transactions_bytes_max
from chain.verdicts import Verdicts
from contracts.kernel import Value
from tests.support.chain import ChainNode, InOrder
from tests.support.people import account_of


def test_block_0_holds_the_genesis_state_and_no_certificate() -> None:
    node = ChainNode()
    tip = node.ledger.tip
    assert tip.height == 0
    assert tip.header.time_ms == node.genesis.time_ms
    assert tip.header.chain_id == node.genesis.chain_id
    assert tip.header.proposer == bytes(20)
    assert tip.header.parent_hash == tip.header.parent_certificate_hash == bytes(32)
    assert tip.certificate is None
    assert node.store.get(b"\0\0") is not None


@pytest.mark.parametrize("validators", [1, 4, 7])
def test_another_node_that_executes_the_same_blocks_has_the_same_chain(validators: int) -> None:
    leader, follower = ChainNode(validators), ChainNode(validators)
    nonce = 0
    for count in (0, 1, 3, 0, 2):
        transactions = [leader.transfer("alice", nonce + i) for i in range(count)]
        nonce += count
        block = leader.decide(*transactions)
        certificate = leader.ledger.tip.certificate
        assert certificate is not None
        follower.follow(block, certificate)
        assert follower.ledger.tip.header == leader.ledger.tip.header
        validator_set = leader.ledger.tip.validators
        verify_final(leader.genesis.chain_id, validator_set, block.header, certificate)
    assert list(leader.store.scan(b"\0", b"\xff" * 33)) == list(
        follower.store.scan(b"\0", b"\xff" * 33)
    )


def test_a_proposal_leaves_out_what_cannot_be_included_and_says_why() -> None:
    node = ChainNode()
    poor = node.transfer("nobody", 0)
    used = node.transfer("alice", 0)
    node.decide(used)
    fresh = node.transfer("alice", 1)
    tip = node.ledger.tip
    source = InOrder([poor, used, fresh])
    block, refused = node.ledger.build(
        tip.header.time_ms + 1, account_of("validator 0"), tip.certificate, source
    )
    assert (len(source.weights), source.failures) == (1, 2)
    assert block.body.transactions == (fresh.signed.raw,)
    assert [type(error) for _, error in refused] == [CannotPayFee, LowNonce]


def remade(block: Block, **fields: Value) -> Block:
    return Block(replace(block.header, **fields), block.body)  # type: ignore[arg-type]


def with_body(block: Block, body: Body) -> Block:
    certificate = body.parent_certificate
    return Block(
        replace(
            block.header,
            txs_root=merkle_root(body.transactions),
            parent_certificate_hash=bytes(32) if certificate is None else certificate.hash,
        ),
        body,
    )


HASH = b"\x07" * 32
BREAKS: list[tuple[str, Callable[[Block], Block]]] = [
    ("chain_id", lambda b: remade(b, chain_id=HASH)),
    ("height", lambda b: remade(b, height=b.height + 1)),
    ("parent_hash", lambda b: remade(b, parent_hash=HASH)),
    ("validators_hash", lambda b: remade(b, validators_hash=HASH)),
    ("params_hash", lambda b: remade(b, params_hash=HASH)),
    ("history_root", lambda b: remade(b, history_root=HASH)),
    ("parent_certificate_hash", lambda b: remade(b, parent_certificate_hash=HASH)),
    ("time_ms does not rise", lambda b: remade(b, time_ms=b.header.time_ms - 1_000)),
    ("proposer is no validator", lambda b: remade(b, proposer=account_of("alice"))),
    ("txs_root", lambda b: remade(b, txs_root=HASH)),
    ("receipts_root", lambda b: remade(b, receipts_root=HASH)),
    ("state_root", lambda b: remade(b, state_root=HASH)),
    ("next_validators_hash", lambda b: remade(b, next_validators_hash=HASH)),
    ("evidence_root", lambda b: remade(b, evidence_root=HASH)),
    (
        "transaction 1 is not includable",
        lambda b: with_body(b, replace(b.body, transactions=b.body.transactions * 2)),
    ),
    (
        "transaction 0 is malformed",
        lambda b: with_body(b, replace(b.body, transactions=(b"\x80",))),
    ),
    ("parent certificate", lambda b: with_body(b, replace(b.body, parent_certificate=None))),
]


@pytest.mark.parametrize(("reason", "break_"), BREAKS, ids=[reason for reason, _ in BREAKS])
def test_a_block_that_breaks_a_rule_is_refused_with_its_reason(
    reason: str, break_: Callable[[Block], Block]
) -> None:
    leader, follower = ChainNode(4), ChainNode(4)
    first = leader.decide()
    certificate = leader.ledger.tip.certificate
    assert certificate is not None
    follower.follow(first, certificate)
    good = leader.build(leader.transfer("alice", 0))
    tip = follower.ledger.tip
    with pytest.raises(InvalidBlockError, match=reason):
        follower.ledger.validate(break_(good))
    assert follower.ledger.tip == tip
    follower.ledger.validate(good)


@pytest.mark.parametrize(("reason", "break_"), BREAKS, ids=[reason for reason, _ in BREAKS])
def test_a_refused_block_takes_no_good_one_away(
    reason: str, break_: Callable[[Block], Block]
) -> None:
    node = ChainNode(4)
    node.decide()
    good = node.build(node.transfer("alice", 0))
    for _ in range(CANDIDATES_MAX):
        with pytest.raises(InvalidBlockError, match=reason):
            node.ledger.validate(break_(good))
    node.ledger.commit(good.id, node.certify(good))
    assert node.ledger.tip.header == good.header


def test_a_body_is_refused_at_the_limit_that_a_proposal_keeps() -> None:
    node = ChainNode()
    parameters = node.ledger.tip.parameters
    limit = transactions_bytes_max(parameters)
    assert 0 < limit < parameters.block_bytes_max
    block = node.build()
    for size, refused in ((limit, False), (limit + 1, True)):
        body = replace(block.body, transactions=(bytes(size - 7), bytes(7)))
        if refused:
            with pytest.raises(InvalidBlockError, match=f"≤ {limit}.* {limit + 1}"):
                check_body(with_body(block, body), parameters)
        else:
            check_body(with_body(block, body), parameters)


def test_a_parent_certificate_of_another_block_or_with_a_bad_signature_is_refused() -> None:
    leader, follower = ChainNode(4), ChainNode(4)
    first = leader.decide()
    certificate = leader.ledger.tip.certificate
    assert certificate is not None
    follower.follow(first, certificate)
    good = leader.build()
    forged = replace(certificate, signatures=(bytes(64), *certificate.signatures[1:]))
    other = replace(certificate, block_id=HASH)
    for wrong, reason in ((forged, "does not verify"), (other, "of another block")):
        with pytest.raises(InvalidBlockError, match=reason):
            follower.ledger.validate(with_body(good, replace(good.body, parent_certificate=wrong)))


def test_candidates_of_one_height_are_siblings_and_losers_leave_no_trace() -> None:
    node = ChainNode(4)
    one = node.build(node.transfer("alice", 0))
    two = node.build()
    assert one.id != two.id
    node.ledger.commit(two.id, node.certify(two))
    assert node.ledger.candidate(one.id) is None
    third = node.decide(node.transfer("alice", 0))
    assert node.ledger.tip.header == third.header


def test_fees_of_a_block_reach_the_signers_of_its_certificate_in_the_next() -> None:
    node = ChainNode(4)
    node.decide(node.transfer("alice", 0))
    node.decide()
    certificate = node.ledger.tip.certificate
    assert certificate is not None
    stored = node.store.block(2)
    assert stored is not None
    assert b"FeesShared" in stored.events[0][0]


def test_transactions_receipts_and_earlier_blocks_are_proven_by_a_header() -> None:
    node = ChainNode()
    block = node.decide(node.transfer("alice", 0), node.transfer("alice", 1))
    for _ in range(5):
        node.decide()
    stored = node.store.block(1)
    assert stored is not None
    raws = block.body.transactions
    for index, raw in enumerate(raws):
        verify_transaction(block.header, raw, InclusionProof.of(raws, index))
        data = stored.receipts[index + 1]
        receipt = verify_receipt(block.header, data, InclusionProof.of(stored.receipts, index + 1))
        assert receipt.results[0].code == 0
    head: Header = node.ledger.tip.header
    for height in range(head.height):
        proof = prove_history(node.store.history_node, height, head.height)
        earlier = node.store.block(height)
        assert earlier is not None
        verify_earlier_block(head, height, earlier.block_id, proof)


def test_a_reopened_chain_goes_on_as_the_one_that_never_stopped() -> None:
    one, other = ChainNode(4), ChainNode(4)
    for nonce in range(3):
        block = one.decide(one.transfer("alice", nonce))
        certificate = one.ledger.tip.certificate
        assert certificate is not None
        other.follow(block, certificate)
        other.ledger = Ledger.reopen(other.genesis, other.store, Verdicts())
        assert other.ledger.tip.header == one.ledger.tip.header
        assert other.ledger.tip.history == one.ledger.tip.history
        assert other.ledger.tip.parameters == one.ledger.tip.parameters


def test_a_changed_value_is_found_at_reopening() -> None:
    node = ChainNode()
    node.decide(node.transfer("alice", 0))
    key, value = next(iter(node.store.scan(b"\x11", b"\x12")))
    node.store.write(((key, value[:-1] + bytes([value[-1] ^ 1])),))
    with pytest.raises(CorruptStateError, match="state root at height 1"):
        Ledger.reopen(node.genesis, node.store, Verdicts())


def test_a_folder_of_another_chain_is_refused() -> None:
    node = ChainNode(1)
    with pytest.raises(ForeignChainError, match="another data folder"):
        Ledger.reopen(ChainNode(4).genesis, node.store, Verdicts())
