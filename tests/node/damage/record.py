"""What a process said over several runs of one home, and the rules that hold across all of them.

- A position (height, round, step) carries one payload and one signature, whoever asks and whenever.
- A height has one block; a precommit that left the only validator has decided it.
- What was final once is found again by every later run, in the same place.
- No transaction stands in two blocks.
"""

import json
import signal
from dataclasses import dataclass, field
from typing import Any, Final

from chain.genesis import Genesis
from contracts.kernel import sha256
from tests.node.damage.launcher import Ended
from tests.node.damage.program import transfer

KILLED: Final = -signal.SIGKILL
ENDED_BY_TIMER: Final = -signal.SIGALRM
PRECOMMIT: Final = 2
AFTER_LISTING: Final = frozenset({"answers", "committed", "done"})


@dataclass
class Record:
    """All that the processes of one home have said."""

    sent: dict[tuple[int, ...], tuple[str, str]] = field(default_factory=dict)
    blocks: dict[int, str] = field(default_factory=dict)
    chain: dict[int, list[str]] = field(default_factory=dict)
    final: int = -1

    def add(self, ended: Ended) -> list[dict[str, Any]]:
        """Take in what a run said; asserts every rule. Returns its events."""
        events = [json.loads(line) for line in ended.out.splitlines()]
        assert "left over" not in ended.err, ended.err
        for event in events:
            match event["event"]:
                case "opened":
                    self.chain = {}
                case "sent":
                    self._note_sent(event)
                case "found" | "committed":
                    self._note_block(event)
                case _:
                    pass
        if self.chain:
            assert list(self.chain) == list(range(len(self.chain))), "heights follow each other"
            ids = [one for block in self.chain.values() for one in block]
            assert len(ids) == len(set(ids)), "a transaction stands in two blocks"
            # A run that is killed while it lists the chain it found has listed a part of it.
            if any(event["event"] in AFTER_LISTING for event in events):
                assert len(self.chain) > self.final, f"height {self.final} was final and is lost"
                self.final = len(self.chain) - 1
        return events

    def assert_complete(self, genesis: Genesis, transactions: int) -> None:
        """Assert that the sender's transactions are all final, in the order of their nonces."""
        ids = [one for block in self.chain.values() for one in block]
        assert ids == [sha256(transfer(genesis, nonce)).hex() for nonce in range(transactions)]

    def _note_sent(self, event: dict[str, Any]) -> None:
        place = tuple(event["place"])
        said = (event["payload"], event["signature"])
        assert self.sent.setdefault(place, said) == said, f"two messages were signed for {place}"
        if place[-1] == PRECOMMIT and event["block"] is not None:
            self._decide(place[0], event["block"])

    def _note_block(self, event: dict[str, Any]) -> None:
        self._decide(event["height"], event["id"])
        self.chain[event["height"]] = event["transactions"]

    def _decide(self, height: int, block: str) -> None:
        assert self.blocks.setdefault(height, block) == block, f"two blocks at height {height}"


def explained(ended: Ended) -> str:
    """Return the words of a run that ended as a node explains; asserts that it did."""
    assert ended.status > 1, f"status {ended.status}\n{ended.err}"
    assert "Traceback" not in ended.err, ended.err
    words = ended.err[ended.err.index("error: ") :]
    what, help_ = words.strip().splitlines()[:2]
    assert len(help_) > len("help: None"), f"nothing says what to do: {words}"
    return f"{what}\n{help_}"
