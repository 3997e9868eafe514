"""The number, byte and text types of the domain, each with its range and unit."""

from typing import Annotated, Final, TypeAlias

from contracts.kernel.codec import INT_MAX, INT_MIN
from contracts.kernel.shape import Range, Size, Unit

PPM: Final = 1_000_000
TICK_UTHB_PER_WH: Final = 10
QUARTER_S: Final = 900

Uint: TypeAlias = Annotated[int, Range(0, INT_MAX)]
Int: TypeAlias = Annotated[int, Range(INT_MIN, INT_MAX)]
U8: TypeAlias = Annotated[int, Range(0, 2**8 - 1)]
U16: TypeAlias = Annotated[int, Range(0, 2**16 - 1)]
U32: TypeAlias = Annotated[int, Range(0, 2**32 - 1)]

Wh: TypeAlias = Annotated[int, Range(0, INT_MAX), Unit("Wh")]
NetWh: TypeAlias = Annotated[int, Range(INT_MIN, INT_MAX), Unit("Wh")]
Watt: TypeAlias = Annotated[int, Range(0, INT_MAX), Unit("W")]
PricePerWh: TypeAlias = Annotated[int, Range(0, 2**40), Unit("µTHB/Wh")]
Uthb: TypeAlias = Annotated[int, Range(0, INT_MAX), Unit("µTHB")]
NetUthb: TypeAlias = Annotated[int, Range(INT_MIN, INT_MAX), Unit("µTHB")]
Unrg: TypeAlias = Annotated[int, Range(0, INT_MAX), Unit("µNRG")]
Ppm: TypeAlias = Annotated[int, Range(0, INT_MAX), Unit("ppm")]
TimeMs: TypeAlias = Annotated[int, Range(0, INT_MAX), Unit("ms")]
TimeS: TypeAlias = Annotated[int, Range(0, 2**40), Unit("s")]
DurationS: TypeAlias = Annotated[int, Range(0, 2**40), Unit("s")]
Height: TypeAlias = Annotated[int, Range(0, INT_MAX), Unit("height")]

Address: TypeAlias = Annotated[bytes, Size(20), Unit("address")]
Hash32: TypeAlias = Annotated[bytes, Size(32), Unit("hash")]
PublicKey: TypeAlias = Annotated[bytes, Size(32), Unit("public key")]
Signature: TypeAlias = Annotated[bytes, Size(64), Unit("signature")]
Text32: TypeAlias = Annotated[str, Size(1, 32)]
Text64: TypeAlias = Annotated[str, Size(1, 64)]
Memo: TypeAlias = Annotated[bytes, Size(0, 256)]
