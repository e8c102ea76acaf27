"""A mail, and its text and HTML out of their templates, of the same values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "mail_templates"),
    autoescape=select_autoescape(("html",), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """A session for calendar programs: one ``uid`` from its making to its end, and a ``sequence`` that grows.

    ``at``: when it became so. ``cancelled``: it does not take place.
    """

    uid: str
    sequence: int
    at: datetime
    starts_at: datetime
    ends_at: datetime
    summary: str
    cancelled: bool


class Owner(msgspec.Struct, frozen=True):
    """A user, or a registration that is none yet."""

    kind: Literal["user", "registration"]
    id: str


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """``to`` is one address; text and HTML come from the template of that name, written when they are asked for: what
    that takes must not show in the time of an answer.

    ``key`` names a mail that may be handed in again after a crash, by any node: each time it is the same message. It
    must hold something that nobody can guess. ``unsubscribe``: the path that ends mails of this kind.

    ``owner``: of a mail that waits in memory; where that is gone by then, it is not handed in.
    """

    to: str
    subject: str
    template: str
    values: Mapping[str, Any] = {}
    key: str | None = None
    unsubscribe: str | None = None
    invitation: Invitation | None = None
    owner: Owner | None = None

    @property
    def text(self) -> str:
        return self.written("txt")

    @property
    def html(self) -> str:
        return self.written("html")

    def written(self, kind: str, unsubscribe_url: str | None = None) -> str:
        values = {**self.values, "subject": self.subject, "unsubscribe_url": unsubscribe_url}
        return _rendered(self.template, kind, values)


def _rendered(template: str, kind: str, values: Mapping[str, Any]) -> str:
    """``kind``: ``txt`` or ``html``."""
    return _TEMPLATES.get_template(f"{template}.{kind}").render(values).strip() + "\n"
