"""``seed-load``: pairs of users with a conversation each, and tokens for a load generator."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from datetime import datetime

import msgspec

from domain.accounts import Role, User
from domain.sessions import LIFETIME, Session
from domain.times import whole_milliseconds
from domain.wire import codec
from server.app import utc_now
from server.commands.environment import reported, servers
from server.security.tokens import AccessTokens
from server.settings import Settings
from store.audit import unrecorded
from store.database import Database
from store.profiles import NewProfile
from store.store import Store

AT_ONCE = 16


class Seat(msgspec.Struct):
    """What one connection of the load generator needs."""

    auth: dict[str, str]
    room: str


@reported
async def run(settings: Settings, options: argparse.Namespace) -> int:
    if settings.production:
        print("seed-load is for development: it makes users with tokens in a file.", file=sys.stderr)
        return 2
    async with servers(settings) as urls:
        database = Database(urls.mongo)
        try:
            seats = await seed(Store(database), AccessTokens(settings.jwt_secret), options.pairs, utc_now())
        finally:
            database.close()
    # For its owner only, from the first byte: these tokens sign in.
    options.out.unlink(missing_ok=True)
    options.out.touch(0o600)
    options.out.write_bytes(codec.encode(seats))
    print(f"{options.pairs} pairs in {options.out}")
    return 0


async def seed(store: Store, tokens: AccessTokens, pairs: int, now: datetime) -> list[Seat]:
    """New pairs: the clients' seats first, then their trainers' in the same order."""
    await store.prepare()
    now = whole_milliseconds(now)
    mark = secrets.token_hex(4)
    places = asyncio.Semaphore(AT_ONCE)

    async def pair(number: int) -> tuple[Seat, Seat]:
        async with places:
            client, client_token = await _user(store, tokens, "client", f"client-{mark}-{number}", now)
            trainer, trainer_token = await _user(store, tokens, "trainer", f"trainer-{mark}-{number}", now)
            # Either may say the first words.
            await store.conversations.open(trainer.id, client.id, now)
            conversation = await store.conversations.open(client.id, trainer.id, now)
        room = conversation.membership.conversation_id
        return Seat({"token": client_token}, room), Seat({"token": trainer_token}, room)

    seats = await asyncio.gather(*map(pair, range(pairs)))
    return [client for client, _ in seats] + [trainer for _, trainer in seats]


async def _user(store: Store, tokens: AccessTokens, role: Role, name: str, now: datetime) -> tuple[User, str]:
    user = User(
        id=store.users.new_id(),
        email=f"{name}@load.invalid",
        role=role,
        profile_id=store.users.new_id(),
        # No password fits: nobody signs in to these but with the tokens in the file.
        password=None,
        is_verified=True,
        created_at=now,
        updated_at=now,
    )
    profile = NewProfile(
        id=user.profile_id, user_id=user.id, name=name, email=user.email, time_zone="UTC", created_at=now
    )
    await store.accounts.create(user, profile, unrecorded)
    session = Session(
        id=store.sessions.new_id(),
        user_id=user.id,
        device=None,
        nonce=secrets.token_urlsafe(32),
        generation=0,
        rotated_at=now,
        password_changed_at=None,
        created_at=now,
        last_used_at=now,
        expires_at=now + LIFETIME,
    )
    await store.sessions.insert(session)
    return user, tokens.issue(user, session.id, now)[0]
