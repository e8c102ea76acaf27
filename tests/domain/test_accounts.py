"""Addresses and their one spelling."""

from __future__ import annotations

import pytest

from domain.accounts import normalised_email
from domain.errors import DomainError


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ("jose\u0301@example.com", "jos\u00e9@example.com"),
        ("JOS\u00c9@example.com", "jos\u00e9@example.com"),
        ("ann+tag@example.com", "ann+tag@example.com"),
    ],
)
def test_one_mailbox_has_one_spelling(typed: str, kept: str) -> None:
    assert normalised_email(typed) == kept


@pytest.mark.parametrize("character", ["\u212a", "\uff20", "\uff41", "\u00df", "\u017f", "\ufb01", "\u0130", "\u2100"])
def test_a_character_that_folds_into_ascii_is_refused(character: str) -> None:
    with pytest.raises(DomainError):
        normalised_email(f"a{character}b@example.com")
