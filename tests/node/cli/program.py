"""`gtx` with a home of its own and nothing of this machine's; nodes are real processes."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from node.cli import main
from tests.tidy.project import ROOT

PASSPHRASE = "correct horse battery staple"
TIMEOUT_S = 120


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.err.splitlines()[-1])["error"]
        return error


@dataclass
class Gtx:
    """Runs commands in one folder; keeps everything that they print."""

    folder: Path
    url: str | None = None
    said: list[str] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "node.cli", *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        made = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "GTX_HOME": str(self.folder / "home"),
            "GTX_PASSPHRASE": PASSPHRASE,
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
        }
        return made | ({"GTX_RPC_URL": self.url} if self.url else {}) | more

    def run(self, *arguments: str, given: str = "", **variables: str) -> Done:
        """Run a command in this process, which spares starting one, but is all the same."""
        out, err = io.StringIO(), io.StringIO()
        stdin = io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8")
        with (
            chdir(self.folder),
            mock.patch.dict(os.environ, self.environment(**variables), clear=True),
            mock.patch.object(sys, "stdin", stdin),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            status = main(arguments)
        self.said += [out.getvalue(), err.getvalue()]
        return Done(status, out.getvalue(), err.getvalue())

    def start(self, *arguments: str, given: str = "", **variables: str) -> Done:
        """Run a command in a process of its own."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**variables),
            input=given,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        self.said += [done.stdout, done.stderr]
        return Done(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str) -> Any:  # noqa: ANN401
        """Run a command that must succeed, and return its answer."""
        done = self.run(*arguments, "--json")
        assert done.status == 0, done.err
        return done.json

    @contextmanager
    def running(self, *arguments: str, stop: signal.Signals = signal.SIGTERM) -> Iterator["Node"]:
        """Run a node for the length of a block, which then must stop well by a signal."""
        log = self.folder / "node.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                self.command(*arguments, "--json", "--rpc-port", "0", "--log-format", "json"),
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line, f"the node did not start: {log.read_text()}"
                self.said.append(line)
                form = json.loads(line)
                self.url = form["urls"][0]
                yield Node(process, form)
                if process.poll() is None:
                    process.send_signal(stop)
                status = process.wait(TIMEOUT_S)
                assert status == 0, log.read_text()
            finally:
                process.kill()
                process.communicate()
                self.url = None
                self.said.append(log.read_text())

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of the last node's log."""
        return [json.loads(line) for line in (self.folder / "node.log").read_text().splitlines()]


@dataclass(frozen=True)
class Node:
    """A node that runs: its process, and what it said when it had started."""

    process: "subprocess.Popen[str]"
    form: dict[str, Any]
