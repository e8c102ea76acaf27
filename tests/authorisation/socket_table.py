"""Who may do what over a socket: every event of every namespace, at least once. A new one is one line here.

Whoever has no token, or is blocked, is in no namespace; the tests see to that for every row.
"""

from __future__ import annotations

import secrets

from domain.wire.events import NAMESPACES
from tests.authorisation.cases import socket
from tests.authorisation.parties import WORDS, Parties
from tests.authorisation.people import Asker
from tests.authorisation.rest_table import a_message, cursors, new_booking, new_start, tomorrow
from tests.bookings.market import Data


def partner(parties: Parties, who: Asker) -> Data:
    return {"userId": parties.client.id if who is parties.trainer else parties.trainer.id}


def the_client(parties: Parties, who: Asker) -> Data:
    return {"userIds": [parties.client.id]}


def create(parties: Parties, who: Asker) -> Data:
    return {**new_booking(parties, who), "idempotencyKey": secrets.token_hex(8)}


def slots(parties: Parties, who: Asker) -> Data:
    return {"trainerId": parties.trainer.profile, **tomorrow(parties, who)}


def own_token(parties: Parties, who: Asker) -> Data:
    assert who is not None
    return {"token": who.person.token}


def clients_token(parties: Parties, who: Asker) -> Data:
    return {"token": parties.client.person.token}


_MESSAGE = ("messageId", Parties.message)
_HERE = ("conversationId", Parties.in_conversation)
# Until its first entry it is its opener's only.
_OPENED = ("conversationId", Parties.opened)
_TO_BEGIN = ("conversationId", Parties.opened_to_begin)

CASES = (
    #                                                others  adm clt trn
    socket("/conversations conversation:open",      "ok  404 ok  ok  ok", says=partner),
    socket("/conversations conversation:list",      "ok  ok  ok  ok  ok"),
    socket("/conversations conversation:mute",      "404 404 404 ok  ok", _HERE),
    socket("/conversations conversation:unread",    "ok  ok  ok  ok  ok"),
    socket("/conversations conversation:seen-all",  "ok  ok  ok  ok  ok"),
    socket("/conversations message:send",           "404 404 404 ok  ok", _HERE, a_message),
    socket("/conversations message:edit",           "404 404 404 ok  403", _MESSAGE, {"text": "new"}),
    socket("/conversations message:delete",         "404 404 404 ok  403", _MESSAGE),
    socket("/conversations message:react",          "404 404 404 ok  ok", _MESSAGE, {"emoji": "👍"}),
    socket("/conversations message:list",           "404 404 404 ok  ok", _HERE),
    socket("/conversations message:get",            "404 404 404 ok  ok", _MESSAGE),
    socket("/conversations message:search",         "404 404 404 ok  ok", _HERE, {"query": WORDS}),
    socket("/conversations message:search",         "ok  ok  ok  ok  ok", says={"query": WORDS}),
    socket("/conversations conversation:seen",      "404 404 404 ok  ok", _HERE, {"seq": 1}),
    socket("/conversations conversation:delivered", "404 404 404 ok  ok", _HERE, {"seq": 1}),
    socket("/conversations typing",                 "404 404 404 ok  ok", _HERE, {"active": True}),
    # Whom one may not see is told to be gone.
    socket("/conversations sync",                   "ok  ok  ok  ok  ok", says=cursors),
    socket("/conversations sync",                   "ok  ok  ok  ok  ok", says={"cursors": {}}),
    #                                                others  adm clt trn
    socket("/conversations conversation:mute",      "404 404 404 ok  404", _OPENED),
    socket("/conversations message:send",           "404 404 404 ok  404", _TO_BEGIN, a_message),
    socket("/conversations message:list",           "404 404 404 ok  404", _OPENED),
    socket("/conversations message:search",         "404 404 404 ok  404", _OPENED, {"query": WORDS}),
    socket("/conversations conversation:seen",      "404 404 404 ok  404", _OPENED, {"seq": 1}),
    socket("/conversations conversation:delivered", "404 404 404 ok  404", _OPENED, {"seq": 1}),
    socket("/conversations typing",                 "404 404 404 ok  404", _OPENED, {"active": True}),
    # Whom one may not see is left out of the answer: none of the outsiders' may name the client.
    socket("/presence presence:watch",              "ok  ok  ok  ok  ok", says=the_client),
    socket("/presence presence:unwatch",            "ok  ok  ok  ok  ok", says=the_client),
    socket("/presence presence:set",                "ok  ok  ok  ok  ok", says={"status": "online"}),
    #                                                others  adm clt trn
    socket("/bookings booking:create",              "ok  403 403 ok  403", says=create),
    socket("/bookings booking:cancel",              "404 404 ok  ok  ok", ("bookingId", Parties.booking)),
    socket("/bookings booking:reschedule",          "404 404 ok  ok  ok", ("bookingId", Parties.booking), new_start),
    socket("/bookings booking:list",                "ok  ok  ok  ok  ok"),
    socket("/bookings slots:watch",                 "ok  ok  ok  ok  ok", says=slots),
    socket("/bookings slots:unwatch",               "ok  ok  ok  ok  ok", ("trainerId", Parties.trainer_profile)),
    # A connection stays its user's.
    *(socket(f"{namespace} auth:refresh", "ok  ok  ok  ok  ok", says=own_token) for namespace in NAMESPACES),
    *(socket(f"{namespace} auth:refresh", "403 403 403 ok  403", says=clients_token) for namespace in NAMESPACES),
)  # fmt: skip
