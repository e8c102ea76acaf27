"""The account itself: reading, pausing and erasing it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from msgspec import UNSET

from domain.accounts import User, invalid_credentials, require_time_zone, unauthenticated
from domain.times import to_wire
from domain.wire.accounts import EraseMe, Me, UpdateMe
from handlers.access import Actor
from handlers.accounts.sessions import cut_each
from handlers.accounts.sign_in_tries import forget_networks
from handlers.context import AccountContext
from handlers.idempotency import idempotent
from handlers.jobs import DUE_BOOKINGS, ERASURES, FILE_SWEEPS, FINAL_REFUNDS, Job
from handlers.mail_rendering import Mail
from handlers.messages.retracting import retract
from handlers.slots import changes
from handlers.webhooks.delivering import wake
from store.erasures import LONGEST_TRANSACTION
from store.store import Store
from store.work_queue import WorkRow


async def get_me(context: AccountContext, actor: Actor, command: None) -> Me:
    return _me(await context.store.users.by_id(actor.user_id))


@idempotent("me:update")
async def update_me(context: AccountContext, actor: Actor, command: UpdateMe) -> Me:
    """Pause or come back, and say where one is."""
    active = None if command.is_active is UNSET else command.is_active
    time_zone = None if command.time_zone is UNSET else require_time_zone(command.time_zone)
    user = await context.store.users.by_id(actor.user_id)
    if user is not None and active is not None:
        async with changes.of_account(context, user):
            user = await context.store.accounts.change(user, context.now(), active=active, time_zone=time_zone)
    elif user is not None and time_zone is not None:
        user = await context.store.accounts.change(user, context.now(), time_zone=time_zone)
    return _me(user)


def _me(user: User | None) -> Me:
    if user is None:
        raise unauthenticated()
    return Me(
        id=user.id,
        email=user.email,
        role=user.role,
        profile_id=user.profile_id,
        is_verified=user.is_verified,
        is_active=user.is_active,
        time_zone=user.time_zone,
        created_at=to_wire(user.created_at),
        updated_at=to_wire(user.updated_at),
    )


async def erase_me(context: AccountContext, actor: Actor, command: EraseMe) -> None:
    """Raises ``invalid_credentials``. Anonymises the account and ends every session."""
    user = await context.store.users.by_id(actor.user_id)
    if user is None:
        raise unauthenticated()
    if not await context.passwords.verify(user.password, command.password):
        raise invalid_credentials()
    async with changes.of_account(context, user):
        ended = await context.store.erasures.erase(user, context.now())
    if ended is None:
        raise invalid_credentials()
    await forget_networks(context, user.email)
    cut_each(context, user.id, ended, "erased")
    context.wake_ups.wake(DUE_BOOKINGS)
    context.wake_ups.wake(FILE_SWEEPS)
    context.wake_ups.wake(ERASURES)
    context.wake_ups.wake(FINAL_REFUNDS)
    wake(context, "user.erased")


async def mails_wanted(store: Store, waiting: Sequence[Mail]) -> list[bool]:
    """Of each mail that waits in memory whether its owner is still there: a user that is not erased, a registration
    that is not used."""
    of = {kind: {one.owner.id for one in waiting if one.owner and one.owner.kind == kind} for kind in _OWNERS}
    there = await store.registrations.standing(of["registration"]) if of["registration"] else set()
    if of["user"]:
        there |= {user.id for user in await store.users.by_ids(of["user"]) if not user.is_deleted}
    return [one.owner is None or one.owner.id in there for one in waiting]


_OWNERS = ("user", "registration")
# What one claim takes back; a conversation without anything counts as well.
RETRACTED_AT_ONCE = 200


def erasures_job(context: AccountContext) -> Job:
    """Takes back what the erased said; and, for what was committed while its party was being erased, all of it once
    more, when no transaction can be open that began before."""
    queue = context.store.pending_erasures.queue
    return Job(ERASURES, queue, partial(_look_again, context), poll=timedelta(seconds=30))


async def _look_again(context: AccountContext, claimed: WorkRow) -> None:
    erasures = context.store.pending_erasures
    gone = erasures.row(claimed)
    await context.store.bookings.leave(gone.role, gone.profile_id, context.now())
    await context.store.erasures.forget_notifications(gone.user_id)
    context.wake_ups.wake(DUE_BOOKINGS)
    room, after = RETRACTED_AT_ONCE, gone.after
    for conversation_id in sorted(await context.store.conversations.all_ids(gone.user_id)):
        if after is not None and conversation_id <= after:
            continue
        room -= max(1, await retract(context, conversation_id, gone.user_id, room))
        if room <= 0:
            await erasures.go_on(claimed, context.now(), after)
            context.wake_ups.wake(ERASURES)
            return
        after = conversation_id
    if context.now() < gone.at + LONGEST_TRANSACTION:
        await erasures.go_on(claimed, gone.at + LONGEST_TRANSACTION, None)
