"""The tree of commands.

A command's module is loaded when it is asked for, which keeps the others quick.
"""

from collections.abc import Sequence
from typing import Final

from cyclopts import App

from node.cli.version import VERSION

HELP: Final = """\
GridTokenX: a permissioned blockchain node for peer-to-peer energy trading.

For example:

```
gtx devnet                                        a chain to try things on
gtx call credit.transfer gtx1… 5_000_000 --key alice
gtx query credit.account gtx1…
gtx keys new --help                               what a command takes
```
"""

COMMANDS: Final = (
    ("init", "node.cli.node:init"),
    ("testnet", "node.cli.testnet:make_testnet"),
    ("run", "node.cli.node:run"),
    ("devnet", "node.cli.devnet:devnet"),
    ("replay", "node.cli.replay:replay"),
    ("audit", "node.cli.audit:audit"),
    ("call", "node.cli.contracts:call"),
    ("query", "node.cli.contracts:query"),
    ("contracts", "node.cli.contracts:contracts"),
    ("tx send", "node.cli.chain:send"),
    ("tx status", "node.cli.chain:status"),
    ("block", "node.cli.chain:block"),
    ("account", "node.cli.chain:account"),
    ("peers", "node.cli.network:peers"),
    ("consensus", "node.cli.network:consensus"),
    ("keys new", "node.cli.keys:new"),
    ("keys list", "node.cli.keys:list_"),
    ("keys show", "node.cli.keys:show"),
    ("keys import", "node.cli.keys:import_"),
    ("keys export", "node.cli.keys:export"),
    ("signer status", "node.cli.signer:status"),
    ("signer reset", "node.cli.signer:reset"),
    ("replay-wal", "node.cli.replay_wal:replay_wal"),
    ("completion", "node.cli.completion:completion"),
    ("version", "node.cli.version:version"),
)

GROUPS: Final = (
    ("tx", "Send signed transactions, and see what became of them."),
    ("keys", "Make, show and move the keys that sign transactions."),
    ("signer", "The guard that keeps this validator from signing twice."),
)

HELP_FLAGS: Final = ("--help", "-h")

app = App(
    name="gtx",
    help=HELP,
    help_format="markdown",
    version=VERSION,
    version_flags=["--version"],
    help_flags=HELP_FLAGS,
)


def load_listed(tokens: Sequence[str]) -> None:
    """Load the commands that a help page lists, if these words ask for one: it shows what they do.

    Without it a command that is not loaded yet would be listed by its name alone.
    """
    words = [token for token in tokens if not token.startswith("-")]
    names = [name for name, _ in GROUPS]
    if not words:
        app.resolved_commands()
    elif len(words) == 1 and words[0] in names:
        app[words[0]].resolved_commands()


for _group, _help in GROUPS:
    app.command(App(name=_group, help=_help))
for _path, _place in COMMANDS:
    *_above, _name = _path.split()
    (app[_above[0]] if _above else app).command(_place, name=_name)
