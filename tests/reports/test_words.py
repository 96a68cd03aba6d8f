"""Every word of a report is there in both languages, and what readers and rules say in Chinese is told in English."""

import re
from pathlib import Path

import pytest

import policy_bert.documents
from policy_bert.documents import REASONS
from policy_bert.reports.words import REVIEW_WORDS, WORDS, told_in

HANZI = re.compile("[\u3400-\u9fff]")


def test_every_word_is_of_its_language():
    for key, (chinese, english) in WORDS.items():
        assert sorted(re.findall(r"\{\w*", chinese)) == sorted(re.findall(r"\{\w*", english)), key
        if key not in ("other", "comma"):
            assert HANZI.search(chinese), key
            assert not HANZI.search(english), key


def test_words_of_reviews_are_pairs_under_names_of_their_own():
    assert not REVIEW_WORDS.keys() & WORDS.keys()
    assert {len(pair) for pair in REVIEW_WORDS.values()} == {2}
    assert all(HANZI.search(chinese) for key, (chinese, _) in REVIEW_WORDS.items() if key not in ("no_sides", "then"))


@pytest.mark.parametrize("reason", [reason for reason in REASONS.values() if reason] + ["置信度低于 0.3"])
def test_reasons_of_uncoded_units_are_told_in_english(reason):
    assert not HANZI.search(told_in("en", reason))
    assert told_in("zh", reason) == reason


def test_reasons_of_skipped_files_have_words_of_their_own_in_english():
    folder = Path(policy_bert.documents.__file__).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    reasons = re.findall(r'UnreadableDocumentError\(\s*f?"([^"]+)"', source) + re.findall(
        r'"reason": f?"([^"]+)"', source
    )
    assert len(reasons) > 20
    for reason in reasons:
        told = told_in("en", re.sub(r"\{[^}]*\}", "9", reason))
        assert not HANZI.search(told), reason
        assert told != "see the Chinese page", reason


def test_remarks_that_nobody_translated_are_pointed_at():
    assert told_in("en", "某种新的提示") == "see the Chinese page"
    assert told_in("en", "a.txt: fine") == "a.txt: fine"
