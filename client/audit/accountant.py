"""The accountant: walks the blocks and keeps the chain's books without running its contracts.

It reads genesis, headers, certificates, transactions, receipts and events, never the state. In each
block: the fee pool shared among the parent's signers, due work, the transactions in their order,
and their fees into the pool. What it finds on the way it notes with height and transaction; how its
books compare with the state in the end is `client/audit/compare.py`'s.
"""

from typing import Final

from chain.genesis import Genesis
from chain.verdicts import Verdicts
from chain.votes import bitmap_positions
from client.audit.arrears import Arrears
from client.audit.books import FEE_POOL, Books
from client.audit.calls import check_calls
from client.audit.deeds import BlockDeeds, Deed, Told
from client.audit.directory import Directory
from client.audit.energy import Energy
from client.audit.metering_calls import MeteringCalls
from client.audit.orders import Moment
from client.audit.readings import Readings
from client.audit.report import AccountTotal, Findings
from client.audit.settlement import Settlement
from client.audit.trades import Trades
from contracts.governance.authorities import GenesisAuthority
from contracts.governance.parameters import ChainParameters
from contracts.grid.metering_words import ReadingCorrected, ReadingsSubmitted
from contracts.grid.model import MeterRole
from contracts.grid.reading import MeteringRules
from contracts.kernel import Value
from contracts.kernel.clock import ClockAdvanced, ClockMode
from contracts.kernel.ledger import Column
from contracts.kernel.schedule import WorkFailed
from contracts.money.credit import Allocation, CreditIssued, CreditTransferred, FeesShared
from contracts.money.nrg import NrgAllocation, NrgTransferred, PoolAllocation, nrg_pool_address
from contracts.trading.arrears_words import ArrearsPaid, ArrearsRaised

MS_PER_S: Final = 1_000


class Accountant:
    """All books of a chain, at the present place of the walk."""

    def __init__(self, genesis: Genesis, findings: Findings, verdicts: Verdicts) -> None:
        """Open the books with what genesis says."""
        sections = genesis.sections
        self._findings = findings
        self._parameters = ChainParameters.from_wire(sections["parameters"]["chain"])
        self._is_driven = sections["clock"]["mode"] == ClockMode.DRIVEN
        start_s = sections["clock"]["start_s"]
        self.market_time_s = start_s if isinstance(start_s, int) else 0
        self.validators = sorted(
            GenesisAuthority.from_wire(one).account
            for one in _list(sections["authorities"]["authorities"])
        )
        self._parent_hash: bytes | None = None
        self.nonces: dict[bytes, int] = {}
        self.nrg: dict[bytes, int] = {}
        self.books = Books(findings)
        self.fees_uthb: dict[bytes, int] = {}
        self.directory = Directory(genesis)
        self.trades = Trades(genesis, self.directory, self.books, findings)
        rules = MeteringRules.from_wire(sections["metering"]["rules"])
        self.readings = Readings(genesis.chain_id, rules, self.directory, verdicts, findings)
        self.energy = Energy(rules, self.directory, self.readings, findings)
        self.arrears = Arrears(self.directory, self.books, findings)
        self.settlement = Settlement(
            genesis, self.directory, self.books, self.arrears, self.energy, self.trades, findings
        )
        for value in _list(sections["credit"]["allocations"]):
            one = Allocation.from_wire(value)
            self.books.issue(one.account, one.amount_uthb)
        for value in _list(sections["nrg"]["allocations"]):
            nrg = NrgAllocation.from_wire(value)
            self._add_nrg(nrg.account, nrg.amount_unrg)
        for value in _list(sections["nrg"]["pools"]):
            pool = PoolAllocation.from_wire(value)
            self._add_nrg(nrg_pool_address(pool.pool), pool.amount_unrg)

    def apply(self, block: BlockDeeds) -> None:
        """Book a block."""
        header, findings = block.header, self._findings
        findings.counts.blocks += 1
        findings.at(header.height)
        if not self._is_driven:
            self.market_time_s = header.time_ms // MS_PER_S
        self._parent_hash = None if self._is_driven else header.parent_hash
        self._check_fee_share(block)
        for deed in block.deeds:
            findings.at(header.height, None if deed.signed is None else deed.signed.id)
            if deed.signed is not None:
                self._begin_transaction(deed)
            check_calls(deed, findings)
            metering = MeteringCalls(deed, self.readings, self.energy, findings)
            for told in deed.events:
                self._hear(told, metering)
            metering.finish(self.market_time_s)
            if deed.signed is not None:
                self._end_transaction(deed)
            self.arrears.end_deed()
            self.settlement.end_deed()
            self.books.check_touched()

    def finish(self) -> None:
        """Check what must hold of the books as a whole."""
        self._findings.at(None)
        self.trades.check_end()
        self.books.check_conserved()

    def accounts(self) -> dict[bytes, AccountTotal]:
        """Return what every account has in all columns, and the fees it has paid."""
        return {
            account: AccountTotal(sum(columns), self.fees_uthb.get(account, 0))
            for account, columns in self.books.accounts.items()
        }

    def totals(self) -> dict[str, dict[str, int]]:
        """Return the sums of credit by column, and of Wh by kind."""
        return {"credit_uthb": self.books.totals(), "energy_wh": self._energy_totals()}

    def _energy_totals(self) -> dict[str, int]:
        open_units = [one for units in self.trades.units.values() for one in units.values()]
        units = [*open_units, self.settlement.settled]
        slots = [
            slot
            for number, book in self.readings.meters.items()
            if self.directory.meters[number].installation.role is MeterRole.SETTLEMENT
            for slot in book.slots.values()
        ]
        return {
            "metered_import": sum(slot.import_wh for slot in slots),
            "metered_export": sum(slot.export_wh for slot in slots),
            "substituted_import": sum(slot.import_wh for slot in slots if slot.is_substitute),
            "bought": sum(unit.bought_wh for unit in units),
            "sold": sum(unit.sold_wh for unit in units),
            "imbalance_short": self.settlement.short_wh,
            "imbalance_long": self.settlement.long_wh,
        }

    def _check_fee_share(self, block: BlockDeeds) -> None:
        """Compare the sharing of the fee pool, at the beginning of a block, with its due."""
        own = block.deeds[0].events if block.deeds and block.deeds[0].signed is None else ()
        told = [one.event for one in own if isinstance(one.event, FeesShared)]
        certificate = block.parent_certificate
        signers: tuple[bytes, ...] = ()
        if certificate is not None:
            positions = bitmap_positions(certificate.signer_bitmap)
            signers = tuple(self.validators[i] for i in positions if i < len(self.validators))
        each_uthb = self.books.free(FEE_POOL) // len(signers) if signers else 0
        expected = [FeesShared(each_uthb, signers)] if each_uthb else []
        self._findings.compare("fees shared", "among the signers", expected, told)
        shares = [(signer, Column.FREE, each_uthb) for signer in signers]
        self.books.post((FEE_POOL, Column.FREE, -each_uthb * len(signers)), *shares)
        self._collect_arrears()

    def _begin_transaction(self, deed: Deed) -> None:
        """Count the nonce on, and set aside the most that the fee may be."""
        assert deed.signed is not None, "the block's own deed is no transaction"
        transaction = deed.signed.transaction
        sender, findings = transaction.sender, self._findings
        findings.counts.transactions += 1
        findings.counts.transaction_signatures += len(deed.signed.signatures)
        nonce = self.nonces.get(sender, 0)
        findings.compare("nonce", "of the transaction", nonce, transaction.nonce, sender)
        self.nonces[sender] = transaction.nonce + 1
        self._pay_fee(sender, self._parameters.fee_aside_uthb(transaction.fee_max_uthb))
        self.books.take_freed()

    def _end_transaction(self, deed: Deed) -> None:
        """Give back what the fee did not need, which pays a debt as any credit does."""
        assert deed.signed is not None, "the block's own deed is no transaction"
        transaction, receipt = deed.signed.transaction, deed.receipt
        sender, findings = transaction.sender, self._findings
        fee_uthb = self._parameters.fee_uthb(receipt.weight)
        findings.compare("fee", "by weight", fee_uthb, receipt.fee_uthb, sender)
        if fee_uthb > transaction.fee_max_uthb:
            findings.differ("fee", "limit", transaction.fee_max_uthb, fee_uthb, sender)
        aside_uthb = self._parameters.fee_aside_uthb(transaction.fee_max_uthb)
        self._pay_fee(sender, fee_uthb - aside_uthb)
        self._collect_arrears()
        self.fees_uthb[sender] = self.fees_uthb.get(sender, 0) + fee_uthb

    def _pay_fee(self, sender: bytes, fee_uthb: int) -> None:
        """Move a fee into the pool, or back if negative."""
        self.books.post((sender, Column.FREE, -fee_uthb), (FEE_POOL, Column.FREE, fee_uthb))

    def _hear(self, told: Told, metering: "MeteringCalls") -> None:
        """Book what an event says; one that speaks of what does not exist is a difference."""
        event, findings = told.event, self._findings
        findings.counts.events += 1
        self.books.remember(event.owners(), told.data)
        try:
            match event:
                case ReadingsSubmitted():
                    metering.submitted(self.market_time_s)
                case ReadingCorrected():
                    metering.corrected(event, self.market_time_s)
                case CreditTransferred():
                    self.books.post(
                        (event.sender, Column.FREE, -event.amount_uthb),
                        (event.recipient, Column.FREE, event.amount_uthb),
                    )
                case NrgTransferred():
                    self._add_nrg(event.sender, -event.amount_unrg)
                    self._add_nrg(event.recipient, event.amount_unrg)
                case ClockAdvanced():
                    findings.compare("clock", "from", self.market_time_s, event.from_s)
                    self.market_time_s = event.to_s
                case ArrearsRaised() | ArrearsPaid():
                    self.arrears.hear(event)
                    self.books.take_freed()
                case CreditIssued():
                    findings.differ("credit issued", "by nobody", 0, event.amount_uthb)
                case WorkFailed():
                    findings.differ("due work failed", event.contract, "done", event.unit)
                case _:
                    self.directory.hear(event)
                    self.energy.hear(event)
                    self.trades.hear(event, Moment(self.market_time_s, self._parent_hash))
                    self.settlement.hear(event, self.market_time_s)
        except (KeyError, IndexError) as error:
            name = type(event).__name__
            findings.differ("event about nothing known", name, "something known", repr(error))
        self._collect_arrears()

    def _collect_arrears(self) -> None:
        for account, amount_uthb in self.books.take_freed().items():
            self.arrears.credited(account, amount_uthb)

    def _add_nrg(self, account: bytes, amount_unrg: int) -> None:
        left_unrg = self.nrg[account] = self.nrg.get(account, 0) + amount_unrg
        if left_unrg < 0:
            self._findings.differ("overdrawn", "NRG", "≥ 0", left_unrg, account)


def _list(value: Value) -> list[Value]:
    """Return a list of a section, whose shape the genesis has checked."""
    assert isinstance(value, list | tuple), "the genesis checked its sections"
    return list(value)
