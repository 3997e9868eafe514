"""An audit beside a growing chain: that of the whole chain, in a process that ends when it must."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from client.audit import Progress, RpcSource, SourceError, audit, audit_beside
from client.rpc import Rpc
from tests.client.audit.test_audit_sources import transferring
from tests.node.api.backend import ChainBackend
from tests.node.api.serving import serving
from tests.support.genesis import make_genesis

NOBODY = "http://127.0.0.1:9"


def ignore(_: Progress) -> None:
    """Take no note of progress."""


def the_process() -> multiprocessing.process.BaseProcess:
    """Return the audit's process, the only child there is."""
    (process,) = multiprocessing.active_children()
    return process


async def until(done: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not done():  # noqa: ASYNC110 - nothing tells of another process
            await trio.sleep(0.05)


async def test_it_follows_a_chain_that_grows_and_reports_like_an_audit_afterwards() -> None:
    backend = ChainBackend()
    await transferring(backend, 20)
    said: list[Progress] = []
    async with serving(backend) as client:
        with audit_beside(client.url, backend.chain.genesis, said.append) as auditing:

            def has_begun() -> bool:
                auditing.look()
                return bool(said)

            await until(has_begun)
            assert said[0].tip_height == 20
            for number in range(20, 50):
                await backend.submit([backend.chain.transfer("dave", number - 20).signed.raw])
                backend.commit()
            report = await auditing.finish(50)
        async with Rpc(client.url) as rpc:
            assert report == await audit(RpcSource(backend.chain.genesis, rpc))
    assert report.is_clean
    assert report.height == 50
    assert said[-1] == Progress(50, 50, 0)
    assert not multiprocessing.active_children()


async def test_a_block_that_the_node_does_not_have_is_no_report() -> None:
    backend = ChainBackend()
    await transferring(backend, 2)
    async with serving(backend) as client:
        with (
            audit_beside(client.url, backend.chain.genesis, ignore) as auditing,
            pytest.raises(SourceError, match=r"without a report: .*3"),
        ):
            await auditing.finish(3)


async def test_a_node_that_does_not_answer_is_named() -> None:
    with (
        audit_beside(NOBODY, make_genesis(), ignore) as auditing,
        pytest.raises(SourceError, match=f"no node answers at {NOBODY}"),
    ):
        await auditing.finish(1)
    assert not multiprocessing.active_children()


async def test_a_process_that_is_killed_is_no_report() -> None:
    backend = ChainBackend()
    async with serving(backend) as client:
        with audit_beside(client.url, backend.chain.genesis, ignore) as auditing:
            pid = the_process().pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(SourceError, match="ended before its report"):
                await auditing.finish(0)


async def test_whoever_leaves_takes_the_process_with_him() -> None:
    backend = ChainBackend()
    async with serving(backend) as client:
        with audit_beside(client.url, backend.chain.genesis, ignore):
            process = the_process()
            assert process.is_alive()
    assert not multiprocessing.active_children()


BEGIN_AND_WAIT = """
import multiprocessing, sys, time
from client.audit import audit_beside
from tests.support.genesis import make_genesis

if __name__ == "__main__":
    with audit_beside(sys.argv[1], make_genesis(), print):
        print(multiprocessing.active_children()[0].pid, flush=True)
        time.sleep(60)
"""


async def test_a_process_whose_owner_is_killed_ends_by_itself(tmp_path: Path) -> None:
    script = tmp_path / "begin_and_wait.py"
    script.write_text(BEGIN_AND_WAIT)
    backend = ChainBackend()
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    async with serving(backend) as client:
        command = [sys.executable, str(script), client.url]
        owner = await trio.lowlevel.open_process(
            command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert owner.stdout is not None
        pid = int(await owner.stdout.receive_some())
        assert is_alive(pid)
        owner.kill()
        await owner.wait()
        await until(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
