"""The report: plain values for programs, tables for people, and a limit for the rest."""

import json
from io import StringIO

from rich.console import Console

from chain.bech32 import encode_address
from client.audit import AuditReport, Counts, Difference, render
from client.audit.report import DIFFERENCES_MAX, Findings
from tests.support.people import account_of

TOTALS = {
    "credit_uthb": {"free": 1_234_567, "supply": 1_234_567},
    "energy_wh": {"bought": 1_500, "sold": 1_500},
}
ALICE = account_of("alice")
DIFFERENCE = Difference("balance", "free", "5", "[red]6", 7, bytes(32), ALICE)


def report(*differences: Difference) -> AuditReport:
    counts = Counts(blocks=9, readings=1_000)
    found = tuple(differences)
    return AuditReport(bytes(32), 9, bytes(32), counts, TOTALS, {}, found, len(found))


def shown(one: AuditReport) -> str:
    said = StringIO()
    Console(file=said, width=200).print(render(one))
    return said.getvalue()


def test_a_clean_report_says_so() -> None:
    text = shown(report())
    assert "No difference" in text
    assert "1.234567" in text
    assert "1.500" in text
    assert "1,000" in text
    assert report().is_clean


def test_a_difference_names_its_place_and_both_values() -> None:
    text = shown(report(DIFFERENCE))
    for part in ("One difference", "height 7", bytes(32).hex(), encode_address(ALICE), "[red]6"):
        assert part in text
    assert not report(DIFFERENCE).is_clean
    assert "2 differences" in shown(report(DIFFERENCE, DIFFERENCE))
    assert "and 25 more" in shown(report(*[DIFFERENCE] * 75))
    assert str(DIFFERENCE) == (
        f"balance: free: expected 5, found [red]6 (height 7, transaction {bytes(32).hex()}, "
        f"account {encode_address(ALICE)})"
    )


def test_the_json_form_holds_all_of_it() -> None:
    value = json.loads(json.dumps(report(DIFFERENCE).to_json()))
    assert value["is_clean"] is False
    assert value["counts"]["blocks"] == 9
    assert value["totals"]["credit_uthb"]["free"] == 1_234_567
    (one,) = value["differences"]
    assert one["account"] == encode_address(ALICE)
    assert (one["height"], one["transaction"]) == (7, bytes(32).hex())


def test_more_differences_than_are_kept_are_counted() -> None:
    findings = Findings()
    for number in range(DIFFERENCES_MAX + 5):
        assert not findings.compare("number", "it", None, number)
    assert findings.compare("number", "it", 1, 1)
    assert len(findings.differences) == DIFFERENCES_MAX
    assert findings.total == DIFFERENCES_MAX + 5
