"""A mail of unread messages, for whoever has not read them after a while."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from domain.accounts import may_sign_in
from domain.notifications import not_before
from handlers import mails
from handlers.context import NotifyContext
from handlers.jobs import Job, Postponed
from handlers.notifications.unread import unread_of
from handlers.notifications.unsubscribing import unsubscribe_path
from store.digests import PAUSE, user_of
from store.work_queue import WorkRow


def digests_job(context: NotifyContext) -> Job:
    return Job(
        "digests", context.store.digests.queue, partial(_digest, context), lease=timedelta(seconds=60),
        poll=timedelta(seconds=10),
    )  # fmt: skip


async def _digest(context: NotifyContext, claimed: WorkRow) -> None:
    """Of who pauses or does not want it nothing; muted conversations, and those with whom there is a block, do not
    count, nor what an earlier digest named."""
    user_id, now = user_of(claimed), context.now()
    user = await context.store.users.by_id(user_id)
    wanted = await context.store.notification_preferences.of(user_id)
    unsubscribe = await unsubscribe_path(context.store, context.secrets, user_id, "message")
    if user is None or not may_sign_in(user) or not user.is_active or unsubscribe is None:
        return
    if (at := not_before(wanted, user.time_zone, now)) > now:
        await context.store.digests.queue.reschedule(claimed, at)
        return
    unread, sent = await unread_of(context, user_id, now), await context.store.digests.heads_sent(user_id)
    members = await context.store.conversations.memberships(unread.sides, user_id)
    counts: list[tuple[str, int]] = []
    heads: dict[str, int] = {}
    for conversation_id, side in unread.sides.items():
        head = unread.heads[conversation_id]
        if conversation_id not in members or head <= sent.get(side.id, 0):
            continue
        other = members[conversation_id].other(user_id)
        if await context.store.user_blocks.stands_between(user_id, other):
            continue
        counts.append((other, unread.counts[conversation_id]))
        heads[side.id] = head
    if not counts:
        return
    cards = await context.store.people.cards([other for other, _ in counts])
    named = [(cards[other].name if other in cards else "", count) for other, count in counts]
    # What it says, and to whom, so that the same digest is the same mail on each try.
    key = context.secrets.keyed_hash("digest", f"{user_id} {sorted(heads.items())}")
    mail = mails.unread_digest(user.email, named, key=f"digest {key}", unsubscribe=unsubscribe)
    if not await context.mailer.deliver(mail):
        raise Postponed
    await context.store.digests.sent(claimed, heads, now)
    later = (await unread_of(context, user_id, context.now())).heads
    if any(head > unread.heads.get(conversation_id, 0) for conversation_id, head in later.items()):
        # While the mail was handed in, a scan found the row waiting, and does not come back for the same message.
        await context.store.digests.queue.reschedule(claimed, now + PAUSE)
