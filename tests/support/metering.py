"""A grid with metering in a small world: devices that count and sign, a gateway, an operator."""

from dataclasses import replace
from typing import TypedDict, Unpack

from chain.crypto import Domain, sign, signed_bytes
from chain.execution.receipt import Outcome
from chain.transaction import Call
from contracts.grid.model import DeviceKey
from contracts.grid.reading import MeteringRules, Quality, SignedReading
from contracts.kernel import Claim, Reject, Value
from contracts.kernel.types import QUARTER_S
from tests.support.genesis import PEOPLE, START_S, make_genesis, parameters
from tests.support.grid import (
    FIRST_NUMBER,
    GATEWAY,
    METERING_OPERATOR,
    RULES,
    meter_name,
)
from tests.support.people import key_of, seed_of
from tests.support.settler import SettlerRegistry, Told
from tests.support.world import World

ALICE = FIRST_NUMBER
BOB = FIRST_NUMBER + 1
DAY_S = 86_400
UNSIGNED = bytes(64)
LIST_FEE_MAX_UTHB = 20_000_000


def quarter(number: int) -> int:
    """Return the start of a quarter, counted from the first that is metered."""
    return START_S + number * QUARTER_S


class Said(TypedDict, total=False):
    """What a reading of a test may say other than what its device counts."""

    import_register_wh: int
    export_register_wh: int
    quality: Quality
    version: int
    sequence: int
    key: str


class GridWorld(World):
    """A world of people with meters, a gateway and a metering operator; readings sign themselves.

    A device's registers follow from the energies it was told of, in whatever order they are sent:
    `measure` fixes them, `reading` signs them.
    """

    def __init__(
        self,
        people: tuple[str, ...] = PEOPLE,
        rules: MeteringRules = RULES,
        *,
        at_work: bool = True,
    ) -> None:
        """Run the genesis; at work, statements and final quarters come by themselves."""
        chain = parameters(block_weight_max=40_000_000)
        genesis = make_genesis(people=people, chain=chain, metering=rules, statements=at_work)
        super().__init__(genesis, SettlerRegistry)
        self.rules = rules
        self.measured: dict[int, list[tuple[int, int]]] = {}
        if at_work:
            self.call(GATEWAY, "settler", "begin", START_S)

    @property
    def now_s(self) -> int:
        """Return market time."""
        return self.read.clock.driven_time_s()

    @property
    def contracts(self) -> SettlerRegistry:
        """Return the contracts over the present state, for reading."""
        read = self.read
        assert isinstance(read, SettlerRegistry)
        return read

    def signature(self, domain: Domain, claim: Claim, key: str) -> bytes:
        """Sign a claim with the key of the person or device `key`."""
        message = signed_bytes(domain, self.genesis.chain_id, claim.payload())
        return sign(seed_of(key), message)

    def device_key(self, meter: int, key: str) -> DeviceKey:
        """Return a device's statement that it holds this key."""
        claim = DeviceKey(meter, key_of(key), UNSIGNED)
        return replace(claim, signature=self.signature(Domain.POSSESSION, claim, key))

    def sign(self, reading: SignedReading, key: str | None = None) -> SignedReading:
        """Return the reading with the signature of its meter, or of another key."""
        name = key or meter_name(reading.meter)
        unsigned = replace(reading, public_key=key_of(name), signature=UNSIGNED)
        return replace(unsigned, signature=self.signature(Domain.READING, unsigned, name))

    def measure(self, meter: int, *energies: tuple[int, int]) -> None:
        """Let a device measure the next quarters: (import, export) each."""
        self.measured.setdefault(meter, []).extend(energies)

    def reading(self, meter: int, number: int, **said: Unpack[Said]) -> SignedReading:
        """Return a device's signed reading of a quarter that it has measured."""
        energies = self.measured[meter][: number + 1]
        reading = SignedReading(
            meter=meter,
            interval_s=quarter(number),
            import_wh=energies[-1][0],
            export_wh=energies[-1][1],
            import_register_wh=said.get("import_register_wh", sum(e[0] for e in energies)),
            export_register_wh=said.get("export_register_wh", sum(e[1] for e in energies)),
            quality=said.get("quality", Quality.MEASURED),
            version=said.get("version", 1),
            sequence=said.get("sequence", number + 1),
            public_key=bytes(32),
            signature=UNSIGNED,
        )
        return self.sign(reading, said.get("key"))

    def submit(self, *readings: SignedReading, gateway: str = GATEWAY) -> list[int]:
        """Send readings in one call; returns the code of each."""
        return self._send(gateway, "submit_readings", readings)

    def correct(self, *readings: SignedReading, operator: str = METERING_OPERATOR) -> list[int]:
        """Send corrections in one call; returns the code of each."""
        return self._send(operator, "correct_readings", readings)

    def accepted(self, *readings: SignedReading) -> None:
        """Send readings that must all be accepted."""
        assert self.submit(*readings) == [0] * len(readings)

    def corrected(self, *readings: SignedReading) -> None:
        """Send corrections that must all be accepted."""
        assert self.correct(*readings) == [0] * len(readings)

    def refuses(
        self,
        reject: type[Reject],
        *readings: SignedReading,
        gateway: str = GATEWAY,
        method: str = "submit_readings",
    ) -> None:
        """Send readings that must all be refused so, changing nothing but nonce and fee."""
        wire: list[Value] = [reading.to_wire() for reading in readings]
        call = Call("metering", method, (wire,))
        result = self.without_effect(self.signed(gateway, call, fee_max_uthb=LIST_FEE_MAX_UTHB))
        assert result.code == Outcome.OK, result
        assert result.value == [reject.receipt_code()] * len(readings), result

    def refuses_correction(
        self, reject: type[Reject], *readings: SignedReading, operator: str = METERING_OPERATOR
    ) -> None:
        """Send corrections that must all be refused so, changing nothing but nonce and fee."""
        self.refuses(reject, *readings, gateway=operator, method="correct_readings")

    def finalise(self, number: int) -> dict[int, tuple[int, int, bool]]:
        """Finalise a quarter now; returns import, export and substituted by participant."""
        told = self.call(GATEWAY, "settler", "finalise", quarter(number), 0, 100)
        assert isinstance(told, list)
        shape = Told.shape.from_wire
        return {
            one.participant: (one.import_wh, one.export_wh, one.substituted)
            for one in map(shape, told)
        }

    def energy(self, meter: int, number: int) -> tuple[int, int, Quality] | None:
        """Return what is recorded of a quarter: import, export, quality."""
        held = self.read.metering.reading(meter, quarter(number))
        return None if held is None else (held.import_wh, held.export_wh, held.quality)

    def to_quarter(self, number: int) -> None:
        """Drive market time to the start of a quarter."""
        self.advance(quarter(number))

    def _send(self, sender: str, method: str, readings: tuple[SignedReading, ...]) -> list[int]:
        wire: list[Value] = [reading.to_wire() for reading in readings]
        receipt = self.send(
            sender, Call("metering", method, (wire,)), fee_max_uthb=LIST_FEE_MAX_UTHB
        )
        result = receipt.results[0]
        assert result.code == Outcome.OK, result
        assert isinstance(result.value, list)
        return [code for code in result.value if isinstance(code, int)]
