"""What the pool asks of accounts, and whose answers a block changes."""

from collections.abc import Iterable
from typing import Final, Protocol

from contracts.kernel.state import TABLE_ID_BYTES
from contracts.money.accounts import Accounts
from contracts.money.credit import Credit

_ADDRESS_BYTES: Final = 20


class AccountView(Protocol):
    """What the pool asks of the state at the tip."""

    def nonce(self, sender: bytes) -> int:
        """Return the nonce of the sender's next transaction."""

    def accepts_keys(self, sender: bytes, keys: tuple[bytes, ...]) -> bool:
        """Say whether exactly these keys may sign for the sender."""

    def free_uthb(self, sender: bytes) -> int:
        """Return the sender's free credit."""


def accounts_in(changes: Iterable[tuple[bytes, bytes | None]]) -> list[bytes]:
    """Return the accounts whose nonce, keys or credit a block changed, for `Mempool.update`."""
    prefixes = (Accounts.nonces.prefix, Accounts.key_records.prefix, Credit.accounts.prefix)
    end = TABLE_ID_BYTES + _ADDRESS_BYTES
    return list(
        dict.fromkeys(key[TABLE_ID_BYTES:end] for key, _ in changes if key.startswith(prefixes))
    )
