"""Human codes out of a REFI-QDA project (`.qdpx`), brought back to units by the place of the coded text."""

from __future__ import annotations

import logging
import re
import zipfile
import zlib
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from policy_bert.documents.model import UnreadableDocumentError
from policy_bert.documents.readers.word import parse_xml
from policy_bert.errors import DataError
from policy_bert.reports.qda import NOTE_START
from policy_bert.reports.words import word
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
        moved = [[at - bisect_left(extra, at) for at in (span.start, span.end)] for span in self.spans]
        places = [self._trim(*place) or (0, 0) for place in moved]
        return [replace(span, start=at[0], end=at[1]) for span, at in zip(self.spans, places, strict=True)]

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
    """A document of the sheet and its source: start, end and index of its units, in the order of the text."""

    source: CodedSource
    units: list[tuple[int, int, int]]

    def touched(self, span: CodedSpan) -> list[tuple[int, int, int]]:
        """The units that a span shares characters with."""
        first = bisect_right(self.units, span.start, key=lambda unit: unit[1])
        return self.units[first : bisect_left(self.units, span.end, key=lambda unit: unit[0])]

    def machine_unit(self, span: CodedSpan, sheet: CodingSheet) -> int | None:
        """The unit that has the span's place, but for a character at either end, and its class from the classifier."""
        for start, end, index in self.touched(span):
            same_place = max(abs(start - span.start), abs(end - span.end)) < 2
            if same_place and sheet.units[index].predicted == span.label < len(sheet.scheme):
                return index
        return None


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
    units = [replace(unit, human=None) for unit in sheet.units]
    ambiguous, astray, deleted = [], 0, []
    for pair, spans in zip(pairs, _sign_unsigned(sheet, pairs, _choose_reading(pairs, path), path), strict=True):
        covered: dict[int, Counter[int]] = defaultdict(Counter)
        kept = set()
        for span in spans:
            if span.signed and (own := pair.machine_unit(span, sheet)) is not None:
                kept.add(own)
                continue
            counts = False
            for start, end, index in pair.touched(span):
                overlap = min(end, span.end) - max(start, span.start)
                if 2 * overlap >= min(end - start, span.end - span.start):
                    covered[index][span.label] += overlap
                    counts = True
            astray += not counts
        for index, by_label in covered.items():
            (label, most), *others = by_label.most_common(2)
            if others and others[0][1] == most:
                ambiguous.append(units[index].id)
            else:
                units[index] = replace(units[index], human=label)
        coded = (index for _, _, index in pair.units if sheet.units[index].predicted < len(sheet.scheme))
        deleted += [units[index].id for index in coded if index not in kept and index not in covered]
    _warn(path, "two_codes", ambiguous)
    _warn(path, "deleted", deleted)
    if astray:
        log.warning("warning: %s: %d %s；%s", path, astray, word("en", "astray"), word("zh", "astray"))
    if all(unit.human is None for unit in units):
        expected = f"expected codings of a person's on the units of {sheet.path}"
        raise DataError(f"{path}: {expected}, found none（没有人工编码）")
    _warn(path, "replaced", [unit.id for unit in sheet.units if unit.human is not None])
    return replace(sheet, units=tuple(units))


def read_project(path: Path, sheet: CodingSheet) -> list[CodedSource]:
    """The plain-text sources of a project with their codings.

    Raises:
        DataError: The file cannot be read as a REFI-QDA project.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.lower().rsplit("/", 1)[-1]: name for name in archive.namelist()}
            described = [name for name in archive.namelist() if name.lower().endswith(".qde")]
            if not described:
                raise DataError(f"{path}: expected a REFI-QDA project with a .qde file inside, found none")
            root = parse_xml(_read_member(archive, described[0], path))
            codes = {_guid(code, "guid"): code.get("name", "") for code in _within(root.iter(), "Code")}
            users = _within(root.iter(), "User")
            machines = {_guid(user, "guid") for user in users if user.get("name", "").startswith(MACHINE_USER)}
            sources, ignored = [], []
            for element in _within(root.iter(), "TextSource", "Representation"):
                spans = []
                for selection in _within(element, "PlainTextSelection"):
                    for code, span in _codings(selection, machines, path):
                        try:
                            spans.append(replace(span, label=parse_code(codes[code], sheet.scheme)))
                        except KeyError:
                            ignored.append(codes.get(code, code))
                ignored += ["of a whole text"] * len(list(_within(element, "Coding")))
                text = _text(element, archive, members, path)
                sources.append(CodedSource(element.get("name", ""), text, tuple(spans)))
    except _BROKEN as error:
        raise DataError(f"{path}: expected a REFI-QDA project (.qdpx), which cannot be read: {error}") from error
    except UnreadableDocumentError as error:
        raise DataError(f"{path}: expected XML without document type declaration, cannot be read: {error}") from error
    _warn(path, "no_class", ignored)
    return sources


def _codings(selection: Any, machines: set[str], path: Path) -> Iterator[tuple[str, CodedSpan]]:
    """The codes of a selection, each with its place."""
    try:
        start, end = int(selection.get("startPosition", "")), int(selection.get("endPosition", ""))
    except ValueError:
        raise DataError(f"{path}: a selection {selection.get('guid')} has no position") from None
    notes = "".join(note.text or "" for note in _within(selection, "Description")).strip()
    for coding in _within(selection, "Coding"):
        user = _guid(coding, "creatingUser") or _guid(selection, "creatingUser")
        signed = user in machines or notes.startswith(NOTE_START)
        for reference in _within(coding, "CodeRef"):
            yield _guid(reference, "targetGUID"), CodedSpan(start, end, -1, signed)


def _text(element: Any, archive: zipfile.ZipFile, members: Mapping[str, str], path: Path) -> str:
    """The text of a source, from the description or from a file of the project."""
    for child in _within(element, "PlainTextContent"):
        return child.text or ""
    name = element.get("plainTextPath", "").rsplit("/", 1)[-1].lower()
    if name not in members:
        raise DataError(f"{path}: the text {element.get('name')!r} is not in the project")
    content = _read_member(archive, members[name], path)
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
    missing, lost = [], []
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
            places = zip(named[0].locate(units), indices, strict=True)
            placed = [(*place, index) for place, index in places if place]
            lost += [sheet.units[i].id for i in sorted({*indices} - {index for _, _, index in placed})]
            yield _Pair(named[0], sorted(placed))
        else:
            missing.append(full)
    if len(missing) == len(by_document):
        texts = f"none of its {len(sources)} texts has the name or the text"
        raise DataError(f"{path}: {texts} of a document of {sheet.path}")
    _warn(path, "no_document", missing, len(by_document))
    _warn(path, "no_unit", lost)
    _warn(path, "strange", [source.name for source in sources if source.spans and id(source) not in taken])


def _choose_reading(pairs: list[_Pair], path: Path) -> list[list[CodedSpan]]:
    """The spans of each pair, their positions read in the way by which selections coincide best with units."""
    readings = []
    for utf16, one_line_end in product((False, True), repeat=2):
        spans = [pair.source.placed(one_line_end, utf16) for pair in pairs]
        fits = [_fit(span, pair) for pair, coded in zip(pairs, spans, strict=True) for span in coded]
        whole = sum(whole for _, whole in fits) / max(1, len(fits))
        how = " and ".join(filter(None, ("line ends as one character" * one_line_end, "UTF-16 units" * utf16)))
        readings.append((sum(overlap for overlap, _ in fits), whole, spans, how))
    _, whole, spans, how = max(readings, key=lambda reading: reading[0])
    if how:
        log.info("%s: its positions count %s", path, how)
    if whole < 0.5 and any(spans):
        log.warning("warning: %s: %s", path, f"{word('en', 'misplaced')} {word('zh', 'misplaced')}")
    return spans


def _fit(span: CodedSpan, pair: _Pair) -> tuple[float, bool]:
    """How far a span and the units that it touches are the same, 0 to 1; and whether it cuts none of them off."""
    touched = pair.touched(span)
    if not touched:
        return 0.0, False
    overlaps = [min(end, span.end) - max(start, span.start) for start, end, _ in touched]
    hull = max(touched[-1][1], span.end) - min(touched[0][0], span.start)
    inside = touched[0][0] <= span.start and span.end <= touched[0][1]
    whole = all(overlap >= 0.9 * (end - start) for overlap, (start, end, _) in zip(overlaps, touched, strict=True))
    return sum(overlaps) / hull, inside or whole


def _sign_unsigned(
    sheet: CodingSheet, pairs: list[_Pair], spans: list[list[CodedSpan]], path: Path
) -> list[list[CodedSpan]]:
    """The spans, the classifier's own signed where a program dropped all its marks and kept nearly all its codings."""
    if any(span.signed for found in spans for span in found):
        return spans
    coded = list(zip(pairs, spans, strict=True))
    own = [[replace(s, signed=pair.machine_unit(s, sheet) is not None) for s in found] for pair, found in coded]
    kept = sum(span.signed for found in own for span in found)
    written = sum(sheet.units[index].predicted < len(sheet.scheme) for pair in pairs for _, _, index in pair.units)
    if kept < max(LEAST_UNSIGNED, 0.9 * written):
        return spans
    text = "warning: %s: %d of the classifier's %d codings bear neither its user nor its notes, and count as its own"
    log.warning(text, path, kept, written)
    return own


def _warn(path: Path, key: str, names: Sequence[str], *values: object) -> None:
    if names:
        listed = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        english, chinese = word("en", key, *values), word("zh", key)
        log.warning("warning: %s: %d %s (%s)；%s", path, len(names), english, listed, chinese)


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
