"""Keyed hashes and the tokens' key."""

from __future__ import annotations

import re

import pytest

from server.security.secrets import ServerSecrets
from server.security.tokens import AccessTokens

KEY = "0123456789abcdef0123456789abcdef"


def test_a_hash_depends_on_key_purpose_and_value() -> None:
    one, other = ServerSecrets(KEY), ServerSecrets(KEY[::-1])
    hashes = [one.keyed_hash("a", "x"), one.keyed_hash("b", "x"), one.keyed_hash("a", "y"), other.keyed_hash("a", "x")]
    assert len(set(hashes)) == 4
    assert one.keyed_hash("a", "x") == hashes[0]
    assert all(re.fullmatch(r"[0-9a-f]{64}", one) for one in hashes)


def test_codes_have_six_digits_and_secrets_differ() -> None:
    secrets = ServerSecrets(KEY)
    assert all(re.fullmatch(r"[0-9]{6}", secrets.six_digits("test", str(n))) for n in range(100))
    assert len({secrets.random() for _ in range(100)}) == 100


def test_a_short_key_is_refused() -> None:
    for kind in (ServerSecrets, AccessTokens):
        with pytest.raises(ValueError, match="JWT_SECRET"):
            kind("x" * 31)
