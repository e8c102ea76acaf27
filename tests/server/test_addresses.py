"""The client's address: only what our own proxies wrote is believed."""

from __future__ import annotations

import pytest

from server.http.addresses import client_address


@pytest.mark.parametrize(
    ("remote", "forwarded", "proxies", "expected"),
    [
        ("192.0.2.1", None, 0, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", 0, "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7", 1, "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7", 1, "198.51.100.7"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.7, 10.0.0.2", 2, "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7", 2, "198.51.100.7"),
        ("10.0.0.1", None, 1, "10.0.0.1"),
        ("10.0.0.1", " , ,", 1, "10.0.0.1"),
        ("10.0.0.1", "unknown", 1, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7:4711", 1, "198.51.100.7"),
        ("10.0.0.1", "[2001:DB8::1]:4711", 1, "2001:db8::1"),
        ("10.0.0.1", "2001:DB8:0::1", 1, "2001:db8::1"),
        ("::ffff:192.0.2.1", None, 0, "192.0.2.1"),
        ("fe80::1%eth0", None, 0, "fe80::1"),
        (None, None, 0, ""),
        ("", "x" * 5000, 1, ""),
    ],
)
def test_the_right_entry_counts(remote: str | None, forwarded: str | None, proxies: int, expected: str) -> None:
    assert client_address(remote, forwarded, proxies) == expected
