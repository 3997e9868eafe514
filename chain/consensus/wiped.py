"""When a validator that lost its log may sign again.

Let H be the highest undecided height in signed status of q other validators. Then this validator
has signed nothing above H + 1: who signs at a height has seen the one below decided by q
precommits, and any q of the others share an honest one with those precommitters, whose undecided
height was by then at least the one it precommitted at. So it may sign above H + 1.

A claim answers a nonce of this start, so that old ones cannot be replayed; it comes only from who
may sign itself. It counts once our own chain has reached its height: then the certificate of the
height below it is in our store, and no claim can be invented upwards. Where q others cannot claim
(n = 1, or more than f wiped) nothing is released; the operator must. (PROTOCOL §5.)
"""

from chain.consensus.messages import StatusClaim
from chain.validators import ValidatorSet


class ClaimBook:
    """The latest claim of each validator in answer to our nonce; O(n)."""

    def __init__(self, nonce: bytes) -> None:
        """Begin empty; `nonce` is random and of this start only."""
        self.nonce = nonce
        self._height_of: dict[bytes, int] = {}

    def add(self, claim: StatusClaim) -> None:
        """Keep a verified claim of a member of the set."""
        assert claim.nonce == self.nonce, "a claim for somebody else"
        self._height_of[claim.validator] = claim.height

    def release(self, height: int, validators: ValidatorSet, own: bytes) -> int | None:
        """Return the height above which `own` may sign, or None while too few claims count.

        `height` is our own undecided height.
        """
        counted = [
            claimed
            for address, claimed in self._height_of.items()
            if claimed <= height and address != own and address in validators.index_of
        ]
        if len(counted) < validators.quorum:
            return None
        return max(counted) + 1
