"""The QDA project: valid, complete, and its positions hold the units' texts."""

import datetime
import zipfile
from pathlib import Path

import pytest
from lxml import etree
from report_samples import PLAIN_SCHEME, SCHEME, make_coding

from policy_bert.reports.qda import stable_guid, write_codebook, write_project, xml_text

SCHEMAS = Path(__file__).parent / "refi_qda"
P = "{urn:QDA-XML:project:1.0}"
C = "{urn:QDA-XML:codebook:1.0}"
NOW = datetime.datetime(2024, 5, 1, tzinfo=datetime.timezone.utc)


def assert_valid(tree, schema):
    xsd = etree.XMLSchema(etree.parse(str(SCHEMAS / schema)))
    assert xsd.validate(tree), xsd.error_log


@pytest.fixture(scope="module", params=["with sides", "without sides"])
def project(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("qda")
    scheme = SCHEME if request.param == "with sides" else PLAIN_SCHEME
    coding = make_coding(folder, scheme)
    write_project(coding, folder / "project.qdpx", NOW)
    with zipfile.ZipFile(folder / "project.qdpx") as archive:
        tree = etree.fromstring(archive.read("project.qde"))
        sources = {name: archive.read(name) for name in archive.namelist() if name != "project.qde"}
    return coding, tree, sources


def test_the_project_is_valid(project):
    assert_valid(project[1], "project.xsd")


def test_every_coded_unit_is_one_selection_whose_text_is_the_unit(project):
    coding, tree, sources = project
    names = {code.get("guid"): code.get("name") for code in tree.iter(f"{P}Code")}
    found = []
    for source in tree.iter(f"{P}TextSource"):
        guid = source.get("plainTextPath").removeprefix("internal://")
        text = sources[f"sources/{guid}"].decode("utf-8")
        for selection in source.iter(f"{P}PlainTextSelection"):
            start, end = int(selection.get("startPosition")), int(selection.get("endPosition"))
            (reference,) = selection.iter(f"{P}CodeRef")
            found.append((selection.get("name"), text[start:end], names[reference.get("targetGUID")]))
    wanted = [
        (unit.id, unit.text, coding.scheme.names[unit.label])
        for document in coding.documents()
        for unit in document.units
        if unit.label is not None
    ]
    assert found == wanted
    assert any("\U00020bb7" in text for _, text, _ in found), "no character beyond the basic plane was tried"


def test_the_codes_are_the_sides_with_their_classes(project):
    coding, tree, _ = project
    top = tree.find(f"{P}CodeBook/{P}Codes")
    parents = {code.get("name"): [child.get("name") for child in code.iter(f"{P}Code")][1:] for code in top}
    assert parents.pop("未编码") == []
    if coding.scheme.groups:
        assert parents == {g.name: [label.name for label in coding.scheme.in_group(g.id)] for g in coding.scheme.groups}
        assert {code.get("isCodable") for code in top if code.get("name") != "未编码"} == {"false"}
    else:
        assert parents == {name: [] for name in coding.scheme.names}


def test_every_coding_has_one_note_with_its_confidence(project):
    coding, tree, _ = project
    confidences = {u.id: u.confidence for d in coding.documents() for u in d.units if u.label is not None}
    selections = list(tree.iter(f"{P}PlainTextSelection"))
    assert len(selections) == len(confidences)
    assert not list(tree.iter(f"{P}Note"))
    for selection in selections:
        assert f"{confidences[selection.get('name')]:.4f}" in selection.findtext(f"{P}Description")


def test_every_document_is_a_case_with_its_variables_and_the_year_a_number(project):
    coding, tree, _ = project
    variables = {v.get("guid"): (v.get("name"), v.get("typeOfVariable")) for v in tree.iter(f"{P}Variable")}
    sources = {source.get("guid"): source for source in tree.iter(f"{P}TextSource")}
    cases = list(tree.iter(f"{P}Case"))
    assert len(cases) == len(sources) == len(coding.parts)
    for case, document in zip(cases, coding.documents(), strict=True):
        source = sources[case.find(f"{P}SourceRef").get("targetGUID")]
        assert case.get("name") == source.get("name") == f"{document.id} {document.name}"
        for element, prefix in ((case, "Case: "), (source, "")):
            values = {}
            for value in element.iter(f"{P}VariableValue"):
                name, kind = variables[value[0].get("targetGUID")]
                assert value[1].tag == f"{P}{kind}Value"
                assert (kind == "Integer") == (name == prefix + "year")
                values[name.removeprefix(prefix)] = value[1].text
            assert values == {key: value for key, value in document.fields().items() if value}


def test_the_first_user_is_the_person_who_codes_and_no_coding_is_theirs(project):
    """QualCoder makes the first user its coder."""
    users = {user.get("name"): user.get("guid") for user in project[1].iter(f"{P}User")}
    person, machine = users
    assert (person, machine.startswith("policy_bert")) == ("编码员 Coder", True)
    assert {coding.get("creatingUser") for coding in project[1].iter(f"{P}Coding")} == {users[machine]}


def test_codes_are_described_in_chinese_and_english_and_the_project_says_how_to_code(project):
    coding, tree, _ = project
    found = {code.get("name"): code.findtext(f"{P}Description") for code in tree.iter(f"{P}Code")}
    for label in coding.scheme.labels:
        for text in (label.chinese_definition, label.english, label.definition):
            assert text in (found[label.name] or "")
    assert "no policy instrument" in found["未编码"]
    assert "盲编" in tree.findtext(f"{P}Description")
    assert "Code blind" in tree.findtext(f"{P}Description")


def test_identifiers_are_unique_and_the_same_in_every_run(project, tmp_path):
    coding, tree, _ = project
    guids = [node.get("guid") for node in tree.iter() if node.get("guid")]
    assert len(guids) == len(set(guids))
    for name in ("first", "second"):
        write_project(coding, tmp_path / f"{name}.qdpx", NOW)
    first, second = (zipfile.ZipFile(tmp_path / f"{name}.qdpx") for name in ("first", "second"))
    assert first.namelist() == second.namelist()
    assert all(first.read(name) == second.read(name) for name in first.namelist())
    assert [
        node.get("guid") for node in etree.fromstring(first.read("project.qde")).iter() if node.get("guid")
    ] == guids


def test_the_sources_are_plain_utf8_with_line_feeds(project):
    for name, content in project[2].items():
        assert name.endswith(".txt")
        assert not content.startswith(b"\xef\xbb\xbf")
        assert b"\r" not in content
        content.decode("utf-8")


def test_a_carriage_return_does_not_move_positions(tmp_path):
    from policy_bert.reports.coding import CodedDocument, CodedUnit, Coding, write_part

    text = "标题\r\n设立专项资金\ud800。\r\n"
    unit = CodedUnit("01-1-1-1", 4, 12, text[4:12], (), "content", 1, 0.9, ((1, 0.9), (2, 0.1)), False, "", 0.5)
    write_part(CodedDocument("01", "a\x00.txt", text, units=(unit,)), tmp_path / "1.jsonl")
    write_project(Coding(SCHEME, (tmp_path / "1.jsonl",)), tmp_path / "p.qdpx", NOW)
    with zipfile.ZipFile(tmp_path / "p.qdpx") as archive:
        tree = etree.fromstring(archive.read("project.qde"))
        (name,) = [name for name in archive.namelist() if name.endswith(".txt")]
        content = archive.read(name).decode("utf-8")
    assert_valid(tree, "project.xsd")
    (selection,) = tree.iter(f"{P}PlainTextSelection")
    assert content[int(selection.get("startPosition")) : int(selection.get("endPosition"))] == "设立专项资金 。"


def test_the_codebook_is_valid_and_complete(tmp_path):
    write_codebook(SCHEME, tmp_path / "codebook.qdc")
    tree = etree.parse(str(tmp_path / "codebook.qdc"))
    assert_valid(tree, "codebook.xsd")
    names = [code.get("name") for code in tree.iter(f"{C}Code")]
    assert sorted(names) == sorted([*SCHEME.names, "未编码", *(group.name for group in SCHEME.groups)])


def test_guids_depend_on_every_part():
    assert stable_guid("a", "b") == stable_guid("a", "b") != stable_guid("ab")
    assert stable_guid("\ud800") == stable_guid("?")


def test_characters_that_xml_forbids_are_replaced():
    assert xml_text("甲\x00\x0b乙\t\n\ud800") == "甲\ufffd\ufffd乙\t\n\ufffd"
