"""Human codes out of a REFI-QDA project (`.qdpx`), brought back to units by the place of the coded text."""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from policy_bert.errors import DataError
from policy_bert.reviews.sheet import CodingSheet, SheetUnit, parse_code

MACHINE_USER = "policy_bert"  # the user that `analyze` writes into a project begins so
MAX_MEMBER_BYTES = 512 * 2**20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ElementTree.ParseError, OSError)

log = logging.getLogger("policy_bert.review")


@dataclass(frozen=True)
class CodedSpan:
    """A stretch of a source's text with a class: code-point offsets, the end not included."""

    start: int
    end: int
    label: int


@dataclass(frozen=True)
class CodedSource:
    """A text of the project with what people coded in it."""

    name: str
    text: str
    spans: tuple[CodedSpan, ...]


def apply_project(sheet: CodingSheet, path: str | Path) -> CodingSheet:
    """The sheet with the human codes of a QDA project in place of its own.

    A coding counts for a unit when at least half of the shorter of the two lies in the other. Of several codes
    on a unit the one that covers most of it wins; a unit on which two cover as much is left out, with a warning.
    Codings of the user that `analyze` wrote are the classifier's, and do not count.

    Raises:
        DataError: The file is no project, holds none of the sheet's documents, or no coding of a person's.
    """
    path = Path(path)
    sources = read_project(path, sheet)
    names = {source.name: source for source in sources}
    by_document: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, unit in enumerate(sheet.units):
        by_document[unit.document_id, unit.document].append(index)
    units = [replace(unit, human=None) for unit in sheet.units]
    matched, ambiguous = 0, 0
    for (document_id, document), indices in by_document.items():
        source = names.get(f"{document_id} {document}".strip()) or names.get(document) or names.get(Path(document).stem)
        if source is None:
            continue
        matched += 1
        for index, place in zip(indices, _locate([units[i] for i in indices], source.text), strict=True):
            label, tied = _best_label(place, source.spans)
            ambiguous += tied
            units[index] = replace(units[index], human=label)
    if not matched:
        raise DataError(f"{path}: none of its {len(sources)} texts is named like a document of {sheet.path}")
    if matched < len(by_document):
        log.warning("%s: %d of %d documents are not in the project", path, len(by_document) - matched, len(by_document))
    if ambiguous:
        log.warning("%s: %d units carry two codes that cover them equally; they are left out", path, ambiguous)
    if all(unit.human is None for unit in units):
        raise DataError(f"{path}: expected codings of a person's on the units of {sheet.path}, found none")
    return replace(sheet, units=tuple(units))


def read_project(path: Path, sheet: CodingSheet) -> list[CodedSource]:
    """The plain-text sources of a project with the codings of people.

    Raises:
        DataError: The file cannot be read as a REFI-QDA project.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            described = [name for name in archive.namelist() if name.lower().endswith(".qde")]
            if not described:
                raise DataError(f"{path}: expected a REFI-QDA project with a .qde file inside, found none")
            xml = _read_member(archive, described[0], path)
            if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
                raise DataError(f"{path}: expected plain XML, found a document type declaration; it is not read")
            return _Reader(ElementTree.fromstring(xml), archive, path, sheet).sources()
    except _BROKEN as error:
        raise DataError(f"{path}: expected a REFI-QDA project (.qdpx), which cannot be read: {error}") from error


class _Reader:
    def __init__(self, root: ElementTree.Element, archive: zipfile.ZipFile, path: Path, sheet: CodingSheet) -> None:
        self.root, self.archive, self.path = root, archive, path
        self.members = {name.lower().rsplit("/", 1)[-1]: name for name in archive.namelist()}
        users = [e for e in root.iter() if _tag(e) == "User"]
        self.machines = {e.get("guid", "") for e in users if e.get("name", "").startswith(MACHINE_USER)}
        self.labels: dict[str, int] = {}
        self.other_codes: dict[str, str] = {}
        for code in (e for e in root.iter() if _tag(e) == "Code"):
            try:
                self.labels[code.get("guid", "")] = parse_code(code.get("name", ""), sheet.scheme)
            except KeyError:
                self.other_codes[code.get("guid", "")] = code.get("name", "")
        if not self.machines:
            log.warning("%s: no user of the classifier's is left, so every coding counts as a person's", path)

    def sources(self) -> list[CodedSource]:
        sources: list[CodedSource] = []
        ignored: list[str] = []
        for element in (e for e in self.root.iter() if _tag(e) == "TextSource"):
            spans: list[CodedSpan] = []
            for selection in (e for e in element if _tag(e) == "PlainTextSelection"):
                found, unknown = self._spans(selection)
                spans += found
                ignored += [self.other_codes.get(guid, guid) for guid in unknown]
            sources.append(CodedSource(element.get("name", ""), self._text(element), tuple(spans)))
        if ignored:
            names = ", ".join(sorted(set(ignored))[:10])
            log.warning("%s: %d codings with codes that are no class are ignored (%s)", self.path, len(ignored), names)
        return sources

    def _spans(self, selection: ElementTree.Element) -> tuple[list[CodedSpan], list[str]]:
        try:
            start, end = int(selection.get("startPosition", "")), int(selection.get("endPosition", ""))
        except ValueError:
            raise DataError(f"{self.path}: a selection {selection.get('guid')} has no position") from None
        spans: list[CodedSpan] = []
        unknown: list[str] = []
        for coding in (e for e in selection if _tag(e) == "Coding"):
            if coding.get("creatingUser", selection.get("creatingUser", "")) in self.machines:
                continue
            for reference in (e for e in coding if _tag(e) == "CodeRef"):
                guid = reference.get("targetGUID", "")
                label = self.labels.get(guid)
                if label is None:
                    unknown.append(guid)
                elif end > start:
                    spans.append(CodedSpan(start, end, label))
        return spans, unknown

    def _text(self, element: ElementTree.Element) -> str:
        for child in element:
            if _tag(child) == "PlainTextContent":
                return child.text or ""
        name = element.get("plainTextPath", "").rsplit("/", 1)[-1].lower()
        if name not in self.members:
            raise DataError(f"{self.path}: the text {element.get('name')!r} is not in the project")
        return _read_member(self.archive, self.members[name], self.path).decode("utf-8-sig", errors="replace")


def _locate(units: list[SheetUnit], text: str) -> Iterator[tuple[int, int] | None]:
    """Where each unit stands in the text: at the sheet's offset, or else at its next occurrence."""
    position = 0
    for unit in units:
        known = unit.start >= 0 and text.startswith(unit.text, unit.start)
        start = unit.start if known else text.find(unit.text, position)
        if start < 0 or not unit.text:
            yield None
        else:
            position = start + len(unit.text)
            yield start, position


def _best_label(place: tuple[int, int] | None, spans: tuple[CodedSpan, ...]) -> tuple[int | None, bool]:
    """The label that covers most of the place, and whether two cover it equally (no label then)."""
    if place is None:
        return None, False
    covered: dict[int, int] = defaultdict(int)
    for span in spans:
        overlap = min(place[1], span.end) - max(place[0], span.start)
        if overlap > 0 and 2 * overlap >= min(place[1] - place[0], span.end - span.start):
            covered[span.label] += overlap
    ranked = sorted(covered.items(), key=lambda item: -item[1])
    if len(ranked) > 1 and ranked[0][1] == ranked[1][1]:
        return None, True
    return (ranked[0][0] if ranked else None), False


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    with archive.open(name) as member:
        content = member.read(MAX_MEMBER_BYTES + 1)
    if len(content) > MAX_MEMBER_BYTES:
        raise DataError(f"{path}: {name} is larger than {MAX_MEMBER_BYTES // 2**20} MiB; it is not read")
    return content


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]
