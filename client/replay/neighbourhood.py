"""The households of a replay and their devices: what they order, what flows, what meters say.

All of it follows from the data, the run's seed, and what the chain said: clearing prices and fills.
Nothing is kept that could not be computed again from these, so that a replay can be taken up at any
point. A battery's flows are those of its household's fills; the settlement meter counts load less
generation plus charge less discharge, the generation meter what the generator gave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from client.replay.agents import Agent, PlannedOrder
from client.replay.battery import Storage, flows
from client.replay.setup import Member, members_of
from client.replay.week import WH_PER_W_QUARTER, Week
from client.wallet import sign_claim
from contracts.grid.reading import Quality, SignedReading

NO_FILLS: Final = (0, 0)
_UNSIGNED: Final = bytes(64)


class Neighbourhood:
    """All households, quarter by quarter."""

    def __init__(self, week: Week, seed: int, chain_id: bytes) -> None:
        """Begin before the first quarter; the seed decides how the agents trade."""
        self.week = week
        self.members: tuple[Member, ...] = members_of(week)
        self._chain_id = chain_id
        self._agents = [Agent.of(member.household, seed) for member in self.members]
        self._storages = [
            None if (battery := member.household.battery) is None else Storage.at_start(battery)
            for member in self.members
        ]
        self._registers: dict[int, tuple[int, int]] = {}
        self._metered: list[dict[int, tuple[int, int, int, int]]] = []

    @property
    def delivered(self) -> int:
        """Return how many quarters are over as far as the households know."""
        return len(self._metered)

    def plans(
        self, quarter: int, prices_per_wh: Sequence[int | None]
    ) -> list[tuple[Member, PlannedOrder]]:
        """Return the orders for a quarter, in the order of the members.

        The fills of all quarters before must have been delivered. No order exceeds a connection.
        """
        assert self.delivered == quarter, f"{self.delivered} quarters are over, not {quarter}"
        plans = []
        for member, agent, storage in zip(self.members, self._agents, self._storages, strict=True):
            plan = agent.plan(quarter, member.household.net_wh, prices_per_wh, storage)
            if plan is None:
                continue
            most, least = member.import_limit_w, -member.export_limit_w
            quantity_wh = min(plan.quantity_wh, most // WH_PER_W_QUARTER)
            quantity_wh = max(quantity_wh, -(-least // WH_PER_W_QUARTER))
            if quantity_wh:
                plans.append((member, replace(plan, quantity_wh=quantity_wh)))
        return plans

    def deliver(self, fills_wh: Mapping[int, tuple[int, int]]) -> None:
        """Let the next quarter pass with these fills: (bought, sold) Wh by participant."""
        quarter, metered = self.delivered, {}
        for place, (member, agent) in enumerate(zip(self.members, self._agents, strict=True)):
            household = member.household
            net_wh = household.net_wh[quarter]
            storage = self._storages[place]
            if storage is not None:
                expected_wh = agent.forecaster.net_wh(quarter, household.net_wh)
                bought_wh, sold_wh = fills_wh.get(member.number, NO_FILLS)
                charge_wh, discharge_wh = flows(storage, expected_wh, bought_wh, sold_wh)
                self._storages[place] = storage.after(charge_wh, discharge_wh)
                net_wh += charge_wh - discharge_wh
            metered[member.number] = self._count(member.number, max(net_wh, 0), max(-net_wh, 0))
            if household.solar_wh is not None:
                number = member.generation_meter_number
                metered[number] = self._count(number, 0, household.solar_wh[quarter])
        self._metered.append(metered)

    def readings(self, quarter: int) -> list[SignedReading]:
        """Return what every meter says of a quarter that is over, signed by the device."""
        metered = self._metered[quarter]
        readings = []
        for member in self.members:
            devices = [(member.number, member.meter)]
            if member.generation_meter is not None:
                devices.append((member.generation_meter_number, member.generation_meter))
            for number, device in devices:
                import_wh, export_wh, import_register_wh, export_register_wh = metered[number]
                reading = SignedReading(
                    meter=number,
                    interval_s=self.week.quarter_start_s(quarter),
                    import_wh=import_wh,
                    export_wh=export_wh,
                    import_register_wh=import_register_wh,
                    export_register_wh=export_register_wh,
                    quality=Quality.MEASURED,
                    version=1,
                    sequence=quarter + 1,
                    public_key=device.public_key,
                    signature=_UNSIGNED,
                )
                signature = sign_claim(self._chain_id, device.seed, reading)
                readings.append(replace(reading, signature=signature))
        return readings

    def _count(self, meter: int, import_wh: int, export_wh: int) -> tuple[int, int, int, int]:
        before = self._registers.get(meter, (0, 0))
        registers = before[0] + import_wh, before[1] + export_wh
        self._registers[meter] = registers
        return import_wh, export_wh, *registers
