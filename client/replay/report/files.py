"""The report as files: names and bytes, the same for the same run; writing them is the caller's."""

from client.replay.report.canonical import canonical_form, fingerprint
from client.replay.report.facts import Facts
from client.replay.report.figures import Report
from client.replay.report.html import page
from client.replay.report.json_form import report_json
from client.replay.report.pictures import pictures_of


def files_of(facts: Facts, report: Report, auction: int | None = None) -> dict[str, bytes]:
    """Return all files of a report; `auction` chooses the quarter whose curves are drawn."""
    pictures = pictures_of(facts, report, auction)
    files = {
        "report.json": report_json(facts, report),
        "report.html": page(report, pictures, fingerprint(facts)).encode(),
        "canonical.json": canonical_form(facts),
    }
    for picture in pictures:
        files[f"{picture.name}.svg"] = picture.svg
        files[f"{picture.name}.png"] = picture.png
    return files
