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
from tests.authorisation.people import PASSWORD, Asker, Signed
from tests.authorisation.world import World, a_file
from tests.bookings.market import Data

REASON = {"reason": "test"}
WEEK = {"timeZone": "UTC", "sessionDurationInMins": 60, "breakBetweenSessionMins": 0, "days": [
    {"day": day, "startTime": "00:00", "endTime": "24:00", "isAvailable": True}
    for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
]}  # fmt: skip
NAME = {"name": "Anna"}
PRICES = {"isFiveSessionAvailable": True, "fiveSessionPrice": 20_000}
STARS = {"rating": 4}


HOOK = {"url": "https://hooks.example/in", "events": ["dispute.opened"]}
QUIET = {"quietHours": {"startTime": "22:00", "endTime": "07:00"}}


async def a_device(world: World) -> str:
    return secrets.token_hex(8)


def a_token(world: World, who: Asker) -> Data:
    return {"platform": "ios", "token": secrets.token_hex(32)}


def new_start(world: World, who: Asker) -> Data:
    return {"startsAt": world.free_start()}


def new_booking(world: World, who: Asker) -> Data:
    return world.new_booking()


def new_admin(world: World, who: Asker) -> Data:
    return {"email": world.new_email(), "name": "Ada", "password": PASSWORD}


def new_purchase(world: World, who: Asker) -> Data:
    return world.new_purchase()


def told(world: World, who: Asker) -> Signed:
    event = {"id": f"evt_{secrets.token_hex(8)}", "type": "invoice.paid", "data": {"object": {"object": "invoice"}}}
    body = json.dumps(event).encode()
    return Signed(body, signature(body, [WEBHOOK_SECRET], int(time.time())))


def new_name(world: World, who: Asker) -> Data:
    return {"name": secrets.token_hex(6)}


def a_day_off(world: World, who: Asker) -> Data:
    # Days off that lie ahead are counted; each of these is a day of its own, and few.
    return {"date": (world.market.clock() + timedelta(days=90)).date().isoformat()}


def tomorrow(world: World, who: Asker) -> Data:
    day = (world.market.clock() + timedelta(days=1)).date().isoformat()
    return {"from": day, "to": day}


def registration(world: World, who: Asker) -> Data:
    return {"email": world.new_email(), "password": PASSWORD, "role": "client", "name": "Ann"}


def cursors(world: World, who: Asker) -> Data:
    return {"cursors": {world.conversation: 0}}


def a_message(world: World, who: Asker) -> Data:
    return {"clientMessageId": secrets.token_hex(8), "text": "hello"}


async def credentials(world: World, who: Asker) -> Data:
    return await world.credentials(who)


async def refresh(world: World, who: Asker) -> Data:
    return {"refreshToken": await world.refresh_token(who)}


async def specializations(world: World, who: Asker) -> Data:
    return {"specializations": [{"sessionCategory": await world.category()}]}


def upload(world: World, who: Asker) -> object:
    return a_file()


async def verification(world: World, who: Asker) -> Data:
    email, token, code = await world.registered()
    return {"email": email, "code": code, "registrationToken": token}


async def another_code(world: World, who: Asker) -> Data:
    email, token, _ = await world.registered()
    return {"email": email, "registrationToken": token}


async def forgotten(world: World, who: Asker) -> Data:
    return {"email": (await world.forgetful())[0]}


async def reset_code(world: World, who: Asker) -> Data:
    email, code = await world.forgetful()
    return {"email": email, "code": code}


_FORGETTING = ("resetToken", World.reset_token)
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
    rest("DELETE /auth/sessions/{id}",           "401 404 404 blk 404 ok  404", World.session),
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
    rest("PATCH /me/certificates/{id}",          "401 403 404 blk 403 403 ok", World.certificate, {"aboutYou": "New."}),
    rest("DELETE /me/certificates/{id}",         "401 403 404 blk 403 403 ok", World.certificate),
    # The catalogue. Its public rows look at no token, but for the trainer's page and reviews.
    rest("GET /limits",                          "ok  ok  ok  ok  ok  ok  ok"),
    rest("GET /categories",                      "ok  ok  ok  ok  ok  ok  ok"),
    rest("GET /trainers",                        "ok  ok  ok  ok  ok  ok  ok"),
    rest("GET /trainers/{id}",                   "ok  ok  ok  blk ok  ok  ok", World.trainer_profile),
    rest("GET /trainers/{id}/pricing",           "ok  ok  ok  ok  ok  ok  ok", World.trainer_profile),
    rest("GET /trainers/{id}/reviews",           "ok  ok  ok  blk ok  ok  ok", World.trainer_profile),
    rest("GET /trainers/{id}/slots",             "ok  ok  ok  ok  ok  ok  ok", World.trainer_profile, tomorrow),
    rest("PUT /me/bookmarks/{trainerId}",        "401 ok  403 blk 403 ok  403", World.trainer_profile),
    rest("DELETE /me/bookmarks/{trainerId}",     "401 ok  403 blk 403 ok  403", World.trainer_profile),
    rest("GET /me/bookmarks",                    "401 ok  403 blk 403 ok  403"),
    rest("POST /bookings/{id}/review",           "401 404 403 blk 403 ok  403", World.session_over, STARS),
    rest("PATCH /reviews/{id}",                  "401 403 403 blk 403 ok  403", World.review, STARS),
    rest("DELETE /reviews/{id}",                 "401 403 403 blk ok  ok  403", World.review),
    # Conversations.                            nobody others  blk adm clt trn
    rest("POST /sync",                           "401 ok  ok  blk ok  ok  ok", says=cursors),
    rest("POST /sync",                           "401 ok  ok  blk ok  ok  ok", says={"cursors": {}}),
    rest("GET /conversations/{id}/messages",     "401 404 404 blk 404 ok  ok", World.in_conversation),
    rest("POST /conversations/{id}/messages",    "401 404 404 blk 404 ok  ok", World.in_conversation, a_message),
    rest("GET /conversations/{id}/messages",     "401 404 404 blk 404 ok  404", World.opened),
    rest("POST /conversations/{id}/messages",    "401 404 404 blk 404 ok  404", World.opened_to_begin, a_message),
    # Availability.
    rest("GET /me/availability",                 "401 403 ok  blk 403 403 ok"),
    rest("PUT /me/availability",                 "401 403 ok  blk 403 403 ok", says=WEEK),
    rest("GET /me/availability/exceptions",      "401 403 ok  blk 403 403 ok"),
    rest("POST /me/availability/exceptions",     "401 403 ok  blk 403 403 ok", says=a_day_off),
    rest("DELETE /me/availability/exceptions/{id}", "401 403 404 blk 403 403 ok", World.exception),
    # Bookings.                                 nobody others  blk adm clt trn
    rest("POST /bookings",                       "401 ok  403 blk 403 ok  403", says=new_booking),
    rest("GET /bookings",                        "401 ok  ok  blk ok  ok  ok"),
    rest("GET /bookings/{id}",                   "401 404 404 blk ok  ok  ok", World.booking),
    rest("GET /bookings/{id}/cancellation",      "401 404 404 blk ok  ok  ok", World.booking),
    rest("POST /bookings/{id}/cancel",           "401 404 404 blk ok  ok  ok", World.booking, REASON),
    rest("POST /bookings/{id}/reschedule",       "401 404 404 blk ok  ok  ok", World.booking, new_start),
    rest("POST /bookings/{id}/no-show",          "401 404 404 blk 403 403 ok", World.session_over),
    # Payments. Stripe has no token: its events are signed.
    rest("POST /purchases",                      "401 ok  403 blk 403 ok  403", says=new_purchase),
    rest("GET /purchases/{id}",                  "401 404 404 blk ok  ok  ok", World.purchase),
    rest("GET /credits",                         "401 ok  ok  blk ok  ok  ok"),
    rest("GET /transactions",                    "401 ok  ok  blk ok  ok  ok"),
    rest("GET /me/earnings",                     "401 403 ok  blk 403 403 ok"),
    rest("GET /admin/transactions",              "401 403 403 blk ok  403 403"),
    rest("POST /me/stripe/onboarding",           "401 403 ok  blk 403 403 ok"),
    rest("GET /me/stripe",                       "401 403 ok  blk 403 403 ok"),
    rest("POST /me/stripe/dashboard",            "401 403 ok  blk 403 403 ok"),
    rest("POST /admin/transactions/{id}/refund", "401 403 403 blk ok  403 403", World.paid_purchase),
    rest("POST /webhooks/stripe",                "ok  ok  ok  ok  ok  ok  ok", says=told),
    # Files. A calendar feed is for whoever knows its address.
    rest("POST /files",                          "401 ok  ok  blk ok  ok  ok", says=upload),
    rest("GET /files/{id}",                      "401 404 404 blk ok  ok  404", World.file),
    rest("GET /files/{id}",                      "401 404 404 blk ok  ok  ok", World.sent_file),
    rest("POST /me/calendar",                    "401 ok  ok  blk 403 ok  ok", says={"rotate": True}),
    rest("GET /me/calendar",                     "401 ok  ok  blk 403 ok  ok"),
    rest("DELETE /me/calendar",                  "401 ok  ok  blk ok  ok  ok"),
    rest("GET /calendar/{token}.ics",            "ok  ok  ok  ok  ok  ok  ok", World.feed),
    # Between users.                            nobody others  blk adm clt trn
    rest("PUT /me/blocks/{userId}",              "401 ok  ok  blk 403 ok  ok", World.a_client),
    rest("DELETE /me/blocks/{userId}",           "401 ok  ok  blk 403 ok  ok", World.a_client),
    rest("POST /reports",                        "401 ok  ok  blk 403 ok  ok", ("userId", World.a_client), REASON),
    # Notifications. A device is one's own by its name.
    rest("GET /me/notifications",                "401 ok  ok  blk ok  ok  ok"),
    rest("PUT /me/notifications",                "401 ok  ok  blk ok  ok  ok", says=QUIET),
    rest("PUT /me/devices/{deviceId}",           "401 ok  ok  blk ok  ok  ok", a_device, a_token),
    rest("DELETE /me/devices/{deviceId}",        "401 ok  ok  blk ok  ok  ok", a_device),
    rest("GET /unsubscribe/{token}",             "ok  ok  ok  ok  ok  ok  ok", World.unsubscribing),
    rest("POST /unsubscribe/{token}",            "ok  ok  ok  ok  ok  ok  ok", World.unsubscribing),
    # Administration.                           nobody others  blk adm clt trn
    rest("POST /admin/users/{id}/block",         "401 403 403 blk ok  403 403", World.a_client, REASON),
    rest("POST /admin/users/{id}/block",         "401 403 403 blk 403 403 403", World.a_super_admin, REASON),
    rest("POST /admin/users/{id}/unblock",       "401 403 403 blk ok  403 403", World.a_blocked_client),
    rest("GET /admin/users",                     "401 403 403 blk ok  403 403"),
    rest("GET /admin/bookings",                  "401 403 403 blk ok  403 403"),
    rest("GET /admin/stats",                     "401 403 403 blk ok  403 403"),
    rest("GET /admin/audit",                     "401 403 403 blk ok  403 403"),
    rest("GET /admin/reports",                   "401 403 403 blk ok  403 403"),
    rest("POST /admin/reports/{id}/resolve",     "401 403 403 blk ok  403 403", World.report, {"resolution": "warned"}),
    rest("POST /admin/admins",                   "401 403 403 blk 403 403 403", says=new_admin),
    rest("POST /admin/categories",               "401 403 403 blk ok  403 403", says=new_name),
    rest("PATCH /admin/categories/{id}",         "401 403 403 blk ok  403 403", World.category, new_name),
    rest("DELETE /admin/categories/{id}",        "401 403 403 blk ok  403 403", World.category),
    rest("POST /admin/subcategories",            "401 403 403 blk ok  403 403", ("category", World.category), new_name),
    rest("PATCH /admin/subcategories/{id}",      "401 403 403 blk ok  403 403", World.sub_category, new_name),
    rest("DELETE /admin/subcategories/{id}",     "401 403 403 blk ok  403 403", World.sub_category),
    rest("GET /admin/webhooks",                  "401 403 403 blk ok  403 403"),
    rest("POST /admin/webhooks",                 "401 403 403 blk ok  403 403", says=HOOK),
    rest("PATCH /admin/webhooks/{id}",           "401 403 403 blk ok  403 403", World.webhook, {"rotateSecret": True}),
    rest("DELETE /admin/webhooks/{id}",          "401 403 403 blk ok  403 403", World.webhook),
)  # fmt: skip
