"""Human codes out of a REFI-QDA project (`.qdpx`), brought back to units by the place of the coded text."""

from __future__ import annotations

import logging
import re
import zipfile
import zlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from policy_bert.documents.model import UnreadableDocumentError
from policy_bert.documents.readers.word import parse_xml
from policy_bert.errors import DataError
from policy_bert.reports.qda import NOTE_START
from policy_bert.reviews.sheet import CodingSheet, SheetUnit, parse_code

MACHINE_USER = "policy_bert"  # the user that `analyze` writes into a project begins so
MAX_MEMBER_BYTES = 512 * 2**20
LEAST_SHARED_TEXT = 0.5  # of a document's units that a source must hold to be that document under another name
LEAST_UNSIGNED = 20  # codings without the classifier's marks that may be its own all the same
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
_BLANK = re.compile(r"[\s\x00-\x1f\ufffd\ufeff]")  # what programs add, drop and replace between characters
_COUNTED_APART = re.compile("\r+(?=\n)|[\U00010000-\U0010ffff]")

log = logging.getLogger("policy_bert.review")


@dataclass(frozen=True)
class CodedSpan:
    """A stretch of a source's text with a class: offsets, the end not included.

    `signed` says that the coding bears a mark of the classifier's: its user, or the note that `analyze` wrote.
    """

    start: int
    end: int
    label: int
    signed: bool = False


@dataclass(frozen=True)
class CodedSource:
    """A text of the project as it is stored, with what was coded in it."""

    name: str
    stored: str
    spans: tuple[CodedSpan, ...]

    @cached_property
    def text(self) -> str:
        """The text with one line feed for every line end."""
        return re.sub("\r+\n", "\n", self.stored)

    @cached_property
    def squeezed(self) -> str:
        """The text without blanks."""
        return _BLANK.sub("", self.text)

    def placed(self, one_line_end: bool, utf16: bool) -> list[CodedSpan]:
        """The spans as offsets into `text`, without blanks at their ends, if positions count as told.

        The standard counts Unicode code points of the stored text. Some programs count CR LF as one character
        (ATLAS.ti, and MAXQDA as QualCoder writes for it), some a character beyond the basic plane as two.
        """
        extra: list[int] = []  # the positions that count characters which `text` does not have
        shift = 0
        for match in _COUNTED_APART.finditer(self.stored):
            start, length = match.start() + shift, match.end() - match.start()
            if match[0][0] != "\r":
                extra += [start] * utf16
                shift += utf16
            elif one_line_end:
                shift -= length
            else:
                extra += range(start, start + length)
        return [
            replace(span, start=place[0], end=place[1])
            for span in self.spans
            if (
                place := self._trim(
                    span.start - bisect_left(extra, span.start), span.end - bisect_left(extra, span.end)
                )
            )
        ]

    def locate(self, units: Sequence[SheetUnit]) -> list[tuple[int, int] | None]:
        """Where each unit stands in `text`: at its offset if those hold here, else at its next occurrence."""
        at_offset = [unit.start >= 0 and self.text.startswith(unit.text, unit.start) for unit in units]
        if sum(at_offset) > 0.9 * len(units):
            places = (self._trim(unit.start, unit.start + len(unit.text)) for unit in units)
            return [place if known else None for place, known in zip(places, at_offset, strict=True)]
        kept = [index for index, character in enumerate(self.text) if not _BLANK.match(character)]
        position, found = 0, []
        for unit in units:
            wanted = _BLANK.sub("", unit.text)
            start = self.squeezed.find(wanted, position) if wanted else -1
            position = start + len(wanted) if start >= 0 else position
            found.append((kept[start], kept[position - 1] + 1) if start >= 0 else None)
        return found

    def shared(self, units: Sequence[SheetUnit]) -> float:
        """The share of some of the units whose text the source holds."""
        some = units[:: max(1, len(units) // 30)]
        return sum(_BLANK.sub("", unit.text) in self.squeezed for unit in some) / len(some)

    def _trim(self, start: int, end: int) -> tuple[int, int] | None:
        start, end = max(0, start), min(end, len(self.text))
        while start < end and _BLANK.match(self.text[start]):
            start += 1
        while start < end and _BLANK.match(self.text[end - 1]):
            end -= 1
        return (start, end) if start < end else None


@dataclass(frozen=True)
class _Pair:
    """A document of the sheet and its source: the units' indices in the order of the text, and their places."""

    indices: list[int]
    source: CodedSource
    places: list[tuple[int, int] | None]

    @cached_property
    def starts(self) -> list[int]:
        """Where the units begin that have a place."""
        return [place[0] for place in self.places if place]

    @cached_property
    def ends(self) -> list[int]:
        """Where they end."""
        return [place[1] for place in self.places if place]


def apply_project(sheet: CodingSheet, path: str | Path) -> CodingSheet:
    """The sheet with the human codes of a QDA project in place of its own.

    A coding is the classifier's when its place and its code are those of the sheet and it bears the classifier's
    user or note; every other is a person's. It counts for a unit when at least half of the shorter of the two lies in
    the other. Of several codes on a unit the one that covers most of it wins; a unit on which two cover
    as much is left out, with a warning. Whatever else does not reach a unit is named in a warning.

    Raises:
        DataError: The file is no project, holds none of the sheet's documents, or no coding of a person's.
    """
    path = Path(path)
    pairs = list(_pair_documents(sheet, read_project(path, sheet), path))
    spans = _choose_reading(pairs, path)
    machine = [_machine_codings(sheet, pair) for pair in pairs]
    spans = _sign_unsigned(spans, machine, path)
    units = [replace(unit, human=None) for unit in sheet.units]
    ambiguous, astray, deleted = [], 0, []
    for pair, coded, own in zip(pairs, spans, machine, strict=True):
        people = [span for span in coded if not (span.signed and (span.start, span.end, span.label) in own)]
        left = {(span.start, span.end, span.label) for span in coded if span.signed}
        reached: set[int] = set()
        for index, place in zip(pair.indices, pair.places, strict=True):
            label, covering = _best_label(place, people)
            reached |= covering
            if covering and label is None:
                ambiguous.append(units[index].id)
            key = (*place, sheet.units[index].predicted) if place else None
            if key in own and key not in left and not covering:
                deleted.append(units[index].id)
            units[index] = replace(units[index], human=label)
        astray += len(people) - len(reached)
    if ambiguous:
        _warn(path, "units carry two codes that cover them equally; they are left out", ambiguous)
    if astray:
        log.warning("warning: %s: %d codings of people lie on no unit of the sheet and do not count", path, astray)
    if deleted:
        _warn(path, "codings of the classifier's were deleted and their units left without a code", deleted)
    if all(unit.human is None for unit in units):
        raise DataError(f"{path}: expected codings of a person's on the units of {sheet.path}, found none")
    return replace(sheet, units=tuple(units))


def read_project(path: Path, sheet: CodingSheet) -> list[CodedSource]:
    """The plain-text sources of a project with their codings.

    Raises:
        DataError: The file cannot be read as a REFI-QDA project.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            described = [name for name in archive.namelist() if name.lower().endswith(".qde")]
            if not described:
                raise DataError(f"{path}: expected a REFI-QDA project with a .qde file inside, found none")
            root = parse_xml(_read_member(archive, described[0], path))
            return _Reader(root, archive, path, sheet).sources()
    except _BROKEN as error:
        raise DataError(f"{path}: expected a REFI-QDA project (.qdpx), which cannot be read: {error}") from error
    except UnreadableDocumentError as error:
        raise DataError(
            f"{path}: expected XML without a document type declaration, which cannot be read: {error}"
        ) from error


class _Reader:
    def __init__(self, root: Any, archive: zipfile.ZipFile, path: Path, sheet: CodingSheet) -> None:
        self.root, self.archive, self.path = root, archive, path
        self.members = {name.lower().rsplit("/", 1)[-1]: name for name in archive.namelist()}
        users = _within(root.iter(), "User")
        self.machines = {_guid(user, "guid") for user in users if user.get("name", "").startswith(MACHINE_USER)}
        self.labels: dict[str, int] = {}
        self.other_codes: dict[str, str] = {}
        for code in _within(root.iter(), "Code"):
            try:
                self.labels[_guid(code, "guid")] = parse_code(code.get("name", ""), sheet.scheme)
            except KeyError:
                self.other_codes[_guid(code, "guid")] = code.get("name", "")

    def sources(self) -> list[CodedSource]:
        sources: list[CodedSource] = []
        ignored: list[str] = []
        for element in _within(self.root.iter(), "TextSource", "Representation"):
            spans: list[CodedSpan] = []
            for selection in _within(element, "PlainTextSelection"):
                found, unknown = self._spans(selection)
                spans += found
                ignored += [self.other_codes.get(guid, guid) for guid in unknown]
            ignored += ["of a whole text"] * len(list(_within(element, "Coding")))
            sources.append(CodedSource(element.get("name", ""), self._text(element), tuple(spans)))
        if ignored:
            names = ", ".join(sorted(set(ignored))[:10])
            log.warning(
                "warning: %s: %d codings with codes that are no class are ignored (%s)", self.path, len(ignored), names
            )
        return sources

    def _spans(self, selection: Any) -> tuple[list[CodedSpan], list[str]]:
        try:
            start, end = int(selection.get("startPosition", "")), int(selection.get("endPosition", ""))
        except ValueError:
            raise DataError(f"{self.path}: a selection {selection.get('guid')} has no position") from None
        notes = "".join(note.text or "" for note in _within(selection, "Description")).strip()
        spans: list[CodedSpan] = []
        unknown: list[str] = []
        for coding in _within(selection, "Coding"):
            user = _guid(coding, "creatingUser") or _guid(selection, "creatingUser")
            signed = user in self.machines or notes.startswith(NOTE_START)
            for reference in _within(coding, "CodeRef"):
                guid = _guid(reference, "targetGUID")
                if guid not in self.labels:
                    unknown.append(guid)
                elif end > start:
                    spans.append(CodedSpan(start, end, self.labels[guid], signed))
        return spans, unknown

    def _text(self, element: Any) -> str:
        for child in _within(element, "PlainTextContent"):
            return child.text or ""
        name = element.get("plainTextPath", "").rsplit("/", 1)[-1].lower()
        if name not in self.members:
            raise DataError(f"{self.path}: the text {element.get('name')!r} is not in the project")
        content = _read_member(self.archive, self.members[name], self.path)
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return content.decode(encoding, errors="replace")


def _pair_documents(sheet: CodingSheet, sources: list[CodedSource], path: Path) -> Iterator[_Pair]:
    """Each document with its source: of that name, of that name without extension, or of that text."""
    by_document: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, unit in enumerate(sheet.units):
        by_document[unit.document_id, unit.document].append(index)
    by_name: dict[str, list[CodedSource]] = defaultdict(list)
    for source in sources:
        for form in dict.fromkeys((source.name, Path(source.name).stem)):
            by_name[form].append(source)
    taken: set[int] = set()
    missing = []
    for (document_id, document), indices in by_document.items():
        indices.sort(key=lambda index: sheet.units[index].start)
        units = [sheet.units[index] for index in indices]
        full = f"{document_id} {document}".strip()
        named = [source for source in by_name[full] if source.name == full and id(source) not in taken]
        if len(named) != 1:
            forms = (full, Path(full).stem, document, Path(document).stem)
            free = [s for form in forms for s in by_name[form] if id(s) not in taken]
            free += [source for source in sources if id(source) not in taken]
            named = [source for source in free if source.shared(units) >= LEAST_SHARED_TEXT]
        if named:
            taken.add(id(named[0]))
            yield _Pair(indices, named[0], named[0].locate(units))
        else:
            missing.append(full)
    if len(missing) == len(by_document):
        raise DataError(
            f"{path}: none of its {len(sources)} texts has the name or the text of a document of {sheet.path}"
        )
    if missing:
        _warn(path, f"of {len(by_document)} documents are not in the project", missing)
    strange = [source.name for source in sources if source.spans and id(source) not in taken]
    if strange:
        _warn(path, "texts with codings are no documents of the sheet", strange)


def _choose_reading(pairs: list[_Pair], path: Path) -> list[list[CodedSpan]]:
    """The spans of each pair, their positions read in the way by which selections coincide best with units."""
    best: tuple[float, float, list[list[CodedSpan]]] = (-1.0, 0.0, [])
    chosen = [""]
    for utf16 in (False, True):
        for one_line_end in (False, True):
            spans = [pair.source.placed(one_line_end, utf16) for pair in pairs]
            fits = [_fit(span, pair) for pair, coded in zip(pairs, spans, strict=True) for span in coded]
            total = sum(overlap for overlap, _ in fits)
            if total > best[0]:
                best = total, float(np.mean([whole for _, whole in fits])) if fits else 1.0, spans
                chosen = ["line ends as one character" * one_line_end, "UTF-16 units" * utf16]
    if any(chosen):
        log.info("%s: its positions count %s", path, " and ".join(filter(None, chosen)))
    if best[1] < 0.5:
        log.warning(
            "warning: %s: its selections do not coincide with the units' texts, however positions are counted; "
            "human codes may stand on wrong units. Was a text edited, or is it the project of another analysis?",
            path,
        )
    return best[2]


def _fit(span: CodedSpan, pair: _Pair) -> tuple[float, bool]:
    """How far a span and the units that it touches are the same, 0 to 1; and whether it cuts none of them off."""
    first, last = bisect_right(pair.ends, span.start), bisect_left(pair.starts, span.end)
    touched = list(zip(pair.starts[first:last], pair.ends[first:last], strict=True))
    if not touched:
        return 0.0, False
    overlaps = [min(end, span.end) - max(start, span.start) for start, end in touched]
    hull = max(touched[-1][1], span.end) - min(touched[0][0], span.start)
    inside = touched[0][0] <= span.start and span.end <= touched[0][1]
    whole = all(overlap >= 0.9 * (end - start) for overlap, (start, end) in zip(overlaps, touched, strict=True))
    return sum(overlaps) / hull, inside or whole


def _machine_codings(sheet: CodingSheet, pair: _Pair) -> set[tuple[int, int, int]]:
    """Place and class of the codings that `analyze` wrote."""
    labels = [sheet.units[index].predicted for index in pair.indices]
    places = zip(pair.places, labels, strict=True)
    return {(*place, label) for place, label in places if place and label < len(sheet.scheme)}


def _sign_unsigned(
    spans: list[list[CodedSpan]], machine: list[set[tuple[int, int, int]]], path: Path
) -> list[list[CodedSpan]]:
    """The spans, the classifier's own signed where a program dropped all its marks and kept nearly all its codings."""
    pairs = list(zip(spans, machine, strict=True))
    own = [[(span.start, span.end, span.label) in keys for span in coded] for coded, keys in pairs]
    kept, written = sum(map(sum, own)), sum(map(len, machine))
    if any(span.signed for coded in spans for span in coded) or kept < max(LEAST_UNSIGNED, 0.9 * written):
        return spans
    text = "warning: %s: %d of the classifier's %d codings bear neither its user nor its notes, and count as its own"
    log.warning(text, path, kept, written)
    return [
        [replace(span, signed=known) for span, known in zip(coded, flags, strict=True)]
        for coded, flags in zip(spans, own, strict=True)
    ]


def _best_label(place: tuple[int, int] | None, spans: list[CodedSpan]) -> tuple[int | None, set[int]]:
    """The label that covers most of the place (none where two cover it equally), and the spans that cover it."""
    if place is None:
        return None, set()
    covered: dict[int, int] = defaultdict(int)
    covering = set()
    for number, span in enumerate(spans):
        overlap = min(place[1], span.end) - max(place[0], span.start)
        if overlap > 0 and 2 * overlap >= min(place[1] - place[0], span.end - span.start):
            covered[span.label] += overlap
            covering.add(number)
    ranked = sorted(covered.items(), key=lambda item: -item[1])
    tied = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
    return (ranked[0][0] if ranked and not tied else None), covering


def _warn(path: Path, finding: str, names: Sequence[str]) -> None:
    listed = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    log.warning("warning: %s: %d %s (%s)", path, len(names), finding, listed)


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    with archive.open(name) as member:
        content = member.read(MAX_MEMBER_BYTES + 1)
    if len(content) > MAX_MEMBER_BYTES:
        raise DataError(f"{path}: {name} is larger than {MAX_MEMBER_BYTES // 2**20} MiB; it is not read")
    return content


def _within(elements: Iterable[Any], *tags: str) -> Iterator[Any]:
    return (element for element in elements if element.tag.rsplit("}", 1)[-1] in tags)


def _guid(element: Any, name: str) -> str:
    """An identifier in lower case and without braces: programs write it either way."""
    return str(element.get(name, "")).strip("{}").lower()
