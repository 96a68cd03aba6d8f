"""Web pages: the main text of a government page without navigation, sidebars and footers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from policy_bert.documents.model import UnreadableDocumentError
from policy_bert.documents.readers.plain import decode

MAX_BYTES = 20 << 20
MAX_CHARACTERS = 4_000_000
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w-]+)""", re.I)
_EMBEDDED = re.compile(r"data:[\w/+.-]{3,60};base64,[A-Za-z0-9+/=\s]{64,}")
_DROPPED = frozenset(
    re.findall(
        r"\w+",
        "script style noscript template head nav footer button select option input textarea iframe object embed svg "
        "canvas audio video map menu dialog",
    )
)
_BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article blockquote body center dd details div dl dt fieldset figcaption figure form h1 h2 h3 h4 h5 h6 "
        "header hr html li main ol p pre section summary table tbody td tfoot th thead tr ul caption aside",
    )
)
_BOILERPLATE_NAME = re.compile(
    r"(^|[\s_-])(nav|navbar|menu|footer|foot|breadcrumbs?|crumbs?|sidebar|toolbar|share|pagination|pager|related|copyright"
    r"|advert|search|login|qrcode|comments?|tags?|skip|dqwz|daohang|fenxiang|dibu|xiangguan|weizhi)([\s_-]|$)",
    re.I,
)
_BOILERPLATE_TEXT = re.compile(
    r"^\s*([【\[]?(打印|关闭|收藏|分享|返回顶部|大|中|小|字号|字体)[】\]]?[\s：:|/]*)+$"
    r"|^\s*(您?(的|现在的?)?当前?位置|您现在的位置)\s*[：:是]|^\s*首页\s*[>›»]"
    r"|版权所有|ICP备|公网安备|网站标识码|网站地图|扫一扫在手机|分享到微信|^\s*(上|下)一篇[：:]|^\s*相关(链接|阅读|稿件|新闻)[：:]?\s*$"
    r"|^\s*(浏览|点击|阅读)(次数|量)[：:]"
)
_SENTENCE = re.compile(r"[。；！？]")
_MAIN_SHARE = 0.8
_TEXTS_TO_JUDGE = 400
_SHORTEST_LINE = 30  # of text without an end mark; navigation is shorter


@dataclass
class _Block:
    text: str
    element: Any
    linked: int = 0


def read_webpage(path: Path) -> tuple[list[str], dict[str, str]]:
    """The paragraphs of the page's main text, and what its `meta` elements say (name to content).

    Boilerplate goes by element, by class or id, and by links; the main text is the deepest element that holds at
    least 80 % of what is left of the sentences. From outside it only the page's heading and whole sentences are kept.
    A table's row is one paragraph, its cells parted by tabs.

    Raises:
        UnreadableDocumentError: The file is too large or holds no text.
    """
    from lxml import etree, html

    if path.stat().st_size > MAX_BYTES:
        raise UnreadableDocumentError(f"网页超过 {MAX_BYTES >> 20} MB，不像一份文件")
    content = path.read_bytes()
    declared = _CHARSET.search(content[:4096])
    text = decode(content, declared.group(1).decode("ascii") if declared else "")
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text).replace("\0", "")
    text = _EMBEDDED.sub("", text)
    if len(text) > MAX_CHARACTERS:
        raise UnreadableDocumentError(f"网页不计图片仍超过 {MAX_CHARACTERS // 10_000} 万字符，不像一份文件")
    parser = html.HTMLParser(huge_tree=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(text, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableDocumentError("网页中没有内容") from error
    meta = {
        (element.get("name") or element.get("property") or ""): (element.get("content") or "").strip()
        for element in root.iter("meta")
    }
    meta.pop("", None)
    title = " ".join("".join(element.itertext()) for element in root.iter("title")).strip()
    blocks = _main_text(root, meta.get("ArticleTitle") or title)
    if not any(
        _SENTENCE.search(block.text) or "\t" in block.text or len(block.text) >= _SHORTEST_LINE for block in blocks
    ):
        raise UnreadableDocumentError("网页中没有找到正文（可能由脚本载入，或只有导航）")
    return [block.text for block in blocks], meta


def _main_text(root: Any, title: str) -> list[_Block]:
    blocks = [block for block in _blocks(root) if not _is_boilerplate(block)]
    weights: dict[Any, int] = {}
    total = 0
    for block in blocks:
        if _SENTENCE.search(block.text):
            total += len(block.text)
            for element in [block.element, *block.element.iterancestors()]:
                weights[element] = weights.get(element, 0) + len(block.text)
    if not total:
        return blocks
    main = root
    while True:
        child = max(main.iterchildren("*"), key=lambda element: weights.get(element, 0), default=None)
        if child is None or weights.get(child, 0) < _MAIN_SHARE * total or child.tag in ("p", "tr", "td"):
            break
        main = child
    return [block for block in blocks if _belongs(block, main, title)]


def _belongs(block: _Block, main: Any, title: str) -> bool:
    if block.element is main or any(ancestor is main for ancestor in block.element.iterancestors()):
        return True
    if block.element.tag in ("h1", "h2") or any(a.tag == "h1" for a in block.element.iterancestors("h1")):
        return len(block.text) > 5
    is_title = len(block.text) >= 8 and title.startswith(block.text)
    return is_title or (len(block.text) >= 20 and block.text.rstrip()[-1] in "。；" and not block.linked)


def _is_boilerplate(block: _Block) -> bool:
    if _BOILERPLATE_TEXT.search(block.text) and len(block.text) < 200:
        return True
    mostly_links = block.linked > 0.6 * len(block.text)
    return mostly_links and not re.match(r"\s*(附件|附[：:])", block.text) and not _SENTENCE.search(block.text)


def _is_dropped(element: Any) -> bool:
    if not isinstance(element.tag, str) or element.tag in _DROPPED:
        return True
    style = (element.get("style") or "").replace(" ", "").lower()
    if "display:none" in style or element.get("hidden") is not None:
        return True
    names = f"{element.get('class') or ''} {element.get('id') or ''} {element.get('role') or ''}"
    if element.tag in ("html", "body", "main", "article"):
        return False
    if element.tag not in ("aside", "form") and not _BOILERPLATE_NAME.search(names):
        return False
    # A page may be one form, or call its whole frame "search": what holds many sentences is no boilerplate.
    text = "".join(islice(element.itertext(), _TEXTS_TO_JUDGE))
    return len(_SENTENCE.findall(text)) < 5 or "版权所有" in text[-300:]


def _blocks(root: Any) -> Iterator[_Block]:
    """The blocks of text in document order, without recursion: pages nest as deep as they like."""
    pieces: list[str] = []
    linked = 0
    owner, links, row = root, 0, None

    def flush(element: Any) -> Iterator[_Block]:
        nonlocal pieces, linked, owner
        for line in re.sub(r"[ \r\f\v\xa0]*\n[ \r\f\v\xa0]*", "\n", "".join(pieces)).split("\n"):
            if line.strip():
                yield _Block(line.strip(), owner, linked)
        pieces, linked, owner = [], 0, element

    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        element, leaving = stack.pop()
        block = element.tag in _BLOCKS and (row is None or element is row)
        if leaving:
            if block:
                yield from flush(element.getparent())
            elif row is not None and element.tag in ("td", "th"):
                pieces.append("\t")
            elif row is not None and element.tag in ("p", "div", "li") and "".join(pieces[-1:])[-1:] not in "\t\n":
                pieces.append("\n")
            links -= element.tag == "a"
            row = None if element is row else row
        elif not _is_dropped(element):
            stack.append((element, True))
            if row is None and element.tag == "tr" and element.find(".//table") is None and _is_data_row(element):
                row, block = element, True
            if block:
                yield from flush(element)
            links += element.tag == "a"
            stack += [(child, False) for child in reversed(element)]
            pieces.append("\n" if element.tag == "br" else "")
            linked += _add(pieces, element.text, links)
            continue
        linked += _add(pieces, element.tail, links)
    yield from flush(root)


def _is_data_row(row: Any) -> bool:
    """Whether a row holds data: layout tables, which hold the whole page in a cell, are no rows."""
    return len(row) > 1 and all(len(_SENTENCE.findall("".join(cell.itertext()))) < 8 for cell in row)


def _add(pieces: list[str], text: str | None, links: int) -> int:
    """Append running text with its white space folded; the number of its characters that are links."""
    if not text:
        return 0
    text = re.sub(r"[ \t\r\n\f\v]+", " ", text)
    pieces.append(text)
    return len(text.strip()) if links > 0 else 0
