"""What each handler may refuse with, besides what any command may meet; the documents say it, and the tests hold every
refusal of a running server against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.errors import Code
from handlers import audit, presence
from handlers.accounts import administration, me, passwords, registration, sessions, sign_in
from handlers.bookings import calendar, queries
from handlers.bookings import commands as bookings
from handlers.catalogue import bookmarks, categories, reviews, trainers
from handlers.files import access, upload
from handlers.messages import commands as messages
from handlers.messages import conversations, history, search
from handlers.moderation import blocks, overview, reports
from handlers.notifications import unsubscribing
from handlers.payments import accounts, earnings, events, holds, purchases, refunds
from handlers.profiles import certificates, offers
from handlers.slots import free, schedule
from handlers.webhooks import endpoints

# With any route or namespace that asks for a token.
SIGNING_IN = (Code.UNAUTHENTICATED, Code.TOKEN_EXPIRED, Code.EMAIL_NOT_VERIFIED, Code.ACCOUNT_BLOCKED)
_BOOKING = (Code.NOT_FOUND, Code.CONFLICT)
_ADMINISTRATION = (Code.FORBIDDEN, Code.NOT_FOUND)

REFUSALS: Mapping[Callable[..., Any], tuple[Code, ...]] = {
    registration.verify: (Code.INVALID_CODE, Code.ACCOUNT_BLOCKED),
    sign_in.login: (Code.INVALID_CREDENTIALS, Code.EMAIL_NOT_VERIFIED, Code.ACCOUNT_BLOCKED),
    sign_in.refresh: (Code.UNAUTHENTICATED, Code.ACCOUNT_BLOCKED),
    passwords.verify_reset_code: (Code.INVALID_CODE,),
    passwords.reset_password: (Code.INVALID_CODE,),
    passwords.change_password: (Code.INVALID_CREDENTIALS,),
    sessions.end_session: (Code.NOT_FOUND,),
    me.erase_me: (Code.INVALID_CREDENTIALS,),
    administration.block: _ADMINISTRATION,
    administration.unblock: _ADMINISTRATION,
    administration.create_admin: (Code.FORBIDDEN, Code.CONFLICT),
    # Moderation.
    blocks.block_person: (Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT),
    blocks.unblock_person: (Code.FORBIDDEN, Code.NOT_FOUND),
    reports.make_report: (Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT),
    reports.list_reports: (Code.FORBIDDEN,),
    reports.resolve_report: (*_ADMINISTRATION, Code.CONFLICT),
    overview.list_users: (Code.FORBIDDEN,),
    overview.list_all_bookings: (Code.FORBIDDEN,),
    overview.statistics: (Code.FORBIDDEN,),
    audit.list_audit: (Code.FORBIDDEN,),
    # Notifications.
    unsubscribing.ask_unsubscribe: (Code.NOT_FOUND,),
    unsubscribing.unsubscribe: (Code.NOT_FOUND,),
    # The catalogue.
    trainers.get_trainer: (Code.NOT_FOUND,),
    trainers.get_pricing: (Code.NOT_FOUND,),
    reviews.list_reviews: (Code.NOT_FOUND,),
    reviews.add_review: (Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT),
    reviews.update_review: (Code.FORBIDDEN, Code.NOT_FOUND),
    reviews.delete_review: (Code.FORBIDDEN, Code.NOT_FOUND),
    bookmarks.add_bookmark: (Code.FORBIDDEN, Code.NOT_FOUND),
    bookmarks.remove_bookmark: (Code.FORBIDDEN,),
    bookmarks.list_bookmarks: (Code.FORBIDDEN,),
    categories.add_category: (Code.FORBIDDEN, Code.CONFLICT),
    categories.update_category: (*_ADMINISTRATION, Code.CONFLICT),
    categories.delete_category: (*_ADMINISTRATION, Code.CONFLICT),
    categories.add_sub_category: (*_ADMINISTRATION, Code.CONFLICT),
    categories.update_sub_category: (*_ADMINISTRATION, Code.CONFLICT),
    categories.delete_sub_category: (*_ADMINISTRATION, Code.CONFLICT),
    # Profiles and schedules.
    offers.set_specializations: (Code.FORBIDDEN,),
    offers.set_pricing: (Code.FORBIDDEN,),
    offers.get_own_pricing: (Code.FORBIDDEN,),
    certificates.list_certificates: (Code.FORBIDDEN,),
    certificates.add_certificate: (Code.FORBIDDEN, Code.CONFLICT),
    certificates.update_certificate: (Code.FORBIDDEN, Code.NOT_FOUND),
    certificates.delete_certificate: (Code.FORBIDDEN, Code.NOT_FOUND),
    schedule.get_availability: (Code.FORBIDDEN,),
    schedule.set_availability: (Code.FORBIDDEN,),
    schedule.list_exceptions: (Code.FORBIDDEN,),
    schedule.add_exception: (Code.FORBIDDEN, Code.CONFLICT),
    schedule.remove_exception: (Code.FORBIDDEN, Code.NOT_FOUND),
    free.list_slots: (Code.NOT_FOUND,),
    free.watch: (Code.NOT_FOUND, Code.CONFLICT),
    # Bookings.
    holds.book: (
        Code.FORBIDDEN,
        *_BOOKING,
        Code.OWN_CONFLICT,
        Code.SLOT_TAKEN,
        Code.SLOT_UNAVAILABLE,
        Code.TRIAL_UNAVAILABLE,
        Code.INSUFFICIENT_CREDIT,
    ),
    bookings.preview_cancellation: _BOOKING,
    bookings.cancel_booking: _BOOKING,
    bookings.reschedule_booking: (
        Code.FORBIDDEN,
        *_BOOKING,
        Code.OWN_CONFLICT,
        Code.SLOT_TAKEN,
        Code.SLOT_UNAVAILABLE,
        Code.TRIAL_UNAVAILABLE,
        Code.POLICY_WINDOW_PASSED,
    ),
    bookings.report_no_show: (Code.FORBIDDEN, *_BOOKING),
    queries.get_booking: (Code.NOT_FOUND,),
    calendar.open_calendar: (Code.FORBIDDEN, Code.CONFLICT),
    calendar.get_calendar: (Code.FORBIDDEN,),
    calendar.read_calendar: (Code.NOT_FOUND,),
    # Payments.
    purchases.buy: (Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT),
    purchases.get_purchase: (Code.NOT_FOUND,),
    purchases.list_all_transactions: (Code.FORBIDDEN,),
    earnings.list_earnings: (Code.FORBIDDEN,),
    accounts.begin_onboarding: (Code.FORBIDDEN, Code.CONFLICT),
    accounts.get_stripe: (Code.FORBIDDEN,),
    accounts.open_dashboard: (Code.FORBIDDEN, Code.CONFLICT),
    refunds.refund_transaction: (*_ADMINISTRATION, Code.CONFLICT),
    events.receive: (Code.MALFORMED,),
    # Outbound webhooks.
    endpoints.list_webhooks: (Code.FORBIDDEN,),
    endpoints.add_webhook: (Code.FORBIDDEN, Code.CONFLICT),
    endpoints.update_webhook: _ADMINISTRATION,
    endpoints.delete_webhook: _ADMINISTRATION,
    # Conversations and files.
    conversations.open_conversation: (Code.NOT_FOUND,),
    conversations.mute_conversation: (Code.NOT_FOUND,),
    conversations.mark_seen: (Code.NOT_FOUND,),
    conversations.mark_delivered: (Code.NOT_FOUND,),
    conversations.set_typing: (Code.NOT_FOUND,),
    messages.send_message: (Code.NOT_FOUND, Code.FORBIDDEN, Code.IDEMPOTENCY_CONFLICT),
    messages.edit_message: (Code.NOT_FOUND, Code.FORBIDDEN, Code.CONFLICT),
    messages.delete_message: (Code.NOT_FOUND, Code.FORBIDDEN),
    messages.react_to_message: (Code.NOT_FOUND, Code.FORBIDDEN, Code.CONFLICT),
    search.search_messages: (Code.NOT_FOUND,),
    history.list_messages: (Code.NOT_FOUND,),
    history.get_message: (Code.NOT_FOUND,),
    presence.watch: (Code.CONFLICT,),
    upload.upload: (Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA),
    access.open_file: (Code.NOT_FOUND, Code.RANGE_NOT_SATISFIABLE),
}

# In words, for the documents.
MEANINGS: Mapping[Code, str] = {
    Code.VALIDATION_FAILED: "fields were refused; `errors` names them",
    Code.MALFORMED: "not valid JSON, or a body that stalls or comes too slowly for its size",
    Code.UNAUTHENTICATED: "no token, or not a good one",
    Code.TOKEN_EXPIRED: "the access token has ended; refresh it",
    Code.INVALID_CREDENTIALS: "the e-mail address or the password is wrong",
    Code.EMAIL_NOT_VERIFIED: "the code that was mailed has not come back yet",
    Code.ACCOUNT_BLOCKED: "an administrator has blocked the account",
    Code.FORBIDDEN: "not allowed to this role or person",
    Code.NOT_FOUND: "not there, or not yours to see",
    Code.UNKNOWN_EVENT: "there is no such event in this namespace",
    Code.METHOD_NOT_ALLOWED: "the path does not take this method",
    Code.CONFLICT: "the state of things does not allow it",
    Code.PRECONDITION_FAILED: "the `If-Match` names another version",
    Code.OWN_CONFLICT: "you have another session at this time",
    Code.SLOT_TAKEN: "somebody else has booked this time",
    Code.SLOT_UNAVAILABLE: "the schedule does not offer this time",
    Code.TRIAL_UNAVAILABLE: "no free trial with this trainer, or none left",
    Code.POLICY_WINDOW_PASSED: "the cancellation policy no longer allows it",
    Code.IDEMPOTENCY_CONFLICT: "the key came with another request before",
    Code.INSUFFICIENT_CREDIT: "no credit with this trainer is left",
    Code.PAYMENT_FAILED: "the payment was refused",
    Code.PAYLOAD_TOO_LARGE: "larger than the limit",
    Code.UNSUPPORTED_MEDIA: "not of a type that is taken",
    Code.INVALID_CODE: "the code is wrong or has ended",
    Code.RATE_LIMITED: "too many requests; wait as long as the error says",
    Code.INTERNAL: "something went wrong on our side",
    Code.NOT_IMPLEMENTED: "HTTP has this, we do not",
    Code.HEAD_TOO_LARGE: "the URL or the headers are too long",
    Code.RANGE_NOT_SATISFIABLE: "there is nothing of the `Range`",
    Code.UNAVAILABLE: "not now; a repeat may succeed",
}


def refusals_of(handler: Callable[..., Any]) -> tuple[Code, ...]:
    return REFUSALS.get(handler, ())


def meaning_of(code: Code) -> str:
    return MEANINGS.get(code, code.replace("_", " "))
