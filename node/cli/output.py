"""What commands print: answers on stdout, everything else on stderr.

With `--json` an answer is one JSON document and a failure another, on stderr. Text that came from a
node or a file is made printable first: it must not move the cursor or colour the terminal.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from node.failure import Failure

TEXT_CHARACTERS_MAX: Final = 4_000


def answer(data: Any, *, as_json: bool, lines: Iterable[str] | None = None) -> None:  # noqa: ANN401
    """Print an answer: `data` as JSON, or its form for people."""
    if as_json:
        sys.stdout.write(json.dumps(data, ensure_ascii=True) + "\n")
    elif lines is None:
        sys.stdout.write(pretty(data) + "\n")
    else:
        console = Console(soft_wrap=True, highlight=False)
        for line in lines:
            console.print(Text(line))
    sys.stdout.flush()


def pretty(data: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return JSON for people; control characters come out escaped."""
    return printable(json.dumps(data, indent=2, ensure_ascii=False), keep="\n")


def facts(pairs: Sequence[tuple[str, object]]) -> list[str]:
    """Return aligned lines of name and value."""
    width = max(len(name) for name, _ in pairs)
    return [f"{name:<{width}}  {printable(str(value))}" for name, value in pairs]


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return lines of aligned columns, never cut: what stands in them is there to be copied."""
    cells = [list(columns), *([printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in cells)
    return [line.rstrip() for line in lines]


def note(message: str) -> None:
    """Say something beside the answer."""
    _say("note", "cyan", message)


def warn(message: str) -> None:
    """Say what a person should know before trusting the answer."""
    _say("warning", "yellow", message)


def fail(failure: Failure, *, as_json: bool) -> int:
    """Print a failure; returns its exit status."""
    if as_json:
        sys.stderr.write(json.dumps(failure.to_json(), ensure_ascii=True, default=str) + "\n")
    else:
        _say("error", "bold red", failure.what)
        if failure.help:
            _say("help", "bold cyan", failure.help)
    return int(failure.code)


def printable(text: str, keep: str = "") -> str:
    """Replace characters that a terminal would act on, and cut what is too long to read."""
    cut = text if len(text) <= TEXT_CHARACTERS_MAX or keep else text[:TEXT_CHARACTERS_MAX] + "…"
    return "".join(c if c.isprintable() or c in keep else f"\\x{ord(c):02x}" for c in cut)


def _say(word: str, style: str, message: str) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    said = Text(f"{word}: ", style=style)
    said.append(printable(message, keep="\n"), style="not bold default")
    console.print(said)
