"""Revocations: what tells every node that sessions have ended, so that it cuts their sockets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

Reason = Literal["logout", "logout_all", "session_ended", "password_changed", "blocked", "erased", "token_reuse"]

# A socket lives by an access token of 15 minutes; whoever slept for longer than this looks at everybody again.
KEPT = timedelta(minutes=20)


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """One session ended or, when none is named, the user's sessions are to be looked at again.

    The latter instead of "all sessions": a row that is heard late must not end what began after it, and nodes' clocks
    do not tell what began after it.
    """

    id: str
    user_id: str
    session_id: str | None
    reason: Reason
    at: datetime
