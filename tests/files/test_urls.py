"""Signed URLs: good for a day, for one file, from one server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from server.security.secrets import ServerSecrets, SignedUrls
from tests.harness.nodes import SECRET

NOON = datetime(2026, 11, 25, 12, 20, tzinfo=UTC)
ID = "5" * 24


def urls(at: datetime, secret: str = SECRET) -> SignedUrls:
    return SignedUrls(ServerSecrets(secret), lambda: at)


def test_it_is_good_for_a_day_and_then_no_more() -> None:
    signed = urlsplit(urls(NOON).signed(ID))
    assert signed.path == f"/v1/files/{ID}"
    query = {name: values[0] for name, values in parse_qs(signed.query).items()}
    expires, signature = int(query["expires"]), query["signature"]
    for later, good in ((timedelta(), True), (timedelta(hours=24), True), (timedelta(hours=25), False)):
        assert urls(NOON + later).verifies(ID, expires, signature) is good
    assert not urls(NOON).verifies("6" * 24, expires, signature)
    assert not urls(NOON).verifies(ID, expires + 3600, signature)
    assert not urls(NOON).verifies(ID, expires, "ü" + signature)
    assert not urls(NOON, "x" * 40).verifies(ID, expires, signature)


def test_it_is_the_same_for_an_hour_so_that_caches_find_it() -> None:
    assert urls(NOON).signed(ID) == urls(NOON + timedelta(minutes=39)).signed(ID)
    assert urls(NOON).signed(ID) != urls(NOON + timedelta(minutes=41)).signed(ID)
