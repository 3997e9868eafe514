"""People of the tests: everybody's keys derive from a name."""

from chain.crypto import public_key_of
from contracts.kernel import address_of, sha256


def seed_of(name: str) -> bytes:
    """Return the secret seed of the person called `name`."""
    return sha256(b"gridtokenx test person " + name.encode())


def key_of(name: str) -> bytes:
    """Return the public key of the person called `name`."""
    return public_key_of(seed_of(name))


def account_of(name: str) -> bytes:
    """Return the address of the person called `name`."""
    return address_of(key_of(name))
