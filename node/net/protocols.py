"""What nodes of a chain say to each other: protocols by name, with their limits.

A name ends with its version. A greeting says the version of the whole and the chain, so that a
peer of another chain is refused before it has said anything.
"""

from typing import Final

from chain.block import BLOCK_BYTES_MAX
from contracts.kernel import Value
from p2p.messages import MESSAGE_BYTES_MAX
from p2p.requests import Protocol

VERSION: Final = 1
# A header and a certificate beside the body; a body's own limit is that of the whole block.
BESIDE_BODY_BYTES_MAX: Final = 2**15
BLOCK_FRAME_BYTES_MAX: Final = BLOCK_BYTES_MAX + BESIDE_BODY_BYTES_MAX

CONSENSUS: Final = "/gridtokenx/consensus/1"
CONSENSUS_FRAME_BYTES_MAX: Final = MESSAGE_BYTES_MAX
BLOCK: Final = Protocol(
    "/gridtokenx/block/1", BLOCK_FRAME_BYTES_MAX, answers_max=1, answer_timeout_s=10.0
)
# Decided blocks of successive heights, each with its certificate; as many as these bytes hold, and
# one at least.
RANGE_BLOCKS_MAX: Final = 64
RANGE_BYTES_MAX: Final = 8 * 2**20
BLOCKS: Final = Protocol(
    "/gridtokenx/blocks/1", BLOCK_FRAME_BYTES_MAX, RANGE_BLOCKS_MAX, answer_timeout_s=10.0
)


def greeting_of(chain_id: bytes) -> Value:
    """Return what every stream begins with."""
    return [VERSION, chain_id]
