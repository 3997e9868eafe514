"""The audit's report: what was read, what it adds up to, and every difference found.

A difference says where it is (height, transaction, account), what is wrong, and the values expected
and found. A clean audit has none. Energy in Wh, money in µTHB.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from chain.bech32 import encode_address

# More are counted, but not kept: whoever sees so many has seen enough.
DIFFERENCES_MAX: Final = 10_000

Shown = object


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it must be; `what` names the rule, `subject` the thing itself."""

    what: str
    subject: str
    expected: str
    found: str
    height: int | None = None
    transaction: bytes | None = None
    account: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values; bytes in hex, the account in bech32m."""
        return {
            "what": self.what,
            "subject": self.subject,
            "expected": self.expected,
            "found": self.found,
            "height": self.height,
            "transaction": None if self.transaction is None else self.transaction.hex(),
            "account": None if self.account is None else encode_address(self.account),
        }

    def __str__(self) -> str:
        """Say it in one line."""
        places = [] if self.height is None else [f"height {self.height}"]
        places += [] if self.transaction is None else [f"transaction {self.transaction.hex()}"]
        places += [] if self.account is None else [f"account {encode_address(self.account)}"]
        said = f"{self.what}: {self.subject}: expected {self.expected}, found {self.found}"
        return f"{said} ({', '.join(places)})" if places else said


@dataclass(slots=True)
class Counts:
    """How much was audited."""

    blocks: int = 0
    transactions: int = 0
    events: int = 0
    certificate_signatures: int = 0
    transaction_signatures: int = 0
    reading_signatures: int = 0
    readings: int = 0
    substitutes: int = 0
    orders: int = 0
    auctions: int = 0
    trades: int = 0
    settlements: int = 0

    def to_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


class AccountTotal(NamedTuple):
    """An account's credit over all columns, and the transaction fees that it has paid, in µTHB."""

    credit_uthb: int
    fees_uthb: int

    @property
    def before_fees_uthb(self) -> int:
        """Return what the account would have without fees."""
        return self.credit_uthb + self.fees_uthb


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The outcome of an audit.

    `differences_total` counts also those beyond `DIFFERENCES_MAX`. `totals` has two parts:
    `credit_uthb` by column, and `energy_wh` by kind.
    """

    chain_id: bytes
    height: int
    state_root: bytes
    counts: Counts
    totals: Mapping[str, Mapping[str, int]]
    accounts: Mapping[bytes, AccountTotal]
    """Every account with credit ever; not in the JSON form, which stays small."""
    differences: tuple[Difference, ...]
    differences_total: int

    @property
    def is_clean(self) -> bool:
        """Return whether nothing differs."""
        return self.differences_total == 0

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {
            "chain_id": self.chain_id.hex(),
            "height": self.height,
            "state_root": self.state_root.hex(),
            "is_clean": self.is_clean,
            "counts": self.counts.to_json(),
            "totals": {part: dict(values) for part, values in self.totals.items()},
            "differences_total": self.differences_total,
            "differences": [one.to_json() for one in self.differences],
        }


@dataclass(slots=True)
class Findings:
    """Where the parts of the audit leave what they find; the walk over the chain sets the place."""

    height: int | None = None
    transaction: bytes | None = None
    counts: Counts = field(default_factory=Counts)
    differences: list[Difference] = field(default_factory=list)
    total: int = 0

    def at(self, height: int | None, transaction: bytes | None = None) -> None:
        """Say where the walk is."""
        self.height, self.transaction = height, transaction

    def compare(
        self, what: str, subject: str, expected: Shown, found: Shown, account: bytes | None = None
    ) -> bool:
        """Note a difference unless the values are equal; returns whether they are."""
        if expected == found:
            return True
        self.differ(what, subject, expected, found, account)
        return False

    def differ(
        self, what: str, subject: str, expected: Shown, found: Shown, account: bytes | None = None
    ) -> None:
        """Note a difference at the present place."""
        self.total += 1
        if len(self.differences) < DIFFERENCES_MAX:
            place = (self.height, self.transaction, account)
            self.differences.append(
                Difference(what, subject, shown(expected), shown(found), *place)
            )


def shown(value: Shown) -> str:
    """Return a value in words: bytes in hex, nothing as `none`."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return "(" + ", ".join(shown(one) for one in value) + ")"
    return "none" if value is None else str(value)
