"""Human codes come back from QDA software: projects in the shape that programs write, whatever people did there."""

import html
import io
import logging
import uuid
import zipfile
from types import SimpleNamespace

import pytest
from lxml import etree
from report_samples import SCHEME, make_coding, write_sheet

from policy_bert.errors import DataError
from policy_bert.reports import columns
from policy_bert.reports.qda import CODER, ORIGIN, write_project
from policy_bert.reviews.project import apply_project
from policy_bert.reviews.sheet import read_coding_sheet

NAMES = [*SCHEME.names, columns.UNCODED]
P = "{urn:QDA-XML:project:1.0}"
LINE_ENDS = ["\n", "\r\n", "\r\r\n"]  # as QualCoder exports, for MAXQDA or on Windows, and for MAXQDA on Windows


@pytest.fixture
def log():
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logger = logging.getLogger("policy_bert.review")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield text
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def report(tmp_path):
    """A workbook and a project as `analyze` writes them: the folder and the units by identifier."""
    coding = make_coding(tmp_path, documents=3)
    write_project(coding, tmp_path / "project.qdpx")
    documents = list(coding.documents())
    write_sheet(
        tmp_path / "coding.xlsx",
        [
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
            for document in documents
            for unit in document.units
        ],
    )
    units = {unit.id: (f"{document.id} {document.name}", unit) for document in documents for unit in document.units}
    return SimpleNamespace(folder=tmp_path, units=units, coding=coding)


def load(project):
    """What an importer keeps: texts, and codings with place, code, owner and note; the first user is its coder."""
    with zipfile.ZipFile(project) as archive:
        root = etree.fromstring(archive.read("project.qde"))
        users = {user.get("guid"): user.get("name") for user in root.iter(f"{P}User")}
        codes = {code.get("guid"): code.get("name") for code in root.iter(f"{P}Code")}
        texts, codings = {}, []
        for source in root.iter(f"{P}TextSource"):
            member = "sources/" + source.get("plainTextPath").removeprefix("internal://")
            texts[source.get("name")] = archive.read(member).decode("utf-8")
            for selection in source.iter(f"{P}PlainTextSelection"):
                coding = SimpleNamespace(
                    source=source.get("name"),
                    start=int(selection.get("startPosition")),
                    end=int(selection.get("endPosition")),
                    code=codes[selection.find(f"{P}Coding/{P}CodeRef").get("targetGUID")],
                    owner=users[selection.get("creatingUser")],
                    note=selection.findtext(f"{P}Description"),
                )
                codings.append(coding)
    return SimpleNamespace(coder=next(iter(users.values())), codes=list(codes.values()), texts=texts, codings=codings)


def save(kept, path, line_end="\n", names=lambda name: name, count=lambda text, offset: offset, notes=True):
    """Export as QualCoder does: new identifiers, users as far as they own something, texts with a byte order mark."""
    guid = lambda: str(uuid.uuid4())  # noqa: E731
    owners = {name: guid() for name in sorted({coding.owner for coding in kept.codings} | {ORIGIN})}
    codes = {name: guid() for name in kept.codes}
    with zipfile.ZipFile(path, "w") as archive:
        xml = [
            '<?xml version="1.0" encoding="utf-8"?><Project name="p" origin="QualCoder" xmlns="urn:QDA-XML:project:1.0">'
        ]
        xml += ["<Users>", *(f'<User guid="{own}" name="{name}" />' for name, own in owners.items()), "</Users>"]
        xml += ["<CodeBook><Codes>"]
        xml += [f'<Code guid="{own}" name="{name}" isCodable="true" />' for name, own in codes.items()]
        xml += ["</Codes></CodeBook><Sources>"]
        for name, text in kept.texts.items():
            file = f"{guid()}.txt"
            archive.writestr(f"sources/{file}", text.replace("\n", line_end).encode("utf-8-sig"))
            xml += [f'<TextSource plainTextPath="internal://{file}" guid="{guid()}" name="{html.escape(names(name))}">']
            for coding in (coding for coding in kept.codings if coding.source == name):
                start, end = count(text, coding.start), count(text, coding.end)
                xml += [
                    f'<PlainTextSelection guid="{guid()}" startPosition="{start}" endPosition="{end}" '
                    f'name="{html.escape(text[coding.start : coding.end])}" creatingUser="{owners[coding.owner]}">',
                    f"<Description>{html.escape(coding.note)}</Description>" if notes and coding.note else "",
                    f'<Coding guid="{guid()}" creatingUser="{owners[coding.owner]}">',
                    f'<CodeRef targetGUID="{codes[coding.code]}" /></Coding></PlainTextSelection>',
                ]
            xml += ["</TextSource>"]
        archive.writestr("project.qde", "\n".join([*xml, "</Sources></Project>"]))
    return path


def work(report, kept, owner):
    """A person changes, deletes, adds and confirms codes; what must come back, and the deleted units."""
    expected, deleted = {}, []
    coded = {(coding.source, coding.start): coding for coding in kept.codings}

    def add(source, start, end, code):
        kept.codings.append(SimpleNamespace(source=source, start=start, end=end, code=code, owner=owner, note=""))

    for number, (name, (source, unit)) in enumerate(report.units.items()):
        own = coded.get((source, unit.start))
        other = NAMES[(NAMES.index(own.code) + 1 + number) % len(NAMES)] if own else NAMES[number % len(NAMES)]
        if own and other == own.code:
            other = NAMES[(NAMES.index(own.code) + 1) % len(NAMES)]
        kind = number % 7
        if kind == 0 and own:
            own.code = expected[name] = other  # the machine's owner and note stay with the segment
        elif kind == 1 and own:
            kept.codings.remove(own)
            deleted.append(name)
        elif kind == 2:
            add(source, unit.start, unit.end, other)
            expected[name] = other
        elif kind == 3 and len(unit.text) > 9:
            add(source, unit.start + 2, unit.end - 3, other)
            expected[name] = other
        elif kind == 4 and own and owner != ORIGIN:
            add(source, unit.start, unit.end, own.code)  # agrees
            expected[name] = own.code
        elif kind == 5 and own and owner != ORIGIN:
            kept.codings.remove(own)
            add(source, unit.start, unit.end, own.code)  # codes blind, and agrees
            expected[name] = own.code
    return expected, deleted


def codes_of(report, project):
    sheet = apply_project(read_coding_sheet(report.folder / "coding.xlsx"), project)
    return {unit.id: NAMES[unit.human] for unit in sheet.units if unit.human is not None}


@pytest.mark.parametrize("line_end", LINE_ENDS)
@pytest.mark.parametrize("owner", [CODER, "张三", ORIGIN], ids=["first user", "own name", "the classifier's name"])
def test_every_code_of_a_person_comes_back_on_its_unit(report, log, owner, line_end):
    kept = load(report.folder / "project.qdpx")
    assert kept.coder == CODER
    expected, deleted = work(report, kept, owner)
    assert codes_of(report, save(kept, report.folder / "coded.qdpx", line_end)) == expected
    assert f"{len(deleted)} codings of the classifier's were deleted" in log.getvalue()
    assert ", ".join(deleted[:10]) in log.getvalue()
    assert ("line ends as one" in log.getvalue()) == (line_end != "\n")


@pytest.mark.parametrize(
    "count",
    [
        lambda text, offset: offset + text[:offset].count("\n"),
        lambda text, offset: len(text[:offset].encode("utf-16-le")) // 2,
        lambda text, offset: len(text[:offset].replace("\n", "\r\n").encode("utf-16-le")) // 2,
    ],
    ids=["CR LF is two", "UTF-16", "UTF-16, CR LF is two"],
)
def test_positions_are_read_in_the_way_that_fits(report, count):
    kept = load(report.folder / "project.qdpx")
    expected, _ = work(report, kept, "张三")
    assert codes_of(report, save(kept, report.folder / "coded.qdpx", "\r\n", count=count)) == expected


def test_positions_that_fit_no_reading_are_warned_of(report, log):
    kept = load(report.folder / "project.qdpx")
    work(report, kept, "张三")
    codes_of(report, save(kept, report.folder / "coded.qdpx", count=lambda text, offset: offset + 17))
    assert "do not coincide with the units' texts" in log.getvalue()


@pytest.mark.parametrize(
    "names",
    [lambda name: name.rpartition(".")[0], lambda name: name.partition(" ")[2], lambda name: f"文本 {hash(name)}"],
    ids=["without extension", "without identifier", "other names"],
)
def test_texts_are_found_by_stem_and_by_text(report, names):
    kept = load(report.folder / "project.qdpx")
    expected, _ = work(report, kept, "张三")
    assert codes_of(report, save(kept, report.folder / "coded.qdpx", names=names)) == expected


def test_texts_with_added_blanks_keep_their_codes(report):
    """QualCoder puts a blank behind every line end of a text with CR LF, and its positions count them."""
    kept = load(report.folder / "project.qdpx")
    expected, _ = work(report, kept, "张三")
    for coding in kept.codings:
        before = kept.texts[coding.source]
        coding.start += before[: coding.start].count("\n")
        coding.end += before[: coding.end].count("\n")
    kept.texts = {name: text.replace("\n", "\n ") for name, text in kept.texts.items()}
    assert codes_of(report, save(kept, report.folder / "coded.qdpx")) == expected


def test_codings_of_the_classifier_are_known_when_all_users_became_one(report, log):
    kept = load(report.folder / "project.qdpx")
    changed = kept.codings[5]
    changed.code = NAMES[(NAMES.index(changed.code) + 1) % len(NAMES)]
    for coding in kept.codings:
        coding.owner = "LR"
    expected = [changed.code]
    assert list(codes_of(report, save(kept, report.folder / "notes.qdpx")).values()) == expected
    assert list(codes_of(report, save(kept, report.folder / "bare.qdpx", notes=False)).values()) == expected
    assert "bear neither its user nor its notes" in log.getvalue()


def test_a_project_coded_blind_from_nothing_counts_agreement(report):
    kept = load(report.folder / "project.qdpx")
    first = kept.codings[:30]
    for number, coding in enumerate(first):
        coding.owner, coding.note = "张三", ""
        coding.code = NAMES[0] if number % 3 == 0 else coding.code
    kept.codings = first
    assert list(codes_of(report, save(kept, report.folder / "blind.qdpx")).values()) == [c.code for c in first]


def test_codings_that_reach_no_unit_are_counted_in_a_warning(report, log):
    kept = load(report.folder / "project.qdpx")
    work(report, kept, "张三")
    source = next(iter(kept.texts))
    kept.texts[source] += "\n附注：编码员另加的文字，不是原文。\n"
    end = len(kept.texts[source])
    kept.texts["另一份材料"] = "与本分析无关的一份材料，也有人编码。"
    for name, start in ((source, end - 12), ("另一份材料", 0)):
        coding = SimpleNamespace(source=name, start=start, end=start + 9, code=NAMES[0], owner="张三", note="")
        kept.codings.append(coding)
    codes_of(report, save(kept, report.folder / "coded.qdpx"))
    assert "1 codings of people lie on no unit" in log.getvalue()
    assert "1 texts with codings are no documents of the sheet (另一份材料)" in log.getvalue()


def test_another_analysis_is_refused(report):
    kept = load(report.folder / "project.qdpx")
    kept.texts = dict.fromkeys(kept.texts, "完全不同的另一份文件。\n" * 40)
    with pytest.raises(DataError, match="the name or the text of a document"):
        codes_of(report, save(kept, report.folder / "coded.qdpx", names=lambda name: "别的"))


def test_identifiers_may_be_in_capitals_and_braces(report):
    project = report.folder / "project.qdpx"
    kept = load(project)
    expected, _ = work(report, kept, "张三")
    save(kept, report.folder / "coded.qdpx")
    with zipfile.ZipFile(report.folder / "coded.qdpx") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    root = etree.fromstring(members["project.qde"])
    for element in root.iter(f"{P}Code", f"{P}User"):
        element.set("guid", "{" + element.get("guid").upper() + "}")
    members["project.qde"] = etree.tostring(root, encoding="utf-16")
    with zipfile.ZipFile(report.folder / "coded.qdpx", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert codes_of(report, report.folder / "coded.qdpx") == expected
