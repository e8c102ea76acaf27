"""Which codes and guesses count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from domain.proofs import Guess, PasswordReset, Registration, takes_code
from domain.sessions import UNKNOWN_DEVICE, kind_of_device
from handlers.mails import Codes, verification_code

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
REGISTRATION = Registration(
    id="r",
    email="ann@example.com",
    nonce="n",
    expires_at=NOW + timedelta(minutes=10),
    password="p",
    role="client",
    name="Ann",
    time_zone="UTC",
    device="an iPhone",
    created_at=NOW,
)


def test_a_code_takes_five_tries_and_ten_minutes_and_a_link_no_tries() -> None:
    tried = msgspec.structs.replace(REGISTRATION, tries=5)
    assert takes_code(REGISTRATION, NOW, link=False)
    assert not takes_code(tried, NOW, link=False)
    assert takes_code(tried, NOW, link=True)
    assert not takes_code(REGISTRATION, REGISTRATION.expires_at, link=True)


def guesses(count: int, network: str, minutes_ago: float) -> list[Guess]:
    return [Guess(network=network, at=NOW - timedelta(minutes=minutes_ago))] * count


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        (guesses(4, "here", 1), True),
        (guesses(5, "here", 1), False),
        (guesses(5, "here", 11), True),
        (guesses(10, "here", 11), False),
        (guesses(10, "here", 24 * 60), True),
        (guesses(99, "there", 1), True),
        (guesses(100, "there", 1), False),
        (guesses(100, "there", 24 * 60), True),
    ],
)
def test_guesses_are_counted_by_network_and_by_all(made: list[Guess], taken: bool) -> None:
    assert PasswordReset(guesses=made).takes_guess("here", NOW) is taken


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15", "an iPhone"),
        ("Mozilla/5.0 (iPad; CPU OS 18_1 like Mac OS X)", "an iPad"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 9)", "an Android device"),
        ("okhttp/4.12.0", "an Android device"),
        ("Spotter/1 CFNetwork/1568 Darwin/24.0", "an Apple device"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "a Windows computer"),
        ("<b>evil.example</b>", UNKNOWN_DEVICE),
        ("", UNKNOWN_DEVICE),
    ],
)
def test_devices_have_kinds(agent: str, kind: str) -> None:
    assert kind_of_device(agent) == kind


def test_a_name_makes_no_link_and_no_line_in_a_mail() -> None:
    name = "Dr. Zo\u00eb O'Neil http://evil.example/x?\u202e www.evil.example"
    text = verification_code(msgspec.structs.replace(REGISTRATION, name=name), Codes(digits="012345", link="f")).text
    assert "Dr. Zo\u00eb O'Neil" in text
    assert "evil.example" not in text
    assert "\u202e" not in text
    assert "http" not in text.replace("httpevil", "")
