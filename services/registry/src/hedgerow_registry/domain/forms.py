"""Legal forms, and whether a body is for profit by its own account, before anybody looks behind it."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

FOR_PROFIT: Final = "for-profit"
NOT_FOR_PROFIT: Final = "not-for-profit"
MUTUAL: Final = "mutual"
PUBLIC: Final = "public"
UNKNOWN: Final = "unknown"
FORMS: Final = (FOR_PROFIT, NOT_FOR_PROFIT, MUTUAL, PUBLIC, UNKNOWN)

# Code, what kind of body it is, and how its name is written. The first pattern that is found wins, so the
# particular come before the general ("community interest company" before "company").
_FORMS: Final = (
    ("cio", NOT_FOR_PROFIT, r"\bs?cios?\b|charitable incorporated organi[sz]ation"),
    ("cic", NOT_FOR_PROFIT, r"\bc\.?i\.?c\.?\b|community interest company|cwmni buddiannau cymunedol"),
    ("community-benefit-society", NOT_FOR_PROFIT, r"community benefit society|\bbencom\b"),
    ("co-operative", MUTUAL, r"\bco-?operative"),
    ("charitable-company", NOT_FOR_PROFIT, r"charitable company|charity.*limited by guarantee"),
    ("company-limited-by-guarantee", NOT_FOR_PROFIT, r"limited by guarantee|\bguarantee\b|\bclg\b"),
    ("charitable-trust", NOT_FOR_PROFIT, r"charitable trust"),
    ("academy-trust", PUBLIC, r"academy (trust|converter|sponsor)|multi-academy|free school"),
    (
        "nhs-body",
        PUBLIC,
        r"\bnhs\b|foundation trust|integrated care board|health board|clinical commissioning",
    ),
    ("local-authority", PUBLIC, r"local authority|\bcouncils?\b|\bborough\b|combined authority"),
    ("school", PUBLIC, r"maintained school|community school|voluntary (aided|controlled)"),
    ("government-body", PUBLIC, r"government|executive agency|public (body|sector)|crown|statutory|ministry"),
    ("building-society", MUTUAL, r"building society"),
    ("friendly-society", MUTUAL, r"friendly society"),
    ("credit-union", MUTUAL, r"credit union"),
    ("registered-society", MUTUAL, r"registered society|industrial (and|&) provident|\bmutual\b"),
    ("plc", FOR_PROFIT, r"\bp\.?l\.?c\.?\b|public limited|\bccc\b"),
    ("llp", FOR_PROFIT, r"\bl\.?l\.?p\.?\b|limited liability partnership"),
    ("limited-partnership", FOR_PROFIT, r"limited partnership|\bl\.?p\.?\b"),
    ("sole-trader", FOR_PROFIT, r"sole trader|self[ -]employed|individual provider|sole proprietor"),
    ("partnership", FOR_PROFIT, r"\bpartnership\b"),
    ("unincorporated-association", NOT_FOR_PROFIT, r"unincorporated|association|community group|\bclub\b"),
    ("royal-charter", NOT_FOR_PROFIT, r"royal charter"),
    (
        "charity",
        NOT_FOR_PROFIT,
        r"charit|not[ -]for[ -]profit|non[ -]?profit|voluntary|third sector|\bvcse?\b",
    ),
    ("social-enterprise", NOT_FOR_PROFIT, r"social enterprise"),
    ("unlimited-company", FOR_PROFIT, r"unlimited company"),
    ("company-limited-by-shares", FOR_PROFIT, r"limited by shares|for[ -]profit|\bprivate (company|limited)"),
    ("overseas-company", UNKNOWN, r"overseas|foreign company|\b(gmbh|s\.?a\.?r\.?l|b\.?v|inc)\b"),
    # By shares or by guarantee: the words leave it open.
    ("limited-company", UNKNOWN, r"\blimited\b|\bltd\b|\bcompany\b|cyfyngedig"),
    ("trust", UNKNOWN, r"\btrust\b"),
)
_PATTERNS: Final = tuple((code, re.compile(pattern)) for code, _, pattern in _FORMS)
_KIND: Final = {code: kind for code, kind, _ in _FORMS}
LEGAL_FORMS: Final = tuple(_KIND)

_SECTORS: Final = {
    "private": FOR_PROFIT,
    "charity": NOT_FOR_PROFIT,
    "social enterprise": NOT_FOR_PROFIT,
    "informal": NOT_FOR_PROFIT,
    "mutual": MUTUAL,
    "public": PUBLIC,
}
# Endings that only a body of the form may have in its name.
_ENDINGS: Final = (
    ("plc", re.compile(r"\b(plc|p\.l\.c\.|public limited company|ccc)\.?$")),
    ("llp", re.compile(r"\b(llp|l\.l\.p\.|limited liability partnership)\.?$")),
    ("cic", re.compile(r"\b(cic|c\.i\.c\.|community interest company)\.?$")),
    ("cio", re.compile(r"\bs?cio$")),
)
_CHARITY_SCHEMES: Final = frozenset({"GB-CHC", "GB-SC", "GB-NIC"})
_PUBLIC_SCHEMES: Final = frozenset({"GB-LAE", "GB-LAS", "GB-LANI", "GB-PLA", "GB-GOR"})
# What the letters of a number at Companies House tell of a body.
_COMPANY_PREFIXES: Final = {
    "OC": "llp",
    "SO": "llp",
    "NC": "llp",
    "LP": "limited-partnership",
    "SL": "limited-partnership",
    "NL": "limited-partnership",
    "CE": "cio",
    "CS": "cio",
    "IP": "registered-society",
    "SP": "registered-society",
    "NP": "registered-society",
    "RS": "registered-society",
}


def legal_form_code(text: str | None) -> str | None:
    """The code of `LEGAL_FORMS` that words name; `None` where they name none.

    >>> legal_form_code("Private company limited by guarantee"), legal_form_code("PLC"), legal_form_code("?")
    ('company-limited-by-guarantee', 'plc', None)
    """
    said = " ".join((text or "").casefold().replace("_", " ").split())
    if said.replace(" ", "-") in _KIND:
        return said.replace(" ", "-")
    return next((code for code, pattern in _PATTERNS if pattern.search(said)), None)


class OwnForm(NamedTuple):
    """What a body is by its own account. form: one of `FORMS` · basis: what tells so, `sector`, `legal form`,
    `register`, `name` or `nothing` · contradicted: whether another of these tells otherwise.
    """

    form: str
    basis: str
    contradicted: bool = False


def own_form(
    *,
    sector: str | None,
    legal_form: str | None,
    identifiers: Iterable[tuple[str, str]] = (),
    name: str = "",
) -> OwnForm:
    """Whether a body is for profit by what is known of itself: its sector, else its legal form, else a
    register it stands in, else an ending of its name that the law reserves to one form.

    legal_form: a code of `LEGAL_FORMS`, or `None` · identifiers: scheme and number.

    >>> own_form(sector=None, legal_form="plc").form
    'for-profit'
    >>> own_form(sector="charity", legal_form="plc").contradicted
    True
    """
    told = [
        (_SECTORS.get(sector or "", UNKNOWN), "sector"),
        (_KIND.get(legal_form or "", UNKNOWN), "legal form"),
        (_by_register(identifiers), "register"),
        (_by_name(name), "name"),
    ]
    known = [(form, basis) for form, basis in told if form != UNKNOWN]
    if not known:
        return OwnForm(UNKNOWN, "nothing")
    form, basis = known[0]
    return OwnForm(form, basis, any((other == FOR_PROFIT) != (form == FOR_PROFIT) for other, _ in known))


def _by_register(identifiers: Iterable[tuple[str, str]]) -> str:
    found = set()
    for scheme, number in identifiers:
        if scheme in _CHARITY_SCHEMES:
            found.add(NOT_FOR_PROFIT)
        elif scheme in _PUBLIC_SCHEMES:
            found.add(PUBLIC)
        elif scheme == "GB-COH" and number[:2] in _COMPANY_PREFIXES:
            found.add(_KIND[_COMPANY_PREFIXES[number[:2]]])
    for form in (NOT_FOR_PROFIT, PUBLIC, MUTUAL, FOR_PROFIT):
        if form in found:
            return form
    return UNKNOWN


def _by_name(name: str) -> str:
    said = " ".join(name.casefold().split())
    return next((_KIND[code] for code, ending in _ENDINGS if ending.search(said)), UNKNOWN)
