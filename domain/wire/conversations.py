"""Commands and answers of ``/conversations`` and of its REST twins."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from domain.characters import MAYBE_BLANK_LINES
from domain.conversations import Conversation
from domain.messages import Message
from domain.wire.base import Answer, Command, FileCommand
from domain.wire.fields import ClientMessageId, Cursor, FileId, Id, Instant, PageSize, SearchWords, Seq

MAX_TEXT = 4000
Text = Annotated[
    str,
    Meta(
        max_length=MAX_TEXT,
        pattern=MAYBE_BLANK_LINES,
        description=(
            "text of several lines, without control characters but tabs and line ends; without attachments it shows "
            "something"
        ),
    ),
]
Attachments = Annotated[tuple[FileId, ...], Meta(max_length=10)]
# Wide enough for what earlier versions took, which can still be taken off; what is put on is one emoji.
Emoji = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=32,
        pattern=r"^[^\s\x00-\x1f\x7f]+\Z",
        description="one emoji (UTS #51), compared and answered by its fully-qualified form",
    ),
]


class OpenConversation(Command, frozen=True, kw_only=True):
    user_id: Id


class ListConversations(Command, frozen=True, kw_only=True):
    cursor: Cursor | None = None
    limit: PageSize = 20


class MuteConversation(Command, frozen=True, kw_only=True):
    """Without ``until``, an instant to come, it is muted until further notice; ``null`` unmutes."""

    conversation_id: Id
    until: Instant | msgspec.UnsetType | None = msgspec.UNSET


class SendMessage(FileCommand, frozen=True, kw_only=True):
    file_fields: ClassVar[tuple[str, ...]] = ("image_urls", "video_urls", "pdf_urls")
    conversation_id: Id
    client_message_id: ClientMessageId
    text: Text | None = None
    image_urls: Attachments = ()
    video_urls: Attachments = ()
    pdf_urls: Attachments = ()
    reply_to: Id | None = None


class EditMessage(Command, frozen=True, kw_only=True):
    """An empty ``text`` takes the caption of attachments away."""

    message_id: Id
    text: Text


class DeleteMessage(Command, frozen=True, kw_only=True):
    message_id: Id


class ReactToMessage(Command, frozen=True, kw_only=True):
    message_id: Id
    emoji: Emoji
    remove: bool = False


class ListMessages(Command, frozen=True, kw_only=True):
    """Before one ``seq`` or after one; with neither the newest."""

    conversation_id: Id
    before_seq: Seq | None = None
    after_seq: Seq | None = None
    limit: PageSize = 20


class GetMessage(Command, frozen=True, kw_only=True):
    message_id: Id


class SearchMessages(Command, frozen=True, kw_only=True):
    """Newest first, whatever the case, the accents and the forms of letters. A page may be shorter than asked for, or
    empty, with a ``nextCursor`` to go on from."""

    query: Annotated[SearchWords, Meta(min_length=1)]
    conversation_id: Id | None = None
    cursor: Cursor | None = None
    limit: PageSize = 20


class MarkSeen(Command, frozen=True, kw_only=True):
    conversation_id: Id
    seq: Seq


class MarkDelivered(Command, frozen=True, kw_only=True):
    conversation_id: Id
    seq: Seq


class SetTyping(Command, frozen=True, kw_only=True):
    conversation_id: Id
    active: bool


class CountUnread(Command, frozen=True, kw_only=True):
    """Over all conversations."""


class MarkAllSeen(Command, frozen=True, kw_only=True):
    """Every conversation, up to its head."""


State = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z", description="opaque: as the last answer of sync gave it")
]


class SyncCursor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last ``seq`` received, and the ``state`` that came with the conversation."""

    seq: Seq
    state: State | None = None


class Sync(Command, frozen=True, kw_only=True):
    """``cursors``: the last ``seq`` received of each conversation the device has, alone or with its ``state``.

    ``only``: leave out the conversations that are not named. ``limit``: entries an answer.
    """

    cursors: Annotated[dict[Id, Seq | SyncCursor], Meta(max_length=2_000)]
    only: bool = False
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class ConversationAnswer(Answer, frozen=True, kw_only=True):
    conversation: Conversation


class ConversationPage(Answer, frozen=True, kw_only=True):
    items: list[Conversation]
    next_cursor: str | None


class UnreadAnswer(Answer, frozen=True, kw_only=True):
    """``total``: unread messages, of each conversation up to 100; ``conversations``: how many have any."""

    total: int
    conversations: int


class MessageAnswer(Answer, frozen=True, kw_only=True):
    message: Message


class MessageList(Answer, frozen=True, kw_only=True):
    messages: list[Message]
    has_more: bool


class MessagePage(Answer, frozen=True, kw_only=True):
    items: list[Message]
    next_cursor: str | None


class LogEntry(Answer, frozen=True, kw_only=True):
    """One entry of a conversation's log: a message, or a change with its target as it now stands."""

    seq: int
    change: Literal["new", "edit", "delete", "reaction"]
    message: Message


class SyncedConversation(Answer, frozen=True, kw_only=True):
    """``reset``: forget what was held of this conversation; these are its newest messages.

    ``state`` stands for all of the conversation but its entries; it is given back beside the cursor.
    """

    conversation: Conversation
    entries: list[LogEntry]
    cursor: int
    state: str
    has_more: bool
    reset: bool | msgspec.UnsetType = msgspec.UNSET


class SyncAnswer(Answer, frozen=True, kw_only=True):
    """``gone``: those named that the user may not see, or that are none. ``has_more``: ask again."""

    conversations: list[SyncedConversation]
    gone: list[str] | msgspec.UnsetType = msgspec.UNSET
    has_more: bool
