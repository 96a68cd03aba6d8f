"""`project.qdpx` and `codebook.qdc`: the coding as a REFI-QDA 1.0 exchange, which QDA programs open.

Sides are parent codes, classes the codes below them, and 未编码 is a code of its own. Every document is a plain-text
source with line feeds and a case with its variables; every coded unit is a selection by position in Unicode code
points, its confidence in the description. The first user is the person who is to code: QualCoder takes that name for
its coder. Identifiers depend on the content alone, so the same analysis gives the same project. Schema: REFI-QDA
standard 1.0, Project.xsd and Codebook.xsd of 18 March 2019, www.qdasoftware.org.
"""

from __future__ import annotations

import datetime
import re
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import XMLGenerator

from policy_bert import __version__
from policy_bert.labels import Label, LabelScheme
from policy_bert.reports.coding import CodedDocument, CodedUnit, Coding
from policy_bert.reports.columns import PROTOCOL, UNCODED, UNCODED_MEANING
from policy_bert.reports.listing import alternatives_text
from policy_bert.reports.palette import group_colours, label_colours

PROJECT_NAMESPACE = "urn:QDA-XML:project:1.0"
CODEBOOK_NAMESPACE = "urn:QDA-XML:codebook:1.0"
ORIGIN = f"policy_bert {__version__}"
NOTE_START = "置信度 "
CODER = "编码员 Coder"
CASE_VARIABLE = "Case: "  # importers take a variable for one of documents or of cases, never of both

_NAMESPACE = uuid.UUID("6f0c2b1e-5d0a-5f61-9a3c-0b8f3f0e7d52")
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def stable_guid(*parts: str) -> str:
    """A GUID that is the same whenever the parts are (UUID version 5)."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts).encode("utf-8", "replace").decode("utf-8")))


def write_codebook(scheme: LabelScheme, path: Path) -> None:
    """Write `codebook.qdc`: the sides as parent codes, the classes below them, with definitions and colours."""
    with path.open("wb") as out:
        _write_codes(_Xml(out), scheme, xmlns=CODEBOOK_NAMESPACE, origin=ORIGIN)


def write_project(coding: Coding, path: Path, now: datetime.datetime | None = None) -> None:
    """Write `project.qdpx` in a stream: `project.qde` and one text file a document under `sources/`.

    It carries the time `now` in UTC, by default the current one.
    """
    stamp = (now or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y-%m-%dT%H:%M:%SZ")
    description = path.with_suffix(".qde")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with description.open("wb") as out:
            _Project(_Xml(out), coding, archive, stamp).write()
        archive.write(description, "project.qde")
    description.unlink()


class _Xml:
    """An XML file that is written in a stream, with characters that XML forbids replaced."""

    def __init__(self, out: IO[bytes]) -> None:
        self._generator: Any = XMLGenerator(out, encoding="utf-8", short_empty_elements=True)  # type: ignore[arg-type]
        self._generator.startDocument()

    @contextmanager
    def element(self, tag: str, **attributes: str) -> Iterator[None]:
        self._generator.startElement(tag, {name: xml_text(value) for name, value in attributes.items()})
        yield
        self._generator.endElement(tag)

    def leaf(self, tag: str, text: str = "", **attributes: str) -> None:
        with self.element(tag, **attributes):
            if text:
                self._generator.characters(xml_text(text))


class _Project:
    def __init__(self, xml: _Xml, coding: Coding, archive: zipfile.ZipFile, stamp: str) -> None:
        self.xml, self.coding, self.archive, self.stamp = xml, coding, archive, stamp
        self.user = stable_guid("user", ORIGIN, coding.model_digest)
        self.made = {"creatingUser": self.user, "creationDateTime": stamp}
        self.types: dict[str, str] = {}

    def write(self) -> None:
        """Write the elements in the order of the schema: users, codes, variables, cases, sources, the protocol."""
        xml, made = self.xml, {"creatingUserGUID": self.user, "creationDateTime": self.stamp}
        with xml.element("Project", xmlns=PROJECT_NAMESPACE, name="policy_bert", origin=ORIGIN, **made):
            with xml.element("Users"):
                xml.leaf("User", guid=stable_guid("user", CODER), name=CODER, id="coder")
                xml.leaf("User", guid=self.user, name=ORIGIN, id="policy_bert")
            _write_codes(xml, self.coding.scheme)
            self._write_variables()
            for tag, write in (("Cases", self._write_case), ("Sources", self._write_source)):
                if self.coding.parts:
                    with xml.element(tag):
                        for document in self.coding.documents():
                            name = f"{document.id} {document.name}"
                            write(document, name, stable_guid("source", document.id, document.name, document.text))
            xml.leaf("Description", PROTOCOL)

    def _write_variables(self) -> None:
        """Declare a variable for every field that some document states, a number where the years are all numbers."""
        for document in self.coding.documents():
            for name, value in document.fields().items():
                number = name == "year" and value.isascii() and value.isdigit()
                if value and self.types.get(name) != "Text":
                    self.types[name] = "Integer" if number else "Text"
        if self.types:
            with self.xml.element("Variables"):
                for prefix in ("", CASE_VARIABLE):
                    for name, kind in self.types.items():
                        guid = stable_guid("variable", prefix + name)
                        self.xml.leaf("Variable", guid=guid, name=prefix + name, typeOfVariable=kind)

    def _write_values(self, document: CodedDocument, prefix: str) -> None:
        fields = document.fields()
        for name, kind in self.types.items():
            if fields.get(name):
                with self.xml.element("VariableValue"):
                    self.xml.leaf("VariableRef", targetGUID=stable_guid("variable", prefix + name))
                    self.xml.leaf(f"{kind}Value", fields[name])

    def _write_case(self, document: CodedDocument, name: str, source: str) -> None:
        with self.xml.element("Case", guid=stable_guid("case", source), name=name):
            self._write_values(document, CASE_VARIABLE)
            self.xml.leaf("SourceRef", targetGUID=source)

    def _write_source(self, document: CodedDocument, name: str, guid: str) -> None:
        # One character for one, so that positions stay: no "\r", which importers fold, and nothing UTF-8 cannot hold.
        text = re.sub(r"[\r\ud800-\udfff]", " ", document.text)
        self.archive.writestr(f"sources/{guid}.txt", text.encode("utf-8"))
        with self.xml.element("TextSource", guid=guid, name=name, plainTextPath=f"internal://{guid}.txt", **self.made):
            for unit in document.units:
                if unit.label is not None:
                    self._write_selection(guid, unit, unit.label)
            self._write_values(document, "")

    def _write_selection(self, source: str, unit: CodedUnit, label: int) -> None:
        xml, scheme, guid = self.xml, self.coding.scheme, stable_guid("selection", source, unit.id)
        place = {"startPosition": str(unit.start), "endPosition": str(unit.end)}
        with xml.element("PlainTextSelection", guid=guid, name=unit.id, **place, **self.made):
            xml.leaf("Description", confidence_note(unit, scheme))
            with xml.element("Coding", guid=stable_guid("coding", source, unit.id), **self.made):
                xml.leaf("CodeRef", targetGUID=label_guid(scheme, label))


def confidence_note(unit: CodedUnit, scheme: LabelScheme) -> str:
    """What the description of a coded selection says: confidence, runners-up, and whether to review it."""
    review = "；待复核" if unit.review else ""
    return f"{NOTE_START}{unit.confidence:.4f}；备选 {alternatives_text(unit, scheme)}{review}"


def label_guid(scheme: LabelScheme, label: int) -> str:
    """The GUID of a class's code."""
    return stable_guid("code", scheme.name, str(label), scheme.names[label])


def xml_text(text: str) -> str:
    """The text with U+FFFD for every character that XML 1.0 forbids."""
    return _NOT_XML.sub("\ufffd", text)


def _write_codes(xml: _Xml, scheme: LabelScheme, **attributes: str) -> None:
    """Write the codebook: sides with their classes, classes without a side, and 未编码."""
    colours, sides = label_colours(scheme), group_colours(scheme)

    def write_labels(labels: Iterable[Label]) -> None:
        for label in labels:
            guid, colour = label_guid(scheme, label.id), colours[label.id]
            with xml.element("Code", guid=guid, name=label.name, isCodable="true", color=colour):
                english = ": ".join(filter(None, (label.english, label.definition)))
                xml.leaf("Description", "\n".join(filter(None, (label.chinese_definition, english))))

    with xml.element("CodeBook", **attributes), xml.element("Codes"):
        for group in scheme.groups:
            guid = stable_guid("group", scheme.name, group.id)
            with xml.element("Code", guid=guid, name=group.name, isCodable="false", color=sides[group.id]):
                xml.leaf("Description", group.english)
                write_labels(scheme.in_group(group.id))
        write_labels(label for label in scheme.labels if label.group not in sides)
        if UNCODED not in scheme.names:
            guid = stable_guid("code", scheme.name, UNCODED)
            with xml.element("Code", guid=guid, name=UNCODED, isCodable="true", color="#9AA0A6"):
                xml.leaf("Description", UNCODED_MEANING)
