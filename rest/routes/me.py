"""The account itself."""

from __future__ import annotations

from domain.account_answers import Me
from domain.commands.auth import EraseMe, UpdateMe
from handlers.erasing import erase_me
from handlers.me import get_me, update_me
from rest import limits
from rest.route import Route

ROWS = (
    Route("GET", "/me", get_me, "Who I am", answer=Me),
    Route("PATCH", "/me", update_me, "Pause, or come back", command=UpdateMe, answer=Me),
    # The same guesses at the same password: one limit.
    Route("POST", "/me/erase", erase_me, "Erase the account", command=EraseMe, rate=limits.CHANGE_PASSWORD),
)
