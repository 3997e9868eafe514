"""The commands of the documentation work as they stand there.

A fenced block that begins with "sh" is run. All blocks of a page run in one shell, all pages after
one another against one devnet on which a quarter-hour has been replayed, in a folder of their own
that has the project's `genesis.json` and `data/`. A block that begins with "sh by hand" is not run:
it starts something that runs on, needs files of the reader's, or takes long. Of such a block every
`gtx` command must be one that there is, with options that it has. Other blocks show output.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from node.cli.app import app
from node.failure import ExitCode
from tests.node.cli.program import TIMEOUT_S, Gtx
from tests.tidy.project import ROOT, name_of

# What is made from the code has its own tests, and decisions have no commands.
NOT_WALKED = ("adr", "reference")
FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<lines>.*?)^```$", re.DOTALL | re.MULTILINE)
RUN, BY_HAND = "sh", "sh by hand"
SHOWN = ("text", "json", "console", "python")
PRELOADED = Path(__file__).with_name("preloaded.py")
COMMANDS = {"gtx": ["gtx"], "scripts/devnet": ["gtx", "devnet", "--replay"]}


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, and what it says."""

    page: Path
    line: int
    kind: str
    lines: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """Yield the words of its lines that run `gtx`, by itself or through a script."""
        for line in self.lines.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] in COMMANDS:
                yield [*COMMANDS[words[0]], *words[1:]]


def pages() -> list[Path]:
    found = sorted((ROOT / "docs").rglob("*.md"))
    walked = [page for page in found if page.parent.name not in NOT_WALKED]
    order = ("tutorial", "how-to", "explanation")
    walked.sort(key=lambda page: order.index(page.parent.name) if page.parent.name in order else 9)
    return [ROOT / "README.md", *walked]


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["kind"].strip(), found["lines"])
        for found in FENCE.finditer(text)
    ]


def blocks(kind: str) -> list[Block]:
    return [block for page in pages() for block in blocks_of(page) if block.kind == kind]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gtx]:
    """A folder to work in, with a devnet that runs and `gtx` and `python` on the path."""
    gtx = Gtx(tmp_path_factory.mktemp("desk"))
    for name in ("genesis.json", "data"):
        (gtx.folder / name).symlink_to(ROOT / name)
    gate, tools = gtx.folder / "gtx.socket", gtx.folder / "bin"
    tools.mkdir()
    for name, words in (
        ("gtx", [sys.executable, "-I", "-S", PRELOADED, gate, "."]),
        ("python", [sys.executable]),
    ):
        (tools / name).write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
        (tools / name).chmod(0o755)
    server = subprocess.Popen([sys.executable, PRELOADED, gate, ROOT], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        with gtx.running("devnet", "--genesis", str(ROOT / "genesis.json")):
            done = gtx.run("replay", "--quarters", "1")
            assert done.status == 0, done.err
            yield gtx
    finally:
        server.kill()
        server.communicate()


def run(desk: Gtx, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script in the desk's folder; the first command that fails ends it."""
    environment = desk.environment()
    environment["PATH"] = f"{desk.folder / 'bin'}:{environment['PATH']}"
    path = desk.folder / "page.sh"
    path.write_text(f"set -eu\n{script}", encoding="utf-8")
    return subprocess.run(
        ["/bin/sh", path],
        cwd=desk.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("page", [p for p in pages() if blocks_of(p)], ids=name_of)
def test_the_commands_of_a_page_work(desk: Gtx, page: Path) -> None:
    found = [block for block in blocks_of(page) if block.kind == RUN]
    done = run(desk, "".join(f"echo '== {block}' >&2\n{block.lines}" for block in found))
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def test_a_command_that_fails_in_a_page_is_noticed(desk: Gtx) -> None:
    done = run(desk, "gtx query clock.driven_time_s\ngtx query clock.dirven_time_s\necho on\n")
    assert done.returncode == ExitCode.USAGE
    assert done.stdout.strip().isdigit()
    assert "driven_time_s" in done.stderr
    refused = run(
        desk, "gtx call orders.submit_bid 1 1465207200 1 5 31 false --key devnet/driver\n"
    )
    assert refused.returncode == ExitCode.REFUSED


@pytest.mark.parametrize("block", blocks(BY_HAND), ids=str)
def test_what_is_left_to_the_reader_can_be_typed(block: Block) -> None:
    for words in block.commands():
        app.parse_args(words[1:], exit_on_error=False, print_error=False)


def test_a_command_that_does_not_exist_is_found_out() -> None:
    for wrong in (["devnet", "--replays"], ["signer", "reset", "--above", "HEIGHT"], ["rnu"]):
        with pytest.raises(CycloptsError):
            test_what_is_left_to_the_reader_can_be_typed(
                Block(ROOT / "README.md", 1, BY_HAND, shlex.join(["gtx", *wrong]) + "\n")
            )


def test_every_block_says_what_it_is() -> None:
    strange = [
        f"{block}: {block.kind!r}"
        for page in pages()
        for block in blocks_of(page)
        if block.kind not in {RUN, BY_HAND, *SHOWN}
    ]
    assert not strange, "\n".join(strange)


def test_scripts_that_are_named_are_there() -> None:
    named = [
        script
        for page in pages()
        for script in re.findall(r"\bscripts/[a-z_]+(?:\.py)?", page.read_text(encoding="utf-8"))
    ]
    assert named
    assert not [script for script in named if not (ROOT / script).is_file()]
