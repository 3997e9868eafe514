"""Events: what happened, for receipts, indexes and auditors."""

import dataclasses
from typing import Any, ClassVar, dataclass_transform

from contracts.kernel.record import Record, RecordShape
from contracts.kernel.shape import BytesShape


@dataclass_transform(frozen_default=True)
class Event(Record):
    """Base of a contract's events; a subclass with annotated fields is complete by itself.

    On the wire: `[1, contract name, event name, [1, field, …]]`. `class Paid(Event,
    owners=("payer", "payee"))` names the address fields whose accounts' histories the event enters:
    each account's count and hash-chain head are in state, so a history is provably complete.
    """

    owner_fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, owners: tuple[str, ...] = (), **kwargs: Any) -> None:  # noqa: ANN401
        """Make a frozen dataclass and read its annotations."""
        super().__init_subclass__(**kwargs)
        if not cls.__doc__:
            msg = f"event {cls.__name__} needs a docstring"
            raise TypeError(msg)
        dataclasses.dataclass(frozen=True)(cls)
        cls.owner_fields = owners
        cls.shape = RecordShape(cls, 1)
        shapes = dict(zip(cls.shape.names, cls.shape.fields, strict=True))
        for owner in owners:
            shape = shapes.get(owner)
            if not isinstance(shape, BytesShape) or shape.unit != "address":
                msg = f"event {cls.__name__}: owner {owner} is not a field that holds an address"
                raise TypeError(msg)

    def owners(self) -> tuple[bytes, ...]:
        """Return the accounts whose histories this event enters, each once."""
        names = self.owner_fields
        if len(names) == 1:
            return (getattr(self, names[0]),)
        return tuple(dict.fromkeys([getattr(self, name) for name in names]))
