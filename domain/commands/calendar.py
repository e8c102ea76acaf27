"""Commands of the calendar feed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from domain.commands import Command

FeedToken = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{20,64}\Z", description="the secret part of the feed's URL")]


class ReadCalendar(Command, frozen=True, kw_only=True):
    token: FeedToken
