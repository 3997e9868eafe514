"""Configuration: one TOML file, typed, with a default for everything that has a sensible one.

Unknown names are errors: a misspelt setting must not be ignored. `Config.example()` is the file
that `gtx init` writes, with every setting explained by its comment.
"""

import dataclasses
import json
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")

Role = Literal["validator", "full"]
LogFormat = Literal["console", "json"]
Words = tuple[str, ...]
LogLevel = Literal["debug", "info", "warning", "error"]


class ConfigError(ValueError):
    """A setting is wrong; says which, what was found, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a setting is for and, for numbers, what it may be."""

    help: str
    low: int = 0
    high: int = 0


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """The node itself."""

    role: Annotated[Role, Setting("validator: proposes and votes; full: follows the chain")] = (
        "validator"
    )
    workers: Annotated[int, Setting("processes that decode and verify transactions", 1, 64)] = 1
    journal: Annotated[
        bool, Setting("keep what consensus is told since the start, for gtx replay-wal", 0, 1)
    ] = False


@dataclass(frozen=True, slots=True)
class RpcConfig:
    """The JSON-RPC server."""

    host: Annotated[str, Setting("address to listen on; beyond loopback put TLS before it")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Setting("port to listen on; 0 takes a free one", 0, 65535)] = 26680
    body_bytes_max: Annotated[int, Setting("largest request body", 2**10, 64 * 2**20)] = 8 * 2**20
    batch_max: Annotated[int, Setting("most requests in one JSON-RPC batch", 1, 10_000)] = 100
    connections_max: Annotated[int, Setting("most connections at once", 1, 10_000)] = 256
    requests_per_s: Annotated[
        int, Setting("requests a second from one address, on average", 1, 1_000_000)
    ] = 2_000
    subscriptions_max: Annotated[int, Setting("most event subscriptions at once", 0, 10_000)] = 64


@dataclass(frozen=True, slots=True)
class P2pConfig:
    """The network of nodes."""

    listen: Annotated[
        Words,
        Setting('addresses to listen on, as "/ip4/0.0.0.0/tcp/26780"; none: no network', 0, 8),
    ] = ()
    peers: Annotated[
        Words,
        Setting(
            'nodes to talk to, as "/ip4/10.0.0.2/tcp/26780/p2p/12D3KooW…"; one that only dials as '
            '"/p2p/12D3KooW…"',
            0,
            64,
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class MempoolConfig:
    """Transactions that wait for a block."""

    transactions_max: Annotated[int, Setting("most transactions waiting", 1, 10_000_000)] = 50_000
    bytes_max: Annotated[int, Setting("most bytes waiting", 2**16, 2**34)] = 64 * 2**20
    sender_transactions_max: Annotated[int, Setting("most of one sender", 1, 1_000_000)] = 1_024


@dataclass(frozen=True, slots=True)
class LogConfig:
    """What the node says of itself."""

    level: Annotated[LogLevel, Setting("debug, info, warning or error")] = "info"
    format: Annotated[LogFormat, Setting("console for people, json for machines")] = "console"


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a node."""

    node: NodeConfig = field(default_factory=NodeConfig)
    rpc: RpcConfig = field(default_factory=RpcConfig)
    p2p: P2pConfig = field(default_factory=P2pConfig)
    mempool: MempoolConfig = field(default_factory=MempoolConfig)
    log: LogConfig = field(default_factory=LogConfig)

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Read a TOML file; raises `ConfigError`."""
        try:
            content = tomllib.loads(path.read_text())
        except FileNotFoundError as error:
            msg = f"there is no {path}; make one with: gtx init"
            raise ConfigError(msg) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            msg = f"{path}: {error}"
            raise ConfigError(msg) from error
        return cls.of(content, str(path))

    @classmethod
    def of(cls, content: dict[str, Any], source: str = "config") -> "Config":
        """Check settings given as nested dictionaries; raises `ConfigError`."""
        sections = {f.name: f for f in dataclasses.fields(cls)}
        _refuse_unknown(content, sections, source)
        made = {
            name: _section(typing.get_type_hints(cls)[name], content.get(name, {}), source, name)
            for name in sections
        }
        return cls(**made)

    @staticmethod
    def example() -> str:
        """Return a TOML file with every setting at its default, each explained."""
        return Config().to_toml()

    def to_toml(self) -> str:
        """Return the file that these settings are read from, each explained."""
        lines: list[str] = []
        for section in dataclasses.fields(Config):
            values = getattr(self, section.name)
            about = typing.get_type_hints(type(values), include_extras=True)
            lines += ["", f"[{section.name}]"]
            for one in dataclasses.fields(values):
                lines += [
                    f"# {about[one.name].__metadata__[0].help}",
                    f"{one.name} = {toml(getattr(values, one.name))}",
                ]
        return "\n".join(lines[1:]) + "\n"


def toml(value: str | int | Words) -> str:
    """Return a setting's value as TOML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _section(cls: type[Any], content: object, source: str, section: str) -> Any:  # noqa: ANN401
    if not isinstance(content, dict):
        msg = f"{source}: [{section}] is not a table"
        raise ConfigError(msg)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    _refuse_unknown(content, fields, f"{source}: [{section}]")
    hints = typing.get_type_hints(cls, include_extras=True)
    made = {}
    for name, value in content.items():
        kind, setting = typing.get_args(hints[name])
        _check(kind, value, setting, f"{source}: {section}.{name}")
        made[name] = tuple(value) if kind == Words else value
    return cls(**made)


def _check(hint: Any, value: object, setting: Setting, where: str) -> None:  # noqa: ANN401
    if typing.get_origin(hint) is Literal:
        allowed = typing.get_args(hint)
        if value not in allowed:
            msg = f"{where} = {value!r}, but it is one of {', '.join(allowed)}"
            raise ConfigError(msg)
    elif hint == Words:
        if not isinstance(value, list | tuple) or any(type(one) is not str for one in value):
            msg = f"{where} = {value!r}, but it is a list of texts"
            raise ConfigError(msg)
        if len(value) > setting.high:
            msg = f"{where} has {len(value)} entries, {setting.high} at most are allowed"
            raise ConfigError(msg)
    elif type(value) is not hint:
        msg = f"{where} = {value!r}, but it is of type {hint.__name__}"
        raise ConfigError(msg)
    elif isinstance(value, int) and not setting.low <= value <= setting.high:
        msg = f"{where} = {value}, but it lies in {setting.low} … {setting.high}"
        raise ConfigError(msg)


def _refuse_unknown(content: dict[str, Any], known: dict[str, Any], where: str) -> None:
    unknown = sorted(set(content) - set(known))
    if unknown:
        msg = f"{where}: unknown {', '.join(unknown)}; known: {', '.join(known)}"
        raise ConfigError(msg)
