"""Validator sets: who may propose and vote, with which key, in which order.

Equal power (proof of authority). With n validators, f = ⌊(n−1)/3⌋ may be Byzantine and
q = ⌊2n/3⌋+1 make a quorum: two quorums share at least one honest validator.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from contracts.kernel import codec, sha256
from contracts.kernel.rounding import floor_div, floor_mod

VALIDATORS_MAX: Final = 64


@dataclass(frozen=True, slots=True, order=True)
class Validator:
    """One authority and its consensus key."""

    address: bytes
    public_key: bytes


@dataclass(frozen=True)
class ValidatorSet:
    """Validators ascending by address; bitmaps, signatures and turns follow this order."""

    members: tuple[Validator, ...]

    def __post_init__(self) -> None:
        """Refuse a set that is empty, too large, unordered, or shares a key."""
        if not 1 <= len(self.members) <= VALIDATORS_MAX:
            msg = f"{len(self.members)} validators are outside 1 … {VALIDATORS_MAX}"
            raise ValueError(msg)
        if any(a.address >= b.address for a, b in pairwise(self.members)):
            msg = "validators are not strictly ascending by address"
            raise ValueError(msg)
        if len({v.public_key for v in self.members}) != len(self.members):
            msg = "two validators share a consensus key"
            raise ValueError(msg)

    @classmethod
    def of(cls, members: Iterable[Validator]) -> "ValidatorSet":
        """Sort the members, then check them; raises `ValueError`."""
        return cls(tuple(sorted(members)))

    @cached_property
    def size(self) -> int:
        """Return n."""
        return len(self.members)

    @cached_property
    def faulty_max(self) -> int:
        """Return f, how many may lie without breaking agreement."""
        return floor_div(self.size - 1, 3)

    @cached_property
    def quorum(self) -> int:
        """Return q, the votes that decide."""
        return floor_div(2 * self.size, 3) + 1

    @cached_property
    def hash(self) -> bytes:
        """Return the SHA-256 of the array of `[address, consensus key]`."""
        return sha256(codec.encode([[v.address, v.public_key] for v in self.members]))

    @cached_property
    def index_of(self) -> dict[bytes, int]:
        """Map each address to its position in the set."""
        return {v.address: i for i, v in enumerate(self.members)}

    def proposer(self, height: int, round_: int) -> Validator:
        """Return whose turn it is at this height and round."""
        return self.members[floor_mod(height + round_, self.size)]
