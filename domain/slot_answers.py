"""Slots on the wire."""

from __future__ import annotations

from collections.abc import Iterable

from domain.answers import Answer
from domain.instants import to_wire
from domain.slots import Slot


class SlotAnswer(Answer, frozen=True, kw_only=True):
    starts_at: str
    ends_at: str


class SlotList(Answer, frozen=True, kw_only=True):
    """What is free; ``time_zone`` is the trainer's."""

    time_zone: str
    slots: list[SlotAnswer]


def slot_answers(slots: Iterable[Slot]) -> list[SlotAnswer]:
    return [SlotAnswer(starts_at=to_wire(slot.starts_at), ends_at=to_wire(slot.ends_at)) for slot in slots]
