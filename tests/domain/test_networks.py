"""Addresses that belong together count together."""

from __future__ import annotations

import pytest

from domain.networks import is_loopback_origin, network_of, site_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("odd", "odd"),
    ],
)
def test_what_counts_together(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("network", "site"),
    [
        ("2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("2001:db8:1:ffff::/64", "2001:db8:1::/48"),
        ("2001:db8:2:2::/64", "2001:db8:2::/48"),
        ("2001:db8:1::/48", "2001:db8:1::/48"),
        ("192.0.2.1", "192.0.2.1"),
        ("507f1f77bcf86cd799439011", "507f1f77bcf86cd799439011"),
        ("123456789012345678901234", "123456789012345678901234"),
        ("", ""),
        ("odd", "odd"),
    ],
)
def test_networks_of_a_site(network: str, site: str) -> None:
    assert site_of(network) == site


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:5173",
        "https://LOCALHOST:3000",
        "http://127.0.0.1:8081",
        "http://127.9.9.9",
        "http://[::1]:4200",
        "http://app.localhost:8100",
    ],
)
def test_loopback_origins(origin: str) -> None:
    assert is_loopback_origin(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "localhost:5173",
        "http://localhost.evil.example",
        "http://evil.example/localhost",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "http://evil.example#@localhost",
        "http://user@localhost",
        "http://localhost/path",
        "http://localhost:port",
        "http://128.0.0.1",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "http://2130706433",
        "http://[::2]",
        "http://[::1",
        "file://localhost",
        "http://localhost ",
        "http://xlocalhost",
    ],
)
def test_other_origins(origin: str) -> None:
    assert not is_loopback_origin(origin)
