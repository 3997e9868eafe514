"""Logs: one line an event, in the form that the settings ask for, and never a secret."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from node.config import LogConfig, LogFormat
from node.logs import VALUE_CHARACTERS_MAX, set_up_logs
from node.validator_key import ValidatorKey

SEED = bytes(range(32))


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    yield io.StringIO()
    structlog.reset_defaults()


def fail_with(seed: bytes) -> None:
    local = seed.hex()
    msg = f"a failure of {len(local)} digits"
    raise ValueError(msg)


@pytest.mark.parametrize("format_", ["json", "console"])
def test_no_secret_is_written(out: io.StringIO, format_: LogFormat) -> None:
    set_up_logs(LogConfig(format=format_), out)
    log = structlog.get_logger("test")
    log.info("tried", seed=SEED, passphrase="open sesame", signing_key=SEED.hex(), bytes_=SEED)
    log.info("nested", values={"secret": SEED.hex(), "list": [{"consensus_seed": SEED.hex()}]})
    log.info("of_a_key", key=repr(ValidatorKey(bytes(20), SEED)))
    try:
        fail_with(SEED)
    except ValueError:
        log.exception("failed")
    text = out.getvalue()
    assert SEED.hex() not in text
    assert repr(SEED) not in text
    assert "open sesame" not in text
    assert "(not shown)" in text
    assert "(32 bytes)" in text
    assert "a failure of 64 digits" in text


def test_json_is_one_object_a_line(out: io.StringIO) -> None:
    set_up_logs(LogConfig(format="json"), out)
    log = structlog.get_logger("test")
    log.info("block_committed", height=3, id="ab", odd=object())
    log.warning("two\nlines", text="x" * (VALUE_CHARACTERS_MAX + 1))
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["event"], first["height"], first["level"]) == ("block_committed", 3, "info")
    assert second["text"].endswith("x…")


def test_what_is_below_the_level_is_left_out(out: io.StringIO) -> None:
    set_up_logs(LogConfig(format="json", level="warning"), out)
    log = structlog.get_logger("test")
    log.info("quiet")
    log.warning("loud")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["loud"]


def test_without_a_terminal_there_are_no_colours(out: io.StringIO) -> None:
    set_up_logs(LogConfig(format="console"), out)
    structlog.get_logger("test").error("plain")
    assert "\x1b" not in out.getvalue()
