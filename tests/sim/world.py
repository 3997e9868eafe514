"""The virtual world of one run: time, network, clocks, and the loop over what happens next."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from chain.block import Block
from chain.consensus.log import SignerIdentity
from chain.consensus.machine import Machine
from chain.crypto import public_key_of, verify
from chain.validators import Validator, ValidatorSet
from chain.votes import Certificate, Verifier
from contracts.kernel import address_of, sha256
from tests.sim.app import AppMaker, Rulebook, SmallApp
from tests.sim.disk import Disk
from tests.sim.invariants import Counts, Violation, Watch
from tests.sim.liar import Liar
from tests.sim.malice import Spoiler
from tests.sim.node import Item, MakeMachine, Node
from tests.sim.plan import CALM, GENESIS_TIME_MS, Cut, Plan, draw

# After the network has healed, this much virtual time is enough for what is left.
PATIENCE_MS: Final = 120_000
EVENTS_MAX: Final = 400_000
RESTART: Final = "restart"

# The journals of honest nodes, by the node's index and the number of its start.
Journals = dict[tuple[int, int], bytearray]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    seed: int
    violation: str | None
    counts: Counts
    virtual_ms: int
    trace: tuple[str, ...]


class World:
    """One run."""

    def __init__(
        self,
        seed: int,
        validators: int,
        heights: int,
        make_app: AppMaker = SmallApp,
        make_machine: MakeMachine = Machine,
        *,
        trace: bool = False,
        journals: Journals | None = None,
    ) -> None:
        self.rng = Random(seed)
        self.plan: Plan = draw(self.rng, validators)
        self.heights = heights
        self.make_machine = make_machine
        self.now_ms = 0
        self.trace: list[str] | None = [] if trace else None
        self.journals = journals
        self.wiped: set[int] = set()
        self._heap: list[tuple[int, int, int, int, Item | str]] = []
        self._sequence = 0
        self._has_moved = True
        self._cuts = list(self.plan.cuts)
        self.chain_id = sha256(b"simulated chain")
        seeds = _seeds(self.plan.nodes)
        members = [Validator(address_of(k), k) for k in map(public_key_of, seeds)]
        self.verifier = _cached_verifier()
        rulebook = Rulebook(
            self.chain_id,
            GENESIS_TIME_MS,
            self.plan.timing,
            _sets(members, self.plan),
            self.verifier,
        )
        malice = self.plan.malice
        self._spoiler: Spoiler | None = None
        if malice is not None:
            self._spoiler = Spoiler(malice, rulebook.set_at, self.rng)
        liars = self.plan.liars
        honest = tuple(m.address for i, m in enumerate(members) if i not in liars)
        self.watch = Watch(rulebook, {m.address: m.public_key for m in members}, honest)
        self.nodes: list[Node] = []
        for index, member in enumerate(members):
            disk = Disk(SignerIdentity(self.chain_id, member.public_key, new=True), self.rng)
            kind = Liar if index in liars else Node
            self.nodes.append(kind(self, index, member, seeds[index], make_app(rulebook), disk))
        for crash in sorted(self.plan.crashes, key=lambda one: one.chance):
            self.nodes[crash.node].crashes.append(crash)
        self._index_of = {m.address: i for i, m in enumerate(members)}
        self._peers = [[m.address for m in members if m is not member] for member in members]

    # ── What nodes ask for ──

    @property
    def is_healed(self) -> bool:
        """Say whether the faults are over."""
        return self.now_ms >= self.plan.heal_ms

    def clock_ms(self, index: int) -> int:
        """Return what a node's clock shows."""
        return GENESIS_TIME_MS + self.now_ms + self.plan.skew_ms[index]

    def later(self, delay_ms: int, node: Node, item: Item) -> None:
        """Bring something to a node after a while, if it still lives then."""
        self._push(self.now_ms + delay_ms, node.index, node.incarnation, item)

    def restart_later(self, index: int, delay_ms: int) -> None:
        """Start a dead node again."""
        self._push(self.now_ms + delay_ms, index, 0, RESTART)

    def is_wiped(self, index: int) -> bool:
        """Say whether a node has lost its disk in this run."""
        return index in self.wiped

    def peers(self, node: Node) -> list[bytes]:
        """Return everybody else."""
        return self._peers[node.index]

    def some_peers(self, node: Node, count: int) -> list[bytes]:
        """Return a few others."""
        peers = self._peers[node.index]
        return self.rng.sample(peers, min(count, len(peers)))

    def execution_delay_ms(self) -> int:
        """Return how long the application takes for something."""
        longest = self.plan.execution_ms
        return int(self.rng.random() * longest) if longest else 0

    def work(self) -> tuple[bool, int]:
        """Return whether a node has work for the next block, and how much later it notices."""
        return self.rng.random() < 0.85, int(self.rng.random() * 100)

    def send(self, sender: Node, receiver: bytes, kind: str, item: Item) -> None:
        """Put a message on the way, or lose it."""
        index, rng, plan = self._index_of[receiver], self.rng, self.plan
        weather = plan.weather
        if self.now_ms >= plan.heal_ms:
            weather = CALM
        elif rng.random() < weather.loss_share or self._is_cut(sender.index, index, kind):
            self.watch.counts.lost += 1
            return
        elif self._spoiler and self._spoiler.keeps_back(sender.me.address, receiver, item):
            self.watch.counts.kept_back += 1
            return
        span_ms = weather.delay_max_ms - weather.delay_min_ms + 1
        delay_ms = weather.delay_min_ms + int(rng.random() * span_ms)
        if weather.late_share and rng.random() < weather.late_share:
            delay_ms += int(rng.random() * weather.late_ms)
        self._push(self.now_ms + delay_ms, index, 0, item)
        if weather.double_share and rng.random() < weather.double_share:
            self._push(self.now_ms + delay_ms + int(rng.random() * span_ms), index, 0, item)

    def note(self, index: int, what: str, thing: object) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            self.trace.append(f"{self.now_ms:6d} ms  node {index}  {what:5s} {shown(thing)}")

    # ── The loop ──

    def run(self) -> None:
        """Run until every honest node has committed all heights and may sign.

        Raises `Violation`.
        """
        for node in self.nodes:
            node.boot()
        deadline_ms = self.plan.heal_ms + PATIENCE_MS
        for _ in range(EVENTS_MAX):
            if not self._heap or (self._has_moved and self._is_done()):
                break
            self.now_ms, _, index, incarnation, item = heapq.heappop(self._heap)
            if self.now_ms > deadline_ms:
                break
            self._bring(index, incarnation, item)
        if not self._is_done():
            heights = ", ".join(f"{n.height}{'' if n.speaks else ' mute'}" for n in self.nodes)
            raise Violation(f"no progress: heights {heights} at {self.now_ms} ms")

    def _bring(self, index: int, incarnation: int, item: Item | str) -> None:
        node = self.nodes[index]
        for pause in self.plan.pauses:
            if pause.node == index and pause.begin_ms <= self.now_ms < pause.end_ms:
                self._push(pause.end_ms, index, incarnation, item)
                return
        if isinstance(item, str):
            node.boot()
        elif node.machine is not None and incarnation in (0, node.incarnation):
            node.receive(item)

    def _is_done(self) -> bool:
        self._has_moved = False
        honest = (node for node in self.nodes if node.is_honest)
        return all(node.height >= self.heights for node in honest) and all(
            self.nodes[index].speaks for index in self.wiped
        )

    def decided(self, node: Node, certificate: Certificate) -> None:
        """Note a commit; perhaps cut off who is first to decide a height, and kill others."""
        self._has_moved = True
        malice, spoiler = self.plan.malice, self._spoiler
        if malice is None or spoiler is None or self.is_healed:
            return
        if spoiler.is_first_to_decide(certificate) and self.rng.random() < malice.isolation:
            self._cuts.append(Cut(self.now_ms, self.plan.heal_ms, (node.index,)))
            for other in self.nodes:
                if other.is_honest and other is not node and self.rng.random() < malice.crash:
                    other.kill(self.rng.randrange(1, 100))

    def _is_cut(self, sender: int, receiver: int, kind: str) -> bool:
        for cut in self._cuts:
            apart = (sender in cut.side) is not (receiver in cut.side)
            if apart and cut.begin_ms <= self.now_ms < cut.end_ms:
                return True
        for silence in self.plan.silences:
            end = sender if silence.outgoing else receiver
            is_now = silence.begin_ms <= self.now_ms < silence.end_ms
            if is_now and silence.node == end and silence.kind == kind:
                return True
        return False

    def _push(self, time_ms: int, index: int, incarnation: int, item: Item | str) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (time_ms, self._sequence, index, incarnation, item))


def simulate(
    seed: int,
    validators: int = 4,
    heights: int = 5,
    make_app: AppMaker = SmallApp,
    make_machine: MakeMachine = Machine,
    *,
    trace: bool = False,
    journals: Journals | None = None,
) -> Outcome:
    """Run one seed to its end; with `journals` all honest machines are real and write theirs."""
    world = World(seed, validators, heights, make_app, make_machine, trace=trace, journals=journals)
    violation = None
    try:
        world.run()
    except Exception as error:  # noqa: BLE001 - whatever ends a node is a finding of this seed
        violation = f"{type(error).__name__}: {error}"
    return Outcome(seed, violation, world.watch.counts, world.now_ms, tuple(world.trace or ()))


def shown(thing: object) -> str:
    """Say a thing in one line, byte strings by their first digits."""
    if isinstance(thing, bytes):
        return thing.hex()[:6]
    if isinstance(thing, Block):
        return f"block {thing.id.hex()[:6]} at {thing.height}"
    fields = getattr(type(thing), "__dataclass_fields__", None)
    if fields is None:
        return str(thing)
    inner = ", ".join(shown(getattr(thing, name)) for name in fields)
    return f"{type(thing).__name__}({inner})"


def _seeds(count: int) -> list[bytes]:
    return [sha256(b"simulated validator %d" % number) for number in range(count)]


def _sets(members: list[Validator], plan: Plan) -> Callable[[int], ValidatorSet]:
    """Return who validates at each height: the last one leaves when a newcomer comes."""
    first = ValidatorSet.of(members[: plan.validators])
    if plan.newcomer_at is None:
        return lambda _: first
    begin = plan.newcomer_at
    second = ValidatorSet.of([*members[: plan.validators - 1], members[plan.validators]])
    return lambda height: first if height < begin else second


def _cached_verifier() -> Verifier:
    """Return a verifier that finds each verdict once for all nodes of a run."""
    verdicts: dict[tuple[bytes, bytes, bytes], bool] = {}

    def verified(public_key: bytes, message: bytes, signature: bytes) -> bool:
        triple = (public_key, message, signature)
        known = verdicts.get(triple)
        if known is None:
            known = verdicts[triple] = verify(*triple)
        return known

    return verified
