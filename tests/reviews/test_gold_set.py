"""The gold set: read strictly, found again by digest, matched by place, weighed and clustered by document."""

import hashlib
import json

import numpy as np
import pytest

from policy_bert.command import run_command
from policy_bert.documents import cut_units, read_document
from policy_bert.errors import DataError
from policy_bert.evaluate import main
from policy_bert.reviews.gold_set import find_documents, measure_documents, read_gold_set
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.text import comparison_key

LINES = {
    "甲": ["甲市数据管理办法", "第一条 建设统一的数据平台，推动数据共享。", "第二条 对企业给予一次性奖励二十万元。"],
    "乙": ["乙省发展意见", "一、支持企业上云。", "对违规采集信息的单位处以罚款。"],
}


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.fixture
def gold(tmp_path, tiny_checkpoint):
    """A gold set of two documents whose codes are those of the machine, but for one unit without an instrument."""
    classifier = PolicyClassifier.from_pretrained(tiny_checkpoint)
    documents = ["document\tkind\tpart\tunits\tdrawn\tweight\ttitle_digest\tnumber\tissuer\tyear"]
    units = ["document\tstart\tend\tdigest\tcode\tsecond\treading"]
    for name, lines in LINES.items():
        text = "\n".join(lines)
        (tmp_path / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
        document = read_document(tmp_path / f"{name}.txt")
        title = digest(comparison_key(document.title))
        documents.append(f"{digest(text)}\tnotice\ttest\t3\t3\t{2.0 if name == '甲' else 1.0}\t{title}\t\t\t")
        content = [unit for unit in cut_units(document) if unit.kind == "content"]
        labels = classifier.scores([unit.body for unit in content]).argmax(axis=1)
        for place, (unit, label) in enumerate(zip(content, labels, strict=True)):
            code = "none" if (name, place) == ("乙", len(content) - 1) else label
            units.append(f"{digest(text)}\t{unit.start}\t{unit.end}\t\t{code}\t\tagreed")
    folder = tmp_path / "gold"
    folder.mkdir()
    (folder / "documents.tsv").write_text("\n".join(documents) + "\n", encoding="utf-8")
    (folder / "units.tsv").write_text("\n".join(units) + "\n", encoding="utf-8")
    (tmp_path / "text.txt").write_text("\n\n".join("\n".join(lines) for lines in LINES.values()), encoding="utf-8")
    return folder


def test_shares_are_weighed_by_the_units_that_each_stands_for(gold, tmp_path, tiny_checkpoint):
    classifier = PolicyClassifier.from_pretrained(tiny_checkpoint)
    documents, units = read_gold_set(gold, 14, "test")
    texts = find_documents([tmp_path / "text.txt"], documents)
    from policy_bert.reports.coding import CodingRules

    figures = {f.name: f for f in measure_documents(texts, documents, units, classifier, CodingRules(0.0, 0.0))}
    weights = np.array([documents[unit.document].weight for unit in units])
    right = np.array([unit.accepted != (None,) for unit in units])
    assert figures["strictly right"].share == pytest.approx((weights * right).sum() / weights.sum())
    assert figures["non-instruments coded"].share == 1.0
    assert figures["non-instruments coded"].low is None, "one document gives no interval"
    assert figures["instruments missed"].share == 0.0
    assert figures["title found"].share == 1.0


def test_text_without_the_documents_and_bad_rows_are_refused(gold, tmp_path):
    documents, _ = read_gold_set(gold, 14)
    (tmp_path / "other.txt").write_text("别的文本。\n", encoding="utf-8")
    with pytest.raises(DataError, match="none of the gold set's documents"):
        find_documents([tmp_path / "other.txt"], documents)
    for bad, said in (("15", "below 14"), ("x", "found 'x'"), ("１", "found '１'")):
        rows = (gold / "units.tsv").read_text(encoding="utf-8").splitlines()
        cells = rows[1].split("\t")
        (gold / "bad").mkdir(exist_ok=True)
        (gold / "bad" / "documents.tsv").write_bytes((gold / "documents.tsv").read_bytes())
        (gold / "bad" / "units.tsv").write_text(
            "\n".join([rows[0], "\t".join([*cells[:4], bad, *cells[5:]])]), encoding="utf-8"
        )
        with pytest.raises(DataError, match=f"line 2: .*{said}"):
            read_gold_set(gold / "bad", 14)


def test_the_command_prints_a_line_a_figure(gold, tmp_path, tiny_checkpoint, capsys):
    named = ["--units", str(gold), "--text", str(tmp_path / "text.txt")]
    assert run_command(main, [str(tiny_checkpoint), *named, "--json", str(tmp_path / "figures.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("acceptable among coded\t")
    assert all(len(line.split("\t")) == 5 for line in lines)
    written = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert [figure["name"] for figure in written["figures"]] == [line.split("\t")[0] for line in lines]
    for wrong in (["--units", str(gold)], [], ["--part", "development", str(tmp_path)]):
        with pytest.raises(SystemExit):
            main(wrong)
    assert run_command(main, [*named, "--units", str(tmp_path / "nowhere")]) == 2
