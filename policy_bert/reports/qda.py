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
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from xml.sax.saxutils import XMLGenerator

from policy_bert import __version__
from policy_bert.labels import LabelScheme
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
        xml = _Xml(out)
        xml.open("CodeBook", {"xmlns": CODEBOOK_NAMESPACE, "origin": ORIGIN})
        _write_codes(xml, scheme)
        xml.close("CodeBook")


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
        self._generator = XMLGenerator(out, encoding="utf-8", short_empty_elements=True)  # type: ignore[arg-type]
        self._generator.startDocument()

    def open(self, name: str, attributes: Mapping[str, str] | None = None) -> None:
        self._generator.startElement(name, {k: xml_text(v) for k, v in (attributes or {}).items()})  # type: ignore[arg-type]

    def close(self, *names: str) -> None:
        for name in names:
            self._generator.endElement(name)

    def leaf(self, name: str, text: str = "", attributes: Mapping[str, str] | None = None) -> None:
        self.open(name, attributes)
        if text:
            self._generator.characters(xml_text(text))
        self.close(name)


class _Project:
    def __init__(self, xml: _Xml, coding: Coding, archive: zipfile.ZipFile, stamp: str) -> None:
        self.xml, self.coding, self.archive = xml, coding, archive
        self.user = stable_guid("user", ORIGIN, coding.model_digest)
        self.made = {"creatingUser": self.user, "creationDateTime": stamp}
        self.stamp = stamp
        self.types: dict[str, str] = {}

    def write(self) -> None:
        """Write the elements in the order of the schema: users, codes, variables, cases, sources, the protocol."""
        xml = self.xml
        attributes = {"xmlns": PROJECT_NAMESPACE, "name": "policy_bert", "origin": ORIGIN}
        xml.open("Project", attributes | {"creatingUserGUID": self.user, "creationDateTime": self.stamp})
        xml.open("Users")
        xml.leaf("User", attributes={"guid": stable_guid("user", CODER), "name": CODER, "id": "coder"})
        xml.leaf("User", attributes={"guid": self.user, "name": ORIGIN, "id": "policy_bert"})
        xml.close("Users")
        xml.open("CodeBook")
        _write_codes(xml, self.coding.scheme)
        xml.close("CodeBook")
        self._write_variables()
        if self.coding.parts:
            xml.open("Cases")
            for document in self.coding.documents():
                self._write_case(document)
            xml.close("Cases")
            xml.open("Sources")
            for document in self.coding.documents():
                self._write_source(document)
            xml.close("Sources")
        xml.leaf("Description", PROTOCOL)
        xml.close("Project")

    def _write_variables(self) -> None:
        """Declare a variable for every field that some document states, a number where the years are all numbers."""
        for document in self.coding.documents():
            for name, value in document.fields().items():
                number = name == "year" and value.isascii() and value.isdigit()
                if value and self.types.get(name) != "Text":
                    self.types[name] = "Integer" if number else "Text"
        if self.types:
            self.xml.open("Variables")
            for prefix in ("", CASE_VARIABLE):
                for name, kind in self.types.items():
                    guid = stable_guid("variable", prefix + name)
                    attributes = {"guid": guid, "name": prefix + name, "typeOfVariable": kind}
                    self.xml.leaf("Variable", attributes=attributes)
            self.xml.close("Variables")

    def _write_values(self, document: CodedDocument, prefix: str) -> None:
        fields = document.fields()
        for name, kind in self.types.items():
            if fields.get(name):
                self.xml.open("VariableValue")
                self.xml.leaf("VariableRef", attributes={"targetGUID": stable_guid("variable", prefix + name)})
                self.xml.leaf(f"{kind}Value", fields[name])
                self.xml.close("VariableValue")

    def _write_case(self, document: CodedDocument) -> None:
        source = _source_guid(document)
        self.xml.open("Case", {"guid": stable_guid("case", source), "name": f"{document.id} {document.name}"})
        self._write_values(document, CASE_VARIABLE)
        self.xml.leaf("SourceRef", attributes={"targetGUID": source})
        self.xml.close("Case")

    def _write_source(self, document: CodedDocument) -> None:
        xml = self.xml
        guid = _source_guid(document)
        # One character for one, so that positions stay: no "\r", which importers fold, and nothing UTF-8 cannot hold.
        text = re.sub(r"[\r\ud800-\udfff]", " ", document.text)
        self.archive.writestr(f"sources/{guid}.txt", text.encode("utf-8"))
        name = f"{document.id} {document.name}"
        xml.open("TextSource", {"guid": guid, "name": name, "plainTextPath": f"internal://{guid}.txt"} | self.made)
        for unit in document.units:
            if unit.label is not None:
                self._write_selection(guid, unit, unit.label)
        self._write_values(document, "")
        xml.close("TextSource")

    def _write_selection(self, source: str, unit: CodedUnit, label: int) -> None:
        xml = self.xml
        guid = stable_guid("selection", source, unit.id)
        place = {"startPosition": str(unit.start), "endPosition": str(unit.end)}
        xml.open("PlainTextSelection", {"guid": guid, "name": unit.id} | place | self.made)
        xml.leaf("Description", confidence_note(unit, self.coding.scheme))
        xml.open("Coding", {"guid": stable_guid("coding", source, unit.id)} | self.made)
        xml.leaf("CodeRef", attributes={"targetGUID": label_guid(self.coding.scheme, label)})
        xml.close("Coding", "PlainTextSelection")


def _source_guid(document: CodedDocument) -> str:
    return stable_guid("source", document.id, document.name, document.text)


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


def _write_codes(xml: _Xml, scheme: LabelScheme) -> None:
    colours, sides = label_colours(scheme), group_colours(scheme)

    def write_label(label: int) -> None:
        entry = scheme.labels[label]
        attributes = {"guid": label_guid(scheme, label), "name": entry.name, "isCodable": "true"}
        xml.open("Code", attributes | {"color": colours[label]})
        english = ": ".join(part for part in (entry.english, entry.definition) if part)
        xml.leaf("Description", "\n".join(part for part in (entry.chinese_definition, english) if part))
        xml.close("Code")

    xml.open("Codes")
    for group in scheme.groups:
        guid = stable_guid("group", scheme.name, group.id)
        xml.open("Code", {"guid": guid, "name": group.name, "isCodable": "false", "color": sides[group.id]})
        xml.leaf("Description", group.english)
        for label in scheme.in_group(group.id):
            write_label(label.id)
        xml.close("Code")
    known = {group.id for group in scheme.groups}
    for label in scheme.labels:
        if label.group not in known:
            write_label(label.id)
    if UNCODED not in scheme.names:
        guid = stable_guid("code", scheme.name, UNCODED)
        xml.open("Code", {"guid": guid, "name": UNCODED, "isCodable": "true", "color": "#9AA0A6"})
        xml.leaf("Description", UNCODED_MEANING)
        xml.close("Code")
    xml.close("Codes")
