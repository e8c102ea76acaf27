"""Who may do what over HTTP: every row of ``rest.routes``, at least once.

A new row is one line here. What the path names, and what the body says, is made anew for each asker.
"""

from __future__ import annotations

import json
import secrets
import time
from datetime import timedelta

from sandbox.delivery import signature
from sandbox.server import WEBHOOK_SECRET
from tests.authorisation.cases import rest
from tests.authorisation.parties import Parties, a_file
from tests.authorisation.people import PASSWORD, Asker, Signed
from tests.bookings.market import Data

REASON = {"reason": "test"}
WEEK = {"timeZone": "UTC", "sessionDurationInMins": 60, "breakBetweenSessionMins": 0, "days": [
    {"day": day, "startTime": "00:00", "endTime": "24:00", "isAvailable": True}
    for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
]}  # fmt: skip
NAME = {"name": "Anna"}
PRICES = {"isFiveSessionAvailable": True, "fiveSessionPrice": 20_000}
STARS = {"rating": 4}
ABOUT = {"aboutYou": "New."}
WARNED = {"resolution": "warned"}
ROTATED = {"rotateSecret": True}
IN_CATEGORY = ("category", Parties.category)


HOOK = {"url": "https://hooks.example/in", "events": ["dispute.opened"]}
QUIET = {"quietHours": {"startTime": "22:00", "endTime": "07:00"}}


async def a_device(parties: Parties) -> str:
    return secrets.token_hex(8)


def a_token(parties: Parties, who: Asker) -> Data:
    return {"platform": "ios", "token": secrets.token_hex(32)}


def new_start(parties: Parties, who: Asker) -> Data:
    return {"startsAt": parties.free_start()}


def new_booking(parties: Parties, who: Asker) -> Data:
    return parties.new_booking()


def new_admin(parties: Parties, who: Asker) -> Data:
    return {"email": parties.new_email(), "name": "Ada", "password": PASSWORD}


def new_purchase(parties: Parties, who: Asker) -> Data:
    return parties.new_purchase()


def told(parties: Parties, who: Asker) -> Signed:
    event = {"id": f"evt_{secrets.token_hex(8)}", "type": "invoice.paid", "data": {"object": {"object": "invoice"}}}
    body = json.dumps(event).encode()
    return Signed(body, signature(body, [WEBHOOK_SECRET], int(time.time())))


def new_name(parties: Parties, who: Asker) -> Data:
    return {"name": secrets.token_hex(6)}


def a_day_off(parties: Parties, who: Asker) -> Data:
    # Days off that lie ahead are counted; each of these is a day of its own, and few.
    return {"date": (parties.market.clock() + timedelta(days=90)).date().isoformat()}


def tomorrow(parties: Parties, who: Asker) -> Data:
    day = (parties.market.clock() + timedelta(days=1)).date().isoformat()
    return {"from": day, "to": day}


def registration(parties: Parties, who: Asker) -> Data:
    return {"email": parties.new_email(), "password": PASSWORD, "role": "client", "name": "Ann"}


def cursors(parties: Parties, who: Asker) -> Data:
    return {"cursors": {parties.conversation: 0}}


def a_message(parties: Parties, who: Asker) -> Data:
    return {"clientMessageId": secrets.token_hex(8), "text": "hello"}


async def credentials(parties: Parties, who: Asker) -> Data:
    return await parties.credentials(who)


async def refresh(parties: Parties, who: Asker) -> Data:
    return {"refreshToken": await parties.refresh_token(who)}


async def specializations(parties: Parties, who: Asker) -> Data:
    return {"specializations": [{"sessionCategory": await parties.category()}]}


def upload(parties: Parties, who: Asker) -> object:
    return a_file()


async def verification(parties: Parties, who: Asker) -> Data:
    email, token, code = await parties.registered()
    return {"email": email, "code": code, "registrationToken": token}


async def another_code(parties: Parties, who: Asker) -> Data:
    email, token, _ = await parties.registered()
    return {"email": email, "registrationToken": token}


async def forgotten(parties: Parties, who: Asker) -> Data:
    return {"email": (await parties.forgetful())[0]}


async def reset_code(parties: Parties, who: Asker) -> Data:
    email, code = await parties.forgetful()
    return {"email": email, "code": code}


_FORGETTING = ("resetToken", Parties.reset_token)
_PASSWORD = {"password": PASSWORD}
_PASSWORDS = {"currentPassword": PASSWORD, "newPassword": "another horse battery"}

CASES = (
    # "blk": account_blocked.                   nobody others  blk adm clt trn
    rest("POST /auth/register",                  "ok  ok  ok  ok  ok  ok  ok", says=registration),
    rest("POST /auth/verify",                    "ok  ok  ok  ok  ok  ok  ok", says=verification),
    rest("POST /auth/resend-code",               "ok  ok  ok  ok  ok  ok  ok", says=another_code),
    rest("POST /auth/login",                     "ok  ok  ok  blk ok  ok  ok", says=credentials),
    rest("POST /auth/refresh",                   "ok  ok  ok  blk ok  ok  ok", says=refresh),
    rest("POST /auth/logout",                    "401 ok  ok  blk ok  ok  ok", stands_in=True),
    rest("POST /auth/logout-all",                "401 ok  ok  blk ok  ok  ok", stands_in=True),
    rest("POST /auth/forgot-password",           "ok  ok  ok  ok  ok  ok  ok", says=forgotten),
    rest("POST /auth/verify-reset-code",         "ok  ok  ok  ok  ok  ok  ok", says=reset_code),
    rest("POST /auth/reset-password",            "ok  ok  ok  ok  ok  ok  ok", _FORGETTING, _PASSWORD),
    rest("POST /auth/change-password",           "401 ok  ok  blk ok  ok  ok", says=_PASSWORDS, stands_in=True),
    rest("GET /auth/sessions",                   "401 ok  ok  blk ok  ok  ok"),
    rest("DELETE /auth/sessions/{id}",           "401 404 404 blk 404 ok  404", Parties.session),
    rest("GET /me",                              "401 ok  ok  blk ok  ok  ok"),
    rest("PATCH /me",                            "401 ok  ok  blk ok  ok  ok", says={"isActive": True}),
    rest("POST /me/erase",                       "401 ok  ok  blk ok  ok  ok", says=_PASSWORD, stands_in=True),
    rest("POST /me/export",                      "401 ok  ok  blk ok  ok  ok"),
    rest("GET /me/export",                       "401 ok  ok  blk ok  ok  ok"),
    # Profiles.                                 nobody others  blk adm clt trn
    rest("GET /me/profile",                      "401 ok  ok  blk ok  ok  ok"),
    rest("PATCH /me/profile",                    "401 ok  ok  blk ok  ok  ok", says=NAME),
    rest("PUT /me/specializations",              "401 403 ok  blk 403 403 ok", says=specializations),
    rest("GET /me/pricing",                      "401 403 ok  blk 403 403 ok"),
    rest("PUT /me/pricing",                      "401 403 ok  blk 403 403 ok", says=PRICES),
    rest("GET /me/certificates",                 "401 403 ok  blk 403 403 ok"),
    rest("POST /me/certificates",                "401 403 ok  blk 403 403 ok", says={"certificateName": "Yoga"}),
    rest("PATCH /me/certificates/{id}",          "401 403 404 blk 403 403 ok", Parties.certificate, ABOUT),
    rest("DELETE /me/certificates/{id}",         "401 403 404 blk 403 403 ok", Parties.certificate),
    # The catalogue. Its public rows look at no token, but for the trainer's page and reviews.
    rest("GET /limits",                          "ok  ok  ok  ok  ok  ok  ok"),
    rest("GET /categories",                      "ok  ok  ok  ok  ok  ok  ok"),
    rest("GET /trainers",                        "ok  ok  ok  ok  ok  ok  ok"),
    rest("GET /trainers/{id}",                   "ok  ok  ok  blk ok  ok  ok", Parties.trainer_profile),
    rest("GET /trainers/{id}/pricing",           "ok  ok  ok  ok  ok  ok  ok", Parties.trainer_profile),
    rest("GET /trainers/{id}/reviews",           "ok  ok  ok  blk ok  ok  ok", Parties.trainer_profile),
    rest("GET /trainers/{id}/slots",             "ok  ok  ok  ok  ok  ok  ok", Parties.trainer_profile, tomorrow),
    rest("PUT /me/bookmarks/{trainerId}",        "401 ok  403 blk 403 ok  403", Parties.trainer_profile),
    rest("DELETE /me/bookmarks/{trainerId}",     "401 ok  403 blk 403 ok  403", Parties.trainer_profile),
    rest("GET /me/bookmarks",                    "401 ok  403 blk 403 ok  403"),
    rest("POST /bookings/{id}/review",           "401 404 403 blk 403 ok  403", Parties.session_over, STARS),
    rest("PATCH /reviews/{id}",                  "401 403 403 blk 403 ok  403", Parties.review, STARS),
    rest("DELETE /reviews/{id}",                 "401 403 403 blk ok  ok  403", Parties.review),
    # Conversations.                            nobody others  blk adm clt trn
    rest("POST /sync",                           "401 ok  ok  blk ok  ok  ok", says=cursors),
    rest("POST /sync",                           "401 ok  ok  blk ok  ok  ok", says={"cursors": {}}),
    rest("GET /conversations/{id}/messages",     "401 404 404 blk 404 ok  ok", Parties.in_conversation),
    rest("POST /conversations/{id}/messages",    "401 404 404 blk 404 ok  ok", Parties.in_conversation, a_message),
    rest("GET /conversations/{id}/messages",     "401 404 404 blk 404 ok  404", Parties.opened),
    rest("POST /conversations/{id}/messages",    "401 404 404 blk 404 ok  404", Parties.opened_to_begin, a_message),
    # Availability.
    rest("GET /me/availability",                 "401 403 ok  blk 403 403 ok"),
    rest("PUT /me/availability",                 "401 403 ok  blk 403 403 ok", says=WEEK),
    rest("GET /me/availability/exceptions",      "401 403 ok  blk 403 403 ok"),
    rest("POST /me/availability/exceptions",     "401 403 ok  blk 403 403 ok", says=a_day_off),
    rest("DELETE /me/availability/exceptions/{id}", "401 403 404 blk 403 403 ok", Parties.exception),
    # Bookings.                                 nobody others  blk adm clt trn
    rest("POST /bookings",                       "401 ok  403 blk 403 ok  403", says=new_booking),
    rest("GET /bookings",                        "401 ok  ok  blk ok  ok  ok"),
    rest("GET /bookings/{id}",                   "401 404 404 blk ok  ok  ok", Parties.booking),
    rest("GET /bookings/{id}/cancellation",      "401 404 404 blk ok  ok  ok", Parties.booking),
    rest("POST /bookings/{id}/cancel",           "401 404 404 blk ok  ok  ok", Parties.booking, REASON),
    rest("POST /bookings/{id}/reschedule",       "401 404 404 blk ok  ok  ok", Parties.booking, new_start),
    rest("POST /bookings/{id}/no-show",          "401 404 404 blk 403 403 ok", Parties.session_over),
    # Payments. Stripe has no token: its events are signed.
    rest("POST /purchases",                      "401 ok  403 blk 403 ok  403", says=new_purchase),
    rest("GET /purchases/{id}",                  "401 404 404 blk ok  ok  ok", Parties.purchase),
    rest("GET /credits",                         "401 ok  ok  blk ok  ok  ok"),
    rest("GET /transactions",                    "401 ok  ok  blk ok  ok  ok"),
    rest("GET /me/earnings",                     "401 403 ok  blk 403 403 ok"),
    rest("GET /admin/transactions",              "401 403 403 blk ok  403 403"),
    rest("POST /me/stripe/onboarding",           "401 403 ok  blk 403 403 ok"),
    rest("GET /me/stripe",                       "401 403 ok  blk 403 403 ok"),
    rest("POST /me/stripe/dashboard",            "401 403 ok  blk 403 403 ok"),
    rest("POST /admin/transactions/{id}/refund", "401 403 403 blk ok  403 403", Parties.paid_purchase),
    rest("POST /webhooks/stripe",                "ok  ok  ok  ok  ok  ok  ok", says=told),
    # Files. A calendar feed is for whoever knows its address.
    rest("POST /files",                          "401 ok  ok  blk ok  ok  ok", says=upload),
    rest("GET /files/{id}",                      "401 404 404 blk ok  ok  404", Parties.file),
    rest("GET /files/{id}",                      "401 404 404 blk ok  ok  ok", Parties.sent_file),
    rest("POST /me/calendar",                    "401 ok  ok  blk 403 ok  ok", says={"rotate": True}),
    rest("GET /me/calendar",                     "401 ok  ok  blk 403 ok  ok"),
    rest("DELETE /me/calendar",                  "401 ok  ok  blk ok  ok  ok"),
    rest("GET /calendar/{token}.ics",            "ok  ok  ok  ok  ok  ok  ok", Parties.feed),
    # Between users.                            nobody others  blk adm clt trn
    rest("PUT /me/blocks/{userId}",              "401 ok  ok  blk 403 ok  ok", Parties.a_client),
    rest("DELETE /me/blocks/{userId}",           "401 ok  ok  blk 403 ok  ok", Parties.a_client),
    rest("POST /reports",                        "401 ok  ok  blk 403 ok  ok", ("userId", Parties.a_client), REASON),
    # Notifications. A device is one's own by its name.
    rest("GET /me/notifications",                "401 ok  ok  blk ok  ok  ok"),
    rest("PUT /me/notifications",                "401 ok  ok  blk ok  ok  ok", says=QUIET),
    rest("PUT /me/devices/{deviceId}",           "401 ok  ok  blk ok  ok  ok", a_device, a_token),
    rest("DELETE /me/devices/{deviceId}",        "401 ok  ok  blk ok  ok  ok", a_device),
    rest("GET /unsubscribe/{token}",             "ok  ok  ok  ok  ok  ok  ok", Parties.unsubscribing),
    rest("POST /unsubscribe/{token}",            "ok  ok  ok  ok  ok  ok  ok", Parties.unsubscribing),
    # Administration.                           nobody others  blk adm clt trn
    rest("POST /admin/users/{id}/block",         "401 403 403 blk ok  403 403", Parties.a_client, REASON),
    rest("POST /admin/users/{id}/block",         "401 403 403 blk 403 403 403", Parties.a_super_admin, REASON),
    rest("POST /admin/users/{id}/unblock",       "401 403 403 blk ok  403 403", Parties.a_blocked_client),
    rest("GET /admin/users",                     "401 403 403 blk ok  403 403"),
    rest("GET /admin/bookings",                  "401 403 403 blk ok  403 403"),
    rest("GET /admin/stats",                     "401 403 403 blk ok  403 403"),
    rest("GET /admin/audit",                     "401 403 403 blk ok  403 403"),
    rest("GET /admin/reports",                   "401 403 403 blk ok  403 403"),
    rest("POST /admin/reports/{id}/resolve",     "401 403 403 blk ok  403 403", Parties.report, WARNED),
    rest("POST /admin/admins",                   "401 403 403 blk 403 403 403", says=new_admin),
    rest("POST /admin/categories",               "401 403 403 blk ok  403 403", says=new_name),
    rest("PATCH /admin/categories/{id}",         "401 403 403 blk ok  403 403", Parties.category, new_name),
    rest("DELETE /admin/categories/{id}",        "401 403 403 blk ok  403 403", Parties.category),
    rest("POST /admin/subcategories",            "401 403 403 blk ok  403 403", IN_CATEGORY, new_name),
    rest("PATCH /admin/subcategories/{id}",      "401 403 403 blk ok  403 403", Parties.sub_category, new_name),
    rest("DELETE /admin/subcategories/{id}",     "401 403 403 blk ok  403 403", Parties.sub_category),
    rest("GET /admin/webhooks",                  "401 403 403 blk ok  403 403"),
    rest("POST /admin/webhooks",                 "401 403 403 blk ok  403 403", says=HOOK),
    rest("PATCH /admin/webhooks/{id}",           "401 403 403 blk ok  403 403", Parties.webhook, ROTATED),
    rest("DELETE /admin/webhooks/{id}",          "401 403 403 blk ok  403 403", Parties.webhook),
)  # fmt: skip
