"""Whether two organisations may be one body: a score from 0 to 1, and the reasons for it in words."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from hedgerow_registry.domain import organisation_names as names

# Below this nobody looks: such pairs are not kept.
LEAST: Final = 0.4
# Measured on registers and on a borough's directories (docs/explanation/duplicates.md).
LIKELY: Final = 0.7

_NAME_ALONE: Final = 0.9
_ALIKE_FROM: Final = 0.5
_SAME_POSTCODE: Final = 0.5
_SAME_DOMAIN: Final = 0.6
_SAME_PHONE: Final = 0.6
_WITHOUT_A_NAME: Final = 0.5
_OTHER_NUMBER: Final = 0.6
_FAR_APART: Final = 0.75
_VAGUE: Final = 0.6
_BESIDE: Final = 0.65

# Registers that give a body one number.
ONE_NUMBER: Final = frozenset(
    ("GB-COH", "GB-CHC", "GB-SC", "GB-NIC", "GB-NHS", "GB-EDU", "GB-UKPRN", "GB-LAE", "GB-MPR", "GB-VAT")
)
# Hosts at which many have a page or a mailbox.
_SHARED_HOSTS: Final = names.words(
    """
    facebook.com twitter.com x.com instagram.com linkedin.com youtube.com linktr.ee google.com gmail.com
    googlemail.com hotmail.com hotmail.co.uk outlook.com live.co.uk live.com yahoo.com yahoo.co.uk
    btinternet.com aol.com icloud.com me.com sky.com talktalk.net ntlworld.com virginmedia.com nhs.uk
    nhs.net gov.uk wordpress.com wixsite.com cqc.org.uk charitycommission.gov.uk sites.google.com
    eventbrite.co.uk justgiving.com weebly.com blogspot.com squarespace.com
    """
)
_DIGITS = re.compile(r"\D+")
_POSTCODE = re.compile(r"\b[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}$")
# As streets are written short. "St" is a street or a saint: it is made one in either text.
_SHORT: Final = {
    "rd": "road", "ave": "avenue", "av": "avenue", "ln": "lane", "dr": "drive", "cl": "close", "sq": "square",
    "st": "street", "saint": "street",
}  # fmt: skip


@dataclass(frozen=True)
class Body:
    """What is known of an organisation that helps to tell it from others.

    names: its own first · identifiers: scheme and number · postcodes: of its sites, in their usual spelling
    addresses: of its sites, as `address` gives them
    """

    names: tuple[str, ...]
    identifiers: frozenset[tuple[str, str]] = frozenset()
    postcodes: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()


class Reason(NamedTuple):
    """One thing that speaks for or against: `speaks` is "for" or "against"."""

    kind: str
    speaks: str
    text: str


class Likeness(NamedTuple):
    score: float
    reasons: tuple[Reason, ...]


def domain(address: str | None) -> str | None:
    """The host of a web or mail address without "www.", or none where many share it.

    >>> domain("https://www.Quay.example/about"), domain("info@quay.example"), domain("facebook.com/quay")
    ('quay.example', 'quay.example', None)
    """
    said = (address or "").strip().casefold()
    if not said:
        return None
    if "@" in said and "/" not in said:
        host: str | None = said.rpartition("@")[2]
    else:
        try:
            host = urlsplit(said if "//" in said else f"//{said}").hostname
        except ValueError:
            return None
    host = (host or "").removeprefix("www.").rstrip(".")
    if "." not in host or host in _SHARED_HOSTS or any(host == f"m.{shared}" for shared in _SHARED_HOSTS):
        return None
    return host if all(part.replace("-", "").isalnum() for part in host.split(".")) else None


def address(said: str | None) -> str | None:
    """The words of a street address without its postcode, as compared; none where it is not one place.

    One place has a number and four words or more: a street without a town is in many.

    >>> address("12 High St., Stretford M32 0AA"), address("12 High Street")
    ('12 high street stretford', None)
    """
    parted = " ".join(re.sub(r"[^\w]+", " ", (said or "").casefold()).split())
    listed = [_SHORT.get(word, word) for word in _POSTCODE.sub("", parted).split()]
    is_whole = len(listed) >= 4 and any(word[0].isdigit() for word in listed)
    return " ".join(listed) if is_whole else None


def phone(number: str | None) -> str | None:
    """The digits of a telephone number of the United Kingdom without its trunk or country code.

    >>> phone("+44 (0)161 496 0000") == phone("0161 496 0000")
    True
    """
    digits = _DIGITS.sub("", (number or "").split("/")[0].split(" or ")[0])
    for start in ("0044", "44"):
        digits = digits.removeprefix(start) if len(digits) > 10 else digits
    digits = digits.lstrip("0")
    return digits if 9 <= len(digits) <= 10 else None


def keys(body: Body) -> set[str]:
    """The keys under which a body is looked for: two that share none are never compared."""
    made = {f"i:{scheme}:{number}" for scheme, number in body.identifiers}
    made |= {f"c:{code}" for code in body.postcodes}
    made |= {f"a:{one}" for one in body.addresses}
    made |= {f"d:{host}" for host in body.domains}
    made |= {f"f:{number}" for number in body.phones}
    for name in body.names:
        for form in names.forms(name):
            made |= names.keys(form)
    return made


def compare(one: Body, other: Body, rivals: Callable[[str], int] = lambda _key: 1) -> Likeness:
    r"""How likely two organisations are one body.

    Names alike by n, from 0.5 on, give :math:`0.9 \cdot ((n - 0.5) / 0.5)^{1.2}`: the same name is 0.9, for a
    name alone proves nothing. It is multiplied by 0.6 where the names hold only common words ("Community
    Centre"), by :math:`k^{-1/4}` where one source has k organisations of that very name, by 0.6 where one
    register has given the two different numbers, and by 0.75 where both have places and none in the same
    postcode area. Each of postcode (0.5; without a common one, street address), web domain (0.6) and
    telephone (0.6) that both have takes its part of what is missing to 1; divided by k where k of one source
    share it, and half where the names are not
    alike. A name that stands for a body beside the other ("Friends of") makes 0.65 at most. The same number
    in one register is 0.98 with names alike, 0.9 with names a little alike, else 0.75. Symmetric.

    rivals: of how many organisations a source with one of the two would have to choose under a key of `keys`,
    the two themselves counting as one; the most of any source.
    """
    reasons: list[Reason] = []
    alike, left, right = _names(one.names, other.names)
    score: float = 0.0
    if alike >= _ALIKE_FROM:
        score = _by_name(alike, left, right, rivals, reasons)
    score *= _places_apart(one.postcodes, other.postcodes, reasons) if score else 1.0
    numbers = one.identifiers & other.identifiers
    conflict = _other_number(one.identifiers, other.identifiers, reasons)
    score *= conflict
    # An address says no more than its postcode does: it counts where that is not known of both.
    addresses = frozenset() if one.postcodes & other.postcodes else one.addresses & other.addresses
    counted = 1.0 if alike >= _ALIKE_FROM else _WITHOUT_A_NAME
    for kind, word, mark, strength, common in (
        ("postcode", "the same postcode", "c", _SAME_POSTCODE, one.postcodes & other.postcodes),
        ("address", "the same street address", "a", _SAME_POSTCODE, addresses),
        ("domain", "the same web or mail domain", "d", _SAME_DOMAIN, one.domains & other.domains),
        ("phone", "the same telephone number", "f", _SAME_PHONE, one.phones & other.phones),
    ):
        if common:
            holders, value = min((rivals(f"{mark}:{value}"), value) for value in common)
            score = 1 - (1 - score) * (1 - strength * counted / max(holders, 1))
            several = f", which {holders} of one source have" if holders > 1 else ""
            reasons.append(Reason(kind, "for", f"{word}: {value}{several}"))
    if left is not None and right is not None and names.stands_beside(left[1], right[1]):
        reasons.append(Reason("beside", "against", "one name is that of a body beside the other"))
        score = min(score, _BESIDE)
    if numbers:
        listed = ", ".join(f"{scheme} {number}" for scheme, number in sorted(numbers))
        sure = 0.98 if alike >= _ALIKE_FROM else 0.9 if alike >= _ALIKE_FROM / 2 else 0.75
        score = max(score, sure * (conflict if conflict < 1 and sure < 0.98 else 1.0))
        reasons.insert(0, Reason("identifier", "for", f"the same number in one register: {listed}"))
        if alike < _ALIKE_FROM:
            reasons.append(Reason("name", "against", "the names are not alike"))
    return Likeness(round(score, 3), tuple(reasons))


def _names(
    ones: Iterable[str], others: Iterable[str]
) -> tuple[float, tuple[str, names.NameForm] | None, tuple[str, names.NameForm] | None]:
    best: tuple[float, tuple[str, names.NameForm] | None, tuple[str, names.NameForm] | None]
    best = (0.0, None, None)
    rights = [(name, form) for name in others for form in names.forms(name)]
    for name in ones:
        for form in names.forms(name):
            for right in rights:
                alike = names.likeness(form, right[1])
                if alike > best[0]:
                    best = (alike, (name, form), right)
    return best


def _by_name(
    alike: float,
    left: tuple[str, names.NameForm] | None,
    right: tuple[str, names.NameForm] | None,
    rivals: Callable[[str], int],
    reasons: list[Reason],
) -> float:
    assert left is not None
    assert right is not None
    score: float = _NAME_ALONE * ((alike - _ALIKE_FROM) / (1 - _ALIKE_FROM)) ** 1.2
    quoted = " – ".join(sorted((left[0], right[0])))
    said = "the same name" if alike == 1 else f"names alike by {alike:.0%}"
    reasons.append(Reason("name", "for", f"{said}: {quoted}"))
    if min(left[1].weight, right[1].weight) < 1:
        score *= _VAGUE
        reasons.append(Reason("vague name", "against", "the names hold only words that many names have"))
    holders = max(rivals(f"n:{form.squeezed}") for _, form in (left, right))
    if holders > 1:
        score *= math.pow(holders, -0.25)
        reasons.append(
            Reason("common name", "against", f"{holders} organisations of one source have this name")
        )
    return score


def _other_number(
    one: frozenset[tuple[str, str]], other: frozenset[tuple[str, str]], reasons: list[Reason]
) -> float:
    held = {scheme: number for scheme, number in other if scheme in ONE_NUMBER}
    same = {scheme for scheme, _ in one & other}
    for scheme, number in sorted(one):
        if scheme in held and scheme not in same:
            pair = " and ".join(sorted((number, held[scheme])))
            reasons.append(Reason("other number", "against", f"different numbers in {scheme}: {pair}"))
            return _OTHER_NUMBER
    return 1.0


def _places_apart(one: frozenset[str], other: frozenset[str], reasons: list[Reason]) -> float:
    if not one or not other or {_area(code) for code in one} & {_area(code) for code in other}:
        return 1.0
    reasons.append(Reason("apart", "against", "no places in the same postcode area"))
    return _FAR_APART


def _area(postcode: str) -> str:
    """The letters a postcode begins with."""
    return postcode[:2] if postcode[1:2].isalpha() else postcode[:1]
