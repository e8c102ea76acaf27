"""The account itself."""

from __future__ import annotations

from domain.account_answers import Me
from domain.commands.auth import UpdateMe
from handlers.me import get_me, update_me
from rest.route import Route

ROWS = (
    Route("GET", "/me", get_me, "Who I am", answer=Me),
    Route("PATCH", "/me", update_me, "Pause, or come back", command=UpdateMe, answer=Me),
)
