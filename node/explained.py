"""What a node is expected to fail by, as a `Failure` with its exit code.

The exceptions of ours say what to do after a semicolon, which becomes the `help:` line.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from chain.genesis import InvalidGenesisError
from chain.ledger import CorruptStateError, ForeignChainError
from client.groups import leaves
from contracts.kernel.errors import StorageError
from node.config import ConfigError
from node.failure import ExitCode, Failure
from node.findings import DivergedError
from node.home import HomeError
from node.signer import SignerError
from node.signer_reset import OtherGenesisError
from node.workers import WorkersBrokenError
from p2p.errors import ListenError


@contextmanager
def failures_explained() -> Iterator[None]:
    """Turn what a node is expected to fail by into a `Failure`."""
    try:
        yield
    except BaseExceptionGroup as group:
        causes = tuple(leaves(group))
        interrupts = [one for one in causes if isinstance(one, KeyboardInterrupt)]
        if interrupts:
            raise interrupts[0] from group
        failures = [failure for failure in map(failure_of, causes) if failure is not None]
        if not failures:
            raise
        raise failures[0] from group
    except Exception as error:
        failure = failure_of(error)
        if failure is None or failure is error:
            raise
        raise failure from error


def failure_of(error: BaseException) -> Failure | None:
    """Return what to tell a person, or None for a bug."""
    if isinstance(error, Failure):
        return error
    for kind, code in _CODES:
        if isinstance(error, kind):
            return Failure(code, *_what_and_help(str(error)), name=type(error).__name__)
    if isinstance(error, socket.gaierror):
        return Failure(ExitCode.CONFIG, f"rpc.host: {error.strerror}", "use an address or a name")
    if isinstance(error, OSError):
        code = _CODE_OF_ERRNO.get(error.errno or 0, ExitCode.STORAGE)
        return Failure(code, str(error), _HELP_OF_ERRNO.get(error.errno or 0), name="OSError")
    return None


def _what_and_help(message: str) -> tuple[str, str | None]:
    """Split a message of ours, which says what to do after a semicolon."""
    what, _, help_ = message.partition("; ")
    return what, help_ or None


_CODES: Final = (
    (ConfigError, ExitCode.CONFIG),
    (InvalidGenesisError, ExitCode.CONFIG),
    (ForeignChainError, ExitCode.CONFIG),
    (OtherGenesisError, ExitCode.CONFIG),
    (HomeError, ExitCode.IN_USE),
    (ListenError, ExitCode.IN_USE),
    (CorruptStateError, ExitCode.STORAGE),
    (StorageError, ExitCode.STORAGE),
    (DivergedError, ExitCode.STORAGE),
    (SignerError, ExitCode.SIGNER),
    (WorkersBrokenError, ExitCode.BUG),
)
_ROOM: Final = "make room on the disk, or raise the limit of this user, then start again"
_HELP_OF_ERRNO: Final = MappingProxyType(
    {
        errno.ENOSPC: _ROOM,
        errno.EDQUOT: _ROOM,
        errno.EFBIG: _ROOM,
        errno.EROFS: "the folder is on a disk that is mounted for reading only",
    }
)
_CODE_OF_ERRNO: Final = MappingProxyType(
    {
        errno.EADDRNOTAVAIL: ExitCode.CONFIG,
        errno.EACCES: ExitCode.CONFIG,
    }
)
