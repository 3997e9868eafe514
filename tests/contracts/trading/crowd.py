"""A crowd of participants, in a world and in the model, and how the two are compared."""

from collections.abc import Sequence

from contracts.kernel import sha256
from contracts.trading.auction import auction_name
from contracts.trading.terms import Terms
from tests.contracts.trading.market_model import ModelAccount, ModelMarket, ModelParticipant
from tests.support.genesis import FUNDS_UTHB
from tests.support.grid import MARKET_OPERATOR
from tests.support.market import MARKET, PEOPLE, MarketWorld, Person, household
from tests.support.people import account_of

CROWD = (
    PEOPLE[0],
    household("alice", "alice's second"),
    household("bob", "bob's second", "bob's third"),
    household("carol"),
    household("dave"),
    household("erin", head="dave"),
    household("frank", head="dave"),
    household("maker", market_maker=True),
)
LIMITS = (1_000, 2_200, 3_000, 3_950, 3_960, 5_000)


def model_of(people: Sequence[Person], market: Terms) -> ModelMarket:
    """Return the model of a world."""
    numbers = {person.name: number for number, person in enumerate(people, 1)}
    return ModelMarket(
        terms=market,
        participants={
            numbers[one.name]: ModelParticipant(
                numbers[one.head or one.name],
                one.market_maker,
                one.import_cap_wh,
                one.export_cap_wh,
            )
            for one in people
        },
        accounts={
            account: ModelAccount(numbers[one.name], FUNDS_UTHB)
            for one in people
            for account in one.accounts
        },
    )


def assert_same(world: MarketWorld, model: ModelMarket) -> None:
    """Assert that everybody's money and Wh are those of the model."""
    for name, account in model.accounts.items():
        assert world.free(name) == account.free, name
        assert world.held(name) == (account.escrow, account.margin, account.proceeds), name
    assert world.free(MARKET_OPERATOR) == FUNDS_UTHB + model.fees


def seed_of_ties(world: MarketWorld, start_s: int) -> bytes:
    """Return the bytes that decide ties of a product's auction."""
    auction = auction_name(MARKET, start_s)
    return sha256(world.genesis.chain_id + auction) + auction


def item_id(account: str, nonce: int, item: int = 0) -> bytes:
    """Return the id of an item of the first call of a transaction."""
    numbers = (nonce, 0, item)
    return sha256(account_of(account) + b"".join(n.to_bytes(8, "big") for n in numbers))
