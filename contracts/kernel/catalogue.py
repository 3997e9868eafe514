"""The catalogue: what is known of a set of contracts without running them.

Names, numbers, tables, methods and refusal codes of all contracts of a chain, checked against each
other once. Transactions are typed by it before any state is at hand.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from contracts.kernel.contract import Contract, ContractSpec, Kind, Method
from contracts.kernel.errors import KERNEL_REJECTS, Reject, UnknownContract, UnknownMethod


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The contracts of a chain, in their order, and their refusals by permanent code."""

    specs: tuple[ContractSpec, ...]
    by_name: Mapping[str, ContractSpec]
    reject_by_code: Mapping[int, type[Reject]]
    code_by_reject: Mapping[type[Reject], int]

    @classmethod
    def of(cls, contracts: Iterable[type[Contract]]) -> Self:
        """Check the contracts against each other; raises `TypeError`."""
        specs = tuple(contract.spec for contract in contracts)
        by_name = {spec.name: spec for spec in specs}
        by_number = {spec.number: spec for spec in specs}
        if not len(specs) == len(by_name) == len(by_number):
            msg = f"contracts share a name or a number: {[(s.name, s.number) for s in specs]}"
            raise TypeError(msg)
        codes: dict[type[Reject], int] = {one: one.receipt_code() for one in KERNEL_REJECTS}
        for spec in specs:
            for reject in spec.rejects.values():
                if reject in codes:
                    msg = f"{reject.__name__} of {spec.name} already belongs to another contract"
                    raise TypeError(msg)
                codes[reject] = reject.receipt_code()
        rejects = {code: reject for reject, code in codes.items()}
        return cls(
            specs, MappingProxyType(by_name), MappingProxyType(rejects), MappingProxyType(codes)
        )

    def call(self, contract: str, method: str) -> Method:
        """Return a method that transactions may call, or raise a `Reject`."""
        spec = self.by_name.get(contract)
        if spec is None:
            raise UnknownContract(contract=contract)
        found = spec.methods.get((Kind.CALL, method))
        if found is None:
            raise UnknownMethod(contract=contract, method=method)
        return found
