"""What the arrears contract says: its refusal and its events."""

from contracts.kernel import Event, Reject
from contracts.kernel.types import U16, U32, Address, Uthb


class InArrears(Reject):
    """The participant owes more than may be owed while trading or transferring.

    Credit to any of its accounts pays `owed_uthb` first; down to `limit_uthb` all is open again.
    """

    code = 1


class ArrearsRaised(Event):
    """A participant owes the grid account of its zone what it could not be charged for."""

    participant: U32
    zone: U16
    amount_uthb: Uthb
    owed_uthb: Uthb


class ArrearsPaid(Event, owners=("account", "grid_account")):
    """Credit to an account paid what its participant owes."""

    account: Address
    grid_account: Address
    participant: U32
    amount_uthb: Uthb
    owed_uthb: Uthb
