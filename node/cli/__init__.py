"""The command `gtx`: `main` runs one command line and returns its exit status.

`app` is the tree of commands; each module beside it holds the commands of one subject. What goes
wrong is a `Failure`, printed as `error:` and `help:` with an exit code that has a name.
"""

from node.cli.main import main

__all__ = ["main"]
