"""The tip: the last committed block and what is in force for the next."""

from dataclasses import dataclass

from chain.block import Header
from chain.mmr import Mmr
from chain.trie.versions import Version
from chain.validators import ValidatorSet
from chain.votes import Certificate
from contracts.governance.parameters import ChainParameters


@dataclass(frozen=True)
class Tip:
    """The last committed block and what is in force for the next."""

    header: Header
    block_id: bytes
    certificate: Certificate | None
    validators: ValidatorSet
    next_validators: ValidatorSet
    parameters: ChainParameters
    history: Mmr
    version: Version

    @property
    def height(self) -> int:
        """Return the height of the last committed block."""
        return self.header.height
