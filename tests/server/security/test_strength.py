"""Which passwords are guessed first, and that finding out takes no long time whatever is asked."""

from __future__ import annotations

import random
from time import process_time

import pytest
from zxcvbn.matching import L33T_TABLE

from server.security.strength import LOOKED_AT, MOST_SPELLINGS, own_words, spellings, weakness

OWN = ("annabelle.smith@example.com", "Annabelle Smith")


@pytest.mark.parametrize(
    "password",
    ["1234567890", " " * 10, "x" * 128, "password123", "qwertyuiop", "P@ssw0rd12", "aaaaaaaaaaaaaaaaaaaaaaab",
     "annabelle.smith@example.com", "annabelle.smith", "Annabelle Smith", "AnnabelleSmith1", "smithannabelle"],
)  # fmt: skip
def test_what_is_guessed_first_is_told_why(password: str) -> None:
    why = weakness(password, OWN)
    assert why is not None and "guessed first" in why
    # Said to whoever chose it, and perhaps to a log: never the password itself.
    assert password not in why


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "something else entirely", "a completely new one", "kQ9#vLp2xZ", "пароль из слов",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaa kQ9#vLp2xZ7w"],
)  # fmt: skip
def test_others_are_taken(password: str) -> None:
    assert weakness(password, OWN) is None


def test_ones_own_words_make_a_password_weak() -> None:
    assert weakness("annabelle smith") is None or weakness("annabelle smith", OWN) is not None
    assert weakness("Zyxwoquent Brill", ("Zyxwoquent Brill",)) is not None
    assert weakness("Zyxwoquent Brill") is None
    assert all(len(word) <= LOOKED_AT for word in own_words(("x" * 500, "a b c " * 500)))


def test_the_dearest_passwords_cost_little() -> None:
    """Unbounded, zxcvbn takes seconds for the first of these, and half a minute for 72 such characters."""
    marks = sorted({mark for marks in L33T_TABLE.values() for mark in marks})
    draw = random.Random(1)
    dearest = ["4@8({[<36910!|7$5+%2" * 6, "ab" * 64, "1234567890" * 12, "p@ssw0rd" * 16]
    dearest += ["".join(draw.choices(marks, k=128)) for _ in range(3)]
    weakness("the dictionaries are read")
    began = process_time()
    for password in dearest:
        weakness(password, OWN)
    # A tenth of a second each, at three times the value.
    assert process_time() - began < 0.3 * len(dearest)


def test_spellings_are_counted() -> None:
    assert spellings("nothing here") == 1
    assert spellings("p@ssw0rd 4") == 2
    assert spellings("1234567890") <= MOST_SPELLINGS
