"""Where the embedded servers keep their things under DATA_DIR."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# sun_path holds 108 bytes on Linux and 104 on macOS, its closing zero included.
_LONGEST_ADDRESS = 103


@dataclass(frozen=True, slots=True)
class Places:
    root: Path

    @classmethod
    def under(cls, data_dir: Path) -> Places:
        """The folder is made at once, for its owner only: nothing in it asks for a password."""
        root = data_dir.absolute() / "embedded"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(root)

    @property
    def lock(self) -> Path:
        return self.root / "keeper.lock"

    @property
    def socket(self) -> Path:
        return self.root / "keeper.sock"

    @property
    def keeper_log(self) -> Path:
        return self.root / "keeper.log"

    @property
    def binaries(self) -> Path:
        return self.root / "bin"

    def data(self, name: str) -> Path:
        return self.root / name

    def log(self, name: str) -> Path:
        return self.root / f"{name}.log"

    def port(self, name: str) -> Path:
        return self.root / f"{name}.port"


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """An address of the Unix socket at ``path`` that the kernel accepts however deep the folder lies."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
