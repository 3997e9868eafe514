"""What every command takes: where its home is, which node it asks, and how it answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Group, Parameter

from client.rpc import DEFAULT_URL
from node.config import Config, ConfigError
from node.failure import ExitCode, Failure
from node.home import Home

HOME_DEFAULT: Final = "~/.gtx"
COMMON_GROUP: Final = Group("Common options", sort_key=90)


@Parameter(name="*", group=COMMON_GROUP)
@dataclass(frozen=True, slots=True)
class Common:
    """Options of every command."""

    json: Annotated[
        bool, Parameter(name="--json", negative="", help="Answer in JSON, for programs.")
    ] = False
    rpc_url: Annotated[
        str | None,
        Parameter(
            env_var="GTX_RPC_URL",
            help="The node to ask. Default: that of the home's settings, else the usual port here.",
        ),
    ] = None
    home: Annotated[
        Path | None,
        Parameter(
            env_var="GTX_HOME",
            help=f"The folder of settings, keys and data. Default: {HOME_DEFAULT}",
        ),
    ] = None

    def place(self, default: str = HOME_DEFAULT) -> Home:
        """Return the home folder."""
        return Home((self.home or Path(default)).expanduser().absolute())

    def url(self) -> str:
        """Return the address of the node to ask; raises `Failure`."""
        if self.rpc_url:
            if not self.rpc_url.startswith(("http://", "https://")):
                raise Failure(
                    ExitCode.USAGE,
                    f"{self.rpc_url!r} is no address of a node",
                    f"give it as in --rpc-url {DEFAULT_URL}",
                )
            return self.rpc_url
        path = self.place().config
        if not path.exists():
            return DEFAULT_URL
        try:
            rpc = Config.load(path).rpc
        except ConfigError as error:
            raise Failure(ExitCode.CONFIG, str(error), "mend it, or give --rpc-url") from error
        if rpc.port == 0:
            raise Failure(
                ExitCode.CONFIG,
                f"{path} lets the node choose a free port, so its address is not known",
                "give the address that the node printed with --rpc-url",
            )
        host = f"[{rpc.host}]" if ":" in rpc.host else rpc.host
        return f"http://{host}:{rpc.port}"


DEFAULTS: Final = Common()
