"""Authorities: who validates, by which keys.

Genesis names the first set. The set in state is the one that decides the next block's header field
`next_validators_hash`. (PROTOCOL §5.)
"""

from typing import Annotated, Final

from contracts.kernel import (
    Contract,
    Items,
    Lane,
    Map,
    Record,
    genesis,
    invariant,
    is_registrable_key,
    query,
    record,
)
from contracts.kernel.types import Address, PublicKey, Text64

AUTHORITIES_MAX: Final = 64


@record(version=1)
class Authority(Record):
    """An authority: a name for people, and its node's keys."""

    name: Text64
    consensus_key: PublicKey
    """Signs proposals and votes."""
    network_key: PublicKey
    """Says who its node is to other nodes: the peer id is made of it."""

    def own_keys(self) -> tuple[bytes, bytes]:
        """Return the consensus key and the network key."""
        return self.consensus_key, self.network_key


@record(version=1)
class GenesisAuthority(Record):
    """An authority of the first set."""

    account: Address
    authority: Authority


class Authorities(Contract, name="authorities", number=0x40, lane=Lane.GOVERNANCE):
    """The authorities of the chain."""

    members = Map[Address, Authority | None](id=0x4001, default=None)

    @genesis
    def set_up(
        self, authorities: Annotated[tuple[GenesisAuthority, ...], Items(AUTHORITIES_MAX, low=1)]
    ) -> None:
        """Seat the first authorities; refuses shared or unsafe keys."""
        keys = [key for one in authorities for key in one.authority.own_keys()]
        if len(keys) != len(dict.fromkeys(keys)):
            msg = "a consensus or network key is there twice"
            raise ValueError(msg)
        for one in authorities:
            for kind, key in zip(("consensus", "network"), one.authority.own_keys(), strict=True):
                if not is_registrable_key(key):
                    msg = f"{kind} key of {one.authority.name} is not a safe Ed25519 point"
                    raise ValueError(msg)
            if self.members[one.account] is not None:
                msg = f"account {one.account.hex()} is seated twice"
                raise ValueError(msg)
            self.members[one.account] = one.authority

    def validators(self) -> list[tuple[bytes, bytes]]:
        """Return (account, consensus key) of the set, ascending by account."""
        return [(account, one.consensus_key) for account, one in self._all()]

    def by_network_key(self) -> list[tuple[bytes, str]]:
        """Return the key of each authority's node with the authority's name."""
        return [(one.network_key, one.name) for _, one in self._all()]

    @query
    def authority(self, account: Address) -> Authority | None:
        """The authority with this account, or null."""
        return self.members[account]

    @invariant
    def the_set_is_never_empty_and_shares_no_key(self) -> bool:
        """There is at least one authority, at most 64, each with keys of its own."""
        seated = [one for _, one in self._all()]
        keys = [key for one in seated for key in one.own_keys()]
        return 1 <= len(seated) <= AUTHORITIES_MAX and len(keys) == len(dict.fromkeys(keys))

    def _all(self) -> list[tuple[bytes, Authority]]:
        return [(account, one) for account, one in self.members.items() if one is not None]
