"""What the sandbox remembers, in memory and, with a file, across its own death.

The file is a journal: a line holds all that one request changed, so that a kill between two requests or within one
leaves whole requests only. It is written anew, one line, at each start.
"""

from __future__ import annotations

import json
import secrets
import string
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

Object = dict[str, Any]
PLATFORM = "acct_platform"

_LETTERS = string.ascii_letters + string.digits


class State:
    """Objects by id, in the order in which they were made, each an account's own.

    Within an object other ones are named by their ids; ``sandbox/reading.py`` expands them.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.ahead = 0.0
        """By how many seconds the sandbox's clock is ahead."""
        self.kept: dict[str, Object] = {}
        """What is no object of Stripe's, under names that the modules choose."""
        self._objects: dict[str, tuple[str, Object]] = {}
        self._ids: dict[str, dict[str, None]] = {}
        self._changed: dict[str, None] = {}
        self._kept_changed: dict[str, None] = {}
        self._ahead_written = 0.0
        self._path = file
        self._file: IO[str] | None = None

    def open(self) -> None:
        """Read what an earlier run wrote. Nobody else may have the file."""
        if self._path is not None:
            self._open(self._path)

    def now(self) -> int:
        return int(time.time() + self.ahead)

    def new_id(self, prefix: str, length: int = 24) -> str:
        return f"{prefix}_" + "".join(secrets.choice(_LETTERS) for _ in range(length))

    def put(self, object: Object, owner: str | None = None) -> Object:
        """Add or change; ``owner`` is the account whose list it is in, the platform's unless said."""
        id: str = object["id"]
        if owner is None:
            owner = self._objects[id][0] if id in self._objects else PLATFORM
        self._set(owner, object)
        self._changed[id] = None
        return object

    def _set(self, owner: str, object: Object) -> None:
        self._objects[object["id"]] = (owner, object)
        self._ids.setdefault(object["object"], {})[object["id"]] = None

    def delete(self, id: str) -> None:
        """Of a kind of its own from now on: ``put`` what Stripe answers for it."""
        _, object = self._objects.pop(id)
        del self._ids[object["object"]][id]

    def find(self, id: str, kind: str | None = None, owner: str | None = None) -> Object | None:
        """``kind``: of ``object``; ``owner``: None stands for anybody's."""
        found = self._objects.get(id)
        if found is None or (owner is not None and found[0] != owner):
            return None
        return found[1] if kind in (None, found[1]["object"]) else None

    def owner(self, id: str) -> str:
        return self._objects[id][0]

    def all(self, kind: str, owner: str | None = None) -> Iterator[Object]:
        """Newest first."""
        for id in reversed(self._ids.get(kind, {})):
            whose, found = self._objects[id]
            if owner in (None, whose):
                yield found

    def keep(self, name: str, value: Object) -> None:
        self.kept[name] = value
        self._kept_changed[name] = None

    def forget(self, name: str) -> None:
        if self.kept.pop(name, None) is not None:
            self._kept_changed[name] = None

    def commit(self) -> None:
        """Write down what changed since the last commit."""
        if self._file is not None and (self._changed or self._kept_changed or self.ahead != self._ahead_written):
            self._ahead_written = self.ahead
            self._file.write(self._line(self._changed, self._kept_changed))
            self._file.flush()
        self._changed = {}
        self._kept_changed = {}

    def reset(self) -> None:
        self._objects.clear()
        self._ids.clear()
        self.kept.clear()
        self.ahead = 0.0
        if self._file is not None:
            self._file.truncate(0)
        self._changed, self._kept_changed = {}, {}

    def close(self) -> None:
        self.commit()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _line(self, ids: dict[str, None], names: dict[str, None]) -> str:
        line = {
            "ahead": self.ahead,
            "objects": [self._objects[id] for id in ids],
            "kept": {name: self.kept.get(name) for name in names},
        }
        return json.dumps(line, separators=(",", ":")) + "\n"

    def _open(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            self._read(path)
        draft = path.with_suffix(".draft")
        everything = self._line(dict.fromkeys(self._objects), dict.fromkeys(self.kept))
        draft.unlink(missing_ok=True)
        draft.touch(0o600)
        draft.write_text(everything, encoding="utf-8")
        draft.replace(path)
        self._ahead_written = self.ahead
        self._file = path.open("a", encoding="utf-8")

    def _read(self, path: Path) -> None:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for text in lines:
                try:
                    line = json.loads(text)
                except ValueError:
                    return  # the request that was being written when the sandbox was killed
                self.ahead = line["ahead"]
                for owner, found in line["objects"]:
                    self._set(owner, found)
                for name, value in line["kept"].items():
                    if value is None:
                        self.kept.pop(name, None)
                    else:
                        self.kept[name] = value
