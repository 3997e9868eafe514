"""The contract base class: a class is its own manifest.

```python
class Nicknames(Contract, name="nick", number=0x7F):
    owner_of = Map[Text32, Address | None](id=0x7F01, default=None)

    @call
    def claim(self, ctx: Context, name: Text32) -> None: ...
```

- `@call`      a transaction may call it; arguments after the context are checked before it runs
- `@query`     reads only; a node answers it from a published version
- `@unit`      due work, called by the schedule alone; takes a context, as calls do
- `@genesis`   runs once, in block 0, with the contract's section of the genesis
- `@invariant` what must hold between any two transactions; run by tests and auditors

A contract never imports another. It states the narrow `Protocol` it needs and takes it in its
constructor; `contracts/registry.py` wires them. Undecorated methods are for other contracts.
"""

import enum
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeVar

from contracts.kernel.context import Context
from contracts.kernel.errors import Reject
from contracts.kernel.event import Event
from contracts.kernel.host import Host
from contracts.kernel.shape import Shape, shape_of
from contracts.kernel.storage import Table

NAME_BYTES_MAX: Final = 32  # as `Text32`, in which names travel
NUMBER_MAX: Final = 0xFE  # no key comes after all keys that begin with ff bytes
REJECT_CODE_MAX: Final = 0xFF

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


_WITH_CONTEXT: Final = (Kind.CALL, Kind.UNIT)
_NAMED_OUTSIDE: Final = (Kind.CALL, Kind.QUERY, Kind.UNIT)


@dataclass(frozen=True, slots=True)
class Method:
    """A decorated method: its name, its arguments' shapes, what it returns, a call's lane."""

    name: str
    kind: Kind
    function: Callable[..., Any]
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
        if not _is_name(name):
            msg = f"{name!r} is not an ASCII identifier of at most {NAME_BYTES_MAX} characters"
            raise TypeError(msg)
        if not 1 <= number <= NUMBER_MAX:
            msg = f"{name}: contract number {number} is outside 1 … {NUMBER_MAX}"
            raise TypeError(msg)
        if not cls.__doc__:
            msg = f"contract {name} needs a docstring: it is the manifest"
            raise TypeError(msg)
        spec = ContractSpec(name, number, inspect.cleandoc(cls.__doc__), lane)
        for attribute, value in vars(cls).items():
            if isinstance(value, Table):
                _read_table(spec, attribute, value)
            elif hasattr(value, "contract_method"):
                method = _read_method(f"{name}.{attribute}", value, lane)
                spec.methods[method.kind, attribute] = method
        if len(spec.of_kind(Kind.GENESIS)) > 1:
            msg = f"{name} has more than one genesis method"
            raise TypeError(msg)
        for module in (_module_of(cls), *vocabulary):
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


@typing.overload
def call(function: F) -> F: ...
@typing.overload
def call(*, lane: Lane) -> Callable[[F], F]: ...
def call(function: F | None = None, *, lane: Lane | None = None) -> F | Callable[[F], F]:
    """Mark a method that transactions may call; `lane` overrides the contract's."""

    def mark(inner: F) -> F:
        inner.contract_lane = lane  # type: ignore[attr-defined]  # read when the class is made
        return _marked(inner, Kind.CALL)

    return mark if function is None else mark(function)


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
    function.contract_method = kind  # type: ignore[attr-defined]  # read when the class is made
    return function


def _is_name(name: str) -> bool:
    return name.isidentifier() and name.isascii() and len(name) <= NAME_BYTES_MAX


def _read_table(spec: ContractSpec, attribute: str, table: Table) -> None:
    name = f"{spec.name}.{attribute}"
    if table.id >> 8 != spec.number:
        msg = f"{name}: table id {table.id:#06x} is not of contract {spec.number:#04x}"
        raise TypeError(msg)
    if any(other.id == table.id for other in spec.tables.values()):
        msg = f"{name}: table id {table.id:#06x} is taken"
        raise TypeError(msg)
    table.read_types(name)
    spec.tables[attribute] = table


def _module_of(cls: type[Contract]) -> types.ModuleType:
    module = inspect.getmodule(cls)
    assert module is not None, f"{cls.__name__} is defined in no module"
    return module


def _read_method(name: str, function: Callable[..., Any], lane: Lane) -> Method:
    kind: Kind = function.contract_method  # type: ignore[attr-defined]  # set by the decorator
    if not function.__doc__:
        msg = f"{kind.value} {name} needs a docstring: it is the manifest"
        raise TypeError(msg)
    if kind in _NAMED_OUTSIDE and not _is_name(function.__name__):
        msg = f"{kind.value} {name} is not ASCII of at most {NAME_BYTES_MAX} characters"
        raise TypeError(msg)
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters)[1:]
    takes_context = bool(parameters) and hints.get(parameters[0]) is Context
    if takes_context is not (kind in _WITH_CONTEXT):
        msg = f"{kind.value} {name} takes {'a' if kind in _WITH_CONTEXT else 'no'} context"
        raise TypeError(msg)
    names = parameters[1:] if takes_context else parameters
    untyped = [n for n in names if n not in hints]
    if untyped:
        msg = f"{name}: {', '.join(untyped)} has no type to check it by"
        raise TypeError(msg)
    result = hints.get("return", type(None))
    if kind is Kind.INVARIANT and (names or result is not bool):
        msg = f"invariant {name} takes nothing and returns bool"
        raise TypeError(msg)
    arguments = tuple((n, shape_of(hints[n])) for n in names)
    return Method(
        name=function.__name__,
        kind=kind,
        function=function,
        arguments=arguments,
        result=None if result is type(None) else shape_of(result),
        lane=_lane_of(function, lane) if kind is Kind.CALL else None,
        doc=inspect.cleandoc(function.__doc__),
        has_claims=any(shape.has_claims for _, shape in arguments),
    )


def _lane_of(function: Callable[..., Any], lane: Lane) -> Lane:
    own: Lane | None = getattr(function, "contract_lane", None)
    return lane if own is None else own


def _read_vocabulary(spec: ContractSpec, module: types.ModuleType) -> None:
    for value in vars(module).values():
        if not isinstance(value, type) or value.__module__ != module.__name__:
            continue
        if issubclass(value, Reject):
            _read_reject(spec, value)
        elif issubclass(value, Event):
            _read_event(spec, value)


def _read_event(spec: ContractSpec, event: type[Event]) -> None:
    if spec.events.setdefault(event.__name__, event) is not event:
        msg = f"{spec.name} has two events {event.__name__}"
        raise TypeError(msg)


def _read_reject(spec: ContractSpec, reject: type[Reject]) -> None:
    code = vars(reject).get("code")
    if type(code) is not int or not 1 <= code <= REJECT_CODE_MAX or not reject.__doc__:
        msg = f"{spec.name}: {reject.__name__} needs a docstring and a code 1 … {REJECT_CODE_MAX}"
        raise TypeError(msg)
    if spec.rejects.setdefault(code, reject) is not reject:
        msg = f"{spec.name}: code {code} of {reject.__name__} is taken"
        raise TypeError(msg)
    reject.contract_number = spec.number
