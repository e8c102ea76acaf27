"""Text as search compares it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import LONGEST, MOST_LETTERS, _by_letter, _spelled_together, beginnings, folded, plain, spelling, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("São Paulo", "sao  paulo"),
        ("MÜNCHEN", "munchen"),
        ("Straße", "STRASSE"),
        ("İstanbul", "istanbul"),
        ("ISPARTA", "ısparta"),
        ("Łódź", "lodz"),
        ("Ærø", "aero"),
        ("Saint-Étienne", "saint etienne"),
        ("O'Brien", "obrien"),
        ("O\u2019Brien", "O'BRIEN"),
        ("ｔｏｋｙｏ", "Tokyo"),
        ("أحمد", "احمد"),
        ("서울", "서울"),
    ],
)
def test_one_name_has_one_spelling(one: str, other: str) -> None:
    assert plain(one) == plain(other)


@pytest.mark.parametrize("text", ["", " ", "***", "$.-", "\u0301"])
def test_signs_are_no_words(text: str) -> None:
    assert words(text) == []
    assert plain(text) == ""


def test_words_that_keep_their_marks() -> None:
    """Where a mark is a vowel of its own, it belongs to the word."""
    assert words("योग दिल्ली")[0] == "योग"
    assert len(words("योग दिल्ली")) == 2
    assert words("瑜伽 東京") == ["瑜伽", "東京"]


def test_names_that_differ_in_signs_are_different_names() -> None:
    assert folded("C++") != folded("C#")
    assert folded("  Straße\t1 ") == folded("STRASSE 1")


@pytest.mark.parametrize(
    ("one", "other"), [("กิน", "กน"), ("कि", "क"), ("が", "か"), ("ぱ", "は"), ("한", "하"), ("ක්ෂ", "කෂ"), ("C++", "C#")]
)
def test_letters_of_their_own_stay(one: str, other: str) -> None:
    assert spelling(one) != spelling(other)


@pytest.mark.parametrize(
    "text", ["Don\u2019t", "don't", "DON\u00b4T", "don`t", "don\uff07t", "do\u200bn't", "Do\u0301n\u2019t"]
)
def test_apostrophes_are_left_out(text: str) -> None:
    assert spelling(text) == "dont"


@given(st.text(max_size=60))
def test_a_spelling_is_its_own_spelling(text: str) -> None:
    assert spelling(spelling(text)) == spelling(text)
    assert plain(plain(text)) == plain(text)
    assert folded(folded(text)) == folded(text)


@given(st.text(max_size=60))
def test_letter_by_letter_is_as_together(text: str) -> None:
    assert spelling(f"é{text}") == _spelled_together(f"é{text}")


def test_each_letter_between_others_is_as_together() -> None:
    """One of twenty, and all that combine or are blank."""
    for number in (*range(0x3400), *range(0x3400, 0x110000, 20)):
        if not 0xD800 <= number < 0xE000:
            for text in (f"é{chr(number)}x", f"か{chr(number)}\u3099", f"'AΣ{chr(number)}"):
                assert spelling(text) == _spelled_together(text), ascii(text)
    assert len(_by_letter) <= MOST_LETTERS


@given(st.text(max_size=60))
def test_whatever_was_typed_so_far_is_a_beginning(text: str) -> None:
    for word in words(text):
        assert 1 <= len(word) <= LONGEST
        assert beginnings(word)[-1] == word
        assert all(word.startswith(one) for one in beginnings(word))


@given(st.text(st.characters(exclude_categories=["Cs", "Mn", "Mc", "Me", "Lm", "Sk"]), max_size=30), st.data())
def test_a_part_of_a_text_is_a_part_of_its_spelling(text: str, data: st.DataObject) -> None:
    """Cut between letters; a cut through one that is written in several characters makes another."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    assert spelling(text[start:end]) in spelling(text)
