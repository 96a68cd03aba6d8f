"""Pretraining on a few kilobytes, end to end, and the parts it is made of."""

import gzip
import json

import numpy as np
import pytest
import torch
from small import ENCODER_SHAPE as SHAPE
from small import ROOT, corpus_lines
from small import pretrain_config as config

from policy_bert.config import build_config
from policy_bert.corpora.running_text import iterate_documents
from policy_bert.encoder.vocabulary import SPECIAL_TOKENS, build_tokenizer, save_tokenizer
from policy_bert.errors import CheckpointError, DataError, UserError
from policy_bert.pretrain import main, pretrain
from policy_bert.pretraining.masking import SpanMasker, SparseBertForMaskedLM
from policy_bert.pretraining.settings import PretrainConfig
from policy_bert.pretraining.warmstart import EMBEDDING_STD, cooccurrence_embeddings, sinusoidal_positions, stack_layers
from policy_bert.pretraining.windows import is_held_out, pack_documents, prepare_data, repeat_documents
from policy_bert.text import comparison_key

SENTENCES = [text for text, _ in corpus_lines(60)]


def test_pretraining_leaves_a_standard_encoder_a_curve_and_a_held_out_loss(text_file, tmp_path):
    from transformers import AutoTokenizer, pipeline

    encoder = pretrain(config(text_file, tmp_path / "run"))
    fill = pipeline("fill-mask", model=str(encoder))
    assert len(fill("建设统一的数据[MASK]台。")) == 5
    assert AutoTokenizer.from_pretrained(encoder).tokenize("数据ＡＢ") == ["数", "据", *_wordpieces(encoder, "ab")]
    curve = (tmp_path / "run" / "curve.csv").read_text(encoding="utf-8").splitlines()
    assert curve[0] == "tokens,loss,held_out_loss"
    assert (tmp_path / "run" / "curve.png").stat().st_size > 1000
    result = json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))
    assert 0 < result["held_out_loss"] < np.log(300)


def _wordpieces(encoder, text):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(encoder).tokenize(text)


def test_an_interrupted_pretraining_resumes_to_the_same_weights(text_file, tmp_path, monkeypatch):
    from safetensors.numpy import load_file
    from transformers import Trainer

    whole = pretrain(config(text_file, tmp_path / "whole"))
    original, steps = Trainer.training_step, []

    def failing(self, *arguments, **keywords):
        steps.append(1)
        if len(steps) == 9:
            raise KeyboardInterrupt
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(Trainer, "training_step", failing)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config(text_file, tmp_path / "resumed"))
    monkeypatch.setattr(Trainer, "training_step", original)
    resumed = pretrain(config(text_file, tmp_path / "resumed"))
    first, second = load_file(whole / "model.safetensors"), load_file(resumed / "model.safetensors")
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def test_pretraining_goes_on_from_an_encoder_with_its_shape_and_vocabulary(text_file, tmp_path):
    from safetensors.numpy import load_file

    first = pretrain(config(text_file, tmp_path / "first"))
    more = {"start": str(first), "shallow_layers": 0, "encoder": {}, "tokens": 16 * 8, "learning_rate": 1e-6}
    second = pretrain(config(text_file, tmp_path / "second", **more))
    assert (first / "tokenizer.json").read_bytes() == (second / "tokenizer.json").read_bytes()
    before, after = load_file(first / "model.safetensors"), load_file(second / "model.safetensors")
    assert before.keys() == after.keys()
    name = "bert.encoder.layer.1.output.dense.weight"
    np.testing.assert_allclose(before[name].astype("f4"), after[name].astype("f4"), atol=1e-4)
    with pytest.raises(CheckpointError, match="window_tokens"):
        pretrain(config(text_file, tmp_path / "third", **{**more, "window_tokens": 64}))


def test_the_command_takes_text_with_weights_and_prints_the_encoder(text_file, tmp_path, capsys):
    plain = tmp_path / "plain.txt"
    plain.write_text("\n".join(SENTENCES), encoding="utf-8")
    settings = ["tokens=256", "batch_windows=2", "window_tokens=16", f"output={tmp_path / 'run'}", "warmup_steps=1"]
    shape = [f"encoder.{key}={value}" for key, value in SHAPE.items()]
    overrides = [part for setting in settings + shape for part in ("--set", setting)]
    assert main(["--text", f"{text_file}:0.5", str(plain), *overrides]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "run" / "encoder")


def test_text_is_read_plain_and_compressed_and_split_at_blank_lines(tmp_path):
    import zstandard

    content = "甲一\n甲二\n\n\n乙一\n"
    (tmp_path / "a.txt").write_text(content, encoding="utf-8")
    with gzip.open(tmp_path / "a.txt.gz", "wt", encoding="utf-8") as stream:
        stream.write(content)
    (tmp_path / "a.txt.zst").write_bytes(zstandard.ZstdCompressor().compress(content.encode()))
    for name in ("a.txt", "a.txt.gz", "a.txt.zst"):
        assert list(iterate_documents(tmp_path / name)) == [["甲一", "甲二"], ["乙一"]]


def test_a_line_that_holds_a_labelled_sentence_is_dropped(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("发展“互联网＋养老”，建设养老院。\n另一句话。\n", encoding="utf-8")
    excluded = frozenset({comparison_key('发展"互联网+养老"'), comparison_key("完全无关的另一个句子")})
    assert list(iterate_documents(path, excluded)) == [["另一句话。"]]


@pytest.mark.parametrize("content", [b"\xff\xfe\xfa", b""])
def test_text_that_gives_nothing_to_train_on_is_one_clear_error(content, tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    with pytest.raises(DataError):
        pretrain(config(path, tmp_path / "run"))
    with pytest.raises(DataError, match="no text"):
        pretrain(config(path, tmp_path / "run", text=[]))
    with pytest.raises(DataError, match="cannot read"):
        pretrain(config(tmp_path / "missing.txt", tmp_path / "run"))


def test_holding_out_depends_on_the_document_alone_and_keeps_the_share():
    documents = [[f"第{number}号文件"] for number in range(2000)]
    held_out = [document for document in documents if is_held_out(document, 0.1)]
    assert 140 < len(held_out) < 260
    assert held_out == [document for document in documents if is_held_out(document, 0.1)]


def test_weights_repeat_documents():
    documents = [[str(number)] for number in range(1000)]
    assert len(list(repeat_documents(documents, 2.0, 0))) == 2000
    assert 180 < len(list(repeat_documents(documents, 0.25, 0))) < 320


def test_windows_are_full_and_hold_the_text_in_order():
    tokenizer = build_tokenizer(SENTENCES, 300)
    packed = pack_documents([[text] for text in SENTENCES], tokenizer, 16)
    assert packed.shape[1] == 16
    assert (packed[:, 0] == tokenizer.token_to_id("[CLS]")).all()
    assert (packed[:, -1] == tokenizer.token_to_id("[SEP]")).all()
    first = tokenizer.encode(SENTENCES[0], add_special_tokens=False).ids[:14]
    assert packed[0, 1 : 1 + len(first)].tolist() == first
    assert len(pack_documents([], tokenizer, 16)) == 0


def test_masking_hides_its_share_and_never_a_special_token():
    tokenizer = build_tokenizer(SENTENCES, 300)
    windows = pack_documents([[text] for text in SENTENCES * 3], tokenizer, 16)
    batch = SpanMasker(tokenizer, 0.15, 0.5, 48, seed=0)(list(windows))
    chosen = batch["labels"] != -100
    specials = torch.tensor([tokenizer.token_to_id(token) for token in SPECIAL_TOKENS])
    assert 0.10 < chosen.float().mean() < 0.20
    assert not torch.isin(batch["labels"][chosen], specials).any()
    assert (batch["input_ids"][~chosen].numpy() == windows[~chosen.numpy()]).all()
    assert (batch["position_ids"][:, 0] == 0).all()
    assert batch["position_ids"].max() < 48
    assert (batch["position_ids"][:, 1] > 1).any()
    again = SpanMasker(tokenizer, 0.15, 0.5, 48, seed=0)(list(windows))
    other = SpanMasker(tokenizer, 0.15, 0.5, 48, seed=1)(list(windows))
    assert not torch.equal(batch["labels"], other["labels"])
    assert all(torch.equal(batch[name], again[name]) for name in batch)


def test_the_sparse_output_layer_gives_the_parents_loss():
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    settings = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_hidden_layers": 1}
    shape = {"vocab_size": 50, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    sparse = SparseBertForMaskedLM(BertConfig(**shape, **settings))
    parent = BertForMaskedLM(sparse.config)
    parent.load_state_dict(sparse.state_dict())
    ids = torch.randint(5, 50, (3, 8))
    labels = torch.where(torch.rand(3, 8) < 0.4, ids, -100)
    torch.testing.assert_close(sparse(ids, labels).loss, parent(input_ids=ids, labels=labels).loss)
    torch.testing.assert_close(sparse(ids).logits, parent(ids).logits)


def test_embeddings_of_tokens_in_like_contexts_are_alike():
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(600):  # 10 and 11 follow 20; 12 follows 30
        rows.append([20, generator.choice([10, 11]), 21, 30, 12, 31])
    vectors = cooccurrence_embeddings(np.array(rows, dtype=np.uint16), 40, 8)
    assert vectors.shape == (40, 8)
    assert not vectors[39].any()

    def cosine(a, b):
        return vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b])

    assert cosine(10, 11) > cosine(10, 12)
    np.testing.assert_allclose(vectors[vectors.any(axis=1)].std(), EMBEDDING_STD, rtol=1e-3)


def test_positions_differ_and_stacked_layers_cycle():
    table = sinusoidal_positions(10, 8)
    assert len(np.unique(table.round(6), axis=0)) == 10
    shallow = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])
    deep = torch.nn.ModuleList([torch.nn.Linear(2, 2) for _ in range(4)])
    stack_layers(shallow, deep)
    assert torch.equal(deep[2].weight, shallow[0].weight)
    assert torch.equal(deep[3].weight, shallow[1].weight)


def test_the_tokenizer_reads_chinese_by_character_and_unifies_widths(tmp_path):
    tokenizer = build_tokenizer([*SENTENCES, "5G网络 5G基站 AI算力 2025年"], 400)
    assert tokenizer.encode("数据５Ｇ").tokens == tokenizer.encode("数据5g").tokens
    assert tokenizer.encode("数据").tokens == ["[CLS]", "数", "据", "[SEP]"]
    save_tokenizer(tokenizer, tmp_path, 48)
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded("数据５Ｇ，平台")["input_ids"] == tokenizer.encode("数据５Ｇ，平台").ids
    assert loaded.model_max_length == 48


def test_one_text_gives_one_vocabulary_however_many_characters_are_equally_rare():
    rare = [chr(code) for code in range(0x4E00, 0x4E00 + 400)]  # each once: which are kept must not be chance
    vocabularies = [build_tokenizer(["".join(rare), "data data base"], 200).get_vocab() for _ in range(5)]
    assert all(vocabulary == vocabularies[0] for vocabulary in vocabularies)
    assert "一" in vocabularies[0]
    assert chr(0x4E00 + 399) not in vocabularies[0]


def test_configuration_names_what_does_not_fit():
    from policy_bert.errors import ConfigError

    with pytest.raises(ConfigError, match="window_tokens"):
        build_config(PretrainConfig, {"window_tokens": 4000})
    with pytest.raises(ConfigError, match="does not divide"):
        build_config(PretrainConfig, {"encoder": {"hidden": 10, "heads": 3}})


def test_the_shipped_pretraining_configuration_keeps_the_labelled_corpus_out():
    text = (ROOT / "configs" / "pretrain-compact.yaml").read_text(encoding="utf-8")
    assert "data/policy_sentences.tsv" in text


@pytest.mark.parametrize("kind", ["tsv", "csv", "xlsx", "gb18030"])
def test_labelled_sentences_of_any_readable_file_are_kept_out(kind, text_file, tmp_path):
    import openpyxl

    rows = [("text", "label"), *((text, str(label)) for text, label in corpus_lines(4))]
    path = tmp_path / f"labelled.{'csv' if kind == 'gb18030' else kind}"
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    elif kind == "tsv":
        path.write_text("".join("\t".join(row) + "\n" for row in rows[1:]), encoding="utf-8")
    else:
        lines = "".join(f'"{text}",{label}\n' for text, label in rows)
        path.write_text(lines, encoding="utf-8" if kind == "csv" else "gb18030")
    tokenizer = build_tokenizer(SENTENCES, 300)
    settings = config(text_file, tmp_path / "run", exclude=[str(path)], held_out_fraction=0.0)
    kept = prepare_data(settings, tokenizer).train.size
    whole = prepare_data(config(text_file, tmp_path / "run", held_out_fraction=0.0), tokenizer).train.size
    assert kept < whole - sum(len(text) for text, _ in corpus_lines(4))


def test_a_file_to_exclude_that_cannot_be_read_is_one_clear_error(text_file, tmp_path):
    path = tmp_path / "labelled.tsv"
    path.write_text("没有标签的一行\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1: no tab"):
        pretrain(config(text_file, tmp_path / "run", exclude=[str(path)]))
    assert not (tmp_path / "run").exists()


def test_a_pretraining_of_another_configuration_or_text_is_not_gone_on_with(text_file, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(SENTENCES), encoding="utf-8")
    pretrain(config(text, tmp_path / "run"))
    with pytest.raises(UserError, match="seed differ"):
        pretrain(config(text, tmp_path / "run", seed=1))
    text.write_text("\n\n".join(SENTENCES[5:]), encoding="utf-8")
    with pytest.raises(UserError, match=r"inputs\..*text\.txt differ"):
        pretrain(config(text, tmp_path / "run"))
    pretrain(config(text, tmp_path / "run"), restart=True)
