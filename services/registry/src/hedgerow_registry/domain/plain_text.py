"""Plain text from what directories publish as text: HTML, entities, embedded images, control characters."""

import html
import re
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

# Beyond this a text is cut.
LONGEST_TEXT = 1_000_000
# A parse of a string with more tags than this can take quadratic time; its tags are cut out unparsed instead.
MOST_TAGS = 20_000
# Directories encode twice or thrice (`&amp;amp;nbsp;`); what is still encoded after that many is hostile.
MOST_ROUNDS = 8


def words_of(text: str) -> frozenset[str]:
    """The words of a text, for lists that are easier read as one."""
    return frozenset(text.split())


_ELEMENTS = words_of(
    "a abbr acronym address article aside audio b base big blockquote body br button caption center cite code"
    " col colgroup dd del details div dl dt em embed fieldset figcaption figure font footer form h1 h2 h3 h4"
    " h5 h6 head header hr html i iframe img input ins label li link main mark meta nav object ol option"
    " p picture pre q s script section select small source span strike strong style sub summary sup svg table"
    " tbody td template textarea tfoot th thead title tr tt u ul video wbr"
)
_TAG = re.compile(
    rf"<(?:/?(?:{'|'.join(sorted(_ELEMENTS, key=lambda name: (-len(name), name)))})\b[^<>]*>|!--|!doctype\b)",
    re.I,
)
_ANY_TAG = re.compile(r"<[!/a-z][^<>]*>", re.I)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_EMBEDDED = re.compile(
    r"data:[\w.+-]{1,60}/[\w.+-]{1,60}(?:;[\w.+-]{1,40}=[^;,\s]{0,60}){0,4};base64,[A-Za-z0-9+/=_%-]*"
    r"(?:\r?\n[A-Za-z0-9+/=]{60,})*",
    re.I,
)
# C0 and C1 controls but for tab, line feed and carriage return; noncharacters; marks that have no width.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_UNSEEN = re.compile("[\u200b\u2060\ufeff\u00ad]")
_SURROGATES = re.compile("[\ud800-\udfff]")
# Words of ordinary characters with single spaces between: most texts are this, and nothing has to be done.
_WORD = "[!-%'-;=-~\u00a1-\u00ac\u00ae-\u024f\u2010-\u2015\u2018-\u201f\u2022\u2026\u20ac]+"
_ORDINARY = re.compile(f"{_WORD}(?: {_WORD})*")
_SPACES = re.compile(r"[^\S\n]+")
# Where a line and a paragraph begin or end, while a text is put together: no text holds these characters.
_LINE, _PARAGRAPH = "\x01", "\x02"
_BULLET_OF_PARAGRAPH = re.compile(r"\x01- [ \x01\x02\n]+(?![ \x01\x02\n-])")
_PARAGRAPH_BREAKS = re.compile(r"[ \x01\x02\n]*\x02[ \x01\x02\n]*")
_LINE_BREAKS = re.compile(r" *(?:\n *)?\x01[ \x01]*")
_BLANK_LINES = re.compile(r"\n{3,}")
_LINE_ENDS = re.compile("\r\n?|[\x85\u2028\u2029]")

_PARAGRAPHS = words_of(
    "address article aside blockquote dl fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr main nav ol"
    " p pre section table ul"
)
_LINES = words_of("br caption dd details div dt figcaption legend li option summary title tr")
_CELLS = frozenset(("td", "th"))
_SILENT = frozenset(("script", "style", "template"))
_WITH_ADDRESS = {
    "img": "src",
    "iframe": "src",
    "embed": "src",
    "video": "src",
    "audio": "src",
    "object": "data",
}


class Plain(NamedTuple):
    """A string as plain text, and what had to go to make it so."""

    text: str
    markup: bool
    """HTML or character entities were turned into text."""
    embedded: tuple[int, ...]
    """The length in bytes of every embedded `data:` object that was dropped."""
    controls: int
    """How many control characters and lone surrogates were removed."""


def plain_text(value: str) -> Plain:
    r"""`value` without markup: paragraphs and list items become lines, links become `text (address)`.

    Embedded base64 objects are dropped and their sizes told; entities are decoded, also when encoded
    repeatedly; control characters and lone surrogates go; no-break spaces become spaces; line ends become
    `\n`; blanks at the ends of lines and more than one blank line in a row go. Text that only looks a little
    like markup (`Parents>Grandparents`, `ages <5`, `AT&T`) stays as it is.

    The result is a fixed point: `plain_text(plain_text(value).text).text == plain_text(value).text`.

    >>> plain_text('<p>Ring <a href="https://a.example/">us</a></p><ul><li>Mon&nbsp;day</li></ul>').text
    'Ring us (https://a.example/)\n\n- Mon day'
    """
    if is_ordinary(value):
        return Plain(value, False, (), 0)
    text, controls = _SURROGATES.subn("", value)
    embedded: list[int] = []
    markup = False
    for _ in range(MOST_ROUNDS):
        before = text
        text, gone = _CONTROLS.subn("", text)
        controls += gone
        text = _without_embedded(text, embedded)
        if _TAG.search(text):
            text = _rendered(text, embedded)
            markup = True
        elif _ENTITY.search(text):
            text = _ENTITY.sub(lambda found: html.unescape(found.group()), text)
            markup = True
        text = _tidy(text)
        if text == before:
            break
    else:
        # Nothing can be decoded from a text without these three, so this too is a fixed point.
        text = _tidy(text.replace("&", " ").replace("<", " ").replace("base64,", "base64 "))
        text = _CONTROLS.sub("", text)
        markup = True
    return Plain(text, markup, tuple(embedded), controls)


def is_ordinary(value: str) -> bool:
    """Whether a text is one line of plain text already, and not too long, seen at a glance.

    >>> is_ordinary("Advice line"), is_ordinary("Advice & more")
    (True, False)
    """
    return (
        len(value) <= LONGEST_TEXT
        and _ORDINARY.fullmatch(value) is not None
        and ("," not in value or "base64," not in value.lower())
    )


def _tidy(text: str) -> str:
    text = _LINE_ENDS.sub("\n", _UNSEEN.sub("", text))
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _without_embedded(text: str, embedded: list[int]) -> str:
    if "base64," not in text.lower():
        return text

    def dropped(found: re.Match[str]) -> str:
        embedded.append(len(found.group()))
        return " "

    return _EMBEDDED.sub(dropped, text)


def _rendered(text: str, embedded: list[int]) -> str:
    if text.count("<") > MOST_TAGS:
        return html.unescape(_ANY_TAG.sub("\n", text))
    root = LexborHTMLParser(text).root
    pieces: list[str] = []
    links: list[tuple[str, int]] = []
    # Walked without recursion: a hostile document nests deeper than the interpreter's stack.
    node: LexborNode | None = root
    while node is not None:
        down = _open(node, pieces, links, embedded)
        if down is not None:
            node = down
            continue
        while node is not None:
            _close(node, pieces, links)
            if node.next is not None:
                node = node.next
                break
            node = node.parent
    text = _BULLET_OF_PARAGRAPH.sub(f"{_LINE}- ", "".join(pieces))
    return _LINE_BREAKS.sub("\n", _PARAGRAPH_BREAKS.sub("\n\n", text))


def _open(
    node: LexborNode, pieces: list[str], links: list[tuple[str, int]], embedded: list[int]
) -> LexborNode | None:
    if node.is_text_node:
        pieces.append(_LINE_ENDS.sub(" ", node.text_content or "").replace("\n", " "))
        return None
    tag = node.tag or ""
    if not node.is_element_node:
        return node.child
    if tag in _SILENT:
        return None
    if tag in _PARAGRAPHS:
        pieces.append(_PARAGRAPH)
    elif tag == "br":
        pieces.append("\n")
    elif tag in _LINES:
        pieces.append(f"{_LINE}- " if tag == "li" else _LINE)
    elif tag in _CELLS:
        pieces.append(" | " if node.prev is not None else " ")
    elif tag == "a":
        links.append(((node.attributes.get("href") or "").strip(), len(pieces)))
    elif tag in _WITH_ADDRESS:
        address = (node.attributes.get(_WITH_ADDRESS[tag]) or "").strip()
        if address.lower().startswith("data:"):
            embedded.append(len(address))
            address = ""
        pieces.append(f" {_with_address((node.attributes.get('alt') or '').strip(), address)} ")
    return node.child


def _close(node: LexborNode, pieces: list[str], links: list[tuple[str, int]]) -> None:
    tag = node.tag if node.is_element_node else None
    if tag in _PARAGRAPHS:
        pieces.append(_PARAGRAPH)
    elif tag in _LINES and tag != "br":
        pieces.append(_LINE)
    elif tag == "a" and links:
        address, start = links.pop()
        label = "".join(pieces[start:])
        del pieces[start:]
        pieces.append(_with_address(label, address))


def _with_address(label: str, address: str) -> str:
    """`label (address)`; either alone where the other says nothing more."""
    scheme, _, rest = address.partition(":")
    if scheme.lower() in ("mailto", "tel"):
        address = rest
    elif scheme.lower() not in ("http", "https") and not address.startswith("www."):
        # Anchors, scripts and paths within the publisher's own site lead nowhere from here.
        return label
    address = address.strip()
    if not address or _bare(address) == _bare(label):
        return label
    if not label.strip():
        return f" {address} "
    kept = label.rstrip()
    return f"{kept} ({address}){label[len(kept) :]}"


def _bare(address: str) -> str:
    return re.sub(r"^https?://|/+$", "", address.strip(f"{_LINE}{_PARAGRAPH} \n").lower())
