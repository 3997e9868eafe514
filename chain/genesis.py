"""Genesis: what a chain begins with, its id, and block 0.

The genesis is one record: a name, a time, whether it is a devnet, and each contract's section by
name. `chain_id` is the SHA-256 of its canonical encoding, so that two nodes with any difference in
their genesis are on different chains. `genesis.json` is its form for people. (PROTOCOL §1, §2.)
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NoReturn

from chain.block import ZERO_ADDRESS, ZERO_HASH, Body, Header
from chain.execution.executor import UNLIMITED
from chain.json_form import from_json, to_json
from chain.merkle import EMPTY_ROOT
from chain.mmr import Mmr
from chain.validators import Validator, ValidatorSet
from contracts.governance.parameters import ChainParameters
from contracts.kernel import (
    BadValueError,
    CodecError,
    Kind,
    Method,
    Reject,
    Value,
    codec,
    sha256,
)
from contracts.kernel.clock import ClockMode
from contracts.kernel.host import Host
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.shape import Shape, shape_of
from contracts.kernel.state import Reader, State
from contracts.kernel.types import Text64, TimeMs
from contracts.registry import CATALOGUE, Registry

GENESIS_VERSION: Final = 1
GENESIS_BYTES_MAX: Final = 64 * 2**20
GENESIS_JSON_MAX: Final = 256 * 2**20
SENTINEL_KEY: Final = b"\0\0"
SENTINEL_VALUE: Final = b"\0"

_CONTRACTS: Final = "contracts"
_PARTS: Final = ("name", "time_ms", "devnet", _CONTRACTS)
_NAME: Final = shape_of(Text64)
_TIME: Final = shape_of(TimeMs)
_DEVNET: Final = shape_of(bool)
EMPTY_BODY: Final = Body(None, (), ())

# Makes a wire value of a shape, or raises `BadValueError`.
Convert = Callable[[Shape, Any], Value]


class InvalidGenesisError(ValueError):
    """The genesis cannot begin a chain; says where the fault is and what it is."""


@dataclass(frozen=True)
class Genesis:
    """What a chain begins with; `sections` holds each contract's arguments by name, plain."""

    name: str
    time_ms: int
    devnet: bool
    sections: Mapping[str, Mapping[str, Value]]

    @cached_property
    def encoded(self) -> bytes:
        """Return the canonical bytes."""
        sections: dict[str, Value] = {k: dict(v) for k, v in self.sections.items()}
        return codec.encode([GENESIS_VERSION, self.name, self.time_ms, self.devnet, sections])

    @cached_property
    def chain_id(self) -> bytes:
        """Return what names the chain in everything signed."""
        return sha256(self.encoded)

    @classmethod
    def decode(cls, data: bytes) -> "Genesis":
        """Decode canonical bytes; raises `InvalidGenesisError`."""
        try:
            value = codec.decode(data, size_max=GENESIS_BYTES_MAX)
        except CodecError as error:
            raise InvalidGenesisError(f"genesis: {error}") from error
        if (
            type(value) is not list
            or len(value) != 1 + len(_PARTS)
            or type(value[0]) is not int
            or value[0] != GENESIS_VERSION
        ):
            raise InvalidGenesisError(f"genesis: not [{GENESIS_VERSION}, {', '.join(_PARTS)}]")
        return cls._read(dict(zip(_PARTS, value[1:], strict=True)), _from_wire)

    @classmethod
    def from_json(cls, text: str) -> "Genesis":
        """Read `genesis.json`; raises `InvalidGenesisError` with the path to the fault."""
        if len(text) > GENESIS_JSON_MAX:
            raise InvalidGenesisError(f"genesis: more than {GENESIS_JSON_MAX} characters")
        try:
            value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise InvalidGenesisError(f"genesis: not JSON: {error}") from error
        return cls._read(value, from_json)

    def to_json(self) -> str:
        """Return the genesis for people; `from_json` gives it back."""
        sections: dict[str, Any] = {}
        for contract, method in _genesis_methods().items():
            given = self.sections[contract]
            sections[contract] = {name: to_json(s, given[name]) for name, s in method.arguments}
        whole = {"name": self.name, "time_ms": self.time_ms, "devnet": self.devnet}
        return json.dumps(whole | {_CONTRACTS: sections}, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def _read(cls, value: Any, convert: Convert) -> "Genesis":  # noqa: ANN401 - from outside
        try:
            parts = _parts(value, _PARTS)
            name = _at("name", convert, _NAME, parts["name"])
            time_ms = _at("time_ms", convert, _TIME, parts["time_ms"])
            devnet = _at("devnet", convert, _DEVNET, parts["devnet"])
            sections = _at(_CONTRACTS, _sections, parts[_CONTRACTS], convert)
        except BadValueError as error:
            raise InvalidGenesisError(f"genesis: {error}") from error
        return cls(name, time_ms, devnet, sections)


@dataclass(frozen=True)
class GenesisState:
    """What the contracts' genesis set up."""

    changes: tuple[tuple[bytes, bytes | None], ...]
    validators: ValidatorSet
    parameters: ChainParameters

    def header(self, genesis: Genesis, state_root: bytes) -> Header:
        """Return header 0."""
        return Header(
            chain_id=genesis.chain_id,
            height=0,
            time_ms=genesis.time_ms,
            parent_hash=ZERO_HASH,
            parent_certificate_hash=ZERO_HASH,
            proposer=ZERO_ADDRESS,
            txs_root=EMPTY_ROOT,
            receipts_root=EMPTY_ROOT,
            state_root=state_root,
            history_root=Mmr().history_root,
            evidence_root=EMPTY_ROOT,
            validators_hash=self.validators.hash,
            next_validators_hash=self.validators.hash,
            params_hash=self.parameters.hash,
        )


def run_genesis(genesis: Genesis, empty: Reader) -> GenesisState:
    """Run every contract's `@genesis` over an empty state; raises `InvalidGenesisError`."""
    state = State(empty, Meter(WeightTable(), UNLIMITED))
    registry = Registry(Host(state))
    state.put(SENTINEL_KEY, SENTINEL_VALUE)
    for name, method in _genesis_methods().items():
        try:
            section = _parts(genesis.sections.get(name), [n for n, _ in method.arguments])
            typed = [_at(n, shape.from_wire, section[n]) for n, shape in method.arguments]
            method.function(registry.by_name[name], *typed)
        except (Reject, ValueError) as error:
            raise InvalidGenesisError(f"genesis: {_CONTRACTS}.{name}: {error}") from error
    if registry.clock.market_mode() is ClockMode.DRIVEN and not genesis.devnet:
        raise InvalidGenesisError(
            f"genesis: {_CONTRACTS}.clock.mode: a driven clock is for devnets only"
        )
    members = [Validator(*member) for member in registry.authorities.validators()]
    return GenesisState(
        tuple(state.changes()), ValidatorSet.of(members), registry.parameters.in_force()
    )


def _genesis_methods() -> dict[str, Method]:
    """Return the method of each contract that has a section, in the order of the contracts."""
    return {
        spec.name: method
        for spec in CATALOGUE.specs
        for method in spec.of_kind(Kind.GENESIS).values()
    }


def _parts(value: Any, names: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401 - from outside
    """Check that a map has exactly these keys."""
    if not isinstance(value, Mapping):
        raise BadValueError(f"not an object with {', '.join(names)}")
    missing = [name for name in names if name not in value]
    unknown = [name for name in value if name not in names]
    if missing:
        raise BadValueError(f"no {', '.join(missing)}")
    if unknown:
        raise BadValueError(f"unknown {unknown[0]!r:.40}; known are {', '.join(names)}")
    return dict(value)


def _at(name: str, convert: Callable[..., Any], *arguments: Any) -> Any:  # noqa: ANN401 - as `convert`
    """Convert; a fault carries the name of the part."""
    try:
        return convert(*arguments)
    except BadValueError as error:
        raise error.under(name) from None


def _sections(value: Any, convert: Convert) -> dict[str, dict[str, Value]]:  # noqa: ANN401 - from outside
    """Check that every section is of a known contract with exactly its arguments."""
    methods = _genesis_methods()
    given = _parts(value, list(methods))
    return {
        name: _at(name, _section, method, given[name], convert) for name, method in methods.items()
    }


def _section(method: Method, value: Any, convert: Convert) -> dict[str, Value]:  # noqa: ANN401 - from outside
    given = _parts(value, [name for name, _ in method.arguments])
    return {name: _at(name, convert, shape, given[name]) for name, shape in method.arguments}


def _from_wire(shape: Shape, value: Any) -> Value:  # noqa: ANN401 - from outside
    return shape.to_wire(shape.from_wire(value))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice, of which JSON readers keep either."""
    out = dict(pairs)
    if len(out) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r:.40} stands twice in one object")
    return out


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number here")
