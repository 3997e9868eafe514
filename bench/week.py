"""How long the replay of the whole week takes, and how much memory its validator.

    python -m bench.week [--quarters 672] [--json]

A node by itself (`gtx devnet`) and the replay against it (`gtx replay`), both in an empty home. The
time is that of the replay with its report and audit, from start to end. The memory is the largest
sum of the resident sets of the validator's process and its workers, looked at twice a second. R is
the Ed25519 verify rate of one core in processor time, before and after.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from bench.rate import verify_rate_per_s
from client.replay.setup import WEEK_FOLDER, make_genesis
from client.replay.week import load_week

ROOT: Final = Path(__file__).resolve().parents[1]
QUARTERS: Final = 672
POLL_S: Final = 0.5
STOP_TIMEOUT_S: Final = 60


class ReplayFailedError(Exception):
    """The node or the replay ended otherwise than well; says what it printed."""


@dataclass(frozen=True, slots=True)
class Week:
    """What a replay took; `is_clean` is the audit's verdict."""

    quarters: int
    replay_s: float
    rss_bytes_max: int
    is_clean: bool
    fingerprint: str
    verifies_per_s: float


def measure(quarters: int) -> Week:
    """Replay so many quarters on a fresh chain; raises `ReplayFailedError`."""
    before = verify_rate_per_s()
    folder = Path(tempfile.mkdtemp(prefix="gtx-week-"))
    try:
        result, replay_s, rss_bytes = _replay(folder, quarters)
    finally:
        shutil.rmtree(folder)
    rate = statistics.mean((before, verify_rate_per_s()))
    clean = bool(result["audit"]["is_clean"])
    return Week(quarters, replay_s, rss_bytes, clean, str(result["fingerprint"]), rate)


def _replay(folder: Path, quarters: int) -> tuple[dict[str, Any], float, int]:
    gtx = [sys.executable, "-m", "node.cli"]
    environment = dict(os.environ) | {
        "HOME": str(folder),
        "GTX_HOME": str(folder / "home"),
        "PYTHONPATH": str(ROOT),
    }
    genesis = folder / "genesis.json"
    genesis.write_text(make_genesis(load_week(WEEK_FOLDER)).to_json())
    serve = [*gtx, "devnet", "--genesis", str(genesis), "--rpc-port", "0", "--json"]
    log = folder / "node.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            serve, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as node,
    ):
        try:
            assert node.stdout is not None, "it is a pipe"
            line = node.stdout.readline()
            if not line:
                raise ReplayFailedError(log.read_text())
            url = json.loads(line)["urls"][0]
            replay = [
                *gtx, "replay", "--json", "--rpc-url", url, "--quarters", str(quarters),
                "--out", str(folder / "report"),
            ]  # fmt: skip
            return _watched(replay, folder, environment, node.pid)
        finally:
            node.terminate()
            node.wait(STOP_TIMEOUT_S)


def _watched(
    command: list[str], folder: Path, environment: dict[str, str], node: int
) -> tuple[dict[str, Any], float, int]:
    """Run the replay, and look at the node's memory meanwhile."""
    out, err = folder / "out", folder / "err"
    started, largest = time.monotonic(), 0
    with (
        out.open("w") as stdout,
        err.open("w") as stderr,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stdout, stderr=stderr
        ) as process,
    ):
        while process.poll() is None:
            largest = max(largest, resident_bytes(node))
            time.sleep(POLL_S)
    took_s = time.monotonic() - started
    if process.returncode != 0:
        raise ReplayFailedError(err.read_text()[-4_000:])
    return json.loads(out.read_text()), took_s, largest


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process and all below it; one that ended counts nothing."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident_bytes(int(one)) for one in children)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quarters", type=int, default=QUARTERS)
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    options = parser.parse_args()
    week = measure(options.quarters)
    if options.json:
        print(json.dumps(asdict(week)))
        return
    print(f"R = {week.verifies_per_s:,.0f} Ed25519 verifications a second\n")
    print(f"{week.quarters} quarters with report and audit: {week.replay_s:.0f} s")
    print(f"validator and workers, at most: {week.rss_bytes_max / 1e6:.0f} MB resident")
    print(f"audit: {'clean' if week.is_clean else 'DIFFERENCES'}; fingerprint {week.fingerprint}")


if __name__ == "__main__":
    main()
