"""The registry: every system contract, in order, and how they are wired.

Adding a contract is one file and one line in `Registry`. The order is that of the manifest, of
genesis and of the wiring; it is part of the protocol.
"""

from types import MappingProxyType
from typing import Final

from contracts.governance.authorities import Authorities
from contracts.governance.parameters import Parameters
from contracts.kernel import errors
from contracts.kernel.clock import Clock
from contracts.kernel.contract import Contract, ContractSpec
from contracts.kernel.errors import Reject
from contracts.kernel.host import Host
from contracts.kernel.schedule import Schedule
from contracts.money.accounts import Accounts
from contracts.money.credit import Credit
from contracts.money.nrg import Nrg


class Registry:
    """The contracts of one execution, wired over one host."""

    def __init__(self, host: Host) -> None:
        """Make every contract and give each what it needs of the others."""
        self.schedule = Schedule(host)
        self.clock = Clock(host, self.schedule)
        self.parameters = Parameters(host)
        self.authorities = Authorities(host)
        self.accounts = Accounts(host)
        self.credit = Credit(host)
        self.nrg = Nrg(host)
        self.contracts: tuple[Contract, ...] = (
            self.schedule,
            self.clock,
            self.parameters,
            self.authorities,
            self.accounts,
            self.credit,
            self.nrg,
        )
        self.by_name = {contract.spec.name: contract for contract in self.contracts}


CONTRACTS: Final[tuple[type[Contract], ...]] = (
    Schedule,
    Clock,
    Parameters,
    Authorities,
    Accounts,
    Credit,
    Nrg,
)
SPECS: Final[tuple[ContractSpec, ...]] = tuple(contract.spec for contract in CONTRACTS)
SPEC_BY_NAME: Final = MappingProxyType({spec.name: spec for spec in SPECS})

_KERNEL_REJECTS: Final = (
    errors.BadArguments,
    errors.UnknownContract,
    errors.UnknownMethod,
    errors.NotPermitted,
)
REJECT_CODES: Final = MappingProxyType(
    {reject: reject.code for reject in _KERNEL_REJECTS}
    | {reject: spec.number << 8 | code for spec in SPECS for code, reject in spec.rejects.items()}
)
REJECT_BY_CODE: Final = MappingProxyType({code: reject for reject, code in REJECT_CODES.items()})


def code_of(reject: Reject) -> int:
    """Return the permanent code of a refusal: contract number in the high byte, 0 the kernel's."""
    return REJECT_CODES[type(reject)]
