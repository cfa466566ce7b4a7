"""Names of organisations as they are compared: without what registers and clerks add."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from rapidfuzz import fuzz

# How much a word says about who is meant: most of all a word that not every second name has.
_PLAIN: Final = 1.0
_TELLING: Final = 0.5
_COMMON: Final = 0.25
_MOST_TOKENS: Final = 12
# Words of at least so many letters may differ in a letter or two and are the same word still.
_SPELT: Final = 5
_LIKE: Final = 85.0
_CUT_SHORT: Final = 0.9
_SHORTEST_CUT: Final = 3


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_LEGAL: Final = words(
    """
    ltd limited plc llp lp cic cio scio inc incorporated llc gmbh sa bv nv ag pty bencom cbs co
    """
)
_LEGAL_PHRASES: Final = (
    "community interest company",
    "charitable incorporated organisation",
    "scottish charitable incorporated organisation",
    "community benefit society",
    "industrial and provident society",
    "public limited company",
    "limited liability partnership",
    "company limited by guarantee",
    "registered charity",
)
_STOP: Final = words(
    """
    the of and in for at on to a an with by from
    """
)
_COMMON_WORDS: Final = words(
    """
    trust trustees foundation fund charity charities charitable society association club group centre
    community voluntary services service care home homes housing support social health medical surgery
    practice pharmacy clinic dental school academy college nursery university church parish council city
    county district borough town village hall education learning training sports sport youth children
    childrens young people peoples family families carers federation union league friends committee board
    agency bureau partnership company enterprises holdings international national british royal great uk
    england english united local regional area holdings central new old branch management solutions
    consulting consultants consultancy systems technologies technology products supplies supply trading
    properties property investments developments construction building maintenance transport travel hire
    limited nhs hospital hospitals department office institute institution organisation network project
    projects scheme advice citizens memorial benevolent
    """
)
_SPELLINGS: Final = {
    "saint": "st",
    "center": "centre",
    "ctr": "centre",
    "assoc": "association",
    "assn": "association",
    "soc": "society",
    "svc": "services",
    "svcs": "services",
    "service": "services",
    "mgmt": "management",
    "intl": "international",
    "dept": "department",
    "hosp": "hospital",
    "univ": "university",
    "sch": "school",
    "bros": "brothers",
    "gt": "great",
    "mt": "mount",
    "grp": "group",
    "org": "organisation",
    "organization": "organisation",
    "homes": "home",
    "schools": "school",
    "trusts": "trust",
    "clubs": "club",
    "centres": "centre",
    "hospitals": "hospital",
    "systems": "system",
    "solutions": "solution",
}
# Several spellings of one thing, in the words that are left when stop words are gone.
_PHRASES: Final = (
    (("metropolitan", "borough", "council"), ("council",)),
    (("metropolitan", "district", "council"), ("council",)),
    (("borough", "council"), ("council",)),
    (("district", "council"), ("council",)),
    (("city", "council"), ("council",)),
    (("mbc",), ("council",)),
    (("mdc",), ("council",)),
    (("county", "council"), ("county", "council")),
    (("young", "mens", "christian", "association"), ("ymca",)),
    (("young", "womens", "christian", "association"), ("ywca",)),
    (("royal", "society", "prevention", "cruelty", "animals"), ("rspca",)),
    (("national", "society", "prevention", "cruelty", "children"), ("nspcc",)),
    (("citizens", "advice", "bureau"), ("citizens", "advice")),
    (("citizens", "advice", "bureaux"), ("citizens", "advice")),
    (("cab",), ("citizens", "advice")),
    (("womens", "institute"), ("wi",)),
    (("womens", "institutes"), ("wi",)),
    (("parochial", "church", "council"), ("pcc",)),
    (("nhs", "foundation", "trust"), ("nhs", "trust")),
    (("foundation", "trust"), ("nhs", "trust")),
    (("riding", "disabled", "association"), ("rda",)),
    (("riding", "disabled"), ("rda",)),
    (("food", "bank"), ("foodbank",)),
    (("home", "start"), ("homestart",)),
    (("child", "care"), ("childcare",)),
)
# Of two names that each have one of these, and not the same, one is another body, or another part of town.
_EITHER: Final = words(
    """
    north south east west northern southern eastern western upper lower inner outer junior infant infants
    primary secondary boys girls men women day night first second third
    """
)
# A name that has one of these where the other has not is that of a body beside it.
_BESIDE: Final = words(
    """
    friends trading enterprises pension parents teachers pta branch young youth children childrens
    """
)
_ALSO: Final = re.compile(
    r"\bt\s*/\s*as?\b|\btrading as\b|\balso known as\b|\bknown as\b|\bformerly\b|\bpreviously\b|\baka\b"
)
_APOSTROPHES: Final = re.compile(r"['’‘`´]")
_REGISTER: Final = re.compile(r"\b(registered )?(charity|company) (no|number|reg)\b\.? ?[a-z]{0,2}\d+")
_DOUBLED: Final = re.compile(r"(.)\1")
_NO_VOWELS: Final = str.maketrans("", "", "aeiou")
_BRACKETED: Final = re.compile(r"\(([a-z]{2,10})\)")
_WORD: Final = re.compile(r"[^\W_]+")
_INITIALS: Final = re.compile(r"\b(?:[^\W\d_] ){1,}[^\W\d_]\b")


class NameForm(NamedTuple):
    """A name as it is compared.

    tokens: its words in order · core: the words in one text · squeezed: the same without spaces
    weight: how much the words say together (`token_weight`).
    """

    tokens: tuple[str, ...]
    core: str
    squeezed: str
    weight: float


def token_weight(token: str) -> float:
    """How much a word of a name says about who is meant.

    A quarter for a word that many names have, half for one that tells parts of a town apart, else 1.
    """
    if token in _EITHER:
        return _TELLING
    return _COMMON if token in _COMMON_WORDS else _PLAIN


@lru_cache(maxsize=200_000)
def forms(name: str) -> tuple[NameForm, ...]:
    """The forms of a name: one, or with "trading as" one for each side, the first first.

    Case, accents, punctuation, "the", "&" for "and", legal forms, register numbers, usual abbreviations and
    the name's own initials in brackets make no difference. A name of nothing but such words keeps them. A
    name without a letter or digit has no form.

    >>> [form.core for form in forms("The Quay Kitchen Ltd. t/a Harbour Food-Bank")]
    ['quay kitchen', 'harbour foodbank']
    >>> forms("Tameside M.B.C.")[0].core == forms("Tameside Metropolitan Borough Council")[0].core
    True
    """
    text = unicodedata.normalize("NFKD", name).casefold()
    text = "".join(char for char in text if not unicodedata.combining(char))
    text = _REGISTER.sub(" ", text)
    made = (_form(part) for part in _ALSO.split(text))
    return tuple(dict.fromkeys(form for form in made if form is not None))


def _form(text: str) -> NameForm | None:
    text = _APOSTROPHES.sub("", text).replace("&", " and ").replace("+", " and ")
    for bracketed in _BRACKETED.findall(text):
        others = _WORD.findall(text.replace(f"({bracketed})", " "))
        if bracketed in (_initials(others), _initials(word for word in others if word not in _STOP)):
            text = text.replace(f"({bracketed})", " ")
    said = " ".join(_WORD.findall(text))
    said = _INITIALS.sub(lambda found: found[0].replace(" ", ""), said)
    if not said:
        return None
    told = f" {said} "
    for phrase in _LEGAL_PHRASES:
        told = told.replace(f" {phrase} ", " ")
    tokens = [word for word in told.split() if word not in _LEGAL and word not in _STOP]
    tokens = _spelt(tokens) or _spelt(said.split())
    tokens = tokens[:_MOST_TOKENS]
    return NameForm(tuple(tokens), " ".join(tokens), "".join(tokens), sum(map(token_weight, tokens)))


def _initials(spoken: Iterable[str]) -> str:
    return "".join(word[0] for word in spoken)


def _spelt(tokens: Iterable[str]) -> list[str]:
    made = [_SPELLINGS.get(token, token) for token in tokens]
    for phrase, instead in _PHRASES:
        place = 0
        while place + len(phrase) <= len(made):
            if tuple(made[place : place + len(phrase)]) == phrase:
                made[place : place + len(phrase)] = instead
                place += len(instead)
            else:
                place += 1
    return made


def likeness(one: NameForm, other: NameForm) -> float:
    r"""How alike two names are, 0 to 1.

    .. math:: \frac{2 \sum_{m} w_m}{\sum_{a} w_a + \sum_{b} w_b}

    the weights of the words that both have (of two spellings of one word, the mean) over those of all, after
    Dice. Two words are one where they are equal, where one is the other cut short after three letters or more
    (nine tenths of the weight), or where both have five letters at least and are alike by 85 of 100; words
    with a digit must be equal. Names that are equal but for their spaces are alike by 1. Names with different
    numbers ("1st Sale", "2nd Sale"), or other words of which a body has one ("north", "junior"), are alike by
    half of it; where one name has a word that stands for a body beside it ("Friends of"), by three quarters.
    Symmetric.

    >>> likeness(forms("Trafford Carers Centre")[0], forms("Trafford Carers")[0]) > 0.9
    True
    >>> likeness(forms("1st Sale Scouts")[0], forms("2nd Sale Scouts")[0]) < 0.5
    True
    """
    if one.squeezed == other.squeezed:
        return 1.0
    left, right = list(one.tokens), list(other.tokens)
    shared = 0.0
    for token in one.tokens:
        if token in right:
            right.remove(token)
            left.remove(token)
            shared += token_weight(token)
    held_against = _held_against(left, right)
    shared += _joined(left, right) + _joined(right, left)
    shared += _shortened(left, right) + _shortened(right, left)
    shared += _spelt_alike(left, right)
    found = 2 * shared / (one.weight + other.weight)
    return min(found, 0.99) * held_against


def _held_against(left: Sequence[str], right: Sequence[str]) -> float:
    """By how much words that only one of two names has speak against their being one body."""
    for tells in (_has_digit, _EITHER.__contains__):
        if any(map(tells, left)) and any(map(tells, right)):
            return 0.5
    return 0.75 if not _BESIDE.isdisjoint((*left, *right)) else 1.0


def stands_beside(one: NameForm, other: NameForm) -> bool:
    """Whether just one of two names has a word that stands for a body beside the other.

    >>> stands_beside(forms("Quay School PTA")[0], forms("Quay School")[0])
    True
    """
    return not _BESIDE.isdisjoint(set(one.tokens) ^ set(other.tokens))


@lru_cache(maxsize=100_000)
def _has_digit(token: str) -> bool:
    return any(char.isdigit() for char in token)


def _joined(left: list[str], right: list[str]) -> float:
    """Words that one name writes in one and the other in two; takes them out of both."""
    shared = 0.0
    for pair in list(pairwise(left)):
        word = "".join(pair)
        if word in right and all(part in left for part in pair):
            right.remove(word)
            for part in pair:
                left.remove(part)
            shared += (token_weight(word) + sum(map(token_weight, pair))) / 2
    return shared


def _shortened(left: list[str], right: list[str]) -> float:
    """Words that one name cuts short ("Inst", or where its column ended); takes them out of both."""
    shared = 0.0
    for token in list(left):
        if len(token) < _SHORTEST_CUT or _has_digit(token):
            continue
        whole = next((word for word in right if len(word) >= len(token) + 2 and word.startswith(token)), None)
        if whole is not None:
            left.remove(token)
            right.remove(whole)
            shared += (token_weight(token) + token_weight(whole)) / 2 * _CUT_SHORT
    return shared


def _spelt_alike(left: Sequence[str], right: Sequence[str]) -> float:
    """The weight of words that are one in two spellings, the most alike first."""
    ones, others = ([word for word in side if _may_be_misspelt(word)] for side in (left, right))
    pairs = sorted(
        (-ratio, a, b) for a in ones for b in others if (ratio := fuzz.ratio(a, b, score_cutoff=_LIKE))
    )
    shared, used_left, used_right = 0.0, set[str](), set[str]()
    for ratio, a, b in pairs:
        if a not in used_left and b not in used_right:
            used_left.add(a)
            used_right.add(b)
            shared += (token_weight(a) + token_weight(b)) / 2 * (-ratio / 100)
    return shared


def _may_be_misspelt(word: str) -> bool:
    return len(word) >= _SPELT and not _has_digit(word)


def _bones(token: str) -> str:
    if len(token) < _SPELT or _has_digit(token):
        return token
    return _DOUBLED.sub(r"\1", token[0] + token[1:].translate(_NO_VOWELS))


def keys(form: NameForm) -> set[str]:
    """The keys under which names that may be the same are looked for: two that share none are never compared.

    The whole name without spaces and its beginning, each word that says something (a longer one without its
    later vowels and doubled letters, which are what is misspelt), and neighbouring words in either order.

    >>> sorted(keys(forms("Quay Kitchen")[0]))
    ['n:quaykitchen', 'p:kitchen quay', 's:quaykitc', 't:ktchn', 't:quay']
    """
    made = {f"n:{form.squeezed}", f"s:{form.squeezed[:8]}"}
    made |= {
        f"t:{_bones(token)}" for token in form.tokens if token_weight(token) == _PLAIN and len(token) > 2
    }
    made |= {f"p:{' '.join(sorted(pair))}" for pair in pairwise(form.tokens)}
    return made
