"""The node itself, and this API."""

from pydantic import ConfigDict

from node.api.methods.chain import NoParams
from node.api.service import Service
from node.api.types import Answer, AnyObject


class HealthAnswer(Answer):
    """What an operator looks at first; a node may tell more than this."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    height: int
    tip_time_ms: int
    tip_age_ms: int
    subscriptions: int
    bytes_held: int


class OpenRpcDocument(Answer):
    """An OpenRPC 1.3 document."""

    openrpc: str
    info: AnyObject
    methods: list[AnyObject]
    components: AnyObject


async def node_health(service: Service, _: NoParams) -> HealthAnswer:
    """Return height and age of the tip and how busy the node is."""
    own = {"subscriptions": service.hub.subscription_count, "bytes_held": service.held.held}
    return HealthAnswer.model_validate(service.backend.health() | own)


async def rpc_discover(service: Service, _: NoParams) -> OpenRpcDocument:
    """Describe this API as an OpenRPC document; also called `rpc.discover`."""
    return OpenRpcDocument.model_validate(service.document)
