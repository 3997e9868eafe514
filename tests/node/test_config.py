"""Configuration: the example is the default, and a wrong setting says what is allowed."""

import tomllib
from pathlib import Path

import pytest

from node.config import Config, ConfigError


def test_the_example_file_is_the_default_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(Config.example())
    assert Config.load(path) == Config()
    assert all(line for line in Config.example().splitlines() if line.startswith("# ") and line[2:])


def test_settings_that_are_given_replace_defaults() -> None:
    text = "[rpc]\nport = 0\n[p2p]\nlisten = ['/ip4/1.2.3.4/tcp/5']\n[log]\nformat = 'json'"
    config = Config.of(tomllib.loads(text))
    assert config.p2p.listen == ("/ip4/1.2.3.4/tcp/5",)
    assert (config.rpc.port, config.log.format, config.rpc.host) == (0, "json", "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rcp]\nport = 1", "unknown rcp; known: node, rpc"),
        ("[rpc]\nprot = 1", r"\[rpc\]: unknown prot"),
        ("[rpc]\nport = '1'", "rpc.port = '1', but it is of type int"),
        ("[rpc]\nport = true", "rpc.port = True, but it is of type int"),
        ("[rpc]\nport = 65536", "it lies in 0 … 65535"),
        ("[p2p]\nlisten = 'here'", "p2p.listen = 'here', but it is a list of texts"),
        ("[p2p]\npeers = ['a', 1]", "but it is a list of texts"),
        (f"[p2p]\nlisten = {['a'] * 9}", "p2p.listen has 9 entries, 8 at most are allowed"),
        ("[node]\nrole = 'boss'", "one of validator, full"),
        ("rpc = 5", r"\[rpc\] is not a table"),
        ("[rpc", "config.toml"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_allowed(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Config.load(path)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gtx init"):
        Config.load(tmp_path / "config.toml")
