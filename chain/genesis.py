"""Genesis: what a chain begins with, its id, and block 0.

The genesis is one record: a name, a time, whether it is a devnet, and each contract's section by
name. `chain_id` is the SHA-256 of its canonical encoding, so that two nodes with any difference in
their genesis are on different chains. `genesis.json` is its form for people. (PROTOCOL §1, §2.)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from chain.block import ZERO_ADDRESS, ZERO_HASH, Body, Header
from chain.execution.executor import UNLIMITED
from chain.json_form import from_json
from chain.merkle import EMPTY_ROOT
from chain.mmr import Mmr
from chain.validators import Validator, ValidatorSet
from contracts.governance.parameters import ChainParameters
from contracts.kernel import BadValueError, CodecError, Kind, Method, Value, codec, sha256
from contracts.kernel.clock import ClockMode
from contracts.kernel.host import Host
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.shape import shape_of
from contracts.kernel.state import Reader, State
from contracts.kernel.types import Text64, TimeMs
from contracts.registry import CATALOGUE, Registry

GENESIS_VERSION: Final = 1
GENESIS_BYTES_MAX: Final = 64 * 2**20
SENTINEL_KEY: Final = b"\0\0"
SENTINEL_VALUE: Final = b"\0"

_NAME: Final = shape_of(Text64)
_TIME: Final = shape_of(TimeMs)


class InvalidGenesisError(ValueError):
    """The genesis cannot begin a chain; says which part and why."""


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
            msg = f"genesis: {error}"
            raise InvalidGenesisError(msg) from error
        match value:
            case [int(version), str(name), int(time_ms), bool(devnet), dict(sections)] if (
                version == GENESIS_VERSION
            ):
                return cls(name, time_ms, devnet, _sections(sections, lambda _, v: v))
        msg = f"genesis is not [{GENESIS_VERSION}, name, time_ms, devnet, sections]"
        raise InvalidGenesisError(msg)

    @classmethod
    def from_json(cls, text: str) -> "Genesis":
        """Read `genesis.json`; raises `InvalidGenesisError` with the path to the fault."""
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            msg = f"genesis is not JSON: {error}"
            raise InvalidGenesisError(msg) from error
        if not isinstance(value, dict) or sorted(value) != [
            "contracts",
            "devnet",
            "name",
            "time_ms",
        ]:
            msg = "genesis is an object with name, time_ms, devnet and contracts"
            raise InvalidGenesisError(msg)
        try:
            name, time_ms = _NAME.from_wire(value["name"]), _TIME.from_wire(value["time_ms"])
        except BadValueError as error:
            msg = f"genesis: {error}"
            raise InvalidGenesisError(msg) from error
        sections = _sections(value["contracts"], from_json)
        return cls(name, time_ms, value["devnet"] is True, sections)


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
    host = Host(state)
    registry = Registry(host)
    state.put(SENTINEL_KEY, SENTINEL_VALUE)
    for contract in registry.contracts:
        section = genesis.sections.get(contract.spec.name)
        methods = list(contract.spec.of_kind(Kind.GENESIS).values())
        if section is None or not methods:
            continue
        try:
            typed = [shape.from_wire(section[name]) for name, shape in methods[0].arguments]
            methods[0].function(contract, *typed)
        except (BadValueError, ValueError) as error:
            msg = f"genesis of {contract.spec.name}: {error}"
            raise InvalidGenesisError(msg) from error
    if registry.clock.market_mode() is ClockMode.DRIVEN and not genesis.devnet:
        msg = "a driven clock is for devnets only: set devnet, or mode header"
        raise InvalidGenesisError(msg)
    members = [Validator(*member) for member in registry.authorities.validators()]
    return GenesisState(
        tuple(state.changes()), ValidatorSet.of(members), registry.parameters.in_force()
    )


EMPTY_BODY: Final = Body(None, (), ())


def _sections(value: Any, convert: Any) -> dict[str, dict[str, Value]]:  # noqa: ANN401
    """Check that every section is of a known contract with exactly its arguments."""
    methods: dict[str, Method] = {
        spec.name: method
        for spec in CATALOGUE.specs
        for method in spec.of_kind(Kind.GENESIS).values()
    }
    if not isinstance(value, dict) or sorted(value) != sorted(methods):
        given = sorted(value) if isinstance(value, dict) else type(value).__name__
        msg = f"genesis has sections {given} instead of {sorted(methods)}"
        raise InvalidGenesisError(msg)
    out: dict[str, dict[str, Value]] = {}
    for name in sorted(methods):
        section, arguments = value[name], methods[name].arguments
        names = sorted(argument for argument, _ in arguments)
        if not isinstance(section, dict) or sorted(section) != names:
            msg = f"genesis of {name} needs exactly {', '.join(names)}"
            raise InvalidGenesisError(msg)
        out[name] = {}
        for argument, shape in arguments:
            try:
                out[name][argument] = convert(shape, section[argument])
            except BadValueError as error:
                msg = f"genesis of {name}: {error.under(argument)}"
                raise InvalidGenesisError(msg) from error
    return out
