"""Passwords of one address that are guessed from many networks: past so many an hour, only networks that its owner has
signed in from may try. The answer is the same for an address that nobody has."""

from __future__ import annotations

from datetime import datetime

from domain.errors import rate_limited
from domain.networks import network_of, site_of
from handlers.access import Visitor
from handlers.context import AccountContext


async def require_try(context: AccountContext, visitor: Visitor, email: str, now: datetime) -> None:
    """Counts a try; raises ``rate_limited``."""
    network = network_key(context, visitor)
    tries = await context.store.sign_in_tries.begin(_key(context, email), network, now)
    wait = tries.wait(network, now)
    if wait is not None:
        raise rate_limited(
            "Too many passwords were tried for this address from networks that are new to it; reset the password, or"
            " use a network that you signed in from before",
            wait.total_seconds() * 1000,
        )


async def remember_network(context: AccountContext, visitor: Visitor, email: str, now: datetime) -> None:
    """The visitor has shown to own the address."""
    await context.store.sign_in_tries.succeed(_key(context, email), network_key(context, visitor), now)


async def forget_networks(context: AccountContext, email: str) -> None:
    await context.store.sign_in_tries.forget(_key(context, email))


def _key(context: AccountContext, email: str) -> str:
    return context.secrets.keyed_hash("sign-in", email)


def network_key(context: AccountContext, visitor: Visitor) -> str:
    """Of where the visitor comes from, without keeping it."""
    # By site: whoever has one would otherwise be a new network with each try.
    return context.secrets.keyed_hash("network", site_of(network_of(visitor.address)))
