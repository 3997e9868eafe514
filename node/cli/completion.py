"""`gtx completion`: what a shell needs to complete commands, options, contracts and methods."""

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from node.cli.app import app

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: Annotated[Shell, Parameter(help="The shell to complete in.")], /) -> None:
    """Print a script that teaches a shell to complete gtx.

    For example:

    ```
    mkdir -p ~/.local/share/bash-completion/completions ~/.zfunc ~/.config/fish/completions
    gtx completion bash > ~/.local/share/bash-completion/completions/gtx
    gtx completion zsh > ~/.zfunc/_gtx    # zsh: fpath+=~/.zfunc before compinit
    gtx completion fish > ~/.config/fish/completions/gtx.fish
    ```
    """
    sys.stdout.write(app.generate_completion(prog_name="gtx", shell=shell))
