"""The vocabulary of the compact encoder: Chinese by character, Latin and digits by WordPiece, built from text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from policy_bert.files import write_text

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def build_tokenizer(texts: Iterable[str], vocabulary_size: int, alphabet_size: int | None = None) -> Tokenizer:
    """A BERT tokenizer whose vocabulary comes from `texts`.

    Normalisation is NFKC (full-width Latin letters, digits and punctuation become half-width; 。 stays), lower
    case, control characters removed and a space around every Chinese character; so each Chinese character is a
    token and WordPiece works inside Latin words and numbers. The same text gives the same vocabulary, but for pieces
    of Latin words that are equally frequent at its very end.

    Args:
        texts: Lines of text.
        vocabulary_size: The most tokens, special ones included.
        alphabet_size: The most single characters; rarer ones become [UNK]. None: nine tenths of `vocabulary_size`.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=True),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    lines = list(texts)
    alphabet = _frequent_characters(tokenizer, lines, alphabet_size or vocabulary_size * 9 // 10)
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),  # the trainer's own choice among equally frequent characters is random
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    # The trainer numbers equally frequent pieces by chance: number all tokens by their text instead.
    learned = sorted(set(tokenizer.get_vocab()) - set(SPECIAL_TOKENS))
    numbered = {token: index for index, token in enumerate([*SPECIAL_TOKENS, *learned])}
    tokenizer.model = models.WordPiece(numbered, unk_token="[UNK]", max_input_chars_per_word=100)
    cls_id, sep_id = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", sep_id), ("[CLS]", cls_id))
    return tokenizer


def _frequent_characters(tokenizer: Tokenizer, lines: Sequence[str], count: int) -> list[str]:
    """The most frequent characters after normalisation; of equally frequent ones those that come first in Unicode."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(tokenizer.normalizer.normalize_str(line))
    ranked = sorted((c for c in counts if not c.isspace()), key=lambda character: (-counts[character], character))
    return ranked[:count]


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a special token.

    Raises:
        ValueError: The vocabulary lacks it.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ValueError(f"the vocabulary has no {token}")
    return found


def save_tokenizer(tokenizer: Tokenizer, folder: str | Path, max_length_tokens: int) -> None:
    """Write `tokenizer.json`, `tokenizer_config.json` and `vocab.txt`, as `AutoTokenizer` reads them.

    The class named is `PreTrainedTokenizerFast`, which takes `tokenizer.json` as it is: `BertTokenizerFast` would
    put its own normaliser in place of the NFKC one.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length_tokens,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **{f"{token.strip('[]').lower()}_token": token for token in SPECIAL_TOKENS},
    }
    write_text(folder / "tokenizer_config.json", json.dumps(settings, indent=2) + "\n")
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    write_text(folder / "vocab.txt", "".join(f"{token}\n" for token, _ in tokens))
