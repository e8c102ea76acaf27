"""``run.py``, where a socket may stay without a namespace for as long as a busy machine takes to open a thousand."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from server.cli import main
from server.sockets import gateway

if __name__ == "__main__":
    gateway.CONNECT_WITHIN_SECONDS = 3600.0
    sys.exit(main())
