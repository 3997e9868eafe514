"""What people see: each page holds what the issue of a replay is, whole and the same every time."""

import io
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from client.replay.report.canonical import fingerprint
from client.replay.report.canvas import Picture, finish, inline
from client.replay.report.collect import facts_of
from client.replay.report.facts import Facts
from client.replay.report.figures import Report, report_of
from client.replay.report.files import files_of
from client.replay.report.html import page
from client.replay.report.json_form import report_json
from client.replay.report.pictures import curves, pictures_of, price_and_volume, telling_quarter
from client.replay.report.terminal import Bar, Sparkline, print_report
from client.replay.week import Household
from contracts.trading.uniform_price import Side
from tests.client.replay.report.street import Street, example, home, street

PNG = b"\x89PNG\r\n\x1a\n"
SERIES = {
    "price-and-volume": {
        *("price", "retail-price", "feed-in-price"),
        *("sold-by-household", "sold-by-battery", "sold-by-retailer"),
    },
    "supply-and-demand": {"supply", "demand", "clearing"},
    "bills": {
        *("alone", "market", "differences"),
        *("saving-consumer-11", "saving-generator-12", "saving-battery-13"),
    },
    "batteries": {"stored-13"},
    "forecasts": {"actual", "forecast"},
}


@pytest.fixture(scope="module")
def facts() -> Facts:
    told = example()
    return facts_of(told.run, told.events)


@pytest.fixture(scope="module")
def report(facts: Facts) -> Report:
    return report_of(facts)


@pytest.fixture(scope="module")
def pictures(facts: Facts, report: Report) -> tuple[Picture, ...]:
    return pictures_of(facts, report)


def ids(svg: str) -> list[str]:
    return re.findall(r'\bid="([^"]+)"', svg)


def printed(facts: Facts, report: Report, width: int, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, errors="replace")
    console = Console(file=file, width=width, force_terminal=False, legacy_windows=False)
    print_report(console, facts, report, fingerprint(facts))
    file.flush()
    return raw.getvalue().decode(encoding)


# ── Pictures ──


def test_every_picture_has_all_its_series_and_says_its_units(pictures: tuple[Picture, ...]) -> None:
    assert {picture.name for picture in pictures} == set(SERIES)
    for picture in pictures:
        svg = picture.svg.decode()
        assert SERIES[picture.name] <= set(ids(svg)), picture.name
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
        assert re.search(r"kWh|THB|% full", svg), picture.name
        assert picture.title in svg
        assert picture.png.startswith(PNG)
        assert len(picture.png) > 10_000


def test_areas_bars_and_prices_stand_on_zero(
    facts: Facts, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    bottoms: dict[str, list[float]] = {}

    def look(figure: Figure, name: str, title: str, caption: str) -> Picture:
        bottoms[name] = [axes.get_ylim()[0] for axes in figure.axes if axes.get_visible()]
        return finish(figure, name, title, caption)

    monkeypatch.setattr("client.replay.report.pictures.finish", look)
    pictures_of(facts, report)
    for name in ("price-and-volume", "supply-and-demand", "batteries"):
        assert set(bottoms[name]) == {0}, name
    # Here some values are below zero, which is then inside the picture.
    assert max(bottoms["bills"] + bottoms["forecasts"]) < 0


def test_pictures_are_the_same_bytes_again_whatever_the_settings(
    facts: Facts, report: Report, pictures: tuple[Picture, ...]
) -> None:
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": "other", "axes.grid": False}):
        assert pictures_of(facts, report) == pictures
        assert mpl.rcParams["font.size"] == 30
    for picture in pictures:
        assert b"dc:date" not in picture.svg
        assert b"<metadata>" not in picture.svg


def test_the_curves_end_where_the_auction_ended(facts: Facts) -> None:
    told = curves(facts, facts.quarters[0]).svg.decode()
    assert "0.600 kWh" in told
    assert "2.700 THB/kWh" in told


def test_an_auction_without_trade_says_so(facts: Facts) -> None:
    svg = curves(facts, facts.quarters[3]).svg.decode()
    assert "no trade" in svg
    assert "clearing" not in ids(svg)
    assert {"supply", "demand"} <= set(ids(svg))


def test_the_quarter_that_tells_most_has_trade_among_households(
    facts: Facts, report: Report
) -> None:
    # Quarter 1 has more volume, but at the feed-in price and with the retailer.
    assert telling_quarter(facts, report) == 0


def test_a_street_without_batteries_has_no_picture_of_them() -> None:
    told = Street(street([[0], [0]], home(1, [100]), home(2, [-100])))
    told.quarter({})
    facts = facts_of(told.run, told.events)
    names = [picture.name for picture in pictures_of(facts, report_of(facts))]
    assert names == ["price-and-volume", "supply-and-demand", "bills", "forecasts"]


def test_a_whole_week_can_be_drawn_and_has_its_days() -> None:
    quarters = 3 * 96
    run = street([[0] * quarters] * 2, home(1, [300] * quarters), home(2, [-200] * quarters))
    told = Street(run)
    for _ in range(quarters):
        told.quarter({2: (Side.BID, 100, 3_000), 3: (Side.ASK, 150, 2_500)})
    facts = facts_of(run, told.events)
    svg = price_and_volume(facts, report_of(facts)).svg.decode()
    assert all(day in svg for day in ("Mon 6 Jun", "Tue 7 Jun", "Wed 8 Jun"))


# ── The page ──


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(
    facts: Facts, report: Report, pictures: tuple[Picture, ...]
) -> None:
    text = page(report, pictures, fingerprint(facts))
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    names = [tag for tag, _ in tags.seen]
    assert names.count("svg") == len(pictures)
    assert not {"script", "link", "img", "iframe", "image"} & set(names)
    for _, attributes in tags.seen:
        for name in ("href", "xlink:href", "src"):
            assert (attributes.get(name) or "#").startswith("#")
    unique = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]
    assert len(unique) == len(set(unique))
    for wanted in re.findall(r"url\(#([^)]+)\)", text):
        assert wanted in unique
    assert fingerprint(facts) in text
    assert "Network charges are zero for now" in text
    assert all(f"<td>{bus}</td>" in text for bus in (11, 12, 13))


def test_texts_of_a_page_are_escaped(report: Report, pictures: tuple[Picture, ...]) -> None:
    strange = Picture(pictures[0].name, 'a"b', "<b>&", pictures[0].svg, b"")
    text = page(report, [strange], "<i>")
    assert "<i>" not in text
    assert "&lt;b&gt;&amp;" in text
    assert 'aria-label="a&quot;b"' in text


def test_ids_of_an_inlined_picture_are_its_own(pictures: tuple[Picture, ...]) -> None:
    for picture in pictures:
        text = inline(picture)
        assert text.startswith("<svg")
        assert all(one.startswith(f"{picture.name}-") for one in ids(text))
        assert len(ids(text)) == len(ids(picture.svg.decode()))


# ── The terminal ──


@pytest.mark.parametrize("width", [52, 80, 110, 300])
def test_no_line_is_wider_than_the_terminal(facts: Facts, report: Report, width: int) -> None:
    lines = printed(facts, report, width).splitlines()
    assert max(map(len, lines)) <= min(width, 110)
    assert len(lines) < 60


def test_a_narrow_terminal_loses_no_digit(facts: Facts, report: Report) -> None:
    assert printed(facts, report, 20) == printed(facts, report, 52)


def test_the_terminal_tells_everything_that_is_asked_for(facts: Facts, report: Report) -> None:
    text = " ".join(printed(facts, report, 110).split())
    for said in (
        "8 trades, 1.9 kWh",
        "peers only 1 25.0%",
        "with a battery 1 25.0%",
        "with the retailer 1 25.0%",
        "no trade 1 25.0%",
        "own generation 1.4 73.7%",
        "consumption 1.1 57.9%",
        "350 Wh short, for which 1.38 THB were paid",
        "30 Wh over, for which 0.07 THB were received",
        "2 of 3 households are better off",
        "Network charges are zero for now",
        "optimum 1.84 100.0%",
        "realised 1.76 96.0%",
        "12 generation -2.71 -2.66 -0.05 -1.8%",
        "drawn the batteries down",
        fingerprint(facts),
    ):
        assert said in text, said


def test_a_terminal_of_ascii_gets_bars_too(facts: Facts, report: Report) -> None:
    text = printed(facts, report, 52, "ascii")
    assert "?" not in text
    assert re.search(r"peers only +1 +25\.0% +##", text)
    assert not set("█▏") & set(text)


def test_a_long_list_of_bills_is_cut_to_the_ends() -> None:
    homes: list[Household] = [home(bus, [100 * bus]) for bus in range(1, 10)]
    told = Street(street([[0]] * 9, *homes))
    told.quarter({2: (Side.BID, 100, 3_950)})
    facts = facts_of(told.run, told.events)
    text = printed(facts, report_of(facts), 100)
    assert "..." in text
    assert len(re.findall(r"^  \d ", text, re.MULTILINE)) == 6


def drawn(what: Bar | Sparkline, width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=False).print(what)
    return file.getvalue().rstrip("\n")


def test_a_bar_is_as_long_as_its_share() -> None:
    assert drawn(Bar(1, 2, "blue"), 10).rstrip() == "█████"
    assert drawn(Bar(1, 16, "blue"), 8).rstrip() == "▌"
    assert drawn(Bar(1, 10**9, "blue"), 10).rstrip() == "▏"
    assert drawn(Bar(0, 5, "blue"), 10).rstrip() == ""
    assert drawn(Bar(-3, 5, "blue"), 10).rstrip() == ""
    assert drawn(Bar(9, 5, "blue"), 10) == "█" * 10
    assert drawn(Bar(0, 0, "blue"), 10).rstrip() == ""


def test_a_sparkline_stands_on_zero_and_leaves_gaps() -> None:
    assert drawn(Sparkline([0, 4, 8, None], "blue"), 10) == " ▄█ "
    assert drawn(Sparkline([2, 6, 8, 8, None, None], "blue"), 3) == "▄█ "
    assert drawn(Sparkline([None, None], "blue"), 9).strip() == ""


# ── Files ──


def test_the_json_has_all_figures_as_integers(facts: Facts, report: Report) -> None:
    value = json.loads(report_json(facts, report), parse_float=pytest.fail)
    assert value["fingerprint"] == fingerprint(facts)
    assert value["trading"]["intervals"] == {"peers": 1, "battery": 1, "retailer": 1, "none": 1}
    assert value["bills"][1]["saving_uthb"] == -50_000
    assert value["welfare"]["realised_uthb"] == 1_762_200
    assert [one["kind"] for one in value["intervals"]] == ["peers", "retailer", "battery", "none"]
    assert value["balances_uthb"]["participant 4"] == 5_000_000_000 - 285_000
    assert any("network charges are zero" in note for note in value["notes"])


def test_the_files_of_a_run_hold_everything(
    facts: Facts, report: Report, pictures: tuple[Picture, ...]
) -> None:
    files = files_of(facts, report, auction=2)
    kept = {f"{name}.{ending}" for name in SERIES for ending in ("svg", "png")}
    assert set(files) == kept | {"report.json", "report.html", "canonical.json"}
    # Another auction was chosen, and nothing else is drawn differently.
    same = [picture.name for picture in pictures if picture.svg == files[f"{picture.name}.svg"]]
    assert sorted({*SERIES} - {*same}) == ["supply-and-demand"]
    assert b"Mon 6 Jun 2016, 00:30" in files["supply-and-demand.svg"]
    assert b"Mon 6 Jun 2016, 00:30" in files["report.html"]
