"""What is stored about a person, collection by collection, as documents that an export holds.

Secrets (password, nonces, tokens), what only serves the store, and what would show somebody else (who reported the
person, which administrator acted) is left out. Each collection is either here or in ``NOT_EXPORTED``; a test holds this
against the schema.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId, Timestamp

from domain.accounts import Role
from domain.times import to_wire
from store.database import Collection, Database, Document
from store.failures import repository
from store.log.documents import MESSAGES
from store.people import PROFILES

_BATCH = 200
_WORK = frozenset({"dueAt", "dueClaimedUntil", "checkAt", "work", "unapplied"})


@dataclass(frozen=True, slots=True)
class Person:
    user_id: ObjectId
    role: Role
    profile_id: ObjectId

    def profile_in(self, *roles: Role) -> ObjectId | None:
        return self.profile_id if self.role in roles else None


@dataclass(frozen=True, slots=True)
class DataPart:
    """``whose``: the person's documents, nothing for a role that has none. ``without``: fields that are left out;
    ``only``: the fields that are given, where most are others' matter."""

    name: str
    collection: str
    whose: Callable[[Person], Document | None]
    without: frozenset[str] = frozenset()
    only: frozenset[str] | None = None


def _by_user(field: str) -> Callable[[Person], Document]:
    return lambda person: {field: person.user_id}


def _by_profile(field: str, *roles: Role) -> Callable[[Person], Document | None]:
    def whose(person: Person) -> Document | None:
        profile = person.profile_in(*roles)
        return None if profile is None else {field: profile}

    return whose


def _roles_of(collection: str) -> list[Role]:
    return [role for role, profiles in PROFILES.items() if profiles == collection]


def _either_profile(person: Person) -> Document | None:
    return {person.role: person.profile_id} if person.role in ("client", "trainer") else None


_SECRETS = frozenset(
    {"password", "resetToken", "resetTokenExpiresAt", "resetCode", "resetTries", "resetExpiresAt", "verifyCode",
     "codeExpireIn", "blockedBy"}
)  # fmt: skip
_ABOUT = frozenset({"_id", "at", "action", "target", "before", "after", "reason"})
_REPORTED = frozenset({"_id", "messageId", "messageText", "status", "createdAt", "resolvedAt"})

PARTS: tuple[DataPart, ...] = (
    DataPart("account", "users", _by_user("_id"), _SECRETS),
    *(
        DataPart("profile", collection, _by_profile("_id", *_roles_of(collection)))
        for collection in dict.fromkeys(PROFILES.values())
    ),
    DataPart(
        "sessions", "sessions", _by_user("userId"),
        frozenset({"nonce", "generation", "usedGeneration", "networks", "tellAt"}),
    ),
    DataPart("pricing", "pricings", _by_profile("trainer", "trainer")),
    DataPart("specializations", "specializations", _by_profile("trainer", "trainer")),
    DataPart("certificates", "trainerCertificates", _by_profile("trainerId", "trainer")),
    DataPart("availability", "trainerAvailabilities", _by_profile("trainer", "trainer")),
    DataPart("availability-days", "availabilities", _by_profile("trainer", "trainer")),
    DataPart("availability-exceptions", "trainerAvailabilityExceptions", _by_profile("trainer", "trainer")),
    DataPart("bookmarks", "bookmarks", _by_profile("client", "client")),
    DataPart(
        "bookings", "bookings", _either_profile, frozenset({"claims", "changedAt", "clientChange", "trainerChange"})
    ),
    DataPart("reviews", "reviews", _either_profile),
    DataPart("credits", "credits", _by_profile("client", "client")),
    DataPart("credit-entries", "creditEntries", _by_profile("client", "client")),
    DataPart("transactions", "transactions", _either_profile, frozenset({"destination"})),
    DataPart("trials", "trials", _by_profile("client", "client")),
    DataPart("calendar", "calendarFeeds", _by_user("user"), frozenset({"token"})),
    DataPart("files", "files", _by_user("owner"), frozenset({"state", "released"})),
    DataPart("notifications", "notificationPreferences", _by_user("_id")),
    DataPart("push-devices", "pushDevices", _by_user("user"), frozenset({"token"})),
    DataPart("digests", "digests", _by_user("_id")),
    DataPart("blocks", "userBlocks", _by_user("userId"), frozenset({"pair", "number"})),
    DataPart("reports-made", "reports", _by_user("reporterId"), frozenset({"resolvedBy", "messageText"})),
    DataPart("reports-about-you", "reports", _by_user("userId"), only=_REPORTED),
    DataPart("administrative-acts", "audit", _by_user("actor")),
    DataPart("acts-about-you", "audit", _by_user("target.id"), only=_ABOUT),
    DataPart("conversations", "conversations", _by_user("members"), frozenset({"pair", "openers", "lastMessage"})),
    DataPart("read-states", "conversationParticipants", _by_user("userId")),
)
_OF_LOG = frozenset(
    {"spelling", "spellingSeq", "digest", "commandKey", "clientMessageId", "version", "editSeq"}
)  # fmt: skip
NOT_EXPORTED: Mapping[str, str] = {
    "messages": "read conversation by conversation, see PersonalData.messages",
    "registrations": "of whoever typed an address, before it was proved; gone in a day",
    "passwordResets": "keyed hashes and nonces; gone in a day",
    "signInTries": "keyed hashes of an address and of networks",
    "exports": "that an export was asked for",
    "trainerListings": "a copy of the profile, for search",
    "ratingChanges": "stars on their way into a rating",
    "respellings": "how far durable work has come",
    "sessionCategories": "the catalogue",
    "sessionSubCategories": "the catalogue",
    "revocations": "that a session ended; gone after a day",
    "idempotency": "copies of answers, some of which hold secrets",
    "bookingCounters": "a counter",
    "userBlockCounters": "a counter",
    "clientClaims": "a copy of the bookings' times",
    "bookingMails": "mails on their way, of what the bookings hold",
    "reminderMails": "mails on their way, of what the bookings hold",
    "trialWeeks": "a counter of a trainer's",
    "paymentNotices": "entries on their way into the log",
    "receiptMails": "mails on their way, of what the transactions hold",
    "stripeEvents": "what Stripe told, gone when it was acted on",
    "stripeEventGaps": "what Stripe may have told meanwhile",
    "refunds": "how transactions, which are exported, were refunded at Stripe",
    "trainerParts": "how trainers' parts of transactions, which are exported, are settled at Stripe",
    "owedCredits": "what comes of credits, whose entries are exported, when they come back",
    "disputes": "how transactions, which are exported, were disputed at Stripe",
    "paymentDifferences": "what is to be looked at of payments, by administrators",
    "finalRefunds": "erased accounts",
    "outbox": "entries on their way into the log",
    "fs.files": "the bytes of files, which are exported as files",
    "fs.chunks": "the bytes of files, which are exported as files",
    "departures": "erased accounts",
    "apnsPushes": "pushes on their way, of what the messages and bookings hold",
    "fcmPushes": "pushes on their way, of what the messages and bookings hold",
    "unheardScans": "how far durable work has come",
    "silences": "nodes",
    "webhookEndpoints": "other systems, as administrators set them up",
    "webhookDeliveries": "events on their way, of what bookings, transactions, reviews and accounts hold",
}


@repository
class PersonalData:
    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def person(user_id: str, role: Role, profile_id: str) -> Person:
        return Person(ObjectId(user_id), role, ObjectId(profile_id))

    async def documents(self, part: DataPart, person: Person) -> AsyncIterator[list[Document]]:
        """A batch at a time; none is held longer than that."""
        whose = part.whose(person)
        if whose is None:
            return
        async for batch in _batches(self._database.collection(part.collection), whose):
            yield [_plain_document(one, part.without, part.only) for one in batch]

    async def messages(self, person: Person) -> AsyncIterator[list[Document]]:
        """All entries of the person's conversations, both sides', as the person can read them."""
        log, after = self._database.collection(MESSAGES), None
        conversations = self._database.collection("conversations")
        while True:
            query: Document = {"members": person.user_id} | ({} if after is None else {"_id": {"$gt": after}})
            ids = [one["_id"] for one in await conversations.find(query, {"_id": 1}).sort("_id", 1).to_list(_BATCH)]
            for one in ids:
                seq = 0
                while True:
                    span: Document = {"conversationId": one, "seq": {"$gt": seq}}
                    batch = await log.find(span).sort("seq", 1).limit(_BATCH).to_list(None)
                    if batch:
                        yield [_plain_document(entry, _OF_LOG) for entry in batch]
                        seq = batch[-1]["seq"]
                    if len(batch) < _BATCH:
                        break
            if len(ids) < _BATCH:
                return
            after = ids[-1]


async def _batches(rows: Collection, query: Document) -> AsyncIterator[list[Document]]:
    """By id; each a read of its own, so that no cursor stands open for as long as an archive takes."""
    after: Any = None
    while True:
        later = query if after is None else {"$and": [query, {"_id": {"$gt": after}}]}
        batch = await rows.find(later).sort("_id", 1).limit(_BATCH).to_list(None)
        if batch:
            yield batch
            after = batch[-1]["_id"]
        if len(batch) < _BATCH:
            return


def _plain_document(document: Document, without: frozenset[str], only: frozenset[str] | None = None) -> Document:
    kept = {
        name: value
        for name, value in document.items()
        if name not in without and name not in _WORK and (only is None or name in only)
    }
    return {"id" if name == "_id" else name: _plain(value) for name, value in kept.items()}


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, datetime):
        return to_wire(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, bytes | Timestamp) else value
