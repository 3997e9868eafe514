"""Choices for tests that must come out the same on every Python."""

from contracts.kernel import sha256


class Dice:
    """A deterministic source of choices, the same on every Python."""

    def __init__(self, seed: str) -> None:
        self._state = sha256(seed.encode())

    def roll(self, sides: int) -> int:
        """Return 0 … sides − 1."""
        self._state = sha256(self._state)
        return int.from_bytes(self._state[:8], "big") % sides
