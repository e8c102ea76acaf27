"""A memory that may forget: apart from the places that use it, since they have nothing else in common."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedMap(OrderedDict[K, V]):
    """Holds ``most`` entries: past them, whatever was written longest ago is forgotten. Reading moves nothing.

    Look-ups are the dict's own, and cost no more.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)
