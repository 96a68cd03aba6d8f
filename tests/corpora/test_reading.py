import hashlib
import json
import subprocess
import sys
from pathlib import Path

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_bert.command import run_command
from policy_bert.corpora.reading import load_corpus
from policy_bert.corpus import main
from policy_bert.errors import DataError
from policy_bert.labels import load_scheme, scheme_from_names
from policy_bert.text import clean

DATA = Path(__file__).resolve().parents[2] / "data"
CORPUS = DATA / "policy_sentences.tsv"
ABC = scheme_from_names(["甲", "乙", "丙"])
ROWS = [("推动数据共享", 0), ("设立专项资金", 2), ("培养人才", 1), ("扩大开放", 2)]


def write(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return path


def content_of(corpus):
    return [(sentence.text, sentence.label) for sentence in corpus.sentences]


def tabbed(rows, separator="\t", end="\n"):
    return "".join(f"{text}{separator}{label}{end}" for text, label in rows)


# --- the shipped corpus


def test_the_shipped_corpus_has_the_figures_of_its_data_card():
    corpus = load_corpus(CORPUS, load_scheme(DATA / "labels.yaml"))
    report = corpus.report
    assert (report.rows, report.distinct, report.duplicated, len(report.contradictions)) == (1595, 1587, 8, 1)
    assert report.contradictions[0].text == "推动大数据与实体经济深度融合。"
    assert report.contradictions[0].labels == (12, 13)
    assert report.contradictions[0].kept is None
    assert report.class_counts == (97, 71, 85, 154, 138, 97, 260, 84, 146, 102, 31, 109, 124, 97)
    assert (report.characters_min, round(report.characters_mean), report.characters_max) == (7, 26, 64)
    assert report.encoding == "utf-8"
    assert len(corpus.sentences) == report.sentences == 1586
    assert corpus.sha256 == report.sha256 == hashlib.sha256(CORPUS.read_bytes()).hexdigest()


def test_the_data_card_gives_the_counts_of_the_corpus():
    card = (DATA / "README.md").read_text(encoding="utf-8")
    corpus = load_corpus(CORPUS, load_scheme(DATA / "labels.yaml"))
    assert corpus.sha256 in card
    for label, count in zip(corpus.scheme.labels, corpus.report.class_counts, strict=True):
        assert (
            f"| {label.id} | {label.name} | {label.english} | {label.group} | {count} | {label.name_source} |" in card
        )


def test_the_command_prints_the_figures_and_finds_the_scheme_beside_the_file(capsys):
    assert main([str(CORPUS)]) == 0
    text = capsys.readouterr().out
    for line in (
        "rows                    1,595",
        "distinct sentences      1,587",
        "occur more than once    8",
        "near-duplicate groups   1,494 (cosine > 0.6)",
        "characters              7–64, mean 26.2",
        "   10     31   1.9%  政府采购",
        "419, 713: 12 应用示范, 13 市场塑造 (kept out): 推动大数据与实体经济深度融合。",
    ):
        assert line in text.split("\n")


def test_the_command_prints_json(capsys):
    assert main([str(CORPUS), "--labels", str(DATA / "labels.yaml"), "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert (tree["rows"], tree["near_duplicate_groups"], tree["class_counts"][10]) == (1595, 1494, 31)
    assert tree["class_names"][0] == "人才培养"


def test_the_command_makes_a_scheme_where_there_is_none(tmp_path, capsys):
    path = write(tmp_path / "a.tsv", tabbed(ROWS))
    assert main([str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class_names"] == ["0", "1", "2"]
    write(tmp_path / "labels.yaml", ABC.to_yaml())
    assert main([str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class_names"] == ["甲", "乙", "丙"]
    assert main([str(path), "--json", "--labels", "none"]) == 0
    assert json.loads(capsys.readouterr().out)["class_names"] == ["0", "1", "2"]


def test_the_module_runs_as_a_command():
    command = [sys.executable, "-m", "policy_bert.corpus", "none.tsv"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=DATA.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: none.tsv: no such file; check the name and the folder\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.tsv"], "no such file"),
        (["."], "found a folder"),
        (["-"], "standard input"),
        (["a.tsv", "--labels", "none.yaml"], "cannot read the label scheme"),
        (["a.tsv", "--encoding", "klingon"], "unknown encoding"),
        (["a.tsv", "--text-column", "正文"], "expected a column '正文'"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.tsv", tabbed(ROWS))
    assert run_command(main, arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_a_threshold_that_is_no_cosine_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as caught:
        main([str(CORPUS), "--threshold", "1.5"])
    assert caught.value.code == 2
    assert "less than 1" in capsys.readouterr().err


# --- forms of files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("header", ["", "text\tlabel", "句子\t类别", "政策语句\t标签"])
def test_lines_with_a_tab_are_read_in_every_encoding_with_and_without_header(tmp_path, encoding, end, header):
    content = (header + end if header else "") + tabbed(ROWS, " \t ", end)
    corpus = load_corpus(write(tmp_path / "a.tsv", content, encoding), ABC)
    assert content_of(corpus) == ROWS
    assert corpus.sentences[0].line == (2 if header else 1)
    assert corpus.report.encoding == encoding


def test_quotation_marks_tabs_in_the_text_and_stray_spaces_do_no_harm(tmp_path):
    lines = '"互联网+"养老\t0\n\n"未闭合\t1\n 一\t二\u3000 三 \t 2 \n'
    assert content_of(load_corpus(write(tmp_path / "a.txt", lines), ABC)) == [
        ('"互联网+"养老', 0),
        ('"未闭合', 1),
        ("一 二 三", 2),
    ]


def make_table(path, columns, rows):
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in [columns, *rows]:
            book.active.append(row)
        book.save(path)
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table(dict(zip(columns, zip(*rows, strict=True), strict=True))), path)
    elif path.suffix == ".jsonl":
        write(path, "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
    else:
        separator = {".csv": ",", ".tsv": "\t"}[path.suffix]
        write(path, "\r\n".join(separator.join(map(str, row)) for row in [columns, *rows]), "utf-8-sig")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".xlsx", ".jsonl", ".parquet"])
def test_tables_have_named_columns(tmp_path, suffix):
    usual = make_table(tmp_path / f"a{suffix}", ["id", "label", "text"], [(9, label, text) for text, label in ROWS])
    assert content_of(load_corpus(usual, ABC)) == ROWS
    other = make_table(tmp_path / f"b{suffix}", ["号", "码", "正文"], [(9, label, text) for text, label in ROWS])
    assert content_of(load_corpus(other, ABC, text_column="正文", label_column="码")) == ROWS
    with pytest.raises(DataError, match=r"expected a column|no header of known names"):
        load_corpus(other, ABC)


def test_a_tsv_that_starts_with_its_label_column_is_a_table(tmp_path):
    path = write(tmp_path / "a.tsv", "label\ttext\n" + "".join(f"{label}\t{text}\n" for text, label in ROWS))
    assert content_of(load_corpus(path, ABC)) == ROWS


def test_columns_of_a_text_file_are_refused(tmp_path):
    with pytest.raises(DataError, match="rename the file"):
        load_corpus(write(tmp_path / "a.txt", tabbed(ROWS)), ABC, text_column="text")


def test_numbers_that_a_spreadsheet_made_fractions_are_labels(tmp_path):
    path = make_table(tmp_path / "a.xlsx", ["text", "label"], [(text, float(label)) for text, label in ROWS])
    assert content_of(load_corpus(path, ABC)) == ROWS
    assert content_of(load_corpus(write(tmp_path / "a.tsv", "一\t0.0\n二\t2.0\n"), ABC)) == [("一", 0), ("二", 2)]


# --- labels


def test_labels_may_be_ids_or_names_mixed(tmp_path):
    path = write(tmp_path / "a.tsv", "一\t甲\n二\t2\n三\t乙\n")
    assert [label for _, label in content_of(load_corpus(path, ABC))] == [0, 2, 1]


def test_numbers_make_classes_in_numeric_order_and_names_in_theirs(tmp_path):
    numbers = "".join(f"句子{n}\t{n}\n" for n in reversed(range(56)))
    corpus = load_corpus(write(tmp_path / "a.tsv", numbers))
    assert corpus.scheme.names == tuple(map(str, range(56)))
    assert content_of(corpus)[0] == ("句子55", 55)
    gaps = load_corpus(write(tmp_path / "b.tsv", "一\t30\n二\t4\n三\t12\n四\t4\n"))
    assert gaps.scheme.names == ("4", "12", "30")
    assert [label for _, label in content_of(gaps)] == [2, 0, 1, 0]
    names = load_corpus(write(tmp_path / "c.tsv", "一\t需求\n二\t供给\n三\t环境\n"))
    assert names.scheme.names == tuple(sorted(["需求", "供给", "环境"]))


def test_a_scheme_of_numbers_that_are_not_ids_is_read_by_its_numbers(tmp_path):
    scheme = load_corpus(write(tmp_path / "a.tsv", "一\t0\n二\t1\n三\t3\n")).scheme
    assert content_of(load_corpus(write(tmp_path / "b.tsv", "四\t3\n"), scheme)) == [("四", 2)]
    with pytest.raises(DataError, match="label 2 is not in the scheme"):
        load_corpus(write(tmp_path / "c.tsv", "五\t2\n"), scheme)
    with pytest.raises(DataError, match="label 'x' is not an integer"):
        load_corpus(write(tmp_path / "d.tsv", "五\tx\n"), scheme)


def test_one_class_makes_no_scheme(tmp_path):
    with pytest.raises(DataError, match="at least two classes, found 供给"):
        load_corpus(write(tmp_path / "a.tsv", "一\t供给\n"))


# --- bad rows


BAD = {
    2: ("没有制表符", "no tab"),
    3: ("  \t1", "empty sentence"),
    4: ("一\t3", "label 3 is not in the scheme"),
    5: ("二\t丁", "label '丁' is neither an integer nor the name of a class"),
    6: ("三\t", "no label"),
    7: ("四\t1.5", "label '1.5' is neither"),
    8: ("五\t-1", "label -1 is not in the scheme"),
    9: ("\u200b\x00\t1", "empty sentence"),
}


def test_every_bad_row_is_reported_with_line_and_reason_at_once(tmp_path):
    path = write(tmp_path / "a.tsv", "好\t1\n" + "".join(row + "\n" for row, _ in BAD.values()))
    with pytest.raises(DataError) as caught:
        load_corpus(path, ABC)
    assert str(caught.value).startswith(f"{path}: 8 bad rows: line 2: ")
    for line, (_, reason) in BAD.items():
        assert f"line {line}: {reason}" in str(caught.value)


def test_the_list_of_bad_rows_ends_at_a_stated_number(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tsv", "好\t1\n" + "坏\n" * 500)
    with pytest.raises(DataError, match=r"500 bad rows: .*line 21: [^;]*; and 480 more \(the first 20 are listed\)$"):
        load_corpus(path, ABC)
    monkeypatch.setattr("policy_bert.corpora.reading.MAX_LISTED_PROBLEMS", 2)
    with pytest.raises(DataError, match=r"and 498 more \(the first 2 are listed\)$"):
        load_corpus(path, ABC)


def test_bad_rows_of_tables_are_reported_together(tmp_path):
    path = write(tmp_path / "a.csv", 'text,label\n一,0\n"二"三,1\n四,,1\n五,9\n六,七,1\n')
    with pytest.raises(DataError) as caught:
        load_corpus(path, ABC)
    for part in (
        "4 bad rows",
        "line 3: the quotation marks",
        "line 4: 3 fields",
        "line 5: label 9",
        "line 6: 3 fields",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "\n \n", "text\tlabel\n", b"\x00" * 200, "一\t0\n".encode() * 100 + b"\xff\t1\n"]
)
def test_files_without_readable_sentences_are_one_line_errors(tmp_path, content):
    with pytest.raises(DataError, match=r"a\.tsv: ") as caught:
        load_corpus(write(tmp_path / "a.tsv", content), ABC)
    assert "\n" not in str(caught.value)


# --- duplicates and contradictions


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("drop", [("一", 0), ("四", 2)]),
        ("first", [("一", 0), ("二", 1), ("三", 2), ("四", 2)]),
        ("majority", [("一", 0), ("三", 0), ("四", 2)]),
    ],
)
def test_duplicates_collapse_and_contradictions_follow_the_policy(tmp_path, policy, expected):
    lines = "一\t0\n二\t1\n 一 \t0\n三\t2\n二\t2\n三\t0\n三\u200b\t0\n四\t2\n"
    corpus = load_corpus(write(tmp_path / "a.tsv", lines), ABC, contradictions=policy)
    assert content_of(corpus) == expected
    report = corpus.report
    assert (report.rows, report.distinct, report.duplicated, report.sentences) == (8, 4, 3, len(expected))
    assert [(found.text, found.labels, found.lines) for found in report.contradictions] == [
        ("二", (1, 2), (2, 5)),
        ("三", (2, 0, 0), (4, 6, 7)),
    ]
    kept = dict(content_of(corpus))
    assert [found.kept for found in report.contradictions] == [kept.get("二"), kept.get("三")]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(clean),
            st.sampled_from(range(3)),
        ),
        min_size=1,
        unique_by=lambda row: clean(row[0]),
    ),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_whatever_is_written_is_read_back_clean(tmp_path_factory, rows, crlf):
    path = tmp_path_factory.mktemp("corpus") / "a.tsv"
    write(path, "一定\t甲\n" + tabbed(rows, end="\r\n" if crlf else "\n"))
    found = content_of(load_corpus(path, ABC, encoding="utf-8"))
    assert [row for row in found if row[0] != "一定"] == [(clean(t), label) for t, label in rows if clean(t) != "一定"]
