"""Signed claims inside arguments: found at any depth, judged by their bytes alone (PROTOCOL §4)."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.crypto import Domain, sign, signed_bytes, verify
from chain.execution.admission import intrinsic_weight
from chain.transaction import Call, PreparedTransaction, claim_message
from chain.verdicts import SignedMessage, Verdicts
from contracts.kernel import Value
from contracts.kernel.record import CLAIM_DOMAINS
from contracts.kernel.shape import shape_of
from tests.support.genesis import make_genesis
from tests.support.lab import Bundle, LabRegistry, Parcel, Statement
from tests.support.people import key_of, seed_of
from tests.support.world import World

CHAIN = make_genesis().chain_id


def signed_by(name: str, claim: Statement | Bundle, domain: Domain) -> bytes:
    return sign(seed_of(name), signed_bytes(domain, CHAIN, claim.payload()))


def statement(device: int, *, true: bool = True) -> Statement:
    unsigned = Statement(device, key_of(f"device {device}"), bytes(64))
    if not true:
        return unsigned
    signature = signed_by(f"device {device}", unsigned, Domain.READING)
    return Statement(device, unsigned.public_key, signature)


def bundle(statements: Sequence[Statement], *, true: bool = True) -> Bundle:
    unsigned = Bundle(tuple(statements), key_of("gateway"), bytes(64))
    if not true:
        return unsigned
    signature = signed_by("gateway", unsigned, Domain.GATEWAY)
    return Bundle(unsigned.statements, unsigned.public_key, signature)


class CountingVerdicts(Verdicts):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[SignedMessage] = []

    def verdict(self, signed: SignedMessage) -> bool:
        self.asked.append(signed)
        return super().verdict(signed)


@pytest.fixture
def world() -> World:
    return World(registry=LabRegistry)


def judged(world: World, parcel: Parcel) -> PreparedTransaction:
    return world.signed("alice", Call("lab", "judge", (parcel.to_wire(),)))


STATEMENTS = st.builds(
    lambda device, true: (statement(device, true=true), true), st.integers(0, 5), st.booleans()
)
BUNDLES = st.tuples(st.lists(STATEMENTS, max_size=4), st.booleans())


@settings(max_examples=30)
@given(st.lists(BUNDLES, max_size=4), STATEMENTS | st.none())
def test_every_claim_is_collected_and_judged_by_itself(
    bundles: list[tuple[list[tuple[Statement, bool]], bool]], spare: tuple[Statement, bool] | None
) -> None:
    world = World(registry=LabRegistry)
    expected: list[bool] = []
    made: list[Bundle] = []
    claims: list[tuple[Domain, Statement | Bundle]] = []
    for statements, true in bundles:
        made.append(bundle([one for one, _ in statements], true=true))
        expected += [true, *(ok for _, ok in statements)]
        claims += [(Domain.GATEWAY, made[-1]), *((Domain.READING, one) for one, _ in statements)]
    if spare is not None:
        expected.append(spare[1])
        claims.append((Domain.READING, spare[0]))
    parcel = Parcel(tuple(made), None if spare is None else spare[0])
    prepared = judged(world, parcel)
    assert prepared.claim_count == len(claims)
    assert prepared.signed_messages[1:] == tuple(
        SignedMessage(
            claim.public_key, signed_bytes(domain, CHAIN, claim.payload()), claim.signature
        )
        for domain, claim in claims
    )
    assert [verify(*message) for message in prepared.signed_messages] == [True, *expected]
    assert world.block(prepared).receipts[1].results[0].value == expected


def test_what_is_signed_is_the_claim_without_its_signature_for_this_chain_and_purpose() -> None:
    good = statement(1)
    for other in (
        Statement(2, good.public_key, good.signature),
        Statement(1, key_of("device 2"), good.signature),
    ):
        assert not verify(*claim_message(CHAIN, other))
    assert verify(*claim_message(CHAIN, good))
    assert not verify(*claim_message(bytes(32), good))
    for domain in Domain:
        message = signed_bytes(domain, CHAIN, good.payload())
        assert verify(good.public_key, message, good.signature) == (domain is Domain.READING)


def test_every_domain_of_claims_has_a_tag_and_none_is_the_chains_own() -> None:
    assert {Domain[name] for name in CLAIM_DOMAINS}.isdisjoint(
        (Domain.TRANSACTION, Domain.PROPOSAL, Domain.PREVOTE, Domain.PRECOMMIT, Domain.STATUS)
    )


def test_a_verdict_is_looked_up_where_one_was_found_before(world: World) -> None:
    prepared = judged(world, Parcel((bundle([statement(1)]),), statement(2, true=False)))
    judge = CountingVerdicts()
    world.judge = judge
    for message in prepared.signed_messages[1:]:
        judge.keep(message, verdict=True)
    result = world.block(prepared).receipts[1].results[0]
    assert result.value == [True, True, True], "execution believes the cache, whatever it says"
    assert sorted(judge.asked) == sorted(prepared.signed_messages)


def test_the_outcome_and_the_weight_are_the_same_with_and_without_verdicts(world: World) -> None:
    prepared = judged(world, Parcel((bundle([statement(1)], true=False),), statement(2)))
    cold = world.execution()
    world.judge = Verdicts()
    for message in prepared.signed_messages:
        world.judge.keep(message, verdict=verify(*message))
    warm = world.execution()
    for execution in (cold, warm):
        execution.begin(())
        execution.apply(prepared)
    assert cold.finish() == warm.finish()


def test_each_claim_weighs_as_much_as_a_signature(world: World) -> None:
    weights = world.parameters.weights
    for parcel, claims in ((Parcel((), None), 0), (Parcel((bundle([statement(1)]),), None), 2)):
        prepared = judged(world, parcel)
        assert intrinsic_weight(prepared, world.parameters) == (
            weights.transaction
            + len(prepared.signed.raw) * weights.byte
            + (1 + claims) * weights.signature
        )


def test_claims_of_a_call_with_bad_arguments_are_not_looked_for(world: World) -> None:
    wire: list[Value] = [*Parcel((bundle([statement(1)]),), None).to_wire()[:-1], 5]
    prepared = world.signed("alice", Call("lab", "judge", (wire,)))
    assert prepared.calls[0].refusal is not None
    assert prepared.claim_count == 0
    assert prepared.signed_messages == prepared.signed.signed


def test_a_parcel_holds_claims_and_knows_it() -> None:
    assert shape_of(Parcel).has_claims
    assert LabRegistry.catalogue.call("lab", "judge").has_claims
    assert not LabRegistry.catalogue.call("lab", "write").has_claims
