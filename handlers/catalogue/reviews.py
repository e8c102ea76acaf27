"""What clients say of their sessions: one review a completed booking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

import msgspec

from domain.catalogue import Review
from domain.errors import Code, DomainError, not_found
from domain.profiles import Profile
from domain.times import to_wire
from domain.wire.catalogue import AddReview, Author, DeleteReview, ListReviews, ReviewAnswer, ReviewPage, UpdateReview
from domain.wire.codec import changes_of
from domain.wire.pages import InstantCursor, decode_instant_cursor, page_of
from handlers.access import Actor, Visitor, require_role
from handlers.audit import audit_writer
from handlers.catalogue.cards import listed_trainer
from handlers.context import PublishContext, ReadContext
from handlers.files.access import url_or_none
from handlers.idempotency import KeepResult, idempotent, idempotent_commit
from handlers.jobs import Job
from handlers.webhooks.delivering import wake
from store.reviews import not_completed
from store.work_queue import WorkRow


@idempotent_commit("review:add")
async def add_review(context: PublishContext, actor: Actor, command: AddReview, keep: KeepResult) -> ReviewAnswer:
    """Raises ``not_found`` for another's booking, ``conflict`` for one that did not take place or has its review."""
    require_role(actor, "client")
    booking = await context.store.bookings.by_id(command.booking_id)
    if booking is None or booking.client_id != actor.profile_id:
        raise not_found("booking")
    if booking.status != "completed":
        raise not_completed()
    now = context.now()
    review = Review(
        id=context.store.reviews.new_id(),
        booking_id=booking.id,
        trainer_id=booking.trainer_id,
        client_id=booking.client_id,
        rating=command.rating,
        comment=command.comment,
        created_at=now,
        updated_at=now,
    )
    answer = await _answer(context, actor, review)
    if not await context.store.reviews.add(review, keep(answer)):
        raise DomainError(Code.CONFLICT, "This session has its review.")
    wake(context, "review.created")
    return answer


async def list_reviews(context: ReadContext, caller: Actor | Visitor, command: ListReviews) -> ReviewPage:
    """Of a trainer who may be found, newest first."""
    await listed_trainer(context, command.trainer_id)
    before = decode_instant_cursor(command.cursor)
    found = await context.store.reviews.page(command.trainer_id, before, command.limit + 1)
    page, cursor = page_of(found, command.limit, lambda one: InstantCursor.of(one.created_at, one.id))
    return ReviewPage(items=await _answers(context, caller, page), next_cursor=cursor)


@idempotent("review:update")
async def update_review(context: ReadContext, actor: Actor, command: UpdateReview) -> ReviewAnswer:
    """By its author; raises ``not_found`` or ``forbidden``."""
    await _require_author(context, actor, command.id)
    now = context.now()
    changed = await context.store.reviews.update(command.id, changes_of(command, "id"), now)
    if changed is None:
        raise not_found("review")
    return await _answer(context, actor, changed)


@idempotent_commit("review:delete")
async def delete_review(context: ReadContext, actor: Actor, command: DeleteReview, keep: KeepResult) -> None:
    """By its author or an administrator; raises ``not_found`` or ``forbidden``."""
    if not actor.is_admin:
        await _require_author(context, actor, command.id)
    audit = audit_writer(context, actor, "review.delete", "review", command.id) if actor.is_admin else None
    if not await context.store.reviews.delete(command.id, keep(None), context.now(), audit):
        raise not_found("review")


def ratings_job(context: ReadContext) -> Job:
    """Stars that a dead node left out of a trainer's listing."""
    return Job("ratings", context.store.ratings.queue, partial(_count_ratings, context), lease=timedelta(seconds=30))


async def _count_ratings(context: ReadContext, claimed: WorkRow) -> None:
    await context.store.listings.count_ratings(context.store.ratings.trainer_of(claimed))


async def _require_author(context: ReadContext, actor: Actor, review_id: str) -> None:
    review = await context.store.reviews.by_id(review_id)
    if review is None:
        raise not_found("review")
    if review.client_id != actor.profile_id:
        raise DomainError(Code.FORBIDDEN, "Only its author may do this.")


async def _answer(context: ReadContext, actor: Actor, review: Review) -> ReviewAnswer:
    (answer,) = await _answers(context, actor, [review])
    return answer


async def _answers(context: ReadContext, caller: Actor | Visitor, reviews: Sequence[Review]) -> list[ReviewAnswer]:
    authors = await context.store.profiles.by_ids("client", {review.client_id for review in reviews})
    return [
        ReviewAnswer(
            id=review.id,
            booking_id=review.booking_id if _may_see_booking(caller, review) else msgspec.UNSET,
            trainer=review.trainer_id,
            client=review.client_id,
            author=_author(context, authors, review),
            rating=review.rating,
            comment=review.comment,
            created_at=to_wire(review.created_at),
            updated_at=to_wire(review.updated_at),
        )
        for review in reviews
    ]


def _may_see_booking(caller: Actor | Visitor, review: Review) -> bool:
    return isinstance(caller, Actor) and (caller.is_admin or caller.profile_id in (review.client_id, review.trainer_id))


def _author(context: ReadContext, authors: Mapping[str, Profile], review: Review) -> Author:
    author = authors.get(review.client_id)
    if author is None:
        return Author(name="", profile_image=None)
    return Author(name=author.name, profile_image=url_or_none(context, author.profile_image))
