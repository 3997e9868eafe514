"""The shared kernel: codec, numbers, storage, the contract base class, the market clock."""

from contracts.kernel.codec import CodecError, MalformedError, UnencodableError, Value
from contracts.kernel.context import Context
from contracts.kernel.contract import (
    Contract,
    ContractSpec,
    Kind,
    Lane,
    Method,
    call,
    genesis,
    invariant,
    query,
    unit,
)
from contracts.kernel.crypto import address_of, is_registrable_key, sha256
from contracts.kernel.errors import NotPermitted, OutOfWeight, Reject
from contracts.kernel.event import Event
from contracts.kernel.host import Host, Scheduler
from contracts.kernel.record import Claim, Record, record
from contracts.kernel.shape import BadValueError, Items, Range, Size, Unit
from contracts.kernel.storage import Cell, Map

__all__ = [
    "BadValueError",
    "Cell",
    "Claim",
    "CodecError",
    "Context",
    "Contract",
    "ContractSpec",
    "Event",
    "Host",
    "Items",
    "Kind",
    "Lane",
    "MalformedError",
    "Map",
    "Method",
    "NotPermitted",
    "OutOfWeight",
    "Range",
    "Record",
    "Reject",
    "Scheduler",
    "Size",
    "UnencodableError",
    "Unit",
    "Value",
    "address_of",
    "call",
    "genesis",
    "invariant",
    "is_registrable_key",
    "query",
    "record",
    "sha256",
    "unit",
]
