"""What settlement says: its refusals, and events from which every bill can be worked out again."""

from contracts.kernel import Event, Reject
from contracts.kernel.types import (
    U16,
    U32,
    Address,
    NetUthb,
    NetWh,
    PricePerWh,
    TimeS,
    Uint,
    Uthb,
    Wh,
)


class NotDue(Reject):
    """The quarter is not settled yet: its final deadline, or an earlier quarter, comes first.

    Settlement happens by itself once market time reaches the deadline.
    """

    code = 1


class NothingUnclaimed(Reject):
    """Nothing waits for the participant of this account.

    Only what came due while it had no account waits; all else is paid at once.
    """

    code = 2


class TariffsFrozen(Event):
    """What imbalance of a zone's quarter costs and brings, unless its auctions' price is worse."""

    zone: U16
    quarter_s: TimeS
    import_per_wh: PricePerWh
    feed_in_per_wh: PricePerWh
    fee_per_wh: PricePerWh


class SettlementDelayed(Event):
    """A product that delivers in the quarter has not ended; its settlement is tried again later."""

    zone: U16
    quarter_s: TimeS


class EnergyDelivered(Event):
    """What was metered in a quarter is final: its trades are delivered; p* is whole + rest / of.

    Without enough trade `price_of_wh` is 0, and there is no p*.
    """

    zone: U16
    quarter_s: TimeS
    import_wh: Wh
    export_wh: Wh
    price_whole: PricePerWh
    price_rest: Uint
    price_of_wh: Wh


class QuarterSettled(Event, owners=("account",)):
    """A participant's quarter: its energy, what was charged and from where, what it is paid.

    A unit is either charged or receives what is due; its proceeds and margin are released but for
    what the charge took of them. What is due and not paid is a claim on the grid account. `account`
    is the participant's first, or the grid account if it has none.
    """

    account: Address
    participant: U32
    zone: U16
    quarter_s: TimeS
    import_wh: Wh
    export_wh: Wh
    substituted: bool
    bought_wh: Wh
    sold_wh: Wh
    imbalance_wh: NetWh
    charge_uthb: Uthb
    """With the market fee on what is missing."""
    fee_uthb: Uthb
    from_proceeds_uthb: Uthb
    from_margin_uthb: Uthb
    from_free_uthb: Uthb
    arrears_uthb: Uthb
    released_proceeds_uthb: Uthb
    released_margin_uthb: Uthb
    due_uthb: Uthb
    paid_uthb: Uthb


class CorrectionSettled(Event, owners=("account",)):
    """A correction of a settled quarter, or of a gap that begins with it, changed what it costs.

    What the participant receives, if `amount_uthb` is positive, is a claim that the same settlement
    pays; what it pays came from its free credit, the rest is arrears.
    """

    account: Address
    participant: U32
    zone: U16
    quarter_s: TimeS
    end_s: TimeS
    import_wh: NetWh
    """By how much metered import and export changed."""
    export_wh: NetWh
    amount_uthb: NetUthb
    from_free_uthb: Uthb
    arrears_uthb: Uthb


class PaymentOpened(Event):
    """All charges of a quarter are collected: the grid account added what is lacking, if it could.

    Without `solvent` there is not enough for all that is due and claimed, and nothing of the
    quarter is paid out at once.
    """

    zone: U16
    quarter_s: TimeS
    fees_uthb: Uthb
    """What the market operator received."""
    fetched_uthb: Uthb
    """What the grid account gave."""
    solvent: bool


class ClaimPaid(Event, owners=("account",)):
    """A claim on the grid account was paid, or a part of it."""

    account: Address
    participant: U32
    zone: U16
    quarter_s: TimeS
    paid_uthb: Uthb
    left_uthb: Uthb


class PaymentCompleted(Event):
    """The proceeds of a quarter's trades are released or were used for charges."""

    zone: U16
    quarter_s: TimeS


class TradeSettled(Event):
    """A quarter is settled, and all its trades with it.

    `grid_uthb` is what the grid account received, negative if it paid: what participants paid less
    what they received, less the market operator's fees.
    """

    zone: U16
    quarter_s: TimeS
    units: U32
    charged_uthb: Uthb
    arrears_uthb: Uthb
    fees_uthb: Uthb
    due_uthb: Uthb
    corrected_uthb: NetUthb
    claims_paid_uthb: Uthb
    grid_uthb: NetUthb


class GridAccountLow(Event, owners=("grid_account",)):
    """A zone's grid account has less free credit than its minimum, or claims against it."""

    grid_account: Address
    zone: U16
    free_uthb: Uthb
    minimum_uthb: Uthb
    claims_uthb: Uthb


class UnclaimedTaken(Event, owners=("account",)):
    """What was due to a participant before it had an account was paid to this one."""

    account: Address
    participant: U32
    amount_uthb: Uthb
