"""Making frozen objects quickly.

A frozen dataclass takes a call to set each field, which for one of nine fields is most of what
reading it from the state costs. `maker` sets the fields in an open twin of the same layout instead,
which then becomes the frozen class.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def maker(cls: type[T]) -> Callable[..., T]:
    """Return what makes an instance of its fields in their order, all of them given.

    For a class that is no slotted dataclass by itself, that is the class.
    """
    inherits = any(dataclasses.is_dataclass(base) for base in cls.__bases__)
    if inherits or "__slots__" not in vars(cls) or "__dict__" in dir(cls):
        return cls
    fields = [(field.name, field.type) for field in dataclasses.fields(cls)]
    twin = dataclasses.make_dataclass(cls.__name__, fields, bases=cls.__bases__, slots=True)

    def make(*values: Any) -> T:  # noqa: ANN401 - whatever the fields hold
        one: Any = twin(*values)
        one.__class__ = cls
        made: T = one
        return made

    return make
