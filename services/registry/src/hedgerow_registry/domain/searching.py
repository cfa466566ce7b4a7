"""How texts become words that are searched, and how a question becomes conditions on words and tags.

Both databases get the same words: they are taken apart here, and not by either database.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from hedgerow_registry.errors import Malformed

LONGEST_WORD: Final = 60
MOST_WORDS: Final = 5_000
MOST_ASKED: Final = 16

# Letters that do not come apart into a plain one and its mark.
_LETTERS: Final = {
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "æ": "ae",
    "œ": "oe",
    "ı": "i",
    "ħ": "h",
}


class _Folding(dict[int, str]):
    """What becomes of each character, worked out when it is met first."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if kind[0] in "LN" or kind == "Mc":
            found = _LETTERS.get(character, character)
        else:
            found = "" if kind[0] == "M" else " "
        self[code] = found
        return found


_FOLDED: Final = _Folding()
_ASCII: Final = str.maketrans(
    {code: character if (character := chr(code)).isalnum() else " " for code in range(128)}
)
_APOSTROPHE: Final = re.compile(r"(?<=\w)['’ʼ](?=\w)")
_ASKED: Final = re.compile(r'"([^"]*)"?|([^\s"]+)')
_PLAIN_TAG: Final = re.compile(r"[a-z0-9.-]{1,64}", re.ASCII)


def words(text: str | None) -> list[str]:
    """The words of a text, in order: without case and accents, parted by all that is no letter or digit.

    An apostrophe inside a word is left out, so that `women's` and `womens` are one. Words beyond 60
    characters are cut.

    >>> words("Café Élan: carers' drop-in, women's group")
    ['cafe', 'elan', 'carers', 'drop', 'in', 'womens', 'group']
    """
    if not text:
        return []
    if "'" in text or "’" in text or "ʼ" in text:
        text = _APOSTROPHE.sub("", text)
    if text.isascii():
        found = text.lower().translate(_ASCII).split()
    else:
        found = unicodedata.normalize("NFKD", text.casefold()).translate(_FOLDED).split()
    if len(text) > LONGEST_WORD < max(map(len, found), default=0):
        return [word[:LONGEST_WORD] for word in found]
    return found


# Most tags are those of a few sources, areas and needs.
@lru_cache(maxsize=100_000)
def tag(kind: str, value: str) -> str:
    """What stands for a property of a record among its words; no word looks like one.

    kind: lower-case letters · value: kept where it is short and plain, else its digest.

    >>> tag("a", "e06999001"), len(tag("n", "taxonomy:a term"))
    ('a:e06999001', 22)
    """
    if _PLAIN_TAG.fullmatch(value):
        return f"{kind}:{value}"
    return f"{kind}:{blake2b(value.encode('utf-8', 'replace'), digest_size=10).hexdigest()}"


class Document(NamedTuple):
    """What is searched of a record: its name, its other texts, none of which runs into the next, its tags."""

    name: Sequence[str]
    texts: Sequence[Sequence[str]]
    tags: Sequence[str]


def document(name: str | None, texts: Iterable[str | None], tags: Iterable[str]) -> Document:
    """A document of at most 5,000 words; what is beyond is not searched."""
    named = words(name)
    others = [found for text in texts if text and (found := words(text))]
    if len(named) + sum(map(len, others)) > MOST_WORDS:
        named, *others = _first([named, *others])
    return Document(named, others, list(dict.fromkeys(tags)))


def _first(texts: Iterable[list[str]]) -> Iterator[list[str]]:
    """The texts up to 5,000 words in all."""
    left = MOST_WORDS
    for text in texts:
        yield text[:left]
        left -= min(len(text), left)


class Word(NamedTuple):
    """A word occurs, or one that begins with it; `in_name`: in the name."""

    text: str
    begins: bool = True
    in_name: bool = False


class Phrase(NamedTuple):
    """Words occur one after the other in one text."""

    words: tuple[str, ...]
    in_name: bool = False


class Tag(NamedTuple):
    """A record has a tag."""

    name: str


@dataclass(frozen=True)
class All:
    """All of these hold; an empty one always does."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Either:
    """At least one of these holds; an empty one never does."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class But:
    """The first holds, and the second does not."""

    holds: "Node"
    without: "Node"


Node = Word | Phrase | Tag | All | Either | But
NOTHING: Final = Either(())


def asked(text: str) -> list[Word | Phrase]:
    """The words and the quoted phrases of a question; each of them has to occur.

    A word outside quotes also stands for the words that begin with it. A quote that is not closed goes to the
    end. Raises Malformed for more than 16 words.

    >>> asked('food "warm space"')
    [Word(text='food', begins=True, in_name=False), Phrase(words=('warm', 'space'), in_name=False)]
    """
    found: list[Word | Phrase] = []
    for quoted, plain in _ASKED.findall(text):
        if plain:
            found += map(Word, words(plain))
        elif phrase := tuple(words(quoted)):
            found.append(Phrase(phrase))
    if sum(len(one.words) if isinstance(one, Phrase) else 1 for one in found) > MOST_ASKED:
        raise Malformed(f"at most {MOST_ASKED} words")
    return list(dict.fromkeys(found))


def named(node: Node) -> Node:
    """The same of words in the name."""
    if isinstance(node, Either):
        return Either(tuple(map(named, node.parts)))
    assert isinstance(node, Word | Phrase)
    return node._replace(in_name=True)


def whole(parts: Iterable[Node]) -> Node:
    """All of these at once."""
    listed = tuple(parts)
    return NOTHING if NOTHING in listed else All(listed)


def parts_of(node: Node) -> list[Node]:
    """What has to hold at once, one by one; of what must not be, `But(All(()), …)`."""
    if isinstance(node, All):
        return list(dict.fromkeys(found for part in node.parts for found in parts_of(part)))
    if isinstance(node, But) and node.holds != All(()):
        return [*parts_of(node.holds), But(All(()), node.without)]
    return [node]


def any_tag(kind: str, values: Iterable[str]) -> Node:
    """A record has one of these values."""
    return Either(tuple(Tag(tag(kind, value)) for value in sorted(set(values))))
