"""Registrars: the accounts that may register zones, participants and devices, and judge them.

A role is for one kind of entry, so that who connects a household, who installs its meter and who
judges its licence can be three offices. One who may appoint changes all roles but their own:
whatever is changed, somebody who appoints remains.
"""

from typing import Annotated, Final

from contracts.grid.model import GenesisRegistrar, Role, RoleBits
from contracts.kernel import (
    Context,
    Contract,
    Event,
    Items,
    Map,
    NotPermitted,
    Reject,
    call,
    genesis,
    invariant,
    query,
)
from contracts.kernel.types import Address

GENESIS_REGISTRARS_MAX: Final = 64


class OwnRoles(Reject):
    """Nobody changes their own roles, so that one who appoints registrars always remains.

    Ask another registrar with the role 32 (registrars).
    """

    code = 1


class RolesSet(Event, owners=("account",)):
    """An account has these roles of a registrar from now on; 0 is none."""

    account: Address
    roles: RoleBits


class Registrars(Contract, name="registrars", number=0x23):
    """Who may register: 1 participants, 2 meters, 4 gateways, 8 compliance, 16 zones, 32 roles."""

    roles = Map[Address, RoleBits](id=0x2301, default=0)

    @genesis
    def set_up(
        self,
        registrars: Annotated[tuple[GenesisRegistrar, ...], Items(GENESIS_REGISTRARS_MAX, low=1)],
    ) -> None:
        """Appoint the first registrars; one of them at least appoints others."""
        for one in registrars:
            self.roles[one.account] = one.roles
        if not self.somebody_appoints():
            msg = "registrars: nobody has the role 32, which appoints others"
            raise ValueError(msg)

    def require(self, ctx: Context, role: Role) -> None:
        """Raise `NotPermitted` unless the caller is a registrar with this role."""
        if not self.roles[ctx.caller] & role:
            raise NotPermitted(caller=ctx.caller, role=role.name)

    @call
    def set_roles(self, ctx: Context, account: Address, roles: RoleBits) -> None:
        """Give an account these roles and no others; 0 takes all away."""
        self.require(ctx, Role.REGISTRARS)
        if account == ctx.caller:
            raise OwnRoles(account=account)
        self.roles[account] = roles
        self.emit(RolesSet(account, roles))

    @query
    def roles_of(self, account: Address) -> RoleBits:
        """The sum of an account's roles; 0 if it is no registrar."""
        return self.roles[account]

    @invariant
    def somebody_appoints(self) -> bool:
        """At least one registrar may appoint others."""
        return any(roles & Role.REGISTRARS for _, roles in self.roles.items())
