"""The keys of a devnet: everybody's derive from a name and a seed that everybody knows.

Whoever reads this file holds them. A chain with such keys is for trying things out on one machine;
its genesis says `devnet`, and a node with it refuses to listen beyond loopback.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from chain.crypto import public_key_of
from client.wallet import Wallet
from contracts.kernel import address_of, sha256

PUBLIC_SEED: Final = b"gridtokenx devnet key "
OFFICE_NAMES: Final = (
    "driver",
    "gateway",
    "grid",
    "market operator",
    "metering operator",
    "registrar",
    "retailer",
)
_NUMBERED: Final = re.compile(r"(account|household|meter|validator) (0|[1-9][0-9]{0,5})")


def is_name(name: str) -> bool:
    """Say whether somebody of a devnet may be called so; any other text would have a key as well.

    Those of whom there are several are numbered; how many there are is up to the genesis.
    """
    return name in OFFICE_NAMES or _NUMBERED.fullmatch(name) is not None


@dataclass(frozen=True)
class Identity:
    """Somebody of the devnet, with everything that follows from the name."""

    name: str

    @cached_property
    def seed(self) -> bytes:
        """Return the secret seed, which is none."""
        return sha256(PUBLIC_SEED + self.name.encode())

    @cached_property
    def public_key(self) -> bytes:
        """Return the public key."""
        return public_key_of(self.seed)

    @cached_property
    def account(self) -> bytes:
        """Return the address that the key answers for."""
        return address_of(self.public_key)

    def wallet(self, chain_id: bytes) -> Wallet:
        """Return the account's wallet on a chain."""
        return Wallet.of(chain_id, self.seed)


def validator(number: int) -> Identity:
    """Return an authority of the devnet, whose key is its consensus key as well."""
    return Identity(f"validator {number}")


def node(number: int) -> Identity:
    """Return whose key a validator's node has on the network."""
    return Identity(f"node {number}")
