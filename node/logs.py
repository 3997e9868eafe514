"""Logs: one line an event on stderr, coloured for people or JSON for machines.

Nobody should have to trust that no caller logs a secret: values under a telling name are replaced
before anything is written, byte strings are shown by their length only (hashes and addresses are
logged as text), and long values are cut.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from node.config import LogConfig

REDACTED: Final = "(not shown)"
VALUE_CHARACTERS_MAX: Final = 2_000

_SECRET_NAME: Final = re.compile(
    r"(^|_)(seed|secret|passphrase|password|private_key|signing_key|token)s?($|_)", re.IGNORECASE
)
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def set_up_logs(config: LogConfig, stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream`, stderr if None, as the settings say."""
    out = sys.stderr if stream is None else stream
    for_people = config.format == "console"
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_secrets,
    ]
    if for_people:
        # The plain form of an exception: others would print local variables, among them keys.
        plain = structlog.dev.plain_traceback
        chain.append(structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=plain))
    else:
        tracebacks = ExceptionDictTransformer(show_locals=False)
        chain += [
            structlog.processors.ExceptionRenderer(tracebacks),
            structlog.processors.JSONRenderer(default=str),
        ]
    structlog.configure(
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[config.level]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # What it says goes around all of the above; what matters of it our own network code logs.
    library = logging.getLogger("libp2p")
    library.propagate = False
    library.handlers = [logging.NullHandler()]


def without_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace what must not be written, at any depth."""
    return {name: _shown(name, value) for name, value in event.items()}


def _shown(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever was logged
    if _SECRET_NAME.search(name):
        return REDACTED
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    if isinstance(value, Mapping):
        return {key: _shown(str(key), one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shown("", one) for one in value]
    if isinstance(value, str) and len(value) > VALUE_CHARACTERS_MAX:
        return value[:VALUE_CHARACTERS_MAX] + "…"
    return value
