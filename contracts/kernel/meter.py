"""Weight: what execution costs, counted the same on every node.

One unit of weight is about 100 ns on the reference core. Charges come from one table in the
chain's parameters and never depend on caches: a read costs the same wherever its value was found.
"""

from typing import Annotated, Final

from contracts.kernel.errors import OutOfWeight
from contracts.kernel.record import Record, record
from contracts.kernel.shape import Range

Weight = Annotated[int, Range(0, 2**48)]
CHUNK_SHIFT: Final = 6  # values are charged by started chunks of 64 bytes


@record(version=1)
class WeightTable(Record):
    """The price list of execution."""

    transaction: Weight = 700
    """One transaction: decoding, waiting, admission, nonce, fee, receipt and histories."""
    byte: Weight = 1
    """One byte of a transaction."""
    signature: Weight = 300
    """One signature or signed claim, whether its verdict was cached or not."""
    call: Weight = 100
    """Entering one call or unit."""
    read: Weight = 40
    """Reading one key."""
    write: Weight = 250
    """Writing or deleting one key, with its share of the trie and the database."""
    chunk: Weight = 5
    """One started 64 bytes of a value read, written or emitted."""
    range_item: Weight = 15
    """One step of a range."""
    event: Weight = 60
    """Emitting one event."""
    step: Weight = 5
    """One turn of any other loop."""


class Meter:
    """Counts weight against a limit; the counter is what a receipt shows."""

    __slots__ = ("limit", "table", "used")

    def __init__(self, table: WeightTable, limit: int) -> None:
        """Start at zero."""
        self.table = table
        self.limit = limit
        self.used = 0

    def charge(self, weight: int) -> None:
        """Add weight; raises `OutOfWeight` beyond the limit, the counter then shows the limit."""
        self.used += weight
        if self.used > self.limit:
            self.used = self.limit
            raise OutOfWeight

    def charge_sized(self, weight: int, size_bytes: int) -> None:
        """Charge an access to a value of this size."""
        # As `charge`, without the call: nothing is done as often.
        self.used += weight + (size_bytes + 63 >> CHUNK_SHIFT) * self.table.chunk
        if self.used > self.limit:
            self.used = self.limit
            raise OutOfWeight

    def charge_steps(self, count: int) -> None:
        """Charge `count` turns of a loop before it runs."""
        self.charge(count * self.table.step)
