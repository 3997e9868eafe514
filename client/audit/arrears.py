"""Arrears: who owes what, and that credit to a debtor pays the debt first.

An `ArrearsPaid` stands before the event that tells why credit came. So what must be paid is added
up from the credit that came, and compared with what was told when a deed is over. (MARKET §5.)
"""

from client.audit.books import Books
from client.audit.directory import Directory
from client.audit.report import Findings
from contracts.kernel import Event
from contracts.kernel.ledger import Column
from contracts.trading.arrears_words import ArrearsPaid, ArrearsRaised


class Arrears:
    """Debts by participant, µTHB."""

    def __init__(self, directory: Directory, books: Books, findings: Findings) -> None:
        """Start without debts."""
        self._directory = directory
        self._books = books
        self._findings = findings
        self.debts: dict[int, int] = {}
        self._open: dict[int, int] = {}
        self._paid: dict[int, int] = {}
        self._raised: dict[int, int] = {}

    def hear(self, event: Event) -> None:
        """Take note of a debt raised or paid; all other events are no concern."""
        match event:
            case ArrearsRaised(participant=participant, amount_uthb=amount_uthb):
                self._raised[participant] = self._raised.get(participant, 0) + amount_uthb
                self._open[participant] = self._left(participant) + amount_uthb
                self._change(participant, amount_uthb, event.owed_uthb, None)
                zone = self._directory.participants[participant].zone
                self._findings.compare("zone of arrears", f"{participant}", zone, event.zone)
            case ArrearsPaid(participant=participant, amount_uthb=amount_uthb):
                owner = self._directory.participant_of.get(event.account)
                subject = f"participant {participant}"
                compare = self._findings.compare
                compare("arrears paid by", subject, participant, owner, event.account)
                number = self._directory.participants[participant].zone
                creditor = self._directory.zones[number].terms.grid_account
                compare("arrears paid to", subject, creditor, event.grid_account)
                self._open.setdefault(participant, self.debts.get(participant, 0))
                self._paid[participant] = self._paid.get(participant, 0) + amount_uthb
                self._change(participant, -amount_uthb, event.owed_uthb, event.account)
                self._books.post(
                    (event.account, Column.FREE, -amount_uthb),
                    (creditor, Column.FREE, amount_uthb),
                )

    def credited(self, account: bytes, amount_uthb: int) -> None:
        """Count credit that became free on an account: its participant's debt comes first."""
        participant = self._directory.participant_of.get(account)
        if participant is None or self._left(participant) == 0:
            return
        due_uthb = min(self._left(participant), amount_uthb)
        self._open[participant] -= due_uthb
        self._paid[participant] = self._paid.get(participant, 0) - due_uthb

    def raised(self, participant: int) -> int:
        """Return what was raised since the last time this was asked."""
        return self._raised.pop(participant, 0)

    def end_deed(self) -> None:
        """Compare what was paid in a deed with what had to be, and find debts without a cause."""
        for participant, excess_uthb in self._paid.items():
            subject = f"participant {participant}: paid more than credited"
            self._findings.compare("arrears paid", subject, 0, excess_uthb)
        for participant, amount_uthb in self._raised.items():
            subject = f"participant {participant}"
            self._findings.differ("arrears without a charge", subject, 0, amount_uthb)
        self._open.clear()
        self._paid.clear()
        self._raised.clear()

    def _left(self, participant: int) -> int:
        """Return what is owed and not paid by credit that was counted in this deed."""
        return self._open.setdefault(participant, self.debts.get(participant, 0))

    def _change(
        self, participant: int, amount_uthb: int, owed_uthb: int, account: bytes | None
    ) -> None:
        owed = self.debts.get(participant, 0) + amount_uthb
        self.debts[participant] = owed
        self._findings.compare("arrears", f"participant {participant}", owed, owed_uthb, account)
