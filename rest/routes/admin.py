"""What administrators do."""

from __future__ import annotations

from domain.commands.administration import BlockUser, UnblockUser
from handlers.administration.blocking import block, unblock
from rest.route import Route

ROWS = (
    Route("POST", "/admin/users/{id}/block", block, "Block a user; every session of it ends", command=BlockUser),
    Route("POST", "/admin/users/{id}/unblock", unblock, "Let a blocked user sign in again", command=UnblockUser),
)
