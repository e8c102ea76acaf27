"""Which rows were acted on already. A row forgotten too early is acted on twice, which is harmless."""

from __future__ import annotations

from collections import OrderedDict

MOST = 20_000


class Seen:
    __slots__ = ("_ids", "_most")

    def __init__(self, most: int = MOST) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._most = most

    def is_new(self, row_id: str) -> bool:
        """Whether it is met for the first time; from now on it is not."""
        if row_id in self._ids:
            return False
        self._ids[row_id] = None
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)
        return True
