import io
import json
import logging
import os
import random
import sys

import numpy as np
import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_bert.errors import DataError
from policy_bert.rows import LineReader, as_text, format_of, open_table, open_writer, read_sentences
from policy_bert.rows.lines import BLOCK_BYTES
from policy_bert.text import is_blank

CHINESE = "推动大数据与实体经济深度融合。\n发展“互联网+养老”，建设智慧养老院！\n对引进人才给予50万元奖励；\n"
ROWS = [
    {"line": 1, "sentence": "推动\t数据\r\n共享", "confidence": 0.5, "scores": [0.25, 0.75]},
    {"line": 3, "sentence": '=1+1 "引号",😀\x00', "confidence": np.float32(0.123456), "scores": [1.0, 0.0]},
]
COLUMNS = ["line", "sentence", "confidence", "scores"]


def texts(path, **options):
    return [sentence.text for sentence in read_sentences(path, **options)]


def write(path, content, encoding="utf-8"):
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return path


def stdin_of(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


# --- encodings and lines


@pytest.mark.parametrize(
    ("codec", "bom", "name"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", b"\xef\xbb\xbf", "utf-8-sig"),
        ("gb18030", b"", "gb18030"),
        ("utf-16-le", b"\xff\xfe", "utf-16"),
        ("utf-16-be", b"\xfe\xff", "utf-16"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
    ],
)
def test_each_encoding_is_found_out_and_its_mark_is_no_text(tmp_path, codec, bom, name):
    path = write(tmp_path / "a.txt", bom + CHINESE.encode(codec))
    assert texts(path) == CHINESE.split("\n")[:-1]
    assert LineReader(path.open("rb"), "a").encoding == name


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("shift", range(5))
def test_a_character_cut_at_the_end_of_a_block_is_whole(tmp_path, codec, shift):
    line = "策" * 700
    content = "a" * shift + (line + "\r\n") * 120
    found = texts(write(tmp_path / "a.txt", content, codec))
    assert found == ["a" * shift + line, *[line] * 119]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")), min_size=1), st.booleans())
def test_lines_end_at_line_feeds_only_and_nothing_else_changes(lines, crlf):
    end = "\r\n" if crlf else "\n"
    stream = io.BytesIO(end.join([*lines, "end"]).encode("utf-8"))
    expected = [line.removesuffix("\r") if not crlf else line for line in lines]
    assert list(LineReader(stream, "a", "utf-8")) == [
        *(line.removeprefix("\ufeff") if i == 0 else line for i, line in enumerate(expected)),
        "end",
    ]


def test_odd_characters_are_legal_rows_and_blank_lines_are_counted_but_skipped(tmp_path):
    lines = ["数据\x00经济", "", "长" * 5000, "  \u3000", "😀", "a\u2028b\x0bc\x85d", "。！？", "Latin only", "a\rb"]
    path = write(tmp_path / "a.txt", "\n".join(lines))
    assert [tuple(sentence) for sentence in read_sentences(path)] == [
        (number, line) for number, line in enumerate(lines, 1) if line.strip()
    ]


def test_a_line_without_a_line_end_is_a_line(tmp_path):
    assert texts(write(tmp_path / "a.txt", "一\n二")) == ["一", "二"]


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16-le"])
def test_bytes_that_do_not_decode_are_named_by_line_and_offset(tmp_path, codec):
    good = ("推动数据共享开放。\n" * 9000).encode(codec)
    assert len(good) > 2 * BLOCK_BYTES
    bad = "坏".encode(codec) + (b"\x00\xd8\x41\x00" if codec == "utf-16-le" else b"\xff\xff") + "行\n".encode(codec)
    path = write(tmp_path / "a.txt", good + bad)
    seen = []
    with pytest.raises(
        DataError, match=rf"a\.txt: line 9001: byte .* at offset {len(good) + len('坏'.encode(codec))} "
    ):
        seen.extend(read_sentences(path))
    assert len(seen) == 9000


def test_a_damaged_byte_in_short_utf8_is_not_taken_for_another_encoding(tmp_path):
    data = CHINESE.encode() + b"\xff" + CHINESE.encode()
    with pytest.raises(DataError, match=f"line 4: byte 0xff at offset {len(CHINESE.encode())} is not utf-8"):
        texts(write(tmp_path / "a.txt", data))


def test_a_truncated_character_at_the_end_of_the_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match="line 4"):
        texts(write(tmp_path / "a.txt", CHINESE.encode() + "策".encode()[:2]))


def test_utf16_of_ascii_without_a_mark_is_not_taken_for_utf8_with_nul(tmp_path):
    for codec in ("utf-16-le", "utf-16-be"):
        assert texts(write(tmp_path / "a.txt", "Latin only, one line\n", codec)) == ["Latin only, one line"]


def test_a_named_encoding_overrides_the_guess(tmp_path):
    path = write(tmp_path / "a.txt", "數位經濟", "big5")
    assert texts(path, encoding="big5") == ["數位經濟"]
    gbk = write(tmp_path / "b.txt", CHINESE, "gbk")
    assert texts(gbk, encoding="GBK") == CHINESE.split("\n")[:-1]
    assert texts(write(tmp_path / "c.txt", CHINESE, "utf-8-sig"), encoding="utf-8") == CHINESE.split("\n")[:-1]
    assert texts(write(tmp_path / "d.txt", CHINESE, "utf-16"), encoding="utf-16") == CHINESE.split("\n")[:-1]


@pytest.mark.parametrize("name", ["no-such", "hex", ""])
def test_an_unknown_encoding_is_an_error(tmp_path, name):
    with pytest.raises(DataError, match="unknown encoding"):
        texts(write(tmp_path / "a.txt", "一"), encoding=name)


@pytest.mark.parametrize(
    "data",
    [b"\x89PNG\r\n\x1a\n" + bytes(50), b"PK\x03\x04" + bytes(50), bytes(4096), random.Random(0).randbytes(70000)],
)
def test_binary_files_are_refused(tmp_path, data):
    with pytest.raises(DataError, match="expected"):
        texts(write(tmp_path / "a.txt", data))


def test_missing_empty_blank_and_folder_inputs_are_one_line_errors(tmp_path):
    cases = {"no such file": tmp_path / "none.txt", "found a folder": tmp_path}
    cases["found an empty file"] = write(tmp_path / "empty.txt", b"")
    cases["only blank lines"] = write(tmp_path / "blank.txt", "\n \n\u3000\n")
    for message, path in cases.items():
        with pytest.raises(DataError, match=message) as caught:
            read_sentences(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "xlsx", "parquet"])
def test_tables_missing_empty_or_of_another_type_are_one_line_errors(tmp_path, suffix):
    with pytest.raises(DataError, match="no such file"):
        read_sentences(tmp_path / f"none.{suffix}")
    for data in (b"", b"\x00\x01\x02" * 500, b"PK\x03\x04 not really"):
        with pytest.raises(DataError, match=rf"a\.{suffix}"):
            read_sentences(write(tmp_path / f"a.{suffix}", data))


def test_a_line_without_end_cannot_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("policy_bert.rows.lines.MAX_LINE_CHARACTERS", 100_000)
    path = write(tmp_path / "a.txt", "一\n" + "长" * 200_000)
    with pytest.raises(DataError, match="line 2: longer than 100,000"):
        texts(path)


def test_standard_input_is_read_as_lines_of_text(monkeypatch):
    stdin_of(monkeypatch, CHINESE.encode("gb18030"))
    assert texts("-") == CHINESE.split("\n")[:-1]
    stdin_of(monkeypatch, b"")
    with pytest.raises(DataError, match="standard input"):
        read_sentences("-")


# --- tables in


def make_table(path, columns, rows):
    kind = path.suffix
    if kind in (".csv", ".tsv"):
        separator = "," if kind == ".csv" else "\t"
        write(path, "\n".join(separator.join(map(str, row)) for row in [columns, *rows]) + "\n")
    elif kind == ".jsonl":
        write(path, "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
    elif kind == ".xlsx":
        book = openpyxl.Workbook()
        for row in [columns, *rows]:
            book.active.append(row)
        book.save(path)
    else:
        data = {name: [row[i] for row in rows] for i, name in enumerate(columns)}
        pyarrow.parquet.write_table(pyarrow.table(data), path)
    return path


@pytest.mark.parametrize(("suffix", "first"), [("csv", 2), ("tsv", 2), ("jsonl", 1), ("xlsx", 2), ("parquet", 1)])
@pytest.mark.parametrize("column", ["text", "Sentence", "句子", "文本", "内容"])
def test_every_table_gives_its_sentences_with_their_lines(tmp_path, suffix, first, column):
    path = make_table(tmp_path / f"a.{suffix}", ["id", column], [[1, "推动数据共享"], [2, " "], [3, "设立专项资金"]])
    assert [tuple(s) for s in read_sentences(path)] == [(first, "推动数据共享"), (first + 2, "设立专项资金")]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "xlsx", "parquet"])
def test_a_column_can_be_named_and_a_missing_one_is_an_error_naming_those_found(tmp_path, suffix):
    path = make_table(tmp_path / f"a.{suffix}", ["编号", "政策语句"], [[1, "推动数据共享"]])
    assert texts(path, text_column="政策语句") == ["推动数据共享"]
    for wanted in (None, "正文"):
        with pytest.raises(DataError, match="编号, 政策语句"):
            read_sentences(path, text_column=wanted)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "xlsx"])
def test_a_number_picks_the_column_of_a_table_without_header(tmp_path, suffix):
    path = make_table(tmp_path / f"a.{suffix}", ["推动数据共享", 3], [["设立专项资金", 1]])
    assert texts(path, text_column="1") == ["推动数据共享", "设立专项资金"]


def test_plain_text_has_no_columns(tmp_path):
    with pytest.raises(DataError, match="no column 'text'"):
        read_sentences(write(tmp_path / "a.txt", "一"), text_column="text")


def test_csv_keeps_quoted_commas_and_line_ends_and_counts_physical_lines(tmp_path):
    path = write(tmp_path / "a.csv", 'text,id\r\n"一,二\r\n""三""",1\r\n四\x00,2\r\n', "utf-8-sig")
    found = [tuple(s) for s in read_sentences(path)]
    assert found == [(2, '一,二\n"三"'), (4, "四\x00" if sys.version_info >= (3, 11) else "四")]


def test_csv_that_spreadsheets_separate_by_tab_or_semicolon_is_read(tmp_path):
    assert texts(write(tmp_path / "a.csv", "id\ttext\n1\t一，二\n", "utf-16")) == ["一，二"]
    assert texts(write(tmp_path / "b.csv", "id;text\n1;推动共享\n", "gb18030")) == ["推动共享"]


@pytest.mark.parametrize(
    ("content", "line"),
    [('text\n"一"二\n', 2), ('text\n一\n"二\n三\n', 3), ("text,id\n一,二,3\n", 2)],
)
def test_csv_rows_that_would_lose_text_are_errors(tmp_path, content, line):
    with pytest.raises(DataError, match=f"line {line}: "):
        texts(write(tmp_path / "a.csv", content))


def test_tsv_takes_quotation_marks_literally(tmp_path):
    assert texts(write(tmp_path / "a.tsv", 'text\tid\n"互联网+"养老\t1\n')) == ['"互联网+"养老']


@pytest.mark.parametrize("bad", ["not json", "[1]", '{"other": 1}', '{"text": '])
def test_bad_json_lines_are_named(tmp_path, bad):
    with pytest.raises(DataError, match="line 2"):
        texts(write(tmp_path / "a.jsonl", '{"text": "一"}\n' + bad + "\n"))
    with pytest.raises(DataError, match=r"line 1|columns"):
        texts(write(tmp_path / "b.jsonl", bad + "\n"))


def test_lines_that_end_in_carriage_returns_alone_are_refused(tmp_path):
    for name in ("a.txt", "a.csv"):
        with pytest.raises(DataError, match="carriage returns alone"):
            texts(write(tmp_path / name, "text\r推动数据共享\r设立专项资金\r"))


def test_a_list_of_objects_is_a_table_too(tmp_path):
    rows = [{"text": "推动数据共享"}, {"text": "设立专项资金", "more": 1}]
    for name, content in (("a.json", json.dumps(rows, indent=1)), ("b.jsonl", json.dumps(rows))):
        assert [tuple(s) for s in read_sentences(write(tmp_path / name, content))] == [
            (1, "推动数据共享"),
            (2, "设立专项资金"),
        ]
    for content, message in (
        ("[]", "empty list"),
        ("[1]", "found int"),
        ('{"text": "一",\n', "not JSON"),
        ('"a"', "str"),
    ):
        with pytest.raises(DataError, match=message):
            texts(write(tmp_path / "c.json", content))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "xlsx", "jsonl"])
def test_a_cell_that_a_spreadsheet_could_not_calculate_is_refused(tmp_path, suffix):
    path = make_table(tmp_path / f"a.{suffix}", ["text", "id"], [["推动数据共享", 1], ["#REF!", 2]])
    with pytest.raises(DataError, match="the spreadsheet error #REF!"):
        texts(path)
    assert [as_text(record.cells[0]) for record in open_table(path).read(["id"])] == ["1", "2"]


def test_rows_with_cells_but_without_a_sentence_are_named(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("policy_bert"), "propagate", True)
    path = make_table(tmp_path / "a.csv", ["text", "id"], [["推动数据共享", 1], ["", 2], ["\u200b", 3]])
    assert texts(path) == ["推动数据共享"]
    assert "2 rows without a visible sentence are left out, the first on line 3" in caplog.text


visible = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), min_size=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(visible.filter(lambda text: not is_blank(text)), min_size=1, max_size=8))
def test_what_is_written_for_people_and_programs_is_read_back(tmp_path_factory, sentences):
    folder = tmp_path_factory.mktemp("rows")
    for format in ("csv", "jsonl", "parquet", "tsv"):
        with open_writer(folder / f"a.{format}", format, ["id", "text"]) as writer:
            for number, sentence in enumerate(sentences):
                writer.write({"id": number, "text": sentence})
        assert texts(folder / f"a.{format}", encoding="utf-8") == sentences


def test_half_a_surrogate_pair_in_json_becomes_writable_text(tmp_path):
    assert texts(write(tmp_path / "a.jsonl", '{"text": "\\ud83d数据"}\n')) == ["?数据"]


@pytest.mark.parametrize("name", ["a.xls", "a.ods"])
def test_tables_that_cannot_be_read_say_what_to_save_them_as(tmp_path, name):
    with pytest.raises(DataError, match=r"save it as"):
        read_sentences(write(tmp_path / name, "[]"))


def test_damage_further_on_in_a_binary_table_is_an_error(tmp_path):
    path = tmp_path / "a.parquet"
    data = pyarrow.table({"text": [f"数据{i}" for i in range(5000)]})
    pyarrow.parquet.write_table(data, path, compression="NONE", use_dictionary=False, row_group_size=1000)
    damaged = bytearray(path.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 2000] = b"\xff" * 2000
    with pytest.raises(DataError, match="damaged after row"):
        texts(write(path, bytes(damaged)))


def test_numbers_in_cells_read_as_people_see_them(tmp_path):
    path = make_table(tmp_path / "a.xlsx", ["text", "n"], [[4.0, 1], [2.5, None]])
    assert texts(path) == ["4", "2.5"]
    assert [as_text(record.cells[0]) for record in open_table(path).read(["n"])] == ["1", ""]


# --- rows out


def read_back(path):
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    if path.suffix == ".xlsx":
        header, *rows = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
        return [dict(zip(header, row, strict=True)) for row in rows]
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def write_rows(target, format, rows=ROWS, **options):
    with open_writer(target, format, COLUMNS, **options) as writer:
        for row in rows:
            writer.write(row)
    return target


def test_tsv_has_one_line_a_row_and_full_decimals(tmp_path):
    content = write_rows(tmp_path / "a.tsv", "tsv").read_bytes().decode("utf-8")
    assert content.split("\n") == [
        "line\tsentence\tconfidence\tscores",
        "1\t推动 数据  共享\t0.5000\t[0.25, 0.75]",
        '3\t=1+1 "引号",😀\x00\t0.1235\t[1.0, 0.0]',
        "",
    ]


def test_csv_for_people_has_a_mark_and_reads_back(tmp_path):
    path = write_rows(tmp_path / "a.csv", "csv", [{"line": 1, "sentence": '一,"二"\n三'}])
    assert path.read_bytes().startswith(b"\xef\xbb\xbfline,sentence,confidence,scores\r\n")
    assert texts(path) == ['一,"二"\n三']


def test_csv_into_a_pipe_has_no_mark():
    stream = io.StringIO()
    write_rows(stream, "csv", ROWS[:1], decimals=None)
    assert stream.getvalue() == 'line,sentence,confidence,scores\n1,"推动\t数据\r\n共享",0.5,"[0.25, 0.75]"\n'


def test_json_lines_and_parquet_keep_lists_and_types(tmp_path):
    expected = [
        {"line": 1, "sentence": "推动\t数据\r\n共享", "confidence": 0.5, "scores": [0.25, 0.75]},
        {"line": 3, "sentence": '=1+1 "引号",😀\x00', "confidence": 0.1235, "scores": [1.0, 0.0]},
    ]
    for format in ("jsonl", "parquet"):
        assert read_back(write_rows(tmp_path / f"a.{format}", format)) == expected
    assert list(json.loads((tmp_path / "a.jsonl").read_text("utf-8").split("\n")[0])) == COLUMNS


def test_a_workbook_holds_numbers_as_numbers_and_formulas_as_text(tmp_path):
    path = write_rows(tmp_path / "a.xlsx", "xlsx")
    row = read_back(path)[1]
    assert row == {"line": 3, "sentence": '=1+1 "引号",😀', "confidence": 0.1235, "scores": "[1.0, 0.0]"}
    assert openpyxl.load_workbook(path).active["B3"].data_type == "s"


def test_a_workbook_cuts_cells_at_its_limit_and_says_so(tmp_path, caplog):
    path = write_rows(tmp_path / "a.xlsx", "xlsx", [{"sentence": "长" * 40_000}])
    assert len(read_back(path)[0]["sentence"]) == 32_767
    assert "row 2" in caplog.text


def test_a_workbook_refuses_more_rows_than_it_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("policy_bert.rows.writers._XLSX_MAX_ROWS", 2)
    with pytest.raises(DataError, match="write csv or parquet"):
        write_rows(tmp_path / "a.xlsx", "xlsx")
    assert os.listdir(tmp_path) == []


def test_parquet_is_written_in_row_groups_and_takes_late_values(tmp_path, monkeypatch):
    monkeypatch.setattr("policy_bert.rows.writers._ROW_GROUP", 2)
    rows = [{"line": i, "sentence": None if i < 3 else "一", "confidence": None, "scores": None} for i in range(5)]
    path = write_rows(tmp_path / "a.parquet", "parquet", rows)
    assert pyarrow.parquet.ParquetFile(path).num_row_groups == 3
    assert [row["sentence"] for row in read_back(path)] == [None, None, None, "一", "一"]


@pytest.mark.parametrize("format", ["tsv", "csv", "jsonl", "xlsx", "parquet"])
def test_no_rows_make_a_readable_file(tmp_path, format):
    path = write_rows(tmp_path / f"a.{format}", format, [])
    if format in ("xlsx", "parquet", "jsonl"):
        assert read_back(path) == []
    else:
        assert path.read_text("utf-8-sig").count("\n") == 1


@pytest.mark.parametrize("format", ["tsv", "csv", "jsonl", "xlsx", "parquet"])
def test_every_format_goes_to_a_binary_stream_that_stays_open(tmp_path, format):
    stream = io.BytesIO()
    write_rows(stream, format)
    assert not stream.closed
    path = write(tmp_path / f"a.{format}", stream.getvalue())
    rows = list(open_table(path).read(["line"]))
    assert [as_text(record.cells[0]) for record in rows if as_text(record.cells[0]).isdigit()][:2] in (
        ["1", "3"],
        ["1"],
    )


def test_binary_formats_go_through_the_buffer_of_a_text_stream(tmp_path):
    raw = io.BytesIO()
    text = io.TextIOWrapper(raw, encoding="utf-8")
    write_rows(text, "parquet")
    assert raw.getvalue().startswith(b"PAR1")


@pytest.mark.parametrize("format", ["tsv", "csv", "jsonl", "xlsx", "parquet"])
def test_an_exception_leaves_the_old_file_and_nothing_beside_it(tmp_path, format):
    path = write(tmp_path / "out", "old")
    with pytest.raises(KeyError):
        write_rows(path, format, [*ROWS, {"no column": 1}])
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_device_is_written_to_and_not_replaced():
    write_rows(os.devnull, "tsv")
    assert not os.path.isfile(os.devnull)


def test_unwritable_targets_and_unknown_formats_are_one_line_errors(tmp_path):
    for target, format, message in [
        (tmp_path, "tsv", "found a folder"),
        (tmp_path / "none" / "a.tsv", "tsv", "cannot write the file"),
        (tmp_path / "a.pdf", "pdf", "unknown format 'pdf'"),
    ]:
        with pytest.raises(DataError, match=message):
            open_writer(target, format, COLUMNS)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("format", ["tsv", "parquet"])
def test_a_full_disk_is_a_one_line_error(format):
    with pytest.raises(DataError, match="cannot write the file: No space left"):
        write_rows("/dev/full", format)


def test_the_format_follows_the_name():
    assert [format_of(name) for name in ("a.CSV", "a.txt", "a.ndjson", "b/a.parquet")] == [
        "csv",
        "tsv",
        "jsonl",
        "parquet",
    ]
    with pytest.raises(DataError, match="unknown format 'doc'"):
        format_of("a.doc")


def test_a_key_that_is_no_column_is_a_bug_of_the_caller(tmp_path):
    with pytest.raises(KeyError), open_writer(tmp_path / "a.tsv", "tsv", ["a"]) as writer:
        writer.write({"b": 1})


def test_rows_can_be_flushed_one_by_one():
    stream = io.BytesIO()
    with open_writer(io.BufferedWriter(stream), "jsonl", ["a"]) as writer:
        writer.write({"a": 1})
        writer.flush()
        assert stream.getvalue() == b'{"a": 1}\n'
