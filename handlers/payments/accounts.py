"""A trainer's account at Stripe: onboarding, its state, and the way to the payouts."""

from __future__ import annotations

from domain.errors import Code, DomainError, unavailable
from domain.payments import Account, Link, StripeRefused
from domain.times import to_wire
from domain.wire.payments import DashboardAnswer, OnboardingAnswer, StripeState
from handlers.access import Actor, require_role
from handlers.context import PaymentContext

_NOT_CONNECTED = Account(id="", submitted=False, charges_enabled=False, payouts_enabled=False)


async def begin_onboarding(context: PaymentContext, actor: Actor, command: None) -> OnboardingAnswer:
    """A new page at Stripe; the account is made when there is none. Raises ``conflict`` where Stripe refuses."""
    require_role(actor, "trainer")
    try:
        link = await _onboarding(context, actor)
    except StripeRefused:
        raise DomainError(Code.CONFLICT, "Stripe does not open an account with these details.") from None
    return OnboardingAnswer(url=link.url, expires_at=to_wire(link.expires_at))


async def _onboarding(context: PaymentContext, actor: Actor) -> Link:
    account_id = await _account_id(context, actor.profile_id)
    if account_id is None:
        user = await context.store.users.by_id(actor.user_id)
        if user is None:
            raise unavailable()
        # Asked again it is the same one: its key follows from the trainer.
        made = await context.payments.create_account(actor.profile_id, user.email)
        account_id = await context.store.stripe_accounts.remember(actor.profile_id, made, context.now())
        if account_id is None:
            # Erased meanwhile.
            raise unavailable()
    return await context.payments.onboarding(account_id, context.return_url)


async def get_stripe(context: PaymentContext, actor: Actor, command: None) -> StripeState:
    require_role(actor, "trainer")
    account = await refreshed(context, actor.profile_id)
    return StripeState(
        is_stripe_connected=account.submitted,
        charges_enabled=account.charges_enabled,
        payouts_enabled=account.payouts_enabled,
    )


async def open_dashboard(context: PaymentContext, actor: Actor, command: None) -> DashboardAnswer:
    """Raises ``conflict`` before the onboarding is completed."""
    require_role(actor, "trainer")
    account = await refreshed(context, actor.profile_id)
    if not account.submitted:
        raise DomainError(Code.CONFLICT, "Complete the onboarding at Stripe first.")
    try:
        return DashboardAnswer(url=await context.payments.dashboard(account.id))
    except StripeRefused:
        raise DomainError(Code.CONFLICT, "Complete the onboarding at Stripe first.") from None


async def refreshed(context: PaymentContext, trainer_id: str) -> Account:
    """As Stripe says now; what the Trainer table says of it follows."""
    account_id = await _account_id(context, trainer_id)
    if account_id is None:
        return _NOT_CONNECTED
    try:
        account = await context.payments.account(account_id)
    except StripeRefused:
        # It was closed there.
        account = Account(id=account_id, submitted=False, charges_enabled=False, payouts_enabled=False)
    await context.store.stripe_accounts.note(trainer_id, account.id, context.now(), connected=account.submitted)
    return account


async def require_selling(context: PaymentContext, trainer_id: str) -> Account:
    """Raises ``conflict`` unless Stripe says now that the trainer may take money."""
    account = await refreshed(context, trainer_id)
    if not account.charges_enabled:
        raise DomainError(Code.CONFLICT, "The trainer cannot take payments yet.")
    return account


async def _account_id(context: PaymentContext, trainer_id: str) -> str | None:
    profile = await context.store.profiles.by_id("trainer", trainer_id)
    return None if profile is None else profile.stripe_connect_account_id
