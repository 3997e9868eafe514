"""Reading a home's files; whatever is wrong with one is a `Failure` that names it."""

from pathlib import Path

from chain.genesis import Genesis
from node.config import Config
from node.explained import failures_explained
from node.failure import ExitCode, Failure
from node.home import Home


def load_config(home: Home) -> Config:
    """Read the settings; raises `Failure`."""
    with failures_explained():
        return Config.load(home.config)


def load_genesis(home: Home) -> Genesis:
    """Read the genesis; raises `Failure`."""
    return read_genesis(home.genesis)


def read_genesis(path: Path) -> Genesis:
    """Read a genesis from a file; raises `Failure`."""
    with failures_explained():
        try:
            return Genesis.from_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise Failure(
                ExitCode.CONFIG, f"there is no {path}", "make a home with: gtx init"
            ) from error
        except UnicodeDecodeError as error:
            raise Failure(ExitCode.CONFIG, f"{path} is not UTF-8 text") from error
