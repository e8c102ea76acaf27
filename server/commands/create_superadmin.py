"""``create-superadmin``: the first administrator of a deployment."""

from __future__ import annotations

import argparse
import sys

from handlers.accounts.administration import create_superadmin
from server.app import utc_now
from server.commands.environment import reported, servers
from server.security.passwords import Argon2Passwords
from server.settings import Settings
from store.database import Database
from store.store import Store

_FROM_INPUT = "-"


@reported
async def run(settings: Settings, options: argparse.Namespace) -> int:
    # Arguments are there for everybody on the machine to see.
    password = sys.stdin.readline().rstrip("\r\n") if options.password == _FROM_INPUT else options.password
    async with servers(settings) as urls:
        database = Database(urls.mongo)
        passwords = Argon2Passwords()
        try:
            store = Store(database)
            await store.prepare()
            made = await create_superadmin(store, passwords, utc_now, email=options.email, password=password)
        finally:
            passwords.close()
            database.close()
    print("superAdmin created" if made else "There is an account with this address already; nothing was changed.")
    return 0 if made else 1
