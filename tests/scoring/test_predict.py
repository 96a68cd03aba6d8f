from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from conftest import ROOT, SENTENCES, CheckpointFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policy_bert.command import progress_bar, run_command
from policy_bert.corpora.labelled_rows import scheme_from_labels
from policy_bert.corpora.reading import load_corpus
from policy_bert.errors import CheckpointError, UserError
from policy_bert.labels import LabelScheme, scheme_from_names
from policy_bert.predict import main
from policy_bert.rows import InputSentence
from policy_bert.scoring.classifier import PolicyClassifier, softmax
from policy_bert.scoring.engine import OnnxEngine
from policy_bert.scoring.rows import OutputOptions, scan_input, windows_of
from policy_bert.text import clean

HEADER = ["line", "sentence", "label", "label_name", "group", "confidence"]
ODD = ["数" * 5000, "发展😀", "a\x00b", "。", "Latin only", "\u2028", "数\u2028据"]


@pytest.fixture(scope="module")
def classifier(shared_checkpoint: Path) -> PolicyClassifier:
    return PolicyClassifier.from_pretrained(shared_checkpoint, threads=2)


@pytest.fixture
def run(shared_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[list[str]], str]]:
    """Runs the command; returns its status, its rows as fields, and stderr."""

    def call(*arguments: str | Path, model: bool = True) -> tuple[int, list[list[str]], str]:
        argv = [*map(str, arguments), *(["--model", str(shared_checkpoint)] if model else [])]
        try:
            status = run_command(main, argv)
        except SystemExit as end:
            status = int(end.code or 0)
        captured = capsys.readouterr()
        return status, [line.split("\t") for line in captured.out.split("\n")[:-1]], captured.err

    return call


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "in.txt"
    path.write_text("\n".join([*SENTENCES[:10], "", "  ", *SENTENCES[10:20]]) + "\n", encoding="utf-8")
    return path


def test_scores_are_probabilities_in_the_order_of_the_sentences(classifier: PolicyClassifier) -> None:
    scores = classifier.scores(SENTENCES)
    assert scores.dtype == np.float32
    assert scores.shape == (len(SENTENCES), 14)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(scores[::-1], classifier.scores(SENTENCES[::-1]), atol=1e-5)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.text(max_size=80), st.sampled_from(SENTENCES + tuple(ODD))), max_size=30),
    st.one_of(st.none(), st.integers(1, 7)),
)
def test_a_sentence_has_the_same_scores_whatever_stands_beside_it(
    classifier: PolicyClassifier, others: list[str], batch_size: int | None
) -> None:
    alone = classifier.scores([SENTENCES[0]])
    together = classifier.scores([*others, SENTENCES[0]], batch_size)
    assert len(together) == len(others) + 1
    np.testing.assert_allclose(together[-1:], alone, atol=1e-5)


def test_duplicates_in_a_window_are_scored_once(classifier: PolicyClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    logits = classifier.engine.logits
    monkeypatch.setattr(classifier.engine, "logits", lambda ids, mask: rows.append(len(ids)) or logits(ids, mask))
    scores = classifier.scores(["甲", "乙"] * 50)
    assert sum(rows) == 2
    np.testing.assert_array_equal(scores[:2], scores[98:])


def test_windows_are_scored_in_order(classifier: PolicyClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = classifier.scores(SENTENCES)
    monkeypatch.setattr(classifier.engine, "window_sentences", 7)
    np.testing.assert_allclose(classifier.scores(SENTENCES), expected, atol=1e-5)


def test_predictions_say_what_the_scores_say(classifier: PolicyClassifier, scheme: LabelScheme) -> None:
    predictions = classifier.predict([*SENTENCES[:20], "数" * 5000], top_k=3)
    for prediction in predictions:
        best = np.argsort(-prediction.scores)
        assert prediction.label == best[0]
        assert prediction.label_name == scheme.names[best[0]]
        assert prediction.group == scheme.group_of(int(best[0]))
        assert prediction.confidence == pytest.approx(prediction.scores.max())
        assert [name for name, _ in prediction.alternatives] == [scheme.names[label] for label in best[1:3]]
    assert [prediction.truncated for prediction in predictions] == [False] * 20 + [True]
    assert len({prediction.label for prediction in predictions}) > 2


def test_no_sentences_give_no_scores(classifier: PolicyClassifier) -> None:
    assert classifier.scores([]).shape == (0, 14)
    assert classifier.predict([]) == []


def test_sizes_less_than_one_are_refused(classifier: PolicyClassifier) -> None:
    with pytest.raises(UserError, match="batch size"):
        classifier.scores(["好"], batch_size=0)
    with pytest.raises(UserError, match="top_k"):
        classifier.predict(["好"], top_k=0)


def test_softmax_bears_large_logits() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e30, 0.0], [0.0, 0.0]], np.float32)), [[1, 0], [0.5, 0.5]])


def test_weights_that_give_no_numbers_are_refused(
    classifier: PolicyClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier.engine, "logits", lambda ids, mask: np.full((len(ids), 14), np.nan, np.float32))
    with pytest.raises(CheckpointError, match="corrupted weights"):
        classifier.scores(["好"])


def test_labels_and_scores_are_those_of_a_transformers_pipeline(tiny_checkpoint: Path) -> None:
    from transformers import pipeline

    texts = list(SENTENCES[:60])
    theirs = pipeline("text-classification", model=str(tiny_checkpoint), device="cpu")(texts, batch_size=8)
    ours = PolicyClassifier.from_pretrained(tiny_checkpoint).predict(texts)
    assert [prediction.label_name for prediction in ours] == [row["label"] for row in theirs]
    np.testing.assert_allclose([p.confidence for p in ours], [row["score"] for row in theirs], atol=1e-5)


def test_each_line_gives_a_row_and_blank_lines_none(run: Callable, text_file: Path) -> None:
    status, rows, err = run(text_file)
    assert (status, err) == (0, "")
    assert rows[0] == HEADER
    assert [int(row[0]) for row in rows[1:]] == [*range(1, 11), *range(13, 23)]
    assert [row[1] for row in rows[1:]] == list(SENTENCES[:20])
    assert all(len(row[5]) == 6 and 0 < float(row[5]) <= 1 for row in rows[1:])


def test_odd_lines_get_rows_and_long_ones_a_flag(run: Callable, tmp_path: Path) -> None:
    path = tmp_path / "odd.txt"
    path.write_text("\n".join(ODD), encoding="utf-8", newline="\n")
    status, rows, _ = run(path)
    assert status == 0
    assert rows[0] == [*HEADER, "truncated"]
    with_text = [text for text in ODD if not text.isspace()]
    assert [row[1] for row in rows[1:]] == with_text
    assert [row[-1] for row in rows[1:]] == ["1"] + ["0"] * (len(with_text) - 1)


def test_top_k_names_the_runners_up_and_all_scores_every_class(
    run: Callable, text_file: Path, scheme: LabelScheme
) -> None:
    _, rows, _ = run(text_file, "--top-k", 3, "--all-scores")
    assert rows[0] == [*HEADER, "alternatives", *scheme.names]
    for row in rows[1:]:
        scores = dict(zip(scheme.names, map(float, row[7:]), strict=True))
        first, second, third = sorted(scores, key=lambda name: -scores[name])[:3]
        assert row[3] == first
        assert row[6] == f"{second}:{scores[second]:.4f}|{third}:{scores[third]:.4f}"


def test_json_lines_have_the_same_keys_and_a_list_of_scores(
    run: Callable, text_file: Path, tmp_path: Path, classifier: PolicyClassifier
) -> None:
    output = tmp_path / "out.jsonl"
    assert run(text_file, "-o", output, "--all-scores", "--top-k", 2)[0] == 0
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert list(rows[0]) == [*HEADER, "alternatives", "scores", "truncated"]
    np.testing.assert_allclose([row["scores"] for row in rows], classifier.scores(SENTENCES[:20]), atol=2e-5)


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "xlsx", "parquet", "txt"])
def test_every_format_holds_the_same_rows(run: Callable, text_file: Path, tmp_path: Path, suffix: str) -> None:
    expected = run(text_file)[1]
    output = tmp_path / f"out.{suffix}"
    assert run(text_file, "-o", output) == (0, [], "")
    if suffix in ("tsv", "txt"):
        found = [line.split("\t") for line in output.read_text(encoding="utf-8").splitlines()]
    elif suffix == "csv":
        found = list(csv.reader(io.StringIO(output.read_text(encoding="utf-8-sig"))))
    elif suffix == "jsonl":
        records = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        found = [HEADER, *([str(row[key]) for key in HEADER] for row in records)]
    elif suffix == "xlsx":
        from openpyxl import load_workbook

        found = [[str(cell) for cell in row] for row in load_workbook(output).active.iter_rows(values_only=True)]
    else:
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(output)
        found = [table.column_names, *([str(row[key]) for key in HEADER] for row in table.to_pylist())]
    assert [row[:5] for row in found] == [row[:5] for row in expected]
    assert [float(row[5]) for row in found[1:]] == [float(row[5]) for row in expected[1:]]


def test_tables_are_read_by_a_named_column(run: Callable, text_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("编号,条文\n1,推动数据共享。\n2,实施补贴。\n", encoding="gb18030")
    _, rows, _ = run(path, "--text-column", "条文")
    assert [row[1] for row in rows[1:]] == ["推动数据共享。", "实施补贴。"]
    status, rows, err = run(path)
    assert (status, rows) == (2, [])
    assert "条文" in err


def test_standard_input_is_read_and_a_late_long_line_is_named(
    run: Callable, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(OnnxEngine, "window_sentences", 2)
    monkeypatch.setattr("logging.Logger.propagate", True, raising=False)
    text = "甲\n乙\n丙\n" + "数" * 100 + "\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    _, rows, err = run("-")
    assert rows[0] == HEADER
    assert len(rows) == 5
    assert "line 4: longer than the model takes" in err + caplog.text


def test_a_long_line_in_the_first_window_of_standard_input_is_flagged(
    run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(("甲\n" + "数" * 100).encode())))
    _, rows, _ = run("-", "-o", "-")
    assert rows[0][-1] == "truncated"
    assert [row[-1] for row in rows[1:]] == ["0", "1"]


def bad_calls(folder: Path) -> dict[str, list[str | Path]]:
    good, empty, binary = folder / "good.txt", folder / "empty.txt", folder / "binary.txt"
    good.write_text("推动数据共享。\n", encoding="utf-8")
    empty.write_bytes(b"")
    binary.write_bytes(bytes(range(256)) * 20)
    weightless, broken = folder / "weightless", folder / "broken"
    for path in (weightless, broken):
        path.mkdir()
        (path / "config.json").write_text("{}", encoding="utf-8")
        (path / "tokenizer.json").write_text("{}", encoding="utf-8")
    (broken / "model.safetensors").write_bytes(b"no weights")
    return {
        "missing file": [folder / "none.txt"],
        "folder": [folder],
        "empty": [empty],
        "binary": [binary],
        "undecodable": [good, "--encoding", "ascii"],
        "output folder is missing": [good, "-o", folder / "no" / "out.tsv"],
        "output is a folder": [good, "-o", weightless],
        "output equal to input": [good, "-o", good],
        "unknown format": [good, "--format", "docx"],
        "unknown extension": [good, "-o", folder / "out.docx"],
        "binary to stdout": [good, "--format", "xlsx"],
        "no weights": [good, "--model", weightless],
        "corrupted weights": [good, "--model", broken],
        "no such model": [good, "--model", folder / "no-model"],
        "batch size": [good, "--batch-size", "0"],
        "batch size is no number": [good, "--batch-size", "x"],
        "top k": [good, "--top-k", "0"],
        "threads": [good, "--threads", "-1"],
        "device": [good, "--device", "tpu"],
        "option": [good, "--nothing"],
        "column of plain text": [good, "--text-column", "x"],
    }


@pytest.mark.parametrize("case", [
    "missing file", "folder", "empty", "binary", "undecodable", "output folder is missing", "output is a folder",
    "output equal to input", "unknown format", "unknown extension", "binary to stdout", "no weights",
    "corrupted weights", "no such model", "batch size", "batch size is no number", "top k", "threads", "device",
    "option", "column of plain text",
])  # fmt: skip
def test_a_mistake_is_one_line_and_leaves_nothing_behind(run: Callable, tmp_path: Path, case: str) -> None:
    calls = bad_calls(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    status, rows, err = run(*calls[case], model="--model" not in calls[case])
    assert (status, rows) == (2, [])
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_an_output_without_permission_is_one_line(run: Callable, text_file: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    status, _, err = run(text_file, "-o", locked / "out.tsv")
    assert status == 2
    assert "permission" in err


def test_a_device_takes_rows_as_a_stream(run: Callable, text_file: Path) -> None:
    assert run(text_file, "-o", "/dev/null") == (0, [], "")
    assert not Path("/dev/null.parts").exists()


def interruptible() -> None:
    """Take Ctrl-C again where the tests themselves were started in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_reader_that_leaves_and_ctrl_c_end_quietly(shared_checkpoint: Path, tmp_path: Path) -> None:
    many = tmp_path / "many.txt"
    many.write_text("".join(f"推动数据共享{number}。\n" for number in range(30_000)), encoding="utf-8")
    command = [sys.executable, "-m", "policy_bert.predict", str(many), "--model", str(shared_checkpoint)]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert reader.stdout is not None
    assert reader.stdout.readline().startswith(b"line\t")
    reader.stdout.close()
    assert reader.stderr is not None
    assert reader.stderr.read() == b""
    assert reader.wait() == 0
    stopped = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=interruptible)
    assert stopped.stdout is not None
    stopped.stdout.readline()
    stopped.send_signal(signal.SIGINT)
    assert stopped.communicate()[1] == b""
    assert stopped.returncode == 130


def test_windows_are_bounded_in_sentences_and_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy_bert.scoring.rows._WINDOW_CHARACTERS", 10)
    sentences = [InputSentence(line, "字" * size) for line, size in enumerate([1, 1, 1, 1, 20, 1, 9, 1])]
    assert [len(window) for window in windows_of(sentences, 3)] == [3, 2, 2, 1]


def test_a_scan_counts_and_finds_the_one_text_that_is_too_long(classifier: PolicyClassifier) -> None:
    short = [InputSentence(1, "数" * 46), InputSentence(2, "a" * 400), InputSentence(3, " " * 400)]
    assert scan_input(classifier.tokenizer, short).truncated is False
    expanding = [*short, InputSentence(4, "\ufdfa" * 30)]  # a character that becomes four words
    scan = scan_input(classifier.tokenizer, expanding)
    assert (scan.sentences, scan.truncated) == (4, True)


def test_a_class_that_is_named_as_a_column_gets_a_name_of_its_own() -> None:
    scheme = scheme_from_names(["line", "其他"])
    assert tuple(OutputOptions(all_scores=True).columns(scheme))[-2:] == ("score:line", "其他")


def test_a_scheme_without_groups_leaves_the_group_empty(make_checkpoint: CheckpointFactory) -> None:
    folder = make_checkpoint(scheme=scheme_from_names(["是", "否"]), seed=3)
    assert {p.group for p in PolicyClassifier.from_pretrained(folder).predict(["好", "坏"], top_k=5)} == {""}


def test_progress_is_drawn_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_bar(10) as silent:
        silent.update(5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress_bar(100_000, done=50_000) as shown:
        shown.update(10)
    assert "50010/100000" in capsys.readouterr().err


def test_the_label_is_what_the_corpus_called_the_class_and_comes_back(
    make_checkpoint: CheckpointFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for names in (["4", "12", "30"], ["A1", "供给", "01"]):
        scheme = scheme_from_labels(names, "corpus")
        folder = make_checkpoint(scheme=scheme, seed=5)
        for suffix in ("csv", "jsonl", "xlsx", "parquet", "tsv"):
            (tmp_path / "in.txt").write_text("\n".join(SENTENCES[:40]), encoding="utf-8")
            output = tmp_path / f"out.{suffix}"
            assert run_command(main, [str(tmp_path / "in.txt"), "-o", str(output), "--model", str(folder)]) == 0
            predicted = PolicyClassifier.from_pretrained(folder).predict(SENTENCES[:40])
            corpus = load_corpus(output)
            assert len({p.label for p in predicted}) > 1
            assert {s.text: corpus.scheme.names[s.label] for s in corpus.sentences} == {
                clean(text): p.label_name for text, p in zip(SENTENCES, predicted, strict=False)
            }


def test_csv_cells_do_not_run_as_formulas_and_come_back_as_they_were(run: Callable, tmp_path: Path) -> None:
    texts = ['=HYPERLINK("http://example.org")', "-5%的增长", "@各部门", "+1", "'=x", "'引号", "普通句子。"]
    (tmp_path / "in.txt").write_text("\n".join(texts), encoding="utf-8")
    assert run(tmp_path / "in.txt", "-o", tmp_path / "out.csv")[0] == 0
    cells = [row[1] for row in csv.reader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8-sig")))]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    assert [row[1] for row in run(tmp_path / "out.csv")[1][1:]] == texts


def test_rows_that_cannot_be_scored_are_named_or_refused(run: Callable, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("推动数据共享。\n\u200b\n\ufeff\u2060 \n设立专项资金。\n", encoding="utf-8")
    status, rows, err = run(path)
    assert (status, len(rows)) == (0, 3)
    assert "2 rows without a visible sentence are left out, the first on line 2" in err
    book = openpyxl.Workbook()
    for cell in ("text", *SENTENCES[:5], '="a"&"b"'):
        book.active.append([cell])
    book.create_sheet("二").append(["text"])
    book["二"].append(["推动数据共享。"])
    book.save(tmp_path / "a.xlsx")
    status, rows, err = run(tmp_path / "a.xlsx")
    assert (status, rows) == (2, [])
    assert "line 7: column 'text': a formula without a stored value" in err
    assert [row[1] for row in run(tmp_path / "a.xlsx", "--sheet", "二")[1][1:]] == ["推动数据共享。"]


def test_western_text_is_scored_as_written_and_the_guess_is_named(run: Callable, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(("Plain line.\n" * 200 + "The café pays £5.\n").encode("cp1252"))
    status, rows, err = run(path)
    assert (status, len(rows), rows[-1][1]) == (0, 202, "The café pays £5.")
    assert "windows-1252, which is a guess" in err
    big5 = tmp_path / "b.txt"
    big5.write_bytes("數位經濟發展條例".encode("big5"))
    assert run(big5, "--encoding", "big5")[1][1][1] == "數位經濟發展條例"


INTERRUPTED_IMPORT = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)
except KeyboardInterrupt:
    raise ImportError("initialization failed")
"""


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("module", [["policy_bert.predict"], ["policy_bert", "predict"], ["policy_bert.train"]])
def test_ctrl_c_while_the_program_is_imported_is_quiet(module: list[str], tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text(INTERRUPTED_IMPORT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", *module, "-"]
    done = subprocess.run(command, input=b"", capture_output=True, env=environment, preexec_fn=interruptible)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_a_users_modules_do_not_take_the_librarys_place(tmp_path: Path, shared_checkpoint: Path) -> None:
    for name in ("csv", "html", "json", "numpy", "signal", "tqdm", "random"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError\n", encoding="utf-8")
    (tmp_path / "in.txt").write_text("推动数据共享。\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "policy_bert.predict",
        "in.txt",
        "-o",
        "out.csv",
        "--model",
        str(shared_checkpoint),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
