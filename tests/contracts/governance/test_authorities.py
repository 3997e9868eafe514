"""Authorities: the first set, its order, and what can never be seated."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from chain.genesis import Genesis, InvalidGenesisError
from chain.transaction import Call, Mode
from chain.validators import ValidatorSet
from contracts.governance.authorities import AUTHORITIES_MAX, Authority, GenesisAuthority
from contracts.kernel import Value
from tests.support.genesis import PEOPLE, make_genesis, network_name
from tests.support.machine import ContractMachine
from tests.support.people import account_of, key_of
from tests.support.world import World


def genesis_with(authorities: list[Value]) -> Genesis:
    good = make_genesis()
    sections = {**good.sections, "authorities": {"authorities": authorities}}
    return Genesis(good.name, good.time_ms, good.devnet, sections)


def seat(
    name: str, *, account: str | None = None, key: bytes | None = None, node: bytes | None = None
) -> Value:
    own = key_of(name), key_of(network_name(name))
    authority = Authority(name, key or own[0], node or own[1])
    return GenesisAuthority(account_of(account or name), authority).to_wire()


@given(st.permutations([f"authority {number}" for number in range(5)]))
def test_the_set_is_ascending_by_account_in_whatever_order_it_is_named(names: list[str]) -> None:
    world = World(genesis_with([seat(name) for name in names]))
    members = world.read.authorities.validators()
    assert members == sorted((account_of(name), key_of(name)) for name in names)
    result = world.block()
    assert [(v.address, v.public_key) for v in result.next_validators.members] == members
    assert isinstance(result.next_validators, ValidatorSet)
    world.check_invariants()


def test_an_authority_is_found_by_its_account() -> None:
    world = World(genesis_with([seat("a")]))
    assert world.read.authorities.authority(account_of("a")) == Authority(
        "a", key_of("a"), key_of(network_name("a"))
    )
    assert world.read.authorities.authority(account_of("b")) is None


def test_there_is_at_least_one_authority_and_at_most_64() -> None:
    names = [f"authority {number}" for number in range(AUTHORITIES_MAX + 1)]
    World(genesis_with([seat(name) for name in names[:-1]])).check_invariants()
    for bad in ([seat(name) for name in names], []):
        with pytest.raises(InvalidGenesisError, match=r"contracts\.authorities: authorities: "):
            World(genesis_with(bad))


KEYS = key_of("a"), key_of("b")
SMALL_ORDER = bytes([1]) + bytes(31)


@pytest.mark.parametrize(
    ("seats", "message"),
    [
        ([seat("a"), seat("b", key=key_of("a"))], "a consensus or network key is there twice"),
        ([seat("a"), seat("b", node=key_of("a"))], "a consensus or network key is there twice"),
        ([seat("a", node=key_of("a"))], "a consensus or network key is there twice"),
        ([seat("a", node=SMALL_ORDER)], "network key of a is not a safe Ed25519 point"),
        ([seat("a"), seat("b", account="a")], "is seated twice"),
        ([seat("a", key=SMALL_ORDER)], "consensus key of a is not a safe Ed25519 point"),
        ([seat("a", key=b"\xff" * 32)], "is not a safe Ed25519 point"),
        (
            [[1, account_of("a"), [1, "", key_of("a"), key_of("b")]]],
            r"authorities\[0\]\.authority\.name: ",
        ),
        (
            [[1, account_of("a"), [1, "a", bytes(31), key_of("b")]]],
            r"\[0\]\.authority\.consensus_key: ",
        ),
        ([[1, bytes(19), [1, "a", key_of("a"), key_of("b")]]], r"authorities\[0\]\.account: "),
    ],
)
def test_shared_unsafe_and_malformed_seats_are_refused(seats: list[Value], message: str) -> None:
    with pytest.raises(InvalidGenesisError, match=message):
        World(genesis_with(seats))


class AuthoritiesMachine(ContractMachine):
    """Any set that genesis takes stays as it is, whoever signs blocks and whatever is sent."""

    contracts = ("authorities",)

    @initialize(names=st.sets(st.sampled_from(PEOPLE), min_size=1))
    def begin(self, names: set[str]) -> None:
        self.seated = sorted(names)
        self.world = World(genesis_with([seat(name) for name in self.seated]))

    @rule(data=st.data(), sender=st.sampled_from(PEOPLE))
    def block(self, data: st.DataObject, sender: str) -> None:
        """Let some of the set sign, and somebody, seated or not, act as an account."""
        signers = data.draw(st.sets(st.sampled_from(self.seated)))
        keys: list[Value] = [key_of(f"{sender} {self.world.height}")]
        call = Call("accounts", "grant_mandate", (account_of("erin"), ["credit.*"], 1, 2**50))
        other = Call("accounts", "set_keys", (keys, 0))
        self.world.block(
            self.world.signed(sender, call, other, mode=Mode.EACH_ALONE),
            signers=tuple(sorted(map(account_of, signers))),
        )

    @invariant()
    def the_set_is_that_of_genesis(self) -> None:
        members = sorted((account_of(name), key_of(name)) for name in self.seated)
        assert self.world.read.authorities.validators() == members


AuthoritiesMachine.TestCase.settings = settings(max_examples=10, stateful_step_count=10)
TestAuthorities = AuthoritiesMachine.TestCase
