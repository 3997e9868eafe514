"""A battery's state of charge, computed from the fills of its household's orders on the chain.

Charge is the fill of a bid beyond the forecast load; discharge is the fill of an ask plus the
forecast load, and nothing if the ask was not filled. Both stay within power and state of charge.
Energy is counted at the terminals; what goes in arrives less the loss, what comes out takes more
than it gives, both rounded against the owner. (MARKET §9.)
"""

from dataclasses import dataclass, replace
from typing import Final

from client.replay.week import Battery

PPM: Final = 1_000_000
# One way; both ways together 90 %.
EFFICIENCY_PPM: Final = 948_683
SOC_START_PPM: Final = 500_000


@dataclass(frozen=True, slots=True)
class Storage:
    """A battery with its state of charge."""

    battery: Battery
    soc_wh: int

    @classmethod
    def at_start(cls, battery: Battery) -> "Storage":
        """Return the battery half full."""
        return cls(battery, battery.energy_wh * SOC_START_PPM // PPM)

    def room_wh(self) -> int:
        """Return what a quarter can put in at the terminals."""
        free = self.battery.energy_wh - self.soc_wh
        return min(self.battery.quarter_wh_max, free * PPM // EFFICIENCY_PPM)

    def deliverable_wh(self) -> int:
        """Return what a quarter can take out at the terminals."""
        return min(self.battery.quarter_wh_max, self.soc_wh * EFFICIENCY_PPM // PPM)

    def after(self, charge_wh: int, discharge_wh: int) -> "Storage":
        """Return the battery a quarter later."""
        assert 0 <= charge_wh <= self.room_wh(), f"{charge_wh} Wh do not fit in"
        assert 0 <= discharge_wh <= self.deliverable_wh(), f"{discharge_wh} Wh are not there"
        gain = charge_wh * EFFICIENCY_PPM // PPM
        loss = -(-discharge_wh * PPM // EFFICIENCY_PPM)
        return replace(self, soc_wh=min(self.soc_wh + gain - loss, self.battery.energy_wh))


def flows(storage: Storage, forecast_wh: int, bought_wh: int, sold_wh: int) -> tuple[int, int]:
    """Return (charge, discharge) at the terminals that follow from a quarter's fills."""
    charge = max(bought_wh - forecast_wh, 0) if bought_wh else 0
    discharge = max(sold_wh + forecast_wh, 0) if sold_wh else 0
    return min(charge, storage.room_wh()), min(discharge, storage.deliverable_wh())
