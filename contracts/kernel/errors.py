"""The ways a call can fail, and which of them are outcomes.

Reject            the user's: has a code, values and a hint; part of the result, state undone
OutOfWeight       the weight limit of a call, transaction or unit was reached; state undone
StopExecutionError    execution must end without any outcome
├── StorageError      the database failed: the node stops
└── StopRequestedError    somebody asked this execution to stop: nothing is wrong

Any other exception inside a call is a bug of ours: the transaction is not includable. Bugs of
units move the unit to `failed_work` (`contracts/kernel/schedule.py`). RecursionError and
MemoryError depend on the machine, never on the block, and therefore end the node like StorageError.
"""

from typing import ClassVar, Final

from contracts.kernel.codec import Value


class Reject(Exception):
    """A call is refused; subclasses state the reason in their docstring and a permanent `code`.

    `code` is 1 … 255 within the contract; together with the contract's number it is unique, the
    kernel's own number being 0. The docstring's first line says what happened, the rest (if any)
    what to do: clients show both.
    """

    code: ClassVar[int]
    contract_number: ClassVar[int] = 0  # set when the contract's class is made

    def __init__(self, **values: Value) -> None:
        """Keep the values that explain the refusal; they become part of the receipt."""
        super().__init__(values)
        self.values = values

    @classmethod
    def receipt_code(cls) -> int:
        """Return the code by which receipts, and results of lists, name this refusal."""
        return cls.contract_number << 8 | cls.code


class BadArguments(Reject):
    """The arguments do not fit the method.

    Compare them with the method's signature in the manifest.
    """

    code = 1


class UnknownContract(Reject):
    """There is no contract of this name.

    `contract_manifest` lists the contracts of this chain.
    """

    code = 2


class UnknownMethod(Reject):
    """The contract has no such method.

    `contract_manifest` lists the methods of each contract.
    """

    code = 3


class NotPermitted(Reject):
    """The caller does not have the role that this method needs.

    Send it from an account that has the role, or name such an owner who gave a mandate.
    """

    code = 4


KERNEL_REJECTS: Final = (BadArguments, UnknownContract, UnknownMethod, NotPermitted)


class OutOfWeight(Exception):
    """The weight limit is reached."""


class StopExecutionError(Exception):
    """Execution ends here and has no outcome."""


class StorageError(StopExecutionError):
    """The database failed; the node stops."""


class StopRequestedError(StopExecutionError):
    """The owner of this execution wants it to end."""


FATAL: Final = (StopExecutionError, RecursionError, MemoryError)
