"""Who a release speaks of: its parties, and those its other sections name without listing them as parties."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hedgerow_registry.domain.identifiers import Identifier, identifier, is_register
from hedgerow_registry.domain.ocds.placeholders import is_placeholder, is_placeholder_id
from hedgerow_registry.domain.words import name_key
from hedgerow_registry.errors import Malformed

Ref = Mapping[str, Any]
# Written in OCDS as a code, here in words.
_SCALES: Final = {"micro": "micro", "small": "small", "medium": "medium", "sme": "sme", "large": "large"}


@dataclass(frozen=True)
class Party:
    """A body that a process speaks of.

    key: how the process names it: the party's id, or its name where it has none · identifiers: those that
    hold under their schemes, the party's id among them where it is a register's number
    """

    key: str
    id: str | None
    name: str | None
    identifiers: tuple[Identifier, ...] = ()
    roles: tuple[str, ...] = ()
    scale: str | None = None
    vcse: bool | None = None

    @property
    def is_named(self) -> bool:
        return self.name is not None

    @property
    def only_name(self) -> bool:
        """Whether no identifier says who it is, only its name and the publisher's own number."""
        return not self.identifiers


class Parties:
    """The parties of a compiled release, found by what a reference says."""

    def __init__(self, release: Mapping[str, Any]) -> None:
        self.by_key: dict[str, Party] = {}
        self._by_name: dict[str, str] = {}
        for listed in release.get("parties") or ():
            self._add(_party(listed))
        for reference in _references({k: v for k, v in release.items() if k != "parties"}):
            if self.key(reference) is None:
                self._add(_party(reference))

    def _add(self, party: Party | None) -> None:
        if party is None:
            return
        held = self.by_key.get(party.key)
        self.by_key[party.key] = party if held is None else _both(held, party)
        if party.name is not None:
            self._by_name.setdefault(name_key(party.name), party.key)

    def key(self, reference: Ref | None) -> str | None:
        """The key of the party a reference means, `None` where it names nobody."""
        if not reference:
            return None
        id = _plain_id(reference.get("id"))
        if id is not None and id in self.by_key:
            return id
        name = _plain_name(reference.get("name"))
        return None if id is not None or name is None else self._by_name.get(name_key(name))

    def keys(self, references: Sequence[Ref] | None) -> list[str]:
        """The keys of the parties that references mean, sorted: their order says nothing."""
        found = {self.key(reference) for reference in references or ()}
        return sorted(key for key in found if key is not None)

    def with_role(self, role: str) -> list[str]:
        return [key for key, party in self.by_key.items() if role in party.roles]


def _both(first: Party, second: Party) -> Party:
    return replace(
        first,
        name=first.name or second.name,
        identifiers=tuple(dict.fromkeys((*first.identifiers, *second.identifiers))),
        roles=tuple(dict.fromkeys((*first.roles, *second.roles))),
        scale=first.scale or second.scale,
        vcse=second.vcse if first.vcse is None else first.vcse,
    )


def _party(listed: Ref) -> Party | None:
    id, name = _plain_id(listed.get("id")), _plain_name(listed.get("name"))
    stated = listed.get("identifier") or {}
    name = name or _plain_name(stated.get("legalName"))
    known = tuple(dict.fromkeys(_identifiers(listed, id)))
    if id is None and name is None and not known:
        return None
    details = listed.get("details") or {}
    key = id or (f"name:{name_key(name)}" if name else ":".join(known[0]))
    return Party(
        key,
        id,
        name,
        known,
        tuple(str(role) for role in listed.get("roles") or ()),
        _SCALES.get(str(details.get("scale") or "").casefold()),
        details.get("vcse"),
    )


def _identifiers(listed: Ref, id: str | None) -> Iterator[Identifier]:
    for one in (listed.get("identifier"), *(listed.get("additionalIdentifiers") or ())):
        if one and one.get("scheme") and not is_placeholder_id(str(one.get("id") or "")):
            yield from _valid(f"{one['scheme']}:{one['id']}")
    # By the standard an organisation's id is a scheme and a number, joined by a hyphen. A publisher that has
    # no register's number writes one of its own the same way, often a new one in each notice: no identifier.
    country, _, rest = (id or "").partition("-")
    scheme, _, number = rest.partition("-")
    if number and is_register(f"{country}-{scheme}"):
        yield from _valid(f"{country}-{scheme}:{number}")


def _valid(text: str) -> Iterator[Identifier]:
    try:
        yield identifier(text)
    except Malformed:
        return


def _plain_id(value: Any) -> str | None:
    text = "" if value is None else str(value).strip()
    return None if is_placeholder_id(text) or len(text) > 300 else text


def _plain_name(value: Any) -> str | None:
    text = value.strip()[:500] if isinstance(value, str) else ""
    return None if is_placeholder(text) else text


_SINGLE: Final = ("buyer", "procuringEntity", "subcontractor", "financingParty", "payer", "payee")
_SEVERAL: Final = ("suppliers", "tenderers", "suppliersAdded", "suppliersRemoved")


def _references(value: Any) -> Iterator[Ref]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name in _SINGLE and isinstance(part, Mapping):
                yield part
            elif name in _SEVERAL and isinstance(part, list):
                yield from (one for one in part if isinstance(one, Mapping))
            else:
                yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)
