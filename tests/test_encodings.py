"""The guess: what is text in one encoding is read in it, and what could be in two is never called certain."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_bert.encodings import guess_encoding, named_encoding

CHINESE = "推动大数据与实体经济深度融合。\r\n发展“互联网+养老”，建设智慧养老院！\n　　对引进人才给予50万元奖励；\n"
TRADITIONAL = "數位經濟發展條例，推動產業創新與服務。\n各級政府應辦理資訊設備採購。\n"
WESTERN = [
    "Plain line.\n" * 200 + "The café pays £5.\n",
    "It didn’t work\n",
    "“Smart” cities – naïve €5 …\n",
    "L'économie numérique créée à Évry, où l’été\n",
    "Größe, Übermaß, für Öl\n",
]


@pytest.mark.parametrize("text", WESTERN)
def test_western_text_is_never_read_as_chinese(text):
    found = guess_encoding(text.encode("cp1252"))
    assert found is not None
    assert (found.codec, found.certain) == ("cp1252", False)


@pytest.mark.parametrize(
    ("text", "codec", "expected", "certain"),
    [
        (CHINESE, "utf-8", "utf-8", True),
        (CHINESE, "gb18030", "gb18030", True),
        ("供给", "gbk", "gb18030", True),
        ("AI and 5G 数据 plan\n" * 5, "gbk", "gb18030", True),
        ("生僻字㐀𠀀推动数据", "gb18030", "gb18030", True),
        (TRADITIONAL, "gbk", "gb18030", False),
        (TRADITIONAL, "big5", "big5hkscs", False),
        (CHINESE, "utf-16-le", "utf-16-le", False),
        (CHINESE, "utf-16-be", "utf-16-be", False),
        ("Latin only, one line\n", "utf-16-le", "utf-16-le", False),
        ("数据\x00经济", "utf-8", "utf-8", True),
    ],
)
def test_each_encoding_is_found_and_a_doubtful_one_says_so(text, codec, expected, certain):
    found = guess_encoding(text.encode(codec))
    assert found is not None
    assert (found.codec, found.certain) == (expected, certain)


@pytest.mark.parametrize(
    "content",
    [
        random.Random(0).randbytes(70_000),
        bytes(range(256)) * 20,
        b"\x00\xff\xfe\xfd" * 100,
        "Цифровая экономика развивается быстро.\n".encode("cp1251"),
        "デジタル経済の発展を推進する。これは重要である\n".encode("shift-jis"),
        "デジタル経済の発展を推進する。これは重要である\n".encode("euc-jp"),
    ],
)
def test_what_is_no_text_in_a_known_encoding_is_not_guessed(content):
    assert guess_encoding(content) is None


def test_latin_text_with_a_stray_zero_is_not_wide():
    found = guess_encoding(b"caf\xe9 and th\x00e rest of a line " * 9)
    assert found is None or found.codec == "cp1252"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufeff"), min_size=1))
def test_utf8_is_always_utf8(text):
    found = guess_encoding(text.encode())
    assert found is not None
    assert (found.codec, found.certain) == ("utf-8", True)


words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=9)
accented = st.builds(lambda a, c, b: a + c + b, words, st.sampled_from("éèàüöäñç’"), words)


@settings(max_examples=60)
@given(st.lists(st.one_of(words, accented), min_size=3, max_size=30), accented)
def test_latin_words_with_accents_never_become_chinese(texts, last):
    content = " ".join([*texts, last]).encode("cp1252")
    found = guess_encoding(content)
    assert found is None or not any("\u3400" <= c <= "\u9fff" for c in content.decode(found.codec, "replace"))


@settings(max_examples=60)
@given(st.lists(st.sampled_from([*CHINESE.split(), "数字经济", "供给", "5G"]), min_size=1, max_size=20))
def test_gb2312_text_is_read_whole_and_cut_characters_do_no_harm(texts):
    content = "\n".join(texts).encode("gb18030")
    found = guess_encoding(content)
    assert found is not None
    assert content.decode(found.codec) == "\n".join(texts)
    cut = guess_encoding(("数字经济" * 20).encode("gb18030")[:-1], complete=False)
    assert cut is not None
    assert cut.codec == "gb18030"


def test_a_named_encoding_takes_its_mark_or_none():
    assert named_encoding("UTF-8", b"\xef\xbb\xbfa").bom == b"\xef\xbb\xbf"
    assert named_encoding("utf-16", b"a\x00").codec == "utf-16-le"
    assert named_encoding("big5").codec == "big5hkscs"
    for name in ("klingon", "hex", ""):
        with pytest.raises(LookupError):
            named_encoding(name)
