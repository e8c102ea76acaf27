"""Commands of the administrators."""

from __future__ import annotations

from domain import fields, text_fields
from domain.commands import Command


class BlockUser(Command, frozen=True, kw_only=True):
    id: fields.Id
    reason: text_fields.Reason


class UnblockUser(Command, frozen=True, kw_only=True):
    id: fields.Id
    reason: text_fields.Reason | None = None
