"""Labels as they are written, and the exports of annotation programs as people get them."""

import csv
import io
import json
import logging

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_bert.config import load_config
from policy_bert.corpora.labelled_rows import label_parser, scheme_from_labels
from policy_bert.corpora.reading import load_corpus
from policy_bert.corpora.settings import DataConfig
from policy_bert.corpus import main
from policy_bert.errors import DataError
from policy_bert.labels import Label, LabelScheme, scheme_from_names
from policy_bert.rows import say_once
from policy_bert.rows.exports import listed_labels

TEXTS = ["推动大数据与实体经济深度融合。", "设立专项资金支持企业。", "培养高层次人才队伍。", "扩大对外开放水平。"]
NAMES = ["供给", "环境", "需求", "供给"]
ROWS = list(zip(TEXTS, NAMES, strict=True))


@pytest.fixture(autouse=True)
def _said_again(monkeypatch):
    say_once.cache_clear()
    monkeypatch.setattr(logging.getLogger("policy_bert"), "propagate", True)


def write(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding))
    return path


def tabbed(rows):
    return "".join(f"{text}\t{label}\n" for text, label in rows)


def found(corpus):
    return [(sentence.text, corpus.scheme.names[sentence.label]) for sentence in corpus.sentences]


# --- labels


def labelled(tmp_path, labels):
    return load_corpus(write(tmp_path / "a.tsv", tabbed((f"句子{i}", label) for i, label in enumerate(labels))))


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["11", "2", "1", "2"], ("1", "2", "11")),
        (["11", "1_1", "2", "1"], ("1", "11", "1_1", "2")),
        (["01", "10", "02"], ("01", "02", "10")),
        (["1", "2", "3", "其他"], ("1", "2", "3", "其他")),
        (["１", "２"], ("１", "２")),
        (["1.0", "2.0"], ("1.0", "2.0")),
        (["+1", "2"], ("+1", "2")),
    ],
)
def test_labels_are_integers_only_where_all_are_and_names_as_written_otherwise(tmp_path, labels, names):
    corpus = labelled(tmp_path, labels)
    assert corpus.scheme.names == names
    assert [corpus.scheme.names[s.label] for s in corpus.sentences] == labels


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=6).filter(lambda s: s.strip(" \t\r\n")), min_size=2, unique=True))
def test_a_scheme_from_labels_reads_each_of_them_back_as_its_own_class(labels):
    scheme = scheme_from_labels(labels, "file")
    parse = label_parser(scheme)
    assert sorted(parse(label)[0] for label in labels) == list(range(len(labels)))
    assert [parse(str(code))[0] for code in scheme.codes] == list(range(len(labels)))


def test_labels_that_look_alike_are_named_in_log_and_report(tmp_path, caplog, capsys):
    labels = ["供给", "供给\u200b", "环境\xa0", "环境", "ABC", "abc", "ＡＢ", "AB"]
    corpus = labelled(tmp_path, labels)
    assert len(corpus.scheme) == 8
    assert {frozenset(group) for group in corpus.report.look_alikes} == {
        frozenset({"供给", "供给\u200b"}), frozenset({"环境", "环境\xa0"}), frozenset({"ABC", "abc"}),
        frozenset({"ＡＢ", "AB"}),
    }  # fmt: skip
    assert "'供给\\u200b'" in caplog.text
    assert main([str(tmp_path / "a.tsv")]) == 0
    assert "'环境', '环境\\xa0'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("１", "'１' is not in the scheme, which writes '1'"),
        ("甲\u200b", "which writes '甲'"),
        ("9", "label 9 is not in the scheme (0 to 1)"),
        ("1_1", "neither an integer nor the name"),
        ("丙", "neither an integer nor the name"),
    ],
)
def test_a_refused_label_gets_its_reason(label, reason):
    assert reason in label_parser(scheme_from_names(["甲", "乙"]))(label)[1]


def test_codes_of_a_scheme_are_what_its_corpus_writes():
    scheme = LabelScheme((Label(0, "甲", code="A1"), Label(1, "乙", code="A2")))
    assert scheme.codes == ("A1", "A2")
    assert (scheme.parse("A2"), scheme.parse("甲")) == (1, 0)
    with pytest.raises(KeyError):
        scheme.parse("0")
    assert scheme_from_names(["4", "12"]).codes == (4, 12)
    assert scheme_from_names(["甲", "乙"]).codes == (0, 1)


def test_all_labels_empty_shows_the_rows(tmp_path):
    with pytest.raises(DataError, match="2 bad rows: line 1: no label; line 2: no label"):
        load_corpus(write(tmp_path / "a.tsv", tabbed([("一", ""), ("二", "")])))


@pytest.mark.parametrize("suffix", ["tsv", "csv"])
def test_columns_the_wrong_way_round_are_refused(tmp_path, suffix):
    rows = [(label, f"{text}{i}") for i, (text, label) in enumerate(ROWS * 5)]
    content = tabbed(rows) if suffix == "tsv" else "text,label\n" + "".join(f"{a},{b}\n" for a, b in rows)
    path = write(tmp_path / f"a.{suffix}", content)
    with pytest.raises(DataError, match="wrong way round"):
        load_corpus(path)
    with pytest.raises(DataError, match="wrong way round"):
        load_corpus(path, scheme_from_names(["供给", "环境", "需求"]))


def test_a_column_of_ids_and_an_unknown_header_are_named(tmp_path, caplog):
    labelled(tmp_path, [str(number) for number in range(30)])
    assert "30 classes for as many rows" in caplog.text
    load_corpus(write(tmp_path / "b.tsv", tabbed([("语句", "工具"), ("一", "1"), ("二", "2")])))
    assert "line 1: all labels but '工具' are integers" in caplog.text


def test_the_scheme_beside_a_file_is_named(tmp_path, caplog):
    caplog.set_level(logging.INFO, "policy_bert")
    write(tmp_path / "labels.yaml", scheme_from_names(["甲", "乙"]).to_yaml())
    assert main([str(write(tmp_path / "a.tsv", "一\t0\n二\t1\n"))]) == 0
    assert "labels.yaml, which lies beside the file" in caplog.text


# --- tables


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.jsonl"])
def test_a_header_without_a_label_column_names_the_columns(tmp_path, name):
    mark = "," if name == "a.csv" else "\t"
    lines = [mark.join(row) for row in [("text", "topic"), *ROWS]]
    if name == "a.jsonl":
        lines = [json.dumps({"text": text, "topic": label}) for text, label in ROWS]
    with pytest.raises(DataError, match=r"text, topic"):
        load_corpus(write(tmp_path / name, "\n".join(lines)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label,label\n一,1,2\n"),
        ("a.tsv", "text\tlabel\ttext\n一\t1\t二\n"),
        ("a.jsonl", '{"text": "一", "label": 1, "label": 2}\n'),
        ("a.csv", "text,Label,LABEL\n一,1,2\n"),
    ],
)
def test_two_columns_of_one_name_are_refused(tmp_path, name, content):
    with pytest.raises(DataError, match=r"two columns|look alike|stands twice"):
        load_corpus(write(tmp_path / name, content))


def test_three_columns_without_header_are_refused_and_read_by_number(tmp_path):
    path = write(tmp_path / "a.tsv", "".join(f"{i}\t{text}\t{label}\n" for i, (text, label) in enumerate(ROWS)))
    with pytest.raises(DataError, match="found 3 columns"):
        load_corpus(path)
    assert found(load_corpus(path, text_column="2", label_column="3")) == ROWS


def workbook(path, rows, **others):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name, content in others.items():
        sheet = book.create_sheet(name)
        for row in content:
            sheet.append(row)
    book.save(path)
    return path


def test_formulas_without_value_and_spreadsheet_errors_are_bad_rows(tmp_path):
    rows = [("text", "label"), *ROWS, ("=1&2", "供给"), ("#N/A", "供给"), ("好", "#REF!"), ("好", "=A1")]
    with pytest.raises(DataError) as caught:
        load_corpus(workbook(tmp_path / "a.xlsx", rows))
    assert "4 bad rows: line 6: column 'text': a formula without a stored value" in str(caught.value)
    for part in (
        "line 7: column 'text': the spreadsheet error #N/A",
        "line 8: column 'label'",
        "line 9: column 'label'",
    ):
        assert part in str(caught.value)


def test_sheets_left_out_are_named_and_one_can_be_chosen(tmp_path, caplog):
    header = ("text", "label")
    path = workbook(tmp_path / "a.xlsx", [header, *ROWS], 第二=[header, ("一", "甲"), ("二", "乙")], 空=[])
    assert found(load_corpus(path)) == ROWS
    assert "left out '第二';" in caplog.text
    assert found(load_corpus(path, sheet="第二")) == [("一", "甲"), ("二", "乙")]
    with pytest.raises(DataError, match="no sheet '三'; found 'Sheet', '第二', '空'"):
        load_corpus(path, sheet="三")
    with pytest.raises(DataError, match="only workbooks"):
        load_corpus(write(tmp_path / "a.csv", "text,label\n一,1\n"), sheet="三")


def test_big5_is_read_when_named(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\n數位經濟發展條例,供給\n推動產業創新,環境\n", "big5")
    assert found(load_corpus(path, encoding="big5")) == [("數位經濟發展條例", "供給"), ("推動產業創新", "環境")]


# --- exports


def studio_table(mark, rows, end="\r\n"):
    header = ["annotation_id", "annotator", "created_at", "id", "lead_time", "sentiment", "text", "updated_at"]
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=mark, quoting=csv.QUOTE_NONNUMERIC, lineterminator=end)
    writer.writerow(header)
    for number, (text, label) in enumerate(rows, 1):
        writer.writerow([number, "1", "2024-01-01T00:00:00Z", number, 3.1 + number, label, text, "2024-01-02"])
    return stream.getvalue()


def studio_task(number, text, *choices, cancelled=False):
    result = [{"value": {"choices": list(choices)}, "from_name": "sentiment", "to_name": "text", "type": "choices"}]
    annotation = {"id": number, "completed_by": 1, "result": result if choices else [], "was_cancelled": cancelled}
    return {"id": number, "annotations": [annotation] if choices or cancelled else [], "data": {"text": text}}


def argilla(text, values, states, **more):
    responses = {"label.responses": values, "label.responses.users": ["u"], "label.responses.status": states}
    return {"id": text, "_server_id": "s", "status": "completed", "text": text, **responses, **more}


EXPORTS = {
    "studio.csv": studio_table(",", ROWS),
    "studio_windows.csv": studio_table(",", ROWS, "\r\r\n"),
    "studio.tsv": studio_table("\t", ROWS),
    "studio_min.json": json.dumps(
        [{"text": t, "id": 1, "sentiment": c, "annotator": 1, "annotation_id": 1, "lead_time": 2.5} for t, c in ROWS]
    ),
    "studio.json": json.dumps([studio_task(i, *row) for i, row in enumerate(ROWS)], ensure_ascii=False, indent=2),
    "quoted.tsv": '"text"\t"label"\n' + "".join(f'"{t}"\t"{c}"\n' for t, c in ROWS),
    "doccano.jsonl": "".join(json.dumps({"id": 1, "text": t, "label": [c], "Comments": []}) + "\n" for t, c in ROWS),
    "doccano_old.json": "".join(json.dumps({"id": 1, "data": t, "label": [c]}) + "\n" for t, c in ROWS),
    "doccano.json": json.dumps([{"id": 1, "text": t, "label": [c], "Comments": []} for t, c in ROWS]),
    "doccano.csv": "id,text,label,Comments\n" + "".join(f"1,{t},{c},\n" for t, c in ROWS),
    "argilla.jsonl": "".join(
        json.dumps(argilla(t, [c], ["submitted"], **{"label.suggestion": "x"})) + "\n" for t, c in ROWS
    ),
    "argilla_nested.json": json.dumps(
        [{"id": "1", "fields": {"text": t}, "responses": {"label": [{"value": c, "status": "submitted"}]}}
         for t, c in ROWS]
    ),
    "python_lists.csv": "text,label\n" + "".join(f"{t},\"['{c}']\"\n" for t, c in ROWS),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_of_annotation_programs_are_read_as_people_get_them(tmp_path, name):
    assert found(load_corpus(write(tmp_path / name, EXPORTS[name]))) == ROWS


def two_annotators():
    return json.dumps([{**studio_task(1, "一", "甲"), "annotations": [
        *studio_task(1, "一", "甲")["annotations"], *studio_task(1, "一", "乙")["annotations"]]}])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "a.jsonl",
            '{"text": "一", "label": []}\n{"text": "二", "label": ["甲", "乙"]}\n',
            "line 1: no label; line 2: sev",
        ),
        ("a.csv", "id,text,label,Comments\n1,一,甲#乙,\n", "several labels (甲, 乙)"),
        ("a.csv", studio_table(",", [("一", '{"choices": ["甲", "乙"]}')]), "several labels (甲, 乙)"),
        ("a.json", json.dumps([studio_task(1, "一", "甲"), studio_task(2, "二")]), "line 2: no label"),
        (
            "a.json",
            json.dumps([studio_task(1, "一", "甲"), studio_task(2, "二", "乙", cancelled=True)]),
            "line 2: no label",
        ),
        ("a.json", json.dumps([studio_task(1, "一", "甲", "乙")]), "several labels (甲, 乙)"),
        ("a.jsonl", json.dumps(argilla("一", ["甲", "乙"], ["submitted"] * 2)), "several labels (甲, 乙)"),
        ("a.jsonl", json.dumps(argilla("一", ["甲"], ["discarded"])), "no label"),
        ("a.jsonl", '{"text": "一", "label": [[0, 2, "LOC"]]}', "several labels"),
        ("a.jsonl", '{"text": ["一", "二"], "label": "甲"}', "expected a text and a label"),
        ("a.jsonl", '{"text": "一", "label": {"a": 1}}', "expected a text and a label"),
    ],
)
def test_several_labels_and_none_are_refused_as_what_they_are(tmp_path, name, content, reason):
    with pytest.raises(DataError) as caught:
        load_corpus(write(tmp_path / name, content))
    assert reason in str(caught.value)


def test_annotators_who_disagree_contradict_each_other(tmp_path):
    corpus = load_corpus(
        write(tmp_path / "a.json", two_annotators()), scheme_from_names(["甲", "乙"]), contradictions="first"
    )
    assert corpus.report.contradictions[0].labels == (0, 1)


def test_responses_that_agree_are_one_label():
    assert listed_labels(["甲", "甲", "乙"], ["submitted", "submitted", "draft"]) == ["甲"]
    assert listed_labels("[草案]") == ["[草案]"]
    assert listed_labels(None) == listed_labels([]) == listed_labels("[]") == []


@settings(max_examples=60)
@given(st.recursive(st.none() | st.text(max_size=4) | st.integers(), lambda c: st.lists(c, max_size=3), max_leaves=6))
def test_any_list_gives_its_distinct_labels(value):
    labels = listed_labels(value)
    assert len(labels) == len({repr(label) for label in labels}) or not isinstance(value, list)
    assert all(not isinstance(label, list) and label is not None for label in labels)


def test_a_configuration_names_encoding_and_sheet(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\n數位經濟發展條例,供給\n推動產業創新,環境\n", "big5")
    data = load_config(DataConfig, overrides=[f"corpus={path}", "labels=null", "encoding=big5"])
    assert found(load_corpus(data.corpus, **data.reading()))[0] == ("數位經濟發展條例", "供給")
    header = ("text", "label")
    book = workbook(tmp_path / "b.xlsx", [header, *ROWS], 第二=[header, ("一", "甲"), ("二", "乙")])
    data = load_config(DataConfig, overrides=[f"corpus={book}", "labels=null", "sheet=第二"])
    assert found(load_corpus(data.corpus, **data.reading())) == [("一", "甲"), ("二", "乙")]
