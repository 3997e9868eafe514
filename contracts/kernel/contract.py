"""The contract base class: a class is its own manifest.

```python
class Nicknames(Contract, name="nick", number=0x7F):
    owner_of = Map[Text32, Address | None](id=0x7F01, default=None)

    @call
    def claim(self, ctx: Context, name: Text32) -> None: ...
```

- `@call`      a transaction may call it; the arguments are checked before the body runs
- `@query`     reads only; a node answers it from a published version
- `@unit`      due work, called by the schedule alone
- `@genesis`   runs once, in block 0, with the contract's section of the genesis
- `@invariant` what must hold between any two transactions; run by tests and auditors

A contract never imports another. It states the narrow `Protocol` it needs and takes it in its
constructor; `contracts/registry.py` wires them. Undecorated methods are for other contracts.
"""

import enum
import inspect
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from contracts.kernel.context import Context
from contracts.kernel.errors import Reject
from contracts.kernel.event import Event
from contracts.kernel.host import Host
from contracts.kernel.shape import Shape, shape_of
from contracts.kernel.storage import Table

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Lane(enum.IntEnum):
    """Where a transaction waits in the mempool; each lane has a share that others cannot take."""

    GOVERNANCE = 0
    METERING = 1
    MARKET = 2
    OTHER = 3


class Kind(enum.Enum):
    """What a decorated method is."""

    CALL = "call"
    QUERY = "query"
    UNIT = "unit"
    GENESIS = "genesis"
    INVARIANT = "invariant"


@dataclass(frozen=True, slots=True)
class Method:
    """A decorated method: its name, its arguments' shapes, and what it returns."""

    name: str
    kind: Kind
    function: Callable[..., Any]
    takes_context: bool
    arguments: tuple[tuple[str, Shape], ...]
    result: Shape | None
    lane: Lane | None
    doc: str
    has_claims: bool


@dataclass(frozen=True)
class ContractSpec:
    """All that a contract class says of itself."""

    name: str
    number: int
    doc: str
    lane: Lane
    tables: dict[str, Table] = field(default_factory=dict)
    methods: dict[tuple[Kind, str], Method] = field(default_factory=dict)
    rejects: dict[int, type[Reject]] = field(default_factory=dict)
    events: dict[str, type[Event]] = field(default_factory=dict)

    def of_kind(self, kind: Kind) -> dict[str, Method]:
        """Return the methods of one kind by name, in the order of the class."""
        return {name: m for (k, name), m in self.methods.items() if k is kind}


class Contract:
    """Base of every system contract."""

    spec: ClassVar[ContractSpec]

    def __init_subclass__(
        cls,
        *,
        name: str,
        number: int,
        lane: Lane = Lane.OTHER,
        vocabulary: tuple[types.ModuleType, ...] = (),
    ) -> None:
        """Read tables, methods, refusals and events off the class.

        `number` is permanent and the high byte of the contract's table ids and refusal codes.
        Refusals and events are those defined in the contract's module and in `vocabulary`.
        """
        super().__init_subclass__()
        spec = ContractSpec(name, number, inspect.cleandoc(cls.__doc__ or ""), lane)
        for attribute, value in vars(cls).items():
            if isinstance(value, Table):
                if value.id >> 8 != number:
                    msg = f"{name}.{attribute}: table id {value.id:#06x} is not of {number:#04x}"
                    raise TypeError(msg)
                spec.tables[attribute] = value
            elif hasattr(value, "contract_method"):
                method = _read_method(attribute, value)
                spec.methods[method.kind, attribute] = method
        for module in (sys.modules[cls.__module__], *vocabulary):
            _read_vocabulary(spec, module)
        cls.spec = spec

    def __init__(self, host: Host) -> None:
        """Bind the tables to the host's state."""
        self._host = host
        for name, table in self.spec.tables.items():
            setattr(self, name, table.bind(host.state))

    def emit(self, event: Event) -> None:
        """Add an event to the receipt."""
        self._host.emit(self.spec.name, event)

    def charge_steps(self, count: int) -> None:
        """Charge `count` turns of a loop that touches no storage, before it runs."""
        self._host.state.meter.charge_steps(count)

    def attempt(self, action: Callable[..., T], *arguments: Any) -> T | Reject:  # noqa: ANN401
        """Run `action` in an overlay of its own; a `Reject` undoes it and is returned."""
        mark = self._host.mark()
        try:
            return action(*arguments)
        except Reject as reject:
            self._host.undo(mark)
            return reject


def call(function: F | None = None, *, lane: Lane | None = None) -> Any:  # noqa: ANN401
    """Mark a method that transactions may call; `lane` overrides the contract's."""
    if function is None:
        return lambda inner: call(inner, lane=lane)
    function.contract_lane = lane  # type: ignore[attr-defined]
    return _marked(function, Kind.CALL)


def query(function: F) -> F:
    """Mark a method that only reads."""
    return _marked(function, Kind.QUERY)


def unit(function: F) -> F:
    """Mark a method that the schedule calls when it is due."""
    return _marked(function, Kind.UNIT)


def genesis(function: F) -> F:
    """Mark the method that sets the contract up in block 0."""
    return _marked(function, Kind.GENESIS)


def invariant(function: F) -> F:
    """Mark a method that says whether something that must always hold does hold."""
    return _marked(function, Kind.INVARIANT)


def _marked(function: F, kind: Kind) -> F:
    function.contract_method = kind  # type: ignore[attr-defined]
    return function


def _read_method(name: str, function: Callable[..., Any]) -> Method:
    kind: Kind = function.contract_method  # type: ignore[attr-defined]
    if not function.__doc__:
        msg = f"{kind.value} {name} needs a docstring: it is the manifest"
        raise TypeError(msg)
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters)[1:]
    takes_context = bool(parameters) and hints.get(parameters[0]) is Context
    names = parameters[1:] if takes_context else parameters
    result = hints.get("return", type(None))
    if kind is Kind.INVARIANT and (names or result is not bool):
        msg = f"invariant {name} takes nothing and returns bool"
        raise TypeError(msg)
    arguments = tuple((n, shape_of(hints[n])) for n in names)
    return Method(
        name=name,
        kind=kind,
        function=function,
        takes_context=takes_context,
        arguments=arguments,
        result=None if result is type(None) else shape_of(result),
        lane=getattr(function, "contract_lane", None),
        doc=inspect.cleandoc(function.__doc__ or ""),
        has_claims=any(shape.has_claims for _, shape in arguments),
    )


def _read_vocabulary(spec: ContractSpec, module: types.ModuleType) -> None:
    for value in vars(module).values():
        if not isinstance(value, type) or value.__module__ != module.__name__:
            continue
        if issubclass(value, Reject):
            if not 1 <= value.code <= 255 or value.code in spec.rejects:  # noqa: PLR2004 - one byte
                msg = f"{spec.name}: code {value.code} of {value.__name__} is taken or out of range"
                raise TypeError(msg)
            spec.rejects[value.code] = value
        elif issubclass(value, Event):
            spec.events[value.__name__] = value
