"""The command: documents in, a complete report out; it resumes, refuses clearly, and stays in constant memory."""

import json
import re
import subprocess
import sys
import weakref
from types import SimpleNamespace

import openpyxl
import pytest
from report_samples import PLAIN_SCHEME, SCHEME, SENTENCES, make_predictions

from policy_bert.analyze import AnalysisOptions, CodingRules, analyze, main
from policy_bert.command import run_command
from policy_bert.errors import DataError
from policy_bert.reports import analysis, coding, columns
from policy_bert.reports.analysis import check_fields
from policy_bert.reports.coding import code_unit, random_number, read_part, write_part

TEXT = """关于促进数字经济发展的若干措施
国发〔{year}〕3号
各县（市、区）人民政府：
第一章　总则
第一条　根据有关法律法规，制定本措施。
第二条　{sentences}
第三条　本措施自{year}年1月1日起施行。
某省人民政府
{year}年5月1日
"""
FILES = [
    columns.CODEBOOK,
    columns.CODING_CSV,
    columns.CODING_JSONL,
    columns.WORKBOOK,
    columns.MATRIX_CSV,
    columns.DOCUMENTS_CSV,
    columns.PROJECT,
    columns.PAGE,
]


class FakeClassifier:
    """Scores by the length of the text, counts what it was asked, and can be told to be interrupted."""

    def __init__(self, checkpoint, scheme=SCHEME, stop_after=None):
        self.checkpoint, self.scheme, self.stop_after, self.asked = checkpoint, scheme, stop_after, []

    def predict(self, sentences, batch_size=None, top_k=1):
        if self.stop_after is not None and len(self.asked) >= self.stop_after:
            raise KeyboardInterrupt
        self.asked.append(list(sentences))
        return [make_predictions(self.scheme, 1, seed=len(sentence))[0] for sentence in sentences]


@pytest.fixture
def documents(tmp_path, monkeypatch):
    """A folder of three documents, one of them deeper; no figures are drawn and the model's digest is made up."""
    monkeypatch.setattr(analysis, "write_figures", lambda tables, folder, language: None)
    monkeypatch.setattr(analysis, "checkpoint_digest", lambda folder: "d" * 64)
    folder = tmp_path / "文件 夹"
    (folder / "下级").mkdir(parents=True)
    for index, name in enumerate(["甲.txt", "乙.txt", "下级/甲.txt"]):
        text = TEXT.format(year=2019 + index, sentences="".join(SENTENCES[: 2 + 3 * index]))
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def lines_of(output):
    return [json.loads(line) for line in (output / columns.CODING_JSONL).read_text(encoding="utf-8").splitlines()]


def test_a_folder_becomes_a_complete_report(documents, tmp_path):
    output = tmp_path / "报告"
    tables = analyze([documents], output, FakeClassifier(tmp_path))
    assert sorted(path.name for path in output.iterdir() if path.is_file()) == sorted(FILES)
    assert sorted(path.name for path in output.iterdir() if path.is_dir()) == []
    assert sorted(row.name for row in tables.documents) == ["下级/甲.txt", "乙.txt", "甲.txt"]
    assert {row.year for row in tables.documents} == {2019, 2020, 2021}
    records = lines_of(output)
    assert len({record["unit"] for record in records}) == len(records)
    assert {record["reason"] for record in records if record["kind"] != "content"} >= {"文件标题", "标题", "落款"}
    for record in records:
        assert (record["label"] is None) == bool(record["reason"])
        assert (record["confidence"] is None) == (record["kind"] != "content")


def test_nothing_is_forced_into_a_class(documents, tmp_path):
    rules = CodingRules(min_confidence=0.7, review_threshold=0.8)
    analyze([documents], tmp_path / "out", FakeClassifier(tmp_path), AnalysisOptions(rules))
    asked = [record for record in lines_of(tmp_path / "out") if record["confidence"] is not None]
    for record in asked:
        assert (record["label"] is None) == (record["confidence"] < 0.7)
        assert record["reason"] == ("置信度低于 0.7" if record["label"] is None else "")
        assert len(record["alternatives"]) == 2
        assert record["label"] not in [other["label"] for other in record["alternatives"]]
    assert {record["label"] is None for record in asked} == {True, False}


def test_a_stopped_run_goes_on_and_gives_the_same_report(documents, tmp_path):
    whole = FakeClassifier(tmp_path)
    analyze([documents], tmp_path / "whole", whole)
    stopped, resumed = FakeClassifier(tmp_path, stop_after=2), FakeClassifier(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        analyze([documents], tmp_path / "out", stopped)
    assert not (tmp_path / "out" / columns.WORKBOOK).exists()
    analyze([documents], tmp_path / "out", resumed)
    assert stopped.asked + resumed.asked == whole.asked
    for name in (columns.CODING_CSV, columns.CODING_JSONL, columns.MATRIX_CSV, columns.PAGE, columns.CODEBOOK):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_parts_of_other_settings_or_texts_are_not_used(documents, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        analyze([documents], tmp_path / "out", FakeClassifier(tmp_path, stop_after=2))
    (documents / "甲.txt").write_text(TEXT.format(year=2000, sentences="建设数据中心。"), encoding="utf-8")
    again = FakeClassifier(tmp_path)
    analyze([documents], tmp_path / "out", again, AnalysisOptions(unit="paragraph"))
    assert len(again.asked) == 3


def test_a_report_among_the_documents_is_not_analysed(documents, tmp_path):
    first = analyze([documents], documents / "report", FakeClassifier(tmp_path))
    second = analyze([documents], documents / "report", FakeClassifier(tmp_path))
    assert len(first.documents) == len(second.documents) == 3


def test_metadata_gives_fields_and_unmatched_rows_are_named(documents, tmp_path, caplog):
    metadata = tmp_path / "metadata.csv"
    metadata.write_text("文件名,地区,year\n乙.txt,东部,1999\n没有.txt,西部,2000\n", encoding="gb18030")
    options = AnalysisOptions(metadata=metadata, by=("地区", "年份"))
    tables = analyze([documents], tmp_path / "out", FakeClassifier(tmp_path), options)
    assert tables.by == ("地区", "year")
    assert tables.cross_table("地区").values == ("东部", columns.UNKNOWN)
    assert "1999" in tables.cross_table("year").values
    assert "没有.txt" in caplog.text or "没有.txt" in (tmp_path / "out" / columns.PAGE).read_text(encoding="utf-8")


def test_unreadable_files_are_named_and_the_rest_is_analysed(documents, tmp_path):
    (documents / "坏 文件.docx").write_bytes(b"PK\x03\x04 truncated")
    tables = analyze([documents], tmp_path / "out", FakeClassifier(tmp_path))
    assert len(tables.documents) == 3
    methods = openpyxl.load_workbook(tmp_path / "out" / columns.WORKBOOK)[columns.SHEET_METHODS]
    assert "跳过的文件：坏 文件.docx" in [row[0].value for row in methods]


def test_a_reviewers_work_is_not_overwritten_unasked(documents, tmp_path):
    output = tmp_path / "out"
    analyze([documents], output, FakeClassifier(tmp_path))
    book = openpyxl.load_workbook(output / columns.WORKBOOK)
    book[columns.SHEET_CODING].cell(2, columns.CODING_COLUMNS.index(columns.HUMAN) + 1).value = "人才培养"
    book.save(output / columns.WORKBOOK)
    with pytest.raises(DataError, match="overwrite"):
        analyze([documents], output, FakeClassifier(tmp_path))
    (output / columns.FIGURES).mkdir()
    (output / columns.FIGURES / "05-cross-old.png").write_bytes(b"")
    analyze([documents], output, FakeClassifier(tmp_path), AnalysisOptions(overwrite=True))
    assert not (output / columns.FIGURES / "05-cross-old.png").exists()


def test_any_scheme_can_code_documents(documents, tmp_path):
    tables = analyze(
        [documents], tmp_path / "out", FakeClassifier(tmp_path, PLAIN_SCHEME), AnalysisOptions(language="en")
    )
    assert [share.name for share in tables.label_shares()] == list(PLAIN_SCHEME.names)


@pytest.mark.parametrize("unit", ["sentence", "paragraph", "article"])
def test_units_slice_back_to_the_text(documents, tmp_path, unit, monkeypatch):
    kept = []
    monkeypatch.setattr(analysis, "write_part", lambda coded, path: (kept.append(coded), write_part(coded, path)))
    analyze([documents], tmp_path / "out", FakeClassifier(tmp_path), AnalysisOptions(unit=unit))
    assert len(kept) == 3
    for document in kept:
        assert document.units
        assert all(document.text[unit.start : unit.end] == unit.text for unit in document.units)


def test_parts_read_back_as_they_were_written(tmp_path):
    from report_samples import make_coding

    (part,) = make_coding(tmp_path, documents=1).parts
    document = read_part(part)
    write_part(document, tmp_path / "again.jsonl")
    assert read_part(tmp_path / "again.jsonl") == document
    assert (tmp_path / "again.jsonl").read_bytes() == part.read_bytes()


def test_a_text_longer_than_the_model_takes_is_for_review():
    from policy_bert.documents import Unit

    (prediction,) = make_predictions(SCHEME, 1, seed=3)
    sure = SimpleNamespace(scores=prediction.scores, truncated=True)
    unit = code_unit(Unit("1", 0, 1, "文"), sure, CodingRules(0.0, 0.0), "seed")
    assert unit.review
    assert unit.label is not None


def test_random_numbers_are_fixed_and_uniform():
    numbers = [random_number("seed", str(i)) for i in range(2000)]
    assert numbers == [random_number("seed", str(i)) for i in range(2000)]
    assert 0 <= min(numbers) < 0.01
    assert 0.99 < max(numbers) < 1
    assert 0.47 < sum(numbers) / 2000 < 0.53


def test_reports_hold_no_more_documents_however_many_there_are(documents, tmp_path, monkeypatch):
    for index in range(20):
        text = TEXT.format(year=2000 + index, sentences="".join(SENTENCES))
        (documents / f"又{index}.txt").write_text(text, encoding="utf-8")
    references, most = [], 0

    def read_counted(path, plan):
        nonlocal most
        document = read_part(path, plan)
        references.append(weakref.ref(document))
        most = max(most, sum(reference() is not None for reference in references))
        return document

    monkeypatch.setattr(coding, "read_part", read_counted)
    analyze([documents], tmp_path / "out", FakeClassifier(tmp_path))
    assert len(references) >= 23 * 5
    assert most <= 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by", "省份"], r"--by 省份: no such field; expected one of document, title.*--metadata"),
        (["--metadata", "no.csv"], "no.csv: no such file"),
        (["--min-confidence", "1.5"], "expected a number from 0 to 1, found 1.5"),
        (["--review-threshold", "x"], "expected a number from 0 to 1, found 'x'"),
        (["--unit", "word"], "invalid choice: 'word'"),
        (["-o", "FILE"], "expected a folder for the report, found a file"),
        (["nowhere"], "nowhere: no such file or folder"),
    ],
)
def test_mistakes_are_one_line_and_status_2(documents, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("", encoding="utf-8")
    try:
        status = run_command(main, [str(documents), *arguments])
    except SystemExit as end:
        status = end.code
    assert status == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.count("\n") == 1
    assert not (tmp_path / "report").exists()


def test_folders_without_readable_documents_are_refused(documents, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no documents found"):
        analyze([tmp_path / "empty"], tmp_path / "out", FakeClassifier(tmp_path))
    (tmp_path / "empty" / "a.docx").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"none of the 1 files is a readable document; first: a\.docx"):
        analyze([tmp_path / "empty"], tmp_path / "out", FakeClassifier(tmp_path))


def test_an_output_that_cannot_be_written_is_one_line(documents, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="cannot write there"):
        analyze([documents], tmp_path / "file" / "report", FakeClassifier(tmp_path))

    def full(coded, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(analysis, "write_part", full)
    with pytest.raises(DataError, match="No space left on device; mend that"):
        analyze([documents], tmp_path / "out", FakeClassifier(tmp_path))


def test_a_disk_full_while_the_report_is_built_leaves_no_half_report(documents, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device", str(tmp_path / "project.qdpx"))

    monkeypatch.setattr(analysis, "write_project", full)
    with pytest.raises(DataError, match=r"cannot write project.qdpx: No space left"):
        analyze([documents], tmp_path / "out", FakeClassifier(tmp_path))
    assert [path.name for path in (tmp_path / "out").iterdir()] == [analysis.PARTS]


def test_the_same_document_twice_is_counted_once_unless_asked_for(documents, tmp_path, caplog):
    from document_files import save_docx

    lines = (documents / "乙.txt").read_text(encoding="utf-8").splitlines()
    save_docx(documents / "乙（另存）.docx", [*lines[:4], "— 1 —", *lines[4:], "— 2 —"])
    once = analyze([documents], tmp_path / "once", FakeClassifier(tmp_path))
    assert "the same text as 乙" in caplog.text
    assert len(once.documents) == 3
    assert [copy.counted for copy in once.duplicates] == [False]
    twice = analyze([documents], tmp_path / "twice", FakeClassifier(tmp_path), AnalysisOptions(count_duplicates=True))
    assert len(twice.documents) == 4
    assert [copy.counted for copy in twice.duplicates] == [True]
    for folder, text in (("once", "未计入"), ("twice", "已计入")):
        book = openpyxl.load_workbook(tmp_path / folder / columns.WORKBOOK)
        marks = [row[-1] for row in book[columns.SHEET_DOCUMENTS].iter_rows(values_only=True)]
        assert len(marks) == 5
        assert sum(text in str(mark) for mark in marks) == 1


def test_fields_are_known_by_either_name():
    assert check_fields([" 年份", "issuer", "", "year"], None) == ("year", "issuer")


def test_the_command_runs_with_a_real_checkpoint_and_imports_nothing_heavy(documents, tmp_path, shared_checkpoint):
    script = (
        "import sys; from policy_bert.analyze import main; status = main(sys.argv[1:]);"
        "print(status, sorted({'torch', 'transformers', 'datasets', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    arguments = [str(documents), "-o", str(tmp_path / "out"), "--model", str(shared_checkpoint), "--threads", "1"]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "out"), "0 []"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*FILES, columns.FIGURES])
