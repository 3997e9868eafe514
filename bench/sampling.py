"""Where a node's processor time goes: `gtx` with a clock beside every thread.

    python -m bench.sampling SAMPLES run --home HOME …

A thread looks at all others every 20 ms, reads the processor time that each has used since, and
puts it down to the part of the node in which that thread is: the innermost frame of its stack that
belongs to a part. A thread that waits by now has worked in between, on what it works on at other
times: the part `waits` is therefore shared out over the other parts of its thread. Time in which
nothing runs is not counted. At the end the samples are written to the file SAMPLES, one JSON array
a line: wall time in ms, µs of processor time, part, function.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from node.cli import main

PERIOD_S: Final = 0.02
NS_PER_US: Final = 1_000
NS_PER_MS: Final = 1_000_000
FRAMES_MAX: Final = 100

WAITS: Final = "waits"

# What the file of a frame says of it; the first that fits counts.
PARTS: Final = (
    ("chain/transaction.py", "decode"),
    ("node/leveldb.py", "LevelDB"),
    ("chain/trie/", "trie"),
    ("chain/merkle.py", "roots"),
    ("chain/mempool/", "mempool"),
    ("node/publish.py", "mempool"),
    ("node/workers.py", "verify"),
    ("chain/verdicts.py", "verify"),
    ("concurrent/futures/process.py", "verify"),
    ("multiprocessing/", "verify"),
    ("chain/execution/", "execute"),
    ("chain/consensus/", "consensus"),
    ("node/signer.py", "consensus"),
    ("client/files.py", "consensus"),
    ("node/api/", "API"),
    ("hypercorn/", "API"),
    ("starlette/", "API"),
    ("h11/", "API"),
    ("structlog/", "log"),
    ("chain/ledger.py", "block"),
    ("node/engine.py", "block"),
    ("node/intake.py", "mempool"),
    ("bench/sampling.py", "sampling"),
    ("trio/_core/_io_epoll.py", WAITS),
    ("trio/_core/_thread_cache.py", WAITS),
    ("trio/", "loop"),
)


class Sample(NamedTuple):
    """Processor time that a thread used up to a moment, and where it was."""

    wall_ms: int
    cpu_us: float
    part: str
    function: str
    thread: int


class Sampler:
    """Looks at all threads of this process."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._stop = threading.Event()
        self._used_ns: dict[int, int] = {}
        self._parts: dict[str, str | None] = {}
        self._thread = threading.Thread(target=self._run, name="sampling", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            now_ms = time.time_ns() // NS_PER_MS
            threads = {one.ident: one.native_id for one in threading.enumerate()}
            for ident, frame in sys._current_frames().items():  # noqa: SLF001 - made for this
                native = threads.get(ident)
                if native is None:
                    continue
                used_ns = _used_ns(native)
                delta_ns = used_ns - self._used_ns.get(native, used_ns)
                self._used_ns[native] = used_ns
                if delta_ns > 0:
                    part, function = self._place_of(frame)
                    us = delta_ns / NS_PER_US
                    self.samples.append(Sample(now_ms, us, part, function, native))

    def _place_of(self, frame: FrameType) -> tuple[str, str]:
        code = frame.f_code
        function = f"{'/'.join(code.co_filename.split('/')[-2:])}:{code.co_qualname}"
        at: FrameType | None = frame
        for _ in range(FRAMES_MAX):
            if at is None:
                break
            file = at.f_code.co_filename
            if file not in self._parts:
                self._parts[file] = _part_of(file)
            part = self._parts[file]
            if part is not None:
                return part, function
            at = at.f_back
        return "other", function


def _used_ns(thread: int) -> int:
    """Return a thread's processor time as the kernel counts it; 0 of one that has ended."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_bytes().split()[0])
    except FileNotFoundError:
        return 0


def _part_of(file: str) -> str | None:
    return next((part for place, part in PARTS if f"/{place}" in file), None)


def sampled(run: Callable[[], int], path: Path) -> int:
    """Run a program with the sampler beside it; returns its status."""
    sampler = Sampler()
    sampler.start()
    try:
        return run()
    finally:
        sampler.stop()
        path.write_text("".join(json.dumps(one) + "\n" for one in sampler.samples))


def shared_out(samples: list[Sample]) -> Iterator[Sample]:
    """Yield the samples of work, with the time of those that wait shared out over them."""
    of_thread: dict[int, list[Sample]] = {}
    for one in samples:
        of_thread.setdefault(one.thread, []).append(one)
    for found in of_thread.values():
        whole = sum(one.cpu_us for one in found)
        work = [one for one in found if one.part != WAITS]
        worked = sum(one.cpu_us for one in work)
        for one in work:
            yield one._replace(cpu_us=one.cpu_us * whole / worked)


if __name__ == "__main__":
    sys.exit(sampled(lambda: main(sys.argv[2:]), Path(sys.argv[1])))
