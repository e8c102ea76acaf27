"""The end of an account, by its owner."""

from __future__ import annotations

from domain.accounts import invalid_credentials, unauthenticated
from domain.commands.auth import EraseMe
from handlers import slot_changes
from handlers.actor import Actor
from handlers.auth.leaving import cut_each
from handlers.auth.signing_in import present
from handlers.context import Context


async def erase_me(context: Context, actor: Actor, command: EraseMe) -> None:
    """Raises ``invalid_credentials``. Anonymises the account and ends every session."""
    user = await context.store.users.by_id(actor.user_id)
    if user is None:
        raise unauthenticated()
    if not await context.passwords.verify(user.password, command.password):
        raise invalid_credentials()
    async with slot_changes.of_account(context, user):
        ended = await context.store.accounts.erase(user, present(context))
    if ended is None:
        raise invalid_credentials()
    cut_each(context, user.id, ended, "erased")


async def look_again(context: Context) -> int:
    """For what was committed while its party was being erased; answers how many had left."""
    return await context.store.accounts.look_again(present(context))
