"""The gate: Noise that lets in whom the chain and the operator know, and nobody else.

The library authenticates a peer and then talks to anyone. Here a peer that is not admitted loses
its connection as soon as the handshake has shown who it is, whichever side dialled.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from libp2p.abc import IRawConnection, ISecureConn
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_key_pair
from libp2p.peer.id import ID
from libp2p.security.exceptions import HandshakeFailure
from libp2p.security.noise.transport import Transport

# So many refused peers are counted by name; the rest together.
REFUSED_NAMES_MAX: Final = 1_024
OTHERS: Final = "others"


class NotAdmittedError(HandshakeFailure):
    """The peer is nobody this node talks to."""


class GatedNoise(Transport):
    """Noise for admitted peers; `refused` counts the others."""

    def __init__(self, key_pair: KeyPair, admits: Callable[[ID], bool]) -> None:
        """Ask `admits` of each peer when its handshake is done."""
        super().__init__(key_pair, noise_privkey=create_noise_key_pair().private_key)
        self._admits = admits
        self.refused: Counter[str] = Counter()

    async def secure_inbound(self, conn: IRawConnection) -> ISecureConn:
        """Shake hands with who dialled; raises `NotAdmittedError`."""
        return await self._gated(await super().secure_inbound(conn))

    async def secure_outbound(self, conn: IRawConnection, peer_id: ID) -> ISecureConn:
        """Shake hands with whom we dialled; raises `NotAdmittedError`."""
        return await self._gated(await super().secure_outbound(conn, peer_id))

    async def _gated(self, secured: ISecureConn) -> ISecureConn:
        peer = secured.get_remote_peer()
        if self._admits(peer):
            return secured
        name = peer.to_base58()
        known = name in self.refused or len(self.refused) < REFUSED_NAMES_MAX
        self.refused[name if known else OTHERS] += 1
        await secured.close()
        raise NotAdmittedError(f"peer {name} is not admitted")
