"""Addresses that belong together count together."""

from __future__ import annotations

import pytest

from domain.networks import is_loopback_origin, is_public_address, network_of, site_of


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


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "255.255.255.255", "224.0.0.1", "240.0.0.1", "198.18.0.1", "192.0.0.8", "192.88.99.1", "203.0.113.4", "::1",
        "::", "::ffff:10.0.0.1", "::8.8.8.8", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1",
        "2002:a00:1::", "64:ff9b::a00:1", "64:ff9b:1::808:808", "2001::1", "100::1", "4000::1", "", "odd",
    ],
)  # fmt: skip
def test_an_address_that_is_no_host_of_the_internet(address: str) -> None:
    assert not is_public_address(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::", "64:ff9b::808:808"]
)
def test_an_address_that_is(address: str) -> None:
    assert is_public_address(address)
