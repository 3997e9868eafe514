"""What the pool asks of accounts, and whose answers a block changes."""

from collections.abc import Iterable
from typing import Final, Protocol

from contracts.kernel.state import TABLE_ID_BYTES
from contracts.money.accounts import Accounts
from contracts.money.credit import Credit

_END: Final = TABLE_ID_BYTES + 20


class AccountView(Protocol):
    """What the pool asks of the state at the tip."""

    def nonce(self, sender: bytes) -> int:
        """Return the nonce of the sender's next transaction."""

    def accepts_keys(self, sender: bytes, keys: tuple[bytes, ...]) -> bool:
        """Say whether exactly these keys may sign for the sender."""

    def free_uthb(self, sender: bytes) -> int:
        """Return the sender's free credit."""


def accounts_in(changes: Iterable[tuple[bytes, bytes | None]]) -> dict[bytes, bool]:
    """Return the accounts whose nonce, keys or credit a block changed, for `Mempool.update`.

    Each with whether its keys are among what changed.
    """
    keys = Accounts.key_records.prefix
    prefixes = (keys, Accounts.nonces.prefix, Credit.accounts.prefix)
    touched: dict[bytes, bool] = {}
    for key, _ in changes:
        if key.startswith(prefixes):
            account = key[TABLE_ID_BYTES:_END]
            touched[account] = touched.get(account, False) or key.startswith(keys)
    return touched
