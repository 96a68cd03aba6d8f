"""Normal forms of text; the laws of `split_sentences` stand with the documents' tests."""

import doctest
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from policy_bert import text
from policy_bert.text import clean, comparison_key

anything = st.text(max_size=60)


def test_the_examples_in_the_docstrings_hold():
    results = doctest.testmod(text)
    assert results.attempted >= 2
    assert results.failed == 0


@given(anything)
def test_clean_text_is_clean_already(value):
    cleaned = clean(value)
    assert clean(cleaned) == cleaned == cleaned.strip()
    assert "  " not in cleaned
    assert not any(c in cleaned for c in "\t\n\r\x00\ufeff\u200b")


@given(anything)
def test_cleaning_keeps_every_visible_character_in_order(value):
    def visible(string):
        return [c for c in string if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf", "Cs")]

    assert visible(clean(value)) == visible(value)


@given(anything)
def test_a_comparison_key_is_letters_and_digits_and_blind_to_space(value):
    assert all(c.isalnum() for c in comparison_key(value))
    assert comparison_key(" " + value + "\u3000。") == comparison_key(value)


def test_width_case_and_punctuation_do_not_distinguish_and_characters_do():
    assert comparison_key("推进５Ｇ＋工业互联网。") == comparison_key("推进5g 工业互联网") == "推进5g工业互联网"
    assert comparison_key("数据共享") != comparison_key("数据开放")
