"""Makes .venv from the lock files, and checks that what is in it agrees.

Run by scripts/setup with `runtime` or `dev`, and by scripts/test with `check`. Needs nothing but
the standard library: there is no environment yet when it starts.

The stamp .venv/gridtokenx.json says what the environment was made from: the kind, the interpreter,
the place, and hashes of the locks and of what pyproject.toml says about the package. Same stamp:
nothing to do. Only the package changed: install that again. Anything else: make the environment
anew, so that it never holds what a lock no longer names.

Everything is installed with `--no-deps --require-hashes`: the locks are complete, and they override
one requirement that no wheel fulfils (requirements/overrides.txt). Nothing is compiled: wheels
only, but for two packages of pure Python that come as source.
"""

import fcntl
import hashlib
import json
import os
import platform
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / "gridtokenx.json"
REQUIREMENTS = ROOT / "requirements"

# They are published as source only, without any part to compile.
PURE_SOURCE = ("python-baseconv", "varint")

# The one disagreement we chose; see requirements/overrides.txt.
EXPECTED_CHECK = (
    'libp2p 0.8.1 has requirement fastecdsa==2.3.2; sys_platform != "win32", '
    "but you have fastecdsa 3.0.1."
)

Stamp = dict[str, str]


def main(arguments: Sequence[str]) -> int:
    """Do the one thing asked for; 0 if it went well."""
    match list(arguments):
        case ["check"]:
            return check()
        case [("runtime" | "dev") as kind]:
            try:
                with one_at_a_time():
                    prepare(kind)
            except subprocess.CalledProcessError as failure:
                say(f"error: this command failed: {' '.join(map(str, failure.cmd))}")
                say("help: its own message is above; nothing was recorded, so run this again")
                return 1
            return 0
        case _:
            say("usage: environment.py runtime|dev|check")
            return 2


def prepare(kind: str) -> None:
    """Bring .venv to what the locks and pyproject.toml describe, doing as little as possible."""
    wanted = wanted_stamp(kind)
    found = read_stamp()
    # What can check can also run.
    if found.get("kind") == "dev":
        wanted["kind"] = "dev"
    if found == wanted:
        return
    if {**found, "package": ""} != {**wanted, "package": ""}:
        make_anew(wanted["kind"])
    install_package()
    STAMP.write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
    say(f".venv is ready ({wanted['kind']}, Python {wanted['python']})")


def wanted_stamp(kind: str) -> Stamp:
    """Describe the environment that this checkout asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    about_package = [project["build-system"], project["project"], project["tool"]["setuptools"]]
    locks = b"".join(path.read_bytes() for path in sorted(REQUIREMENTS.glob("*.lock")))
    return {
        "kind": kind,
        "python": platform.python_version(),
        "base": os.path.realpath(sys.executable),
        "place": str(ROOT),
        "locks": hashlib.sha256(locks).hexdigest(),
        "package": hashlib.sha256(json.dumps(about_package).encode()).hexdigest(),
    }


def read_stamp() -> Stamp:
    """Return what .venv was made from; empty if there is none, or it was not finished."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return {}
    return stamp if isinstance(stamp, dict) and interpreter().exists() else {}


def make_anew(kind: str) -> None:
    """Replace .venv by one that holds exactly what requirements/KIND.lock names."""
    say(f"making .venv with {sys.executable} (Python {platform.python_version()})")
    has_ensurepip = find_spec("ensurepip") is not None
    venv.create(ENVIRONMENT, clear=True, symlinks=True, with_pip=has_ensurepip)
    if has_ensurepip:
        first_pip = [str(interpreter()), "-I", "-m", "pip"]
    else:
        # Some distributions split ensurepip off; their own pip can install into the environment.
        first_pip = [sys.executable, "-I", "-m", "pip", "--python", str(interpreter())]
    install("setup", first_pip)
    install(kind, pip(), "--no-binary", ",".join(PURE_SOURCE))


def install(lock: str, with_pip: Sequence[str], *options: str) -> None:
    """Install requirements/LOCK.lock, every file checked against its hash."""
    say(f"installing requirements/{lock}.lock")
    run(
        *with_pip,
        "install",
        *("--no-deps", "--require-hashes", "--no-build-isolation", "--only-binary", ":all:"),
        *options,
        *("--requirement", str(REQUIREMENTS / f"{lock}.lock")),
    )


def install_package() -> None:
    """Install this project itself, as a path to this checkout."""
    say("installing gridtokenx (editable)")
    run(*pip(), "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))


def check() -> int:
    """Let pip compare all packages' requirements; only the chosen override may differ."""
    result = subprocess.run(
        [*pip(), "check"], capture_output=True, text=True, cwd=ROOT, env=environ(), check=False
    )
    if result.stdout.strip() == EXPECTED_CHECK:
        say("packages agree, but for the one override")
        return 0
    say(f"error: pip check was to print exactly:\n  {EXPECTED_CHECK}\nbut printed:")
    say(result.stdout + result.stderr)
    say("help: run scripts/lock, or remove .venv if something was installed by hand")
    return 1


def interpreter() -> Path:
    """Return the environment's Python."""
    return ENVIRONMENT / "bin" / "python"


def pip() -> list[str]:
    """Return the start of a command that runs the environment's own pip."""
    return [str(interpreter()), "-I", "-m", "pip"]


def run(*command: str) -> None:
    """Run a pip command; raises CalledProcessError if it fails."""
    subprocess.run(
        [*command, "--quiet", "--no-input"],
        cwd=ROOT,
        env=environ(),
        stdin=subprocess.DEVNULL,
        check=True,
    )


def environ() -> dict[str, str]:
    """Return this process's environment, with settings that would lead pip astray taken out."""
    astray = {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIREMENT", "PYTHONHOME", "PYTHONPATH"}
    kept = {name: value for name, value in os.environ.items() if name not in astray}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait for another run of this script in the same checkout."""
    folder = os.open(REQUIREMENTS, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up of this checkout")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def say(message: str) -> None:
    """Tell the person what happens; stdout is left to what runs afterwards."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
