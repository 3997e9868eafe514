"""The tree of commands.

A command's module is loaded when it is asked for, which keeps the others quick.
"""

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
    ("run", "node.cli.node:run"),
    ("devnet", "node.cli.devnet:devnet"),
    ("replay", "node.cli.replay:replay"),
    ("audit", "node.cli.audit:audit"),
    ("call", "node.cli.contracts:call"),
    ("query", "node.cli.contracts:query"),
    ("contracts", "node.cli.contracts:contracts"),
    ("tx", "node.cli.chain:tx"),
    ("block", "node.cli.chain:block"),
    ("account", "node.cli.chain:account"),
    ("keys", "node.cli.keys:app"),
    ("signer", "node.cli.signer:app"),
    ("completion", "node.cli.completion:completion"),
    ("version", "node.cli.version:version"),
)

app = App(
    name="gtx",
    help=HELP,
    help_format="markdown",
    version=VERSION,
    version_flags=["--version"],
    help_flags=["--help", "-h"],
)
for _name, _place in COMMANDS:
    app.command(_place, name=_name)
