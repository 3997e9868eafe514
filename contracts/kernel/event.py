"""Events: what happened, for receipts, indexes and auditors."""

import dataclasses
from typing import Any, ClassVar, dataclass_transform

from contracts.kernel.record import Record, RecordShape


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

    def owners(self) -> tuple[bytes, ...]:
        """Return the accounts whose histories this event enters, each once."""
        if not self.owner_fields:
            return ()
        return tuple(dict.fromkeys(getattr(self, name) for name in self.owner_fields))
