"""The Conversation and ConversationParticipant tables.

Until its first entry a conversation is seen by those who opened it (``openers``) and by nobody else. Whether there is
an entry is told by ``head``, which is written before the first one is announced, and where that is 0 by the log itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.bounded_map import BoundedMap
from domain.conversations import ConversationRecord, Membership, ParticipantRecord, pair_key
from domain.errors import unavailable
from store.command_budget import remaining
from store.concurrency import SingleFlight
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.log.documents import CONVERSATIONS
from store.log.heads import Heads

PARTICIPANTS = "conversationParticipants"
MAX_REMEMBERED = 100_000
OPEN_TIMEOUT_SECONDS = 2.0
_BEGUN: Document = {"head": {"$gt": 0}}

SCHEMAS = (
    CollectionSchema(
        CONVERSATIONS,
        (
            IndexModel([("pair", ASCENDING)], name="pair", unique=True),
            IndexModel([("members", ASCENDING), ("updatedAt", DESCENDING), ("_id", DESCENDING)], name="newest"),
            IndexModel([("updatedAt", DESCENDING)], name="updated"),
        ),
    ),
    CollectionSchema(
        PARTICIPANTS,
        (
            IndexModel([("conversationId", ASCENDING), ("userId", ASCENDING)], name="member", unique=True),
            IndexModel([("userId", ASCENDING)], name="user"),
        ),
    ),
)


@repository
class Conversations:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._conversations = database.collection(CONVERSATIONS)
        self._participants = database.collection(PARTICIPANTS)
        self._heads = Heads(database)
        # Of those that have begun.
        self._memberships: BoundedMap[str, Membership] = BoundedMap(MAX_REMEMBERED)
        self._loading = SingleFlight()

    async def between(self, user_id: str, other_id: str) -> ConversationRecord | None:
        """The pair's conversation, if there is one that the user sees."""
        found = await self._conversations.find_one({"pair": pair_key(user_id, other_id)})
        return _record(found) if found and await self._sees(found, user_id) else None

    async def open(self, user_id: str, other_id: str, now: datetime) -> ConversationRecord:
        """The pair's conversation, made if there is none; the user sees it from now on."""
        opened = await self._open(user_id, other_id, now)
        me = ObjectId(user_id)
        unseen = {"_id": ObjectId(opened.membership.conversation_id), "head": 0, "openers": {"$ne": me}}
        await self._conversations.update_one(unseen, {"$addToSet": {"openers": me}})
        return opened

    async def _open(self, user_id: str, other_id: str, now: datetime) -> ConversationRecord:
        found = await self._of_pair(user_id, other_id)
        if found is not None:
            return found
        document = _new_conversation(user_id, other_id, now)

        async def insert(session: ClientSession) -> None:
            await self._conversations.insert_one(document, session=session)
            await self._participants.insert_many(_new_participants(document), session=session)

        try:
            await self._database.transaction(insert)
        except DuplicateKeyError:
            return await self._made_by_another(user_id, other_id)
        return _record(document)

    async def open_within(self, user_id: str, other_id: str, now: datetime, *, session: ClientSession) -> str:
        """The same inside another transaction, which is tried again when somebody else opens it; answers its id.

        For what has an entry right after the commit: an earlier opener stays the only one until then.
        """
        found = await self._conversations.find_one({"pair": pair_key(user_id, other_id)}, {"_id": 1}, session=session)
        if found is None:
            found = _new_conversation(user_id, other_id, now)
            await self._conversations.insert_one(found, session=session)
            await self._participants.insert_many(_new_participants(found), session=session)
        return str(found["_id"])

    def known(self, conversation_id: str) -> Membership | None:
        """The members of a conversation that has begun, if this node has looked it up before."""
        return self._memberships.get(conversation_id)

    async def membership(self, conversation_id: str, user_id: str) -> Membership | None:
        """The conversation's members, if the user is one of them and sees it.

        Known ones are answered without a suspension.
        """
        known = self.known(conversation_id)
        if known is None:
            loaded = await self._load(conversation_id)
            known = loaded.membership if loaded is not None and loaded.is_seen_by(user_id) else None
        return known if known is not None and user_id in known.user_ids else None

    def has_begun(self, member: Membership) -> None:
        """Its first entry is stored: from now on it is known without a look-up."""
        self._memberships[member.conversation_id] = msgspec.structs.replace(member, begun=True)

    async def members(self, conversation_id: str) -> Membership | None:
        """The same for the server's own entries, whoever sees it."""
        known = self.known(conversation_id)
        if known is None:
            loaded = await self._load(conversation_id)
            known = None if loaded is None else loaded.membership
        return known

    async def memberships(self, conversation_ids: Iterable[str], user_id: str) -> dict[str, Membership]:
        """Those of the conversations in which the user takes part and that the user sees."""
        wanted = set(conversation_ids)
        found = {i: self._memberships[i] for i in wanted if i in self._memberships}
        unknown = [ObjectId(i) for i in wanted - found.keys()]
        if unknown:
            documents = await self._conversations.find({"_id": {"$in": unknown}}, _MEMBERS_ONLY).to_list(None)
            for loaded in await self._loaded(documents):
                if loaded.is_seen_by(user_id):
                    found[loaded.membership.conversation_id] = loaded.membership
        return {i: member for i, member in found.items() if user_id in member.user_ids}

    async def all_ids(self, user_id: str) -> list[str]:
        """Every conversation of the user."""
        cursor = self._conversations.find({"members": ObjectId(user_id)}, {"_id": 1})
        return [str(document["_id"]) for document in await cursor.to_list(None)]

    async def partners(self, user_id: str, among: Iterable[str]) -> set[str]:
        """Those with whom the user shares a conversation that has begun."""
        by_pair = {pair_key(user_id, other_id): other_id for other_id in among if other_id != user_id}
        cursor = self._conversations.find({"pair": {"$in": list(by_pair)}, **_BEGUN}, {"_id": 0, "pair": 1})
        return {by_pair[document["pair"]] for document in await cursor.to_list(None)}

    async def page(
        self, user_id: str, before: tuple[datetime, str] | None, limit: int, leaving_out: Iterable[str] = ()
    ) -> list[ConversationRecord]:
        """The conversations that the user sees, newest first, older than ``before`` (time and id of the last one)."""
        query: Document = {"members": ObjectId(user_id)}
        seen: list[Document] = [{"openers": ObjectId(user_id)}, _BEGUN]
        if before is None:
            query["$or"] = seen
        else:
            at, last = before
            older: list[Document] = [{"updatedAt": {"$lt": at}}, {"updatedAt": at, "_id": {"$lt": ObjectId(last)}}]
            query["$and"] = [{"$or": older}, {"$or": seen}]
        left_out = [ObjectId(i) for i in leaving_out]
        if left_out:
            query["_id"] = {"$nin": left_out}
        cursor = self._conversations.find(query).sort([("updatedAt", -1), ("_id", -1)]).limit(limit)
        return [_record(document) for document in await cursor.to_list(None)]

    async def records(self, conversation_ids: Iterable[str]) -> dict[str, ConversationRecord]:
        ids = [ObjectId(i) for i in conversation_ids]
        found = await self._conversations.find({"_id": {"$in": ids}}).to_list(None) if ids else []
        return {str(document["_id"]): _record(document) for document in found}

    async def newest_behind(self, user_id: str, limit: int) -> list[ParticipantRecord]:
        """Of the user's ``limit`` newest conversations one's own side, where something was said past what was seen; by
        their projections, which come a moment late. Newest first."""
        newest = self._conversations.find({"members": ObjectId(user_id)}, {"lastSeq": 1})
        last = {one["_id"]: one.get("lastSeq", 0) async for one in newest.sort("updatedAt", DESCENDING).limit(limit)}
        mine = self._participants.find({"conversationId": {"$in": list(last)}, "userId": ObjectId(user_id)})
        sides = {one["conversationId"]: one async for one in mine.hint("member")}
        return [
            participant_from(sides[one])
            for one, head in last.items()
            if one in sides and head > sides[one].get("seenSeq", 0)
        ]

    async def own_participants(self, user_id: str) -> list[ParticipantRecord]:
        """The user's side of every conversation, with its watermarks as they stand."""
        found = await self._participants.find({"userId": ObjectId(user_id)}).to_list(None)
        return [participant_from(document) for document in found]

    async def participants(self, conversation_ids: Iterable[str]) -> dict[str, list[ParticipantRecord]]:
        """The participants of each conversation, with their present watermarks."""
        ids = [ObjectId(i) for i in conversation_ids]
        by_conversation: dict[str, list[ParticipantRecord]] = {}
        if ids:
            async for document in self._participants.find({"conversationId": {"$in": ids}}):
                record = participant_from(document)
                by_conversation.setdefault(record.conversation_id, []).append(record)
        return by_conversation

    async def mute(self, participant_id: str, until: datetime | None, now: datetime) -> bool:
        """Whether that changed anything."""
        result = await self._participants.update_one(
            {"_id": ObjectId(participant_id), "mutedUntil": {"$ne": until}},
            {"$set": {"mutedUntil": until, "updatedAt": now}},
        )
        return bool(result.modified_count)

    async def _made_by_another(self, user_id: str, other_id: str) -> ConversationRecord:
        """The conversation that was there first, as soon as a majority has it."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + min(OPEN_TIMEOUT_SECONDS, remaining())
        while (found := await self._of_pair(user_id, other_id)) is None:
            if loop.time() > give_up:
                raise unavailable()
            await asyncio.sleep(0.01)
        return found

    async def _of_pair(self, user_id: str, other_id: str) -> ConversationRecord | None:
        found = await self._conversations.find_one({"pair": pair_key(user_id, other_id)})
        return _record(found) if found else None

    async def _load(self, conversation_id: str) -> _Loaded | None:
        """One look-up at a time for each conversation; those who wait wake in the order in which they came."""
        return await self._loading.do(conversation_id, lambda: self._find_membership(conversation_id))

    async def _find_membership(self, conversation_id: str) -> _Loaded | None:
        found = await self._conversations.find_one({"_id": ObjectId(conversation_id)}, _MEMBERS_ONLY)
        return (await self._loaded([found]))[0] if found else None

    async def _sees(self, document: Document, user_id: str) -> bool:
        (loaded,) = await self._loaded([document])
        return loaded.is_seen_by(user_id)

    async def _loaded(self, documents: Sequence[Document]) -> list[_Loaded]:
        # A node that died between an entry and its projection leaves a head of 0 for a while.
        headless = [document["_id"] for document in documents if not document.get("head")]
        heads = await self._heads.of(headless) if headless else {}
        loaded = []
        for document in documents:
            begun = bool(document.get("head") or heads.get(document["_id"]))
            member = _membership(document, begun=begun)
            loaded.append(_Loaded(member, frozenset(map(str, document.get("openers", ())))))
            if begun:
                self._memberships[member.conversation_id] = member
        return loaded


@dataclass(frozen=True, slots=True)
class _Loaded:
    membership: Membership
    openers: frozenset[str]

    def is_seen_by(self, user_id: str) -> bool:
        return user_id in self.membership.user_ids and (self.membership.begun or user_id in self.openers)


_MEMBERS_ONLY = {"members": 1, "participants": 1, "openers": 1, "head": 1}


def _new_conversation(user_id: str, other_id: str, now: datetime) -> Document:
    return {
        "_id": ObjectId(),
        "participants": [ObjectId(), ObjectId()],
        "members": [ObjectId(user_id), ObjectId(other_id)],
        "pair": pair_key(user_id, other_id),
        "openers": [ObjectId(user_id)],
        "lastMessage": None,
        "lastSeq": 0,
        "head": 0,
        "createdAt": now,
        "updatedAt": now,
    }


def _new_participants(conversation: Document) -> list[Document]:
    return [
        {
            "_id": participant_id,
            "conversationId": conversation["_id"],
            "userId": user_id,
            "seenSeq": 0,
            "deliveredSeq": 0,
            "mutedUntil": None,
            "createdAt": conversation["createdAt"],
            "updatedAt": conversation["createdAt"],
        }
        for participant_id, user_id in zip(conversation["participants"], conversation["members"], strict=True)
    ]


def _membership(document: Document, *, begun: bool = True) -> Membership:
    first, second = (str(i) for i in document["members"])
    one, other = (str(i) for i in document["participants"])
    return Membership(str(document["_id"]), (first, second), (one, other), begun)


def _record(document: Document) -> ConversationRecord:
    last = document.get("lastMessage")
    return ConversationRecord(
        membership=_membership(document),
        head=document.get("head", 0),
        last_message=None if last is None else str(last),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def participant_from(document: Document) -> ParticipantRecord:
    return ParticipantRecord(
        id=str(document["_id"]),
        conversation_id=str(document["conversationId"]),
        user_id=str(document["userId"]),
        seen_seq=document.get("seenSeq", 0),
        delivered_seq=document.get("deliveredSeq", 0),
        muted_until=document.get("mutedUntil"),
        updated_at=document["updatedAt"],
    )
