"""What a seed draws: the network, the clocks, and everything that will go wrong.

Faults happen until `heal_ms`. At most f nodes of every validator set may lie, or have a clock
beyond the precision; all the others may crash, pause and be cut off at will, but come back. A disk
is wiped only where nobody lies, as the wiped node needs q others to answer.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from contracts.governance.parameters import Timing
from contracts.kernel.rounding import floor_div
from tests.sim.disk import CrashPoint

GENESIS_TIME_MS: Final = 1_700_000_000_000
CRASHES_MAX: Final = 3
DRAWN_POINTS: Final = tuple(point for point in CrashPoint if point is not CrashPoint.IDLE)
# The smallest network in which a quorum of others can answer a wiped node.
WIPE_VALIDATORS_MIN: Final = 4


@dataclass(frozen=True, slots=True)
class Crash:
    """A node dies at its nth chance, counted from the start, and is down for a while."""

    node: int
    chance: int
    point: CrashPoint
    down_ms: int
    wipe: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """From `begin_ms` to `end_ms` messages between different sides are lost."""

    begin_ms: int
    end_ms: int
    side: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """Messages of one kind from or to one node are lost for a while."""

    begin_ms: int
    end_ms: int
    node: int
    kind: str
    outgoing: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """A node does nothing for a while, and then catches up with what came in."""

    node: int
    begin_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Weather:
    """How the network treats a message."""

    delay_min_ms: int
    delay_max_ms: int
    late_share: float = 0.0
    late_ms: int = 0
    loss_share: float = 0.0
    double_share: float = 0.0


CALM: Final = Weather(1, 40)


@dataclass(frozen=True, slots=True)
class Malice:
    """A network that means harm, and knows what it carries; see `malice.py`.

    It works at each height until somebody decides there, and then cuts that node off with a chance
    of `isolation`, so that the others go on without knowing; each of them dies with a chance of
    `crash`.
    """

    omission_share: float
    plots: bool
    isolation: float
    crash: float


@dataclass(frozen=True, slots=True)
class Plan:
    """One simulated run, drawn from its seed."""

    validators: int
    newcomer_at: int | None
    heal_ms: int
    timing: Timing
    weather: Weather
    malice: Malice | None
    execution_ms: int
    bodies_travel_share: float
    skew_ms: tuple[int, ...]
    liars: tuple[int, ...]
    crashes: tuple[Crash, ...] = ()
    cuts: tuple[Cut, ...] = ()
    silences: tuple[Silence, ...] = ()
    pauses: tuple[Pause, ...] = ()

    @property
    def nodes(self) -> int:
        """Return how many nodes there are; a newcomer follows until its height."""
        return self.validators + (self.newcomer_at is not None)


def draw(rng: Random, validators: int) -> Plan:
    """Draw a run; more than one node makes a network."""
    malice = _malice(rng) if validators > 1 and rng.random() < 0.4 else None
    heal_ms = rng.randrange(200, 6_000) if malice is None else rng.randrange(2_000, 8_000)
    timeout_ms = 1_000 if malice is None else 200
    timing = Timing(
        block_interval_min_ms=rng.choice((20, 50, 200, 600)),
        heartbeat_ms=3_000,
        timeout_propose_ms=timeout_ms,
        timeout_vote_ms=timeout_ms >> 1,
        timeout_step_ms=timeout_ms >> 1,
        timeout_cap_ms=30_000,
    )
    newcomer_at = rng.randrange(2, 5) if validators > 1 and rng.random() < 0.1 else None
    nodes = validators + (newcomer_at is not None)
    wipes = validators >= WIPE_VALIDATORS_MIN and rng.random() < 0.05
    unreliable = 0 if wipes else floor_div(validators - 1, 3)
    liars, skew_ms = _unreliable(rng, validators, nodes, unreliable, timing)
    crashes = _crashes(rng, validators, nodes, liars, wipes=wipes)
    is_network = validators > 1
    silences = _silences(rng, nodes, heal_ms) if is_network and rng.random() < 0.5 else ()
    cuts = _cuts(rng, nodes, heal_ms) if is_network and rng.random() < 0.4 else ()
    pauses = _pauses(rng, nodes, heal_ms) if rng.random() < 0.25 else ()
    return Plan(
        validators=validators,
        newcomer_at=newcomer_at,
        heal_ms=heal_ms,
        timing=timing,
        weather=_weather(rng) if malice is None else Weather(1, rng.choice((5, 40))),
        malice=malice,
        execution_ms=rng.choice((0, 0, 30, 300)),
        bodies_travel_share=rng.choice((0.0, 0.8, 1.0, 1.0)),
        skew_ms=skew_ms,
        liars=liars,
        crashes=crashes,
        cuts=cuts,
        silences=silences,
        pauses=pauses,
    )


def _unreliable(
    rng: Random, validators: int, nodes: int, count: int, timing: Timing
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Draw who lies, and every clock: at most `count` nodes lie or are far out."""
    half = floor_div(timing.precision_ms, 2)
    skew_ms = [rng.randrange(-half, half + 1) for _ in range(nodes)]
    # The last validator may leave for a newcomer: whoever is unreliable is in every set.
    chosen = rng.sample(range(validators - 1), count) if count else []
    liars = []
    for node in chosen:
        fate = rng.random()
        if fate < 0.5:
            liars.append(node)
        elif fate < 0.65:
            skew_ms[node] = rng.choice((-2_000, 2_000))
    return tuple(liars), tuple(skew_ms)


def _malice(rng: Random) -> Malice:
    plots = rng.random() < 0.6
    return Malice(
        omission_share=0.0 if plots else rng.choice((0.2, 0.35, 0.5)),
        plots=plots,
        isolation=rng.choice((0.7, 1.0)),
        crash=rng.choice((0.0, 0.5, 1.0)),
    )


def _weather(rng: Random) -> Weather:
    delay_max_ms = rng.choice((5, 40, 150, 600))
    return Weather(
        delay_min_ms=1,
        delay_max_ms=delay_max_ms,
        late_share=rng.choice((0.0, 0.0, 0.1)),
        late_ms=rng.choice((500, 3_000)),
        loss_share=rng.choice((0.0, 0.02, 0.15, 0.35)),
        double_share=rng.choice((0.0, 0.0, 0.2)),
    )


def _crashes(
    rng: Random, validators: int, nodes: int, liars: tuple[int, ...], *, wipes: bool
) -> tuple[Crash, ...]:
    honest = [node for node in range(nodes) if node not in liars]
    crashes = []
    for number in range(max(wipes, rng.randrange(CRASHES_MAX + 1))):
        is_wipe = wipes and number == 0
        # Who is in every set, so that the others are as many as the rule wants.
        node = rng.randrange(validators - 1) if is_wipe else rng.choice(honest)
        point = rng.choice(DRAWN_POINTS)
        down_ms = rng.choice((1, 200, 1_500))
        crashes.append(Crash(node, rng.randrange(1, 14), point, down_ms, is_wipe))
    return tuple(crashes)


def _cuts(rng: Random, nodes: int, heal_ms: int) -> tuple[Cut, ...]:
    cuts = []
    for _ in range(rng.randrange(1, 3)):
        begin_ms = rng.randrange(heal_ms)
        end_ms = min(heal_ms, begin_ms + rng.choice((300, 1_500, 5_000)))
        side = tuple(sorted(rng.sample(range(nodes), rng.randrange(1, nodes))))
        cuts.append(Cut(begin_ms, end_ms, side))
    return tuple(cuts)


def _silences(rng: Random, nodes: int, heal_ms: int) -> tuple[Silence, ...]:
    silences = []
    for _ in range(rng.randrange(1, 5)):
        begin_ms = rng.randrange(heal_ms)
        end_ms = min(heal_ms, begin_ms + rng.choice((300, 1_500, 5_000)))
        kind = rng.choice(("Proposal", "PREVOTE", "PRECOMMIT", "PRECOMMIT", "Status", "Block"))
        outgoing = rng.random() < 0.5
        silences.append(Silence(begin_ms, end_ms, rng.randrange(nodes), kind, outgoing))
    return tuple(silences)


def _pauses(rng: Random, nodes: int, heal_ms: int) -> tuple[Pause, ...]:
    begin_ms = rng.randrange(heal_ms)
    end_ms = min(heal_ms, begin_ms + rng.choice((200, 2_000)))
    return (Pause(rng.randrange(nodes), begin_ms, end_ms),)
