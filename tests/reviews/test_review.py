import csv
import io
import json
import logging
import random
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import krippendorff
import numpy as np
import openpyxl
import pytest
from report_samples import SCHEME, make_coding, write_sheet
from sklearn.metrics import cohen_kappa_score

from policy_bert.command import run_command
from policy_bert.errors import DataError
from policy_bert.reports import columns
from policy_bert.reports.qda import PROJECT_NAMESPACE, write_project
from policy_bert.review import main
from policy_bert.reviews.correction import corrected_shares
from policy_bert.reviews.sheet import PROBABILITY, read_coding_sheet

NONE = len(SCHEME)
NAMES = [*SCHEME.names, columns.UNCODED]


@pytest.fixture(autouse=True)
def log(monkeypatch):
    """What the command logs, whichever stream the package's own handler was made for."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.getLogger("policy_bert.review").addHandler(handler)
    yield text
    logging.getLogger("policy_bert.review").removeHandler(handler)


def simulate(seed: int = 0, units: int = 800, reviewed: int = 300, error: float = 0.1) -> list[dict[str, object]]:
    """Rows of a coding table: a classifier right in two of three units, reviewers of known error on a random part."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, NONE, units)
    confidence = rng.uniform(0.3, 1, units).round(4)
    predicted = np.where(rng.random(units) < confidence, truth, rng.integers(0, NONE, units) // 2)
    human = np.where(rng.random(units) < error, rng.integers(0, NONE + 1, units), truth)
    numbers = rng.permutation(units) / units
    return [
        {
            columns.UNIT: f"{i % 8 + 1:02d}-1-1-{i}",
            columns.DOCUMENT_ID: f"{i % 8 + 1:02d}",
            columns.DOCUMENT: f"意见 {i % 8 + 1}.docx",
            columns.TEXT: f"第{i}项：推动数据共享。",
            columns.LABEL: NAMES[predicted[i]],
            columns.CONFIDENCE: float(confidence[i]),
            columns.HUMAN: NAMES[human[i]] if numbers[i] < reviewed / units else None,
            columns.RANDOM: float(numbers[i]),
        }
        for i in range(units)
    ]


def run_json(capsys, *arguments) -> dict:
    assert run_command(main, [str(a) for a in arguments] + ["--json"]) == 0
    return json.loads(capsys.readouterr().out)


def codes(rows: list[dict[str, object]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    predicted = np.array([NAMES.index(row[columns.LABEL]) for row in rows])
    reviewed = np.flatnonzero([row[columns.HUMAN] is not None for row in rows])
    return predicted, reviewed, np.array([NAMES.index(rows[i][columns.HUMAN]) for i in reviewed])


def test_figures_equal_independent_implementations(tmp_path, capsys):
    rows = simulate()
    found = run_json(capsys, write_sheet(tmp_path / "coding.xlsx", rows))
    predicted, reviewed, human = codes(rows)
    machine = predicted[reviewed]
    assert found["reviewed_units"] == 300
    assert found["agreement"]["value"] == pytest.approx(np.mean(machine == human))
    assert found["kappa"]["value"] == pytest.approx(cohen_kappa_score(machine, human))
    alpha = krippendorff.alpha(reliability_data=[machine, human], level_of_measurement="nominal")
    assert found["alpha"]["value"] == pytest.approx(alpha)
    for part in found["classes"]:
        label = NAMES.index(part["label_name"])
        assert part["kappa"]["value"] == pytest.approx(cohen_kappa_score(machine == label, human == label))
    counts = np.zeros((NONE + 1, NONE + 1), dtype=int)
    np.add.at(counts, (machine, human), 1)
    assert found["confusion"] == {"labels": NAMES, "counts": counts.tolist()}
    for share in found["shares"]["classes"]:
        label = NAMES.index(share["label_name"])
        mean_error = np.mean((human == label) * 1 - (machine == label))
        assert share["corrected"] == pytest.approx(max(0, np.mean(predicted == label) + mean_error))
        assert share["low"] <= share["corrected"] <= share["high"]
    assert found["shares"]["design"] == "random"
    assert [group["name"] for group in found["shares"]["groups"]] == ["供给", "环境", "需求"]
    supply = sum(s["classified"] for s in found["shares"]["classes"][:5])
    assert found["shares"]["groups"][0]["classified"] == pytest.approx(supply)


def test_codes_may_be_names_ids_english_or_none(tmp_path):
    human = ["人才培养", 1, "2", 3.0, "infrastructure", "未编码", "无", None, "  "]
    rows = [{columns.TEXT: f"句{i}", columns.LABEL: "公共服务", columns.HUMAN: h} for i, h in enumerate(human)]
    sheet = read_coding_sheet(write_sheet(tmp_path / "c.xlsx", rows))
    assert [unit.human for unit in sheet.units] == [0, 1, 2, 3, 4, NONE, NONE, None, None]
    assert [unit.row for unit in sheet.units] == list(range(2, 11))
    assert sheet.scheme.names == SCHEME.names
    assert [sheet.scheme.group_of(label) for label in (0, 5, 13)] == ["供给", "环境", "需求"]


def test_table_may_go_over_several_sheets(tmp_path):
    path = write_sheet(tmp_path / "c.xlsx", simulate(units=5, reviewed=5))
    book = openpyxl.load_workbook(path)
    second = book.create_sheet(columns.SHEET_CODING + "2")
    for row in book[columns.SHEET_CODING].iter_rows(values_only=True):
        second.append(row)
    book.save(path)
    assert [(u.sheet, u.row) for u in read_coding_sheet(path).units][4:6] == [("编码表", 6), ("编码表2", 2)]


def test_unknown_codes_are_listed_with_their_rows_in_one_line(tmp_path, capsys):
    rows = simulate(units=30, reviewed=30)
    rows[3][columns.HUMAN], rows[7][columns.HUMAN], rows[9][columns.RANDOM] = "人材培养", 14, "x"
    assert run_command(main, [str(write_sheet(tmp_path / "c.xlsx", rows))]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "found 3 others: row 5 人工编码 '人材培养'; row 9 人工编码 '14'; row 11 随机数 'x'" in captured.err


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "found a folder"),
        (lambda path: path.write_bytes(b"PK\x03\x04 broken"), "expected an .xlsx workbook"),
        (lambda path: write_sheet(path, [], header=["文本", "类别"]), "expected the columns 人工编码 in row 1"),
        (lambda path: write_sheet(path, []), "has no rows"),
        (lambda path: write_sheet(path, simulate(units=9, reviewed=0)), "no unit has a human code"),
        (lambda path: write_sheet(path, simulate(units=9), codebook=False), "name them with --labels"),
        (lambda path: openpyxl.Workbook().save(path), "expected a sheet 编码表|no sheet 码本"),
    ],
)
def test_wrong_workbooks_end_in_one_line(tmp_path, capsys, make, message):
    import re

    path = tmp_path / "coding.xlsx"
    make(path)
    assert run_command(main, [str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert re.search(message, captured.err)


def test_labels_file_stands_in_for_the_codebook(tmp_path, capsys):
    path = write_sheet(tmp_path / "c.xlsx", simulate(units=60, reviewed=60), codebook=False)
    labels = tmp_path / "labels.yaml"
    labels.write_text(SCHEME.to_yaml(), encoding="utf-8")
    found = run_json(capsys, path, "--labels", labels)
    assert [group["group"] for group in found["shares"]["groups"]] == ["supply", "environment", "demand"]


def test_report_and_tables_are_written_and_say_the_same(tmp_path, capsys):
    path = write_sheet(tmp_path / "c.xlsx", simulate())
    assert run_command(main, [str(path), "-o", str(tmp_path / "review")]) == 0
    printed = capsys.readouterr().out
    folder = tmp_path / "review"
    assert (folder / "reliability.md").read_text(encoding="utf-8") == printed
    figures = json.loads((folder / "reliability.json").read_text(encoding="utf-8"))
    assert f"Cohen's κ 为 {figures['kappa']['value']:.3f} [" in printed
    assert f"Cohen's κ {figures['kappa']['value']:.3f} [" in printed
    with (folder / "confusion.csv").open(encoding="utf-8-sig", newline="") as lines:
        table = list(csv.reader(lines))
    assert table[-1][-1] == "300"
    assert sum(int(row[-1]) for row in table[1:-1]) == 300
    with (folder / "shares.csv").open(encoding="utf-8-sig", newline="") as lines:
        shares = list(csv.DictReader(lines))
    assert [row["名称"] for row in shares] == ["供给", "环境", "需求", *NAMES]
    sides = {row["名称"]: row["校正后 %"] for row in shares}
    assert f"供给 {sides['供给']}% [" in printed
    with (folder / "disagreements.csv").open(encoding="utf-8-sig", newline="") as lines:
        differing = list(csv.DictReader(lines))
    assert len(differing) == round(300 * (1 - figures["agreement"]["value"]))
    assert all(row["类别"] != row["人工编码"] for row in differing)


def test_output_that_is_a_file_ends_in_one_line(tmp_path, capsys):
    path = write_sheet(tmp_path / "c.xlsx", simulate(units=20, reviewed=20))
    (tmp_path / "taken").write_text("x")
    assert run_command(main, [str(path), "-o", str(tmp_path / "taken")]) == 2
    assert "cannot write the review" in capsys.readouterr().err
    assert run_command(main, [str(path), "--export", str(tmp_path / "no folder" / "train.tsv")]) == 2
    assert "cannot write the training file" in capsys.readouterr().err


def pick_least_certain(rows, count):
    order = sorted(rows, key=lambda row: row[columns.CONFIDENCE])
    for row in rows:
        row[columns.HUMAN] = None
    for row in order[:count]:
        row[columns.HUMAN] = row[columns.LABEL]
    return rows


def test_least_certain_first_alone_corrects_no_share_and_says_why(tmp_path, capsys, log):
    path = write_sheet(tmp_path / "c.xlsx", pick_least_certain(simulate(), 200))
    assert run_command(main, [str(path), "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["shares"]["design"] == "none"
    assert found["shares"]["classes"] == []
    assert "Shares cannot be corrected without inclusion probabilities" in log.getvalue()
    assert run_command(main, [str(path)]) == 0
    printed = capsys.readouterr().out
    assert "未作占比校正" in printed
    assert "shares were not corrected" in printed
    assert run_command(main, [str(path), "--strata", "4"]) == 2
    assert "review some there, or ask for fewer strata" in capsys.readouterr().err


def test_random_part_of_a_picked_sample_corrects_the_shares(tmp_path, capsys):
    random_rows = simulate(reviewed=120)
    mixed = simulate(reviewed=120)
    for row in sorted(mixed, key=lambda row: row[columns.CONFIDENCE])[:250]:
        row[columns.HUMAN] = row[columns.HUMAN] or "公共服务"
    one = run_json(capsys, write_sheet(tmp_path / "a.xlsx", random_rows))["shares"]
    two = run_json(capsys, write_sheet(tmp_path / "b.xlsx", mixed))["shares"]
    assert two["design"] == "random numbers"
    assert two["reviewed_units"] >= 120
    for before, after in zip(one["classes"], two["classes"], strict=True):
        assert after["corrected"] == pytest.approx(before["corrected"], abs=0.02)


def test_strata_are_used_where_every_level_of_confidence_was_reviewed(tmp_path, capsys):
    rng = random.Random(3)
    rows = simulate(reviewed=800)
    for row in rows:
        keep = rng.random() < (0.6 if row[columns.CONFIDENCE] < 0.6 else 0.1)
        row[columns.HUMAN] = row[columns.HUMAN] if keep else None
        del row[columns.RANDOM]
    path = write_sheet(tmp_path / "c.xlsx", rows)
    automatic = run_json(capsys, path)["shares"]
    assert (automatic["design"], automatic["strata"]) == ("strata", 5)
    asked = run_json(capsys, path, "--strata", 3)["shares"]
    assert (asked["design"], asked["strata"]) == ("strata", 3)
    true = np.bincount([NAMES.index(row[columns.HUMAN]) for row in simulate(reviewed=800)], minlength=NONE + 1) / 800
    covered = [share["low"] <= t <= share["high"] for share, t in zip(automatic["classes"], true, strict=True)]
    assert np.mean(covered) >= 0.93


def test_probabilities_in_the_sheet_are_used(tmp_path, capsys):
    rows = simulate(reviewed=800)
    rng = random.Random(4)
    for row in rows:
        row[PROBABILITY] = 0.5 if row[columns.CONFIDENCE] < 0.6 else 0.2
        row[columns.HUMAN] = row[columns.HUMAN] if rng.random() < row[PROBABILITY] else None
    header = [*columns.CODING_COLUMNS, PROBABILITY]
    found = run_json(capsys, write_sheet(tmp_path / "c.xlsx", rows, header))["shares"]
    predicted, reviewed, human = codes(rows)
    chances = np.array([rows[i][PROBABILITY] for i in reviewed])
    documents = np.arange(800) % 8
    options = {"probabilities": chances, "documents": documents}
    expected = corrected_shares(predicted, reviewed, human, NONE + 1, **options)
    assert found["design"] == "probabilities"
    assert [s["high"] for s in found["classes"]] == pytest.approx([s.high for s in expected])
    rows[int(reviewed[0])][PROBABILITY] = 0
    assert run_command(main, [str(write_sheet(tmp_path / "c.xlsx", rows, header))]) == 2
    assert "expected a chance above 0 for every reviewed unit, found none in 1 rows" in capsys.readouterr().err


def test_shares_are_of_the_units_that_the_classifier_was_asked_about(tmp_path, capsys):
    rows = simulate(units=200, reviewed=200)
    title = {columns.TEXT: "标题", columns.LABEL: columns.UNCODED}
    doubtful = [{columns.TEXT: f"疑{i}", columns.LABEL: columns.UNCODED, columns.CONFIDENCE: 0.2} for i in range(20)]
    found = run_json(capsys, write_sheet(tmp_path / "a.xlsx", [title, *rows, *doubtful]))
    assert (found["units"], found["shares"]["units"], found["shares"]["includes_uncoded_units"]) == (221, 200, False)
    for row in doubtful:
        row[columns.HUMAN] = "公共服务"
    found = run_json(capsys, write_sheet(tmp_path / "b.xlsx", [title, *rows, *doubtful]))
    assert (found["shares"]["units"], found["shares"]["includes_uncoded_units"]) == (220, True)
    for row in rows:
        row[columns.HUMAN] = None
    title[columns.HUMAN] = columns.UNCODED
    for row in doubtful:
        row[columns.HUMAN] = None
    found = run_json(capsys, write_sheet(tmp_path / "c.xlsx", [title, *rows, *doubtful]))
    assert found["kappa"]["value"] is None
    assert found["shares"]["design"] == "none"


def test_export_appends_once_and_keeps_what_was_there(tmp_path, capsys, log):
    train = tmp_path / "train.tsv"
    train.write_bytes("推动数据共享。 \t3\r\n没有换行的最后一行。\t0".encode())
    texts = ["推动数据共享。", "建设\t数据中心。", "给予补助。", "标题", "给予补助。", "没有换行的最后一行。"]
    human = ["公共服务", "设施建设", 1, "未编码", "1", "科技投入"]
    rows = [{columns.TEXT: t, columns.LABEL: "公共服务", columns.HUMAN: h} for t, h in zip(texts, human, strict=True)]
    path = write_sheet(tmp_path / "c.xlsx", rows)
    for _ in range(2):
        assert run_command(main, [str(path), "--export", str(train)]) == 0
        expected = "推动数据共享。 \t3\r\n没有换行的最后一行。\t0\n建设 数据中心。\t4\n给予补助。\t1\n"
        assert train.read_bytes().decode() == expected
    assert "1 sentences stand there with another class" in log.getvalue()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    (tmp_path / "folder").mkdir()
    assert run_command(main, [str(path), "--export", str(tmp_path / "folder")]) == 2
    assert "cannot read the training file" in capsys.readouterr().err
    train.write_bytes(b"\xff\xfe\x00")
    assert run_command(main, [str(path), "--export", str(train)]) == 2
    assert "expected UTF-8" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ QDA projects


@pytest.fixture
def report(tmp_path):
    """A workbook and a project of the same documents, as `analyze` writes them, and the coded documents."""
    coding = make_coding(tmp_path, documents=3)
    write_project(coding, tmp_path / "project.qdpx")
    rows = [
        {
            columns.UNIT: unit.id,
            columns.DOCUMENT_ID: document.id,
            columns.DOCUMENT: document.name,
            columns.TEXT: unit.text,
            columns.LABEL: columns.UNCODED if unit.label is None else SCHEME.names[unit.label],
            columns.CONFIDENCE: unit.confidence,
            columns.START: unit.start,
            columns.RANDOM: unit.random,
        }
        for document in coding.documents()
        for unit in document.units
    ]
    write_sheet(tmp_path / "coding.xlsx", rows)
    return tmp_path, list(coding.documents())


def recode(project: Path, codings, users: bool = True) -> Path:
    """The project as QDA software saves it after a person added codings (source number, start, end, code name)."""
    ElementTree.register_namespace("", PROJECT_NAMESPACE)
    with zipfile.ZipFile(project) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    root = ElementTree.fromstring(members["project.qde"])
    tag = f"{{{PROJECT_NAMESPACE}}}"
    if users:
        ElementTree.SubElement(root.find(f"{tag}Users"), f"{tag}User", {"guid": "human", "name": "张三"})
    else:
        root.find(f"{tag}Users").clear()
    known = {code.get("name"): code.get("guid") for code in root.iter(f"{tag}Code")}
    extra = ElementTree.SubElement(root.find(f"{tag}CodeBook/{tag}Codes"), f"{tag}Code", {"guid": "x", "name": "重要"})
    known[extra.get("name")] = "x"
    sources = list(root.iter(f"{tag}TextSource"))
    for number, start, end, name in codings:
        place = {"guid": "s", "startPosition": str(start), "endPosition": str(end), "creatingUser": "human"}
        selection = ElementTree.SubElement(sources[number], f"{tag}PlainTextSelection", place)
        coding = ElementTree.SubElement(selection, f"{tag}Coding", {"guid": "c", "creatingUser": "human"})
        ElementTree.SubElement(coding, f"{tag}CodeRef", {"targetGUID": known[name]})
    members["project.qde"] = ElementTree.tostring(root, encoding="utf-8")
    target = project.with_name("coded.qdpx")
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def test_codings_in_qda_software_come_back_to_their_units(report, capsys):
    folder, documents = report
    codings, expected = [], {}
    for number, document in enumerate(documents):
        for place, unit in enumerate(u for u in document.units if u.kind == "content"):
            name = SCHEME.names[place % len(SCHEME)]
            # Whole sentences, sentences with a character more on each side, and phrases inside them.
            shift = (0, -1, 2)[place % 3]
            codings.append((number, max(0, unit.start + shift), unit.end - shift, name))
            expected[unit.id] = name
    project = recode(folder / "project.qdpx", codings)
    assert (
        run_command(main, [str(folder / "coding.xlsx"), "--qda", str(project), "--export", str(folder / "t.tsv")]) == 0
    )
    from policy_bert.reviews.project import apply_project

    sheet = apply_project(read_coding_sheet(folder / "coding.xlsx"), project)
    found = {unit.id: NAMES[unit.human] for unit in sheet.units if unit.human is not None}
    assert found == expected
    assert "𠮷" in (folder / "t.tsv").read_text(encoding="utf-8")


def test_paragraph_coding_reaches_its_units_and_ties_and_other_codes_are_left_out(report, capsys, log):
    from policy_bert.reviews.project import apply_project

    folder, documents = report
    units = [unit for unit in documents[0].units if unit.kind == "content"]
    middle = (units[3].start + units[3].end) // 2
    even = 2 * middle - units[3].start
    codings = [
        (0, units[0].start, units[1].end, "公共服务"),
        (0, units[2].start, units[2].end, "资金投入"),
        (0, units[2].start, units[2].start + 9, "科技投入"),
        (0, units[3].start, middle, "资金投入"),
        (0, middle, even, "科技投入"),
        (0, units[4].start, units[4].end, "重要"),
    ]
    project = recode(folder / "project.qdpx", codings)
    # Without the sheet's offsets, units are found in the source's own text.
    book = openpyxl.load_workbook(folder / "coding.xlsx")
    book[columns.SHEET_CODING].delete_cols(columns.CODING_COLUMNS.index(columns.START) + 1, 2)
    book.save(folder / "coding.xlsx")
    assert run_command(main, [str(folder / "coding.xlsx"), "--qda", str(project)]) == 0
    warnings = log.getvalue()
    assert "1 units carry two codes" in warnings
    assert "1 codings with codes that are no class are ignored (重要)" in warnings
    sheet = apply_project(read_coding_sheet(folder / "coding.xlsx"), project)
    found = {unit.id: NAMES[unit.human] for unit in sheet.units if unit.human is not None}
    assert found == {units[0].id: "公共服务", units[1].id: "公共服务", units[2].id: "资金投入"}


def test_project_of_the_classifier_alone_has_no_human_codes(report, capsys):
    folder, _ = report
    assert run_command(main, [str(folder / "coding.xlsx"), "--qda", str(folder / "project.qdpx")]) == 2
    assert "expected codings of a person's" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (None, "cannot be read"),
        ({"other.txt": "x"}, "found none"),
        ({"project.qde": "<Project"}, "cannot be read"),
        ({"project.qde": '<!DOCTYPE p [<!ENTITY a "b">]><Project>&a;</Project>'}, "实体声明"),
        (
            {
                "project.qde": '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE p [<!ENTITY a "b">]><p>&a;</p>'.encode(
                    "utf-16"
                )
            },
            "实体声明",
        ),
        ({"project.qde": "<Project/>"}, "none of its 0 texts"),
        ({"project.qde": '<Project><TextSource name="a" plainTextPath="internal://b.txt"/></Project>'}, "not in the"),
        (
            {"project.qde": '<Project><TextSource name="a"><PlainTextSelection/></TextSource></Project>'},
            "has no position",
        ),
    ],
)
def test_wrong_projects_end_in_one_line(tmp_path, capsys, members, message):
    sheet = write_sheet(tmp_path / "c.xlsx", simulate(units=9, reviewed=9))
    project = tmp_path / "p.qdpx"
    if members is None:
        project.write_bytes(b"no archive")
    else:
        with zipfile.ZipFile(project, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    assert run_command(main, [str(sheet), "--qda", str(project)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


def test_text_inside_the_project_file_is_read_and_huge_members_are_not(tmp_path, monkeypatch):
    from policy_bert.reviews import project as module

    sheet = read_coding_sheet(write_sheet(tmp_path / "c.xlsx", simulate(units=17, reviewed=3)[::8]))
    path = tmp_path / "p.qdpx"
    text = "".join(unit.text for unit in sheet.units)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "a.qde",
            '<Project><Code guid="1" name="资金投入"/><TextSource name="意见 1"><PlainTextContent>'
            f'{text}</PlainTextContent><PlainTextSelection startPosition="0" endPosition="{len(text)}">'
            '<Coding><CodeRef targetGUID="1"/></Coding></PlainTextSelection></TextSource></Project>',
        )
    assert [unit.human for unit in module.apply_project(sheet, path).units] == [1, 1, 1]
    monkeypatch.setattr(module, "MAX_MEMBER_BYTES", 10)
    with pytest.raises(DataError, match="is not read"):
        module.apply_project(sheet, path)
