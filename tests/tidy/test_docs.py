"""Decisions are recorded in one form, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.tidy.project import ROOT, name_of, project_files

RECORDS = ROOT / "docs" / "adr"
SECTIONS = ("Context", "Decision", "Alternatives", "Consequences")
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^]]+\]\((?![a-z]+:)([^)#\s]+)(?:#[^)]*)?\)")


def records() -> list[Path]:
    return sorted(RECORDS.glob("[0-9]*.md"))


def links(path: Path) -> list[str]:
    return LINK.findall(CODE.sub("", path.read_text(encoding="utf-8")))


def test_records_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in records()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


def test_the_index_links_every_record_once() -> None:
    linked = [link for link in links(RECORDS / "README.md") if re.match(r"\d{4}-", link)]
    assert linked == [path.name for path in records()]


@pytest.mark.parametrize("path", [*records(), RECORDS / "template.md"], ids=name_of)
def test_a_record_has_the_four_parts_in_order(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    assert parts[1::2] == list(SECTIONS)
    assert all(part.strip() for part in parts[2::2])
    number = "N" if path.name == "template.md" else str(int(path.name[:4]))
    assert text.startswith(f"# {number}. ")


def test_every_link_within_the_project_leads_to_a_file() -> None:
    broken = [
        f"{name_of(page)}: {link}"
        for page in project_files(".md")
        for link in links(page)
        if not (page.parent / link).exists()
    ]
    assert not broken, "\n".join(broken)


def test_links_are_found_where_they_are_and_only_there(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "[a](a.md), [b](../b.md#part), [web](https://example.org)\n```\n[c](c.md)\n```\n",
        encoding="utf-8",
    )
    assert links(page) == ["a.md", "../b.md"]
