"""A contract's class is its own manifest, and one that could not be is refused when it is made."""

import sys
import types
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import pytest

from chain.store import MemoryState
from contracts.kernel import (
    Cell,
    Claim,
    Context,
    Contract,
    Event,
    Host,
    Items,
    Kind,
    Lane,
    Map,
    OutOfWeight,
    Reject,
    call,
    genesis,
    invariant,
    query,
    record,
    unit,
)
from contracts.kernel.catalogue import Catalogue
from contracts.kernel.errors import BadArguments, UnknownContract, UnknownMethod
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.shape import IntShape, TextShape
from contracts.kernel.state import State
from contracts.kernel.types import Address, PublicKey, Signature, Text32, Uint


class Taken(Reject):
    """Another account holds this name.

    Choose another.
    """

    code = 1


class Claimed(Event, owners=("owner", "helper")):
    """A name has an owner."""

    owner: Address
    helper: Address
    name: Text32


class Nicknames(Contract, name="nick", number=0x7E, lane=Lane.MARKET):
    """Names for accounts."""

    owner_of = Map[Text32, Address | None](id=0x7E01, default=None)
    count = Cell[Uint](id=0x7E02, default=0)

    @genesis
    def set_up(self, names: Annotated[tuple[Text32, ...], Items(4)]) -> None:
        """Reserve names."""

    @call
    def claim(self, ctx: Context, name: Text32) -> None:
        """Give the caller a name."""
        if self.owner_of[name] is not None:
            raise Taken(name=name)
        self.owner_of[name] = ctx.caller
        self.count.set(self.count.get() + 1)
        self.emit(Claimed(ctx.caller, ctx.signer, name))

    @call(lane=Lane.GOVERNANCE)
    def seize(self, ctx: Context, name: Text32) -> Address | None:
        """Take a name away."""

    @query
    def owner(self, name: Text32) -> Address | None:
        """Who has a name."""
        return self.owner_of[name]

    @unit
    def expire(self, ctx: Context, name: Text32) -> None:
        """Free a name."""

    @invariant
    def the_count_is_right(self) -> bool:
        """As many names as counted."""
        return self.count.get() >= 0

    def helper(self) -> int:
        """Serve other contracts."""
        return 1


def test_a_class_says_all_of_itself() -> None:
    spec = Nicknames.spec
    assert (spec.name, spec.number, spec.doc) == ("nick", 0x7E, "Names for accounts.")
    assert sorted(spec.tables) == ["count", "owner_of"]
    assert spec.rejects == {1: Taken}
    assert spec.events == {"Claimed": Claimed}
    assert [(kind, name) for kind, name in spec.methods] == [
        (Kind.GENESIS, "set_up"),
        (Kind.CALL, "claim"),
        (Kind.CALL, "seize"),
        (Kind.QUERY, "owner"),
        (Kind.UNIT, "expire"),
        (Kind.INVARIANT, "the_count_is_right"),
    ]
    claim = spec.methods[Kind.CALL, "claim"]
    assert claim.arguments == (("name", TextShape(1, 32)),)
    assert claim.result is None
    assert claim.lane is Lane.MARKET
    assert spec.methods[Kind.CALL, "seize"].lane is Lane.GOVERNANCE
    assert spec.methods[Kind.QUERY, "owner"].lane is None
    assert isinstance(spec.of_kind(Kind.CALL)["seize"].arguments[0][1], TextShape)
    assert not isinstance(spec.of_kind(Kind.CALL)["seize"].result, IntShape)


def host(limit: int = 2**62) -> Host:
    return Host(State(MemoryState(), Meter(WeightTable(), limit)))


def context(signer: bytes, caller: bytes) -> Context:
    return Context(bytes(32), 1, 1, 1, bytes(32), signer, caller, 5, 2, lambda _: True)


ALICE, BOB = bytes(20), bytes([1]) * 20


def test_an_event_enters_each_owners_history_once_and_pays_for_it() -> None:
    alone, two = host(), host()
    Nicknames(alone).claim(context(ALICE, ALICE), "a")
    Nicknames(two).claim(context(ALICE, BOB), "a")
    assert [event.owners for event in alone.events] == [(ALICE,)]
    assert [event.owners for event in two.events] == [(BOB, ALICE)]
    table = WeightTable()
    assert two.state.meter.used - alone.state.meter.used == table.read + table.write


def test_what_is_attempted_and_refused_leaves_no_trace_but_its_weight() -> None:
    shared = host()
    nick, ctx = Nicknames(shared), context(ALICE, ALICE)
    nick.claim(ctx, "a")
    before, events, used = shared.state.changes(), list(shared.events), shared.state.meter.used

    def claim_both() -> None:
        nick.claim(ctx, "b")
        inner = nick.attempt(nick.claim, ctx, "b")
        assert isinstance(inner, Taken)
        assert nick.owner("b") == ALICE, "the inner refusal undoes only what was inside"
        nick.claim(ctx, "a")

    refusal = nick.attempt(claim_both)
    assert isinstance(refusal, Taken)
    assert refusal.values == {"name": "a"}
    assert (shared.state.changes(), shared.events) == (before, events)
    assert shared.state.meter.used > used
    assert nick.attempt(nick.helper) == 1


def test_an_attempt_catches_refusals_only() -> None:
    nick = Nicknames(host(limit=300))
    with pytest.raises(OutOfWeight):
        nick.attempt(nick.claim, context(ALICE, ALICE), "a")
    with pytest.raises(ZeroDivisionError):
        nick.attempt(divmod, 1, 0)


def test_item_ids_differ_by_sender_nonce_call_and_item() -> None:
    ids = [
        Context(bytes(32), 1, 1, 1, bytes(32), signer, BOB, nonce, index, lambda _: True).item_id(i)
        for signer in (ALICE, BOB)
        for nonce in (0, 1, 256)
        for index in (0, 1)
        for i in (0, 1)
    ]
    assert len(ids) == len(set(ids)) == 24


def module_with(**things: object) -> types.ModuleType:
    """Return a module of its own, so that a bad class does not spoil this one's vocabulary."""
    module = types.ModuleType("a_module_of_a_test")
    vars(module).update(things)
    return module


def made(number: int = 0x7D, name: str = "made", doc: str = "A contract.", **body: Any) -> Any:  # noqa: ANN401
    module = module_with()
    sys.modules[module.__name__] = module
    try:
        space = {"__doc__": doc, "__module__": module.__name__, **body}
        return types.new_class(
            "Made", (Contract,), {"name": name, "number": number}, lambda ns: ns.update(space)
        )
    finally:
        del sys.modules[module.__name__]


def method_without_doc(self: object, ctx: Context) -> None: ...
def method_without_context(self: object) -> None:
    """Lack the context."""


def method_with_context(self: object, ctx: Context) -> None:
    """Have a context."""


def method_untyped(self: object, ctx: Context, x) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Lack a type."""


def method_unbounded(self: object, ctx: Context, x: int) -> None:
    """Lack bounds."""


def invariant_with_argument(self: object, x: Uint) -> bool:
    """Take something."""
    return True


def invariant_without_bool(self: object) -> None:
    """Say nothing."""


def a_call_with_a_name_of_more_than_32(self: object, ctx: Context) -> None:
    """Have a name that does not travel."""


@pytest.mark.parametrize(
    ("mark", "method", "message"),
    [
        (call, method_without_doc, "needs a docstring"),
        (call, method_without_context, "takes a context"),
        (unit, method_without_context, "takes a context"),
        (query, method_with_context, "takes no context"),
        (genesis, method_with_context, "takes no context"),
        (invariant, method_with_context, "takes no context"),
        (call, method_untyped, "x has no type"),
        (call, method_unbounded, "needs a Range"),
        (invariant, invariant_with_argument, "takes nothing and returns bool"),
        (invariant, invariant_without_bool, "takes nothing and returns bool"),
        (call, a_call_with_a_name_of_more_than_32, "at most 32"),
    ],
)
def test_a_method_that_cannot_be_called_safely_is_refused(
    mark: Callable[[Any], Any], method: Callable[..., Any], message: str
) -> None:
    copy = types.FunctionType(method.__code__, method.__globals__, method.__name__)
    copy.__annotations__, copy.__doc__ = method.__annotations__, method.__doc__
    with pytest.raises(TypeError, match=message):
        made(method=mark(copy))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"number": 0}, "outside 1 … 254"),
        ({"number": 255}, "outside 1 … 254"),
        ({"name": "not a name"}, "not an ASCII identifier"),
        ({"name": "nämë"}, "not an ASCII identifier"),
        ({"name": "n" * 33}, "not an ASCII identifier"),
        ({"doc": ""}, "needs a docstring"),
        ({"table": Cell[Uint](id=0x7E01, default=0)}, "is not of contract 0x7d"),
        ({"number": -1}, "outside 1 … 254"),
        (
            {"a": Cell[Uint](id=0x7D01, default=0), "b": Cell[Uint](id=0x7D01, default=0)},
            "id 0x7d01 is taken",
        ),
        (
            {
                "a": vars(Nicknames)["set_up"],
                "b": vars(Nicknames)["set_up"],
            },
            "more than one genesis",
        ),
    ],
)
def test_a_contract_that_cannot_be_registered_is_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        made(**arguments)


def vocabulary_of(**things: type) -> None:
    module = module_with(**things)
    for thing in things.values():
        thing.__module__ = module.__name__
    types.new_class(
        "Made",
        (Contract,),
        {"name": "made", "number": 0x7D, "vocabulary": (module,)},
        lambda ns: ns.update({"__doc__": "A contract.", "__module__": "sys"}),
    )


def rejects(code: object, doc: str | None = "It happened.") -> type[Reject]:
    body = {"__doc__": doc} if code is None else {"__doc__": doc, "code": code}
    return type("Refusal", (Reject,), body)


@pytest.mark.parametrize("code", [None, 0, 256, True, "1"])
def test_a_refusal_needs_a_code_of_one_byte(code: object) -> None:
    with pytest.raises(TypeError, match="needs a docstring and a code"):
        vocabulary_of(a=rejects(code))


def test_refusals_need_words_and_codes_of_their_own() -> None:
    with pytest.raises(TypeError, match="needs a docstring"):
        vocabulary_of(a=rejects(1, doc=None))
    with pytest.raises(TypeError, match="code 1 of Refusal is taken"):
        vocabulary_of(a=rejects(1), b=rejects(1))
    vocabulary_of(a=rejects(1), b=rejects(255))


def event(owners: tuple[str, ...] = (), doc: str | None = "It happened.") -> type[Event]:
    body = {"__doc__": doc, "__annotations__": {"who": Address, "size": Uint}}
    return types.new_class("Happened", (Event,), {"owners": owners}, lambda ns: ns.update(body))


def test_events_need_words_and_names_of_their_own() -> None:
    with pytest.raises(TypeError, match="needs a docstring"):
        event(doc=None)
    with pytest.raises(TypeError, match="two events Happened"):
        vocabulary_of(a=event(), b=event())


@pytest.mark.parametrize("owner", ["size", "nobody"])
def test_only_fields_with_addresses_own_an_event(owner: str) -> None:
    with pytest.raises(TypeError, match=f"owner {owner} is not a field that holds an address"):
        event(("who", owner))


def test_contracts_of_a_chain_share_no_name_number_or_refusal() -> None:
    other = made(number=0x7C)
    assert Catalogue.of((Nicknames, other)).specs == (Nicknames.spec, other.spec)
    for twin in (Nicknames, made(number=0x7C, name="nick"), made(number=0x7E, name="other")):
        with pytest.raises(TypeError, match="share a name or a number"):
            Catalogue.of((Nicknames, twin))
    other.spec.rejects[1] = Taken
    with pytest.raises(TypeError, match="Taken of made already belongs"):
        Catalogue.of((Nicknames, other))


def test_a_catalogue_finds_calls_and_refusals() -> None:
    catalogue = Catalogue.of((Nicknames,))
    assert catalogue.call("nick", "claim").name == "claim"
    with pytest.raises(UnknownContract) as unknown:
        catalogue.call("nobody", "claim")
    assert unknown.value.values == {"contract": "nobody"}
    for not_a_call in ("owner", "expire", "set_up", "helper", "owner_of", "__init__", "spec"):
        with pytest.raises(UnknownMethod):
            catalogue.call("nick", not_a_call)
    assert catalogue.code_by_reject[Taken] == 0x7E01
    assert catalogue.reject_by_code[0x7E01] is Taken
    assert catalogue.code_by_reject[BadArguments] == 1
    assert (Taken.receipt_code(), BadArguments.receipt_code()) == (0x7E01, 1)


@pytest.mark.parametrize("domain", ["TRANSACTION", "PREVOTE", "READINGS", ""])
def test_nobody_can_be_asked_to_sign_a_claim_as_something_else(domain: str) -> None:
    body = {
        "__doc__": "A claim.",
        "__annotations__": {"public_key": PublicKey, "signature": Signature, "domain": ClassVar},
        "domain": domain,
    }
    claim = types.new_class("Trap", (Claim,), {}, lambda ns: ns.update(body))
    with pytest.raises(TypeError, match="claim Trap: domain"):
        record(version=1)(claim)
