"""Run the benchmarks that have a bar, and keep the table of what came out.

    python -m bench [--only NAME …] [--write] [--json] [--list]

Each runs in a process of its own. With `--write` the figures go into the page of benchmarks in
`docs/reference/`; what did not run keeps the figures it had.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from typing import Any

from bench.table import FIGURES, JOBS, PAGE, ROOT, Job, kept_figures, rate_of, rendered


def main() -> int:
    """Run, print, and keep; returns the exit status, which a missed bar does not change."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    names = [job.name for job in JOBS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME",
                        help=f"of {', '.join(names)}")  # fmt: skip
    parser.add_argument("--write", action="store_true", help="keep the figures in the page")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the page")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and their rows")
    options = parser.parse_args()
    if options.list:
        for job in JOBS:
            print(f"{job.name}: {', '.join(row.name for row in job.rows)}")
        return 0
    found: dict[str, Any] = {}
    for job in (job for job in JOBS if job.name in options.only):
        found |= run(job)
    figures = kept_figures() | found if FIGURES.exists() else found
    if options.write:
        FIGURES.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        PAGE.write_text(rendered(figures), encoding="utf-8")
    print(json.dumps(found) if options.json else rendered(found))
    return 0


def run(job: Job) -> dict[str, Any]:
    """Return the figures of a benchmark's rows; says on standard error how it goes."""
    print(f"{job.name}: python -m {' '.join(job.command)} …", end=" ", file=sys.stderr, flush=True)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *job.command, "--json"],
        cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    said = json.loads(done.stdout)
    machine = {"python": platform.python_version(), "cores": os.cpu_count()}
    return {
        row.name: {"figure": row.read(said), "verifies_per_s": round(rate_of(said))} | machine
        for row in job.rows
    }


if __name__ == "__main__":
    sys.exit(main())
