"""A service record of any version, cleaned and said in the shape of HSDS 3.1, with nothing lost."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from hedgerow_registry.domain.hsds import people, values
from hedgerow_registry.domain.hsds.model import Note
from hedgerow_registry.domain.hsds.shape import ENTITIES, STATUSES, UNMAPPED, Entity
from hedgerow_registry.domain.hsds.spelling import RESPELLED, Part, path_of, slug
from hedgerow_registry.domain.hsds.values import Value
from hedgerow_registry.domain.ids import is_uuid, record_id
from hedgerow_registry.domain.plain_text import is_ordinary, plain_text
from hedgerow_registry.domain.words import name_key

DEEPEST: Final = 48
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})
_LINKS: Final = frozenset(("id", "organization_id", "service_id", "service_at_location_id", "location_id"))
NAME_WITHHELD: Final = "name of a person not kept"
_OTHER_IDS: Final = frozenset(("Id", "ID", "iD"))
_PLAIN_CODES: Final = re.compile(r"[A-Za-z0-9+-]{1,20}(?:,[A-Za-z0-9+-]{1,20}){0,400}", re.ASCII)
# Mailboxes that are nobody's own.
_PLAIN_MAILBOX: Final = re.compile(
    r"(?:info|enquiries|contact|office|admin|hello|reception)@(?:[a-z0-9-]{1,63}\.){1,3}[a-z]{2,24}", re.ASCII
)
_PLAIN_TIME: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?", re.ASCII)
_PLAIN_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# Addresses that nobody has to mend; `values.url` gives each of them back as it is.
_PLAIN_URL: Final = re.compile(
    r"(?=.{1,250}\Z)https?://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}(?:/[A-Za-z0-9._~/=?+-]{0,500})?",
    re.ASCII,
)
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\s-]+")

_READERS: Final[dict[str, Callable[[Any], Value]]] = {
    "text": values.text,
    "line": values.line,
    "codes": values.codes,
    "number": values.number,
    "date": values.date,
    "time": values.time_of_day,
    "moment": values.moment,
    "url": values.url,
    "email": values.email,
    "status": values.status,
}


def _is_plain_day(sent: str) -> bool:
    return _PLAIN_DAY.fullmatch(sent) is not None and _is_day(sent)


@lru_cache(maxsize=4096)
def _is_day(sent: str) -> bool:
    return values.date(sent) == Value(sent)


def _one_of(words: str) -> Callable[[str], bool]:
    return frozenset(words.split(",")).__contains__


# How a text is told that is as the standard means it.
_IS_PLAIN: Final[dict[str, Callable[[str], object]]] = {
    "text": is_ordinary,
    "line": is_ordinary,
    "ref": is_uuid,
    "date": _is_plain_day,
    "time": _PLAIN_TIME.fullmatch,
    "url": _PLAIN_URL.fullmatch,
    "codes": _PLAIN_CODES.fullmatch,
    "email": _PLAIN_MAILBOX.fullmatch,
    "status": _one_of(",".join(STATUSES)),
}
_SENT_AS: Final[dict[str, type]] = {"many": list, "one": dict, "number": float}


class _Plan(NamedTuple):
    """How a field is taken at a glance: of values of which type, and those of them that are plain.

    target: the entity that it holds. Whole numbers count as numbers.
    """

    type: type | None
    is_plain: Callable[[str], object]
    target: str


_UNKNOWN: Final = _Plan(None, is_uuid, "")


def _plan(kind: str) -> dict[str, _Plan]:
    made = {}
    for name, what in ENTITIES[kind].fields.items():
        how, _, target = what.partition(":")
        is_plain = _one_of(target) if how == "oneof" else _IS_PLAIN.get(how)
        # A number is one in any spelling: what is respelled are the words for it.
        is_said = how == "number" or (kind, name) not in RESPELLED
        if name != "id" and is_said and (is_plain or how in _SENT_AS):
            made[name] = _Plan(_SENT_AS.get(how, str), is_plain or is_uuid, target)
    return made


_PLANS: Final = {kind: _plan(kind) for kind in ENTITIES}


def is_too_deep(value: Any, deepest: int = DEEPEST) -> bool:
    """Whether a JSON value nests deeper than any record of the standard."""
    level = [value]
    for _ in range(deepest):
        level = [
            inner
            for outer in level
            for inner in (
                outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ()
            )
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def escaped(name: str) -> str:
    """A name as a step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


class Writer:
    """Writes one record as a document; what it cleaned on the way is in `notes`."""

    def __init__(self, record: Mapping[str, Any], *, source: str) -> None:
        self.notes: list[Note] = []
        # Something that has no place in the standard nests more deeply than any record of it.
        self.is_too_deep = False
        self._source = source
        organisation = record.get("organization") or record.get("organisation")
        names = [record.get("name"), organisation.get("name") if isinstance(organisation, dict) else None]
        self._known = tuple(
            known for name in names if isinstance(name, str) and (known := values.line(name).value)
        )

    def entity(self, kind: str, sent: Any, pointer: str, *, parent: str = "") -> dict[str, Any] | None:
        """An object of HSDS 3.1 from what was sent in its place; `None` where that holds nothing usable.

        parent: the id of the object around it, from which an id is made where there is none.
        """
        shape = ENTITIES[kind]
        if type(sent) is not dict:
            if isinstance(sent, str | int) and not isinstance(sent, bool) and shape.main is not None:
                sent = {shape.main: sent}
            elif not isinstance(sent, dict):
                return None
        made: dict[str, Any] = {}
        unmapped: dict[str, Any] = {}
        own_id = sent.get("id")
        if type(own_id) is not str or not is_uuid(own_id) or not _OTHER_IDS.isdisjoint(sent):
            own_id = self._own_id(shape.id_kind or kind, sent, made, unmapped, pointer)
        else:
            made["id"] = own_id
        # A contact is always looked at closely: whose it is hangs on all of it.
        rest = (
            sent
            if kind == "contact"
            else self._at_a_glance(kind, sent, made, unmapped, pointer, own_id or parent)
        )
        parts = self._parts(kind, shape, rest, pointer) if rest else []
        for part in parts:
            self._place(shape, part, made, unmapped, own_id or parent)
        if kind == "contact":
            self._without_person(parts, made, unmapped, pointer)
        elif kind == "metadata":
            self._without_history_of_people(made, pointer)
        elif kind == "taxonomy_term":
            self._nest(made, unmapped, pointer)
        if (not made and not unmapped) or not made.keys() >= shape.needs:
            return None
        if own_id is None:
            own_id = self._made_id(kind, parent, {**made, UNMAPPED: unmapped}, pointer)
            if own_id is None:
                return None
        if shape.required:
            made = {**shape.required, **made}
        made["id"] = own_id
        if unmapped:
            made[UNMAPPED] = unmapped
        return made

    def _at_a_glance(
        self,
        kind: str,
        sent: Mapping[str, Any],
        made: dict[str, Any],
        unmapped: dict[str, Any],
        pointer: str,
        parent: str,
    ) -> Mapping[str, Any]:
        """Take the fields whose values are as the standard means them; gives those to be looked at closely.

        Most are: of a whole record this is most of the work.
        """
        rest: dict[str, Any] = {}
        plans = _PLANS[kind]
        for name, value in sent.items():
            expected, is_plain, target = plans.get(name, _UNKNOWN)
            given = type(value)
            if given is expected:
                if given is str:
                    if is_plain(value):
                        made[name] = value
                        continue
                elif given is list:
                    if value:
                        self._many(target, name, value, f"{pointer}/{name}", made, unmapped, parent)
                        continue
                elif given is dict:
                    found = self.entity(target, value, f"{pointer}/{name}", parent=parent)
                    if found is not None:
                        made[name] = found
                        continue
                elif -values.LARGEST <= value <= values.LARGEST:
                    made[name] = value
                    continue
            elif given is int and expected is float and -values.LARGEST <= value <= values.LARGEST:
                made[name] = value
                continue
            if name != "id":
                rest[name] = value
        return rest

    def _own_id(
        self, kind: str, sent: Mapping[str, Any], made: dict[str, Any], unmapped: dict[str, Any], pointer: str
    ) -> str | None:
        for key, value in sent.items():
            if str(key).lower() != "id" or value in _NOTHING:
                continue
            external = plain_id(value)
            if external is None or "id" in made:
                self._keep(unmapped, "id", value, f"{pointer}/{escaped(str(key))}")
                continue
            made["id"] = record_id(self._source, kind, external)
            if not is_uuid(external.lower()):
                self._keep(unmapped, "id", external, f"{pointer}/{escaped(str(key))}")
        return made.get("id")

    def _made_id(self, kind: str, parent: str, content: Mapping[str, Any], pointer: str) -> str | None:
        if kind != "organization":
            return record_id(parent or self._source, kind, values.as_json(content))
        # The same body comes with many services: its id must not hang on which of them it came with.
        if not content.get("name"):
            return None
        self.notes.append(Note(pointer, "organisation without an id: one made from its name"))
        return record_id(self._source, "organisation", f"name:{name_key(content['name'])}")

    def _parts(self, kind: str, shape: Entity, sent: Mapping[str, Any], pointer: str) -> list[Part]:
        """What was sent, field by field: first those of 3.1's own name, then those spelled another way."""
        own: list[Part] = []
        respelled: list[Part] = []
        for key, value in sent.items():
            name = str(key)
            place = f"{pointer}/{escaped(name)}"
            if name.lower() == "id" or value in _NOTHING:
                continue
            if name not in shape.fields and name != UNMAPPED:
                name = _known_spelling(name, kind, shape)
            if (kind, name) in RESPELLED:
                respelled += RESPELLED[kind, name](value, place)
            elif name in shape.fields or name == UNMAPPED:
                own.append(Part(name, value, place))
            elif name in shape.spellings:
                respelled.append(Part(shape.spellings[name], value, place))
            else:
                respelled.append(Part("", {str(key): value}, place))
        if kind == "taxonomy_term":
            own = [
                Part("taxonomy_detail", part.value, part.pointer)
                if part.field == "taxonomy" and isinstance(part.value, dict)
                else part
                for part in own
            ]
        return own + respelled

    def _place(
        self, shape: Entity, part: Part, made: dict[str, Any], unmapped: dict[str, Any], parent: str
    ) -> None:
        if part.note:
            self.notes.append(Note(part.pointer, part.note))
        if part.field in ("", UNMAPPED):
            # Each vendor field on its own, so that a pointer names it.
            for name, value in (
                part.value.items() if isinstance(part.value, dict) else [("value", part.value)]
            ):
                place = part.pointer if part.field == "" else f"{part.pointer}/{escaped(str(name))}"
                self._keep(unmapped, str(name), value, place)
            return
        kind = shape.fields[part.field]
        how, _, target = kind.partition(":")
        if how == "many":
            self._many(target, part.field, part.value, part.pointer, made, unmapped, parent)
        elif how == "one":
            found = self.entity(target, part.value, part.pointer, parent=parent)
            if found is None:
                if not isinstance(part.value, dict) or part.value:
                    self._keep(unmapped, part.field, part.value, part.pointer)
            elif part.field not in made:
                made[part.field] = found
            elif made[part.field] != found:
                self._keep(unmapped, part.field, part.value, part.pointer)
        else:
            self._single(how, target, part, made, unmapped)

    def _many(
        self,
        target: str,
        field: str,
        sent: Any,
        pointer: str,
        made: dict[str, Any],
        unmapped: dict[str, Any],
        parent: str,
    ) -> None:
        listed: list[dict[str, Any]] = made.setdefault(field, [])
        is_list = isinstance(sent, list)
        for number, item in enumerate(sent if is_list else [sent]):
            place = f"{pointer}/{number}" if is_list else pointer
            found = self.entity(target, item, place, parent=parent)
            if found is not None:
                listed.append(found)
            elif target != "contact" or isinstance(item, list):
                # A contact of which nothing is left was a person's: it is not kept aside either.
                self._keep(unmapped, field, [item], place)
        if not listed:
            del made[field]

    def _single(
        self, how: str, target: str, part: Part, made: dict[str, Any], unmapped: dict[str, Any]
    ) -> None:
        found = self._read(how, target, part.value)
        self.notes += [Note(part.pointer, words) for words in found.notes]
        if found.value is not None:
            if part.field not in made:
                made[part.field] = found.value
            elif made[part.field] != found.value and not part.derived:
                self._keep(unmapped, part.pointer.rpartition("/")[2], part.value, part.pointer)
        if found.rest is not None:
            self._keep(unmapped, part.field, found.rest, part.pointer)

    def _read(self, how: str, target: str, sent: Any) -> Value:
        if how == "ref":
            external = plain_id(sent)
            if external is None:
                return Value(None, sent if isinstance(sent, dict | list) and sent else None)
            kind = ENTITIES[target].id_kind if target in ENTITIES else ""
            rest = None if is_uuid(external.lower()) else external
            return Value(record_id(self._source, kind or target, external), rest)
        if how == "oneof":
            return values.one_of(target)(sent)
        if how == "person":
            return self._role(values.line(sent))
        return _READERS[how](sent)

    def _role(self, found: Value) -> Value:
        if not isinstance(found.value, str):
            return found
        if values.is_email(found.value):
            return values.email(found.value)
        role = people.role_in(found.value, known=self._known)
        notes = found.notes if role == found.value else (*found.notes, NAME_WITHHELD)
        return Value(role or None, notes=notes)

    def _without_person(
        self, parts: list[Part], made: dict[str, Any], unmapped: dict[str, Any], pointer: str
    ) -> None:
        """Leave of a contact what belongs to the organisation."""
        title = made.get("title")
        if title is not None and people.is_honorific(title):
            del made["title"]
        sent = next((part.value for part in parts if part.field == "name"), "")
        name = values.line(sent).value
        if not isinstance(name, str) or made.get("name") == name:
            return
        mailbox = made.get("email")
        if mailbox is not None and people.is_personal_mailbox(mailbox, person=name):
            del made["email"]
            self.notes.append(Note(f"{pointer}/email", "mailbox of a person not kept"))
        acts_for_body = any(made.get(field) for field in ("name", "title", "department"))
        if made.get("phones") and not acts_for_body:
            del made["phones"]
            self.notes.append(Note(f"{pointer}/phones", "number of a person without a role not kept"))
        if not made.keys() - _LINKS and not unmapped.keys() - {"id"}:
            made.clear()
            unmapped.clear()

    def _without_history_of_people(self, made: dict[str, Any], pointer: str) -> None:
        """What a contact's name or mailbox was changed from and to is a person's, whoever changed it."""
        if made.get("resource_type", "").casefold() != "contact":
            return
        for field in ("previous_value", "replacement_value"):
            if made.pop(field, None) is not None:
                self.notes.append(Note(f"{pointer}/{field}", "history of a contact not kept"))

    def _nest(self, made: dict[str, Any], unmapped: dict[str, Any], pointer: str) -> None:
        """Split a nested label (`Parents>Grandparents`) into the term and the one above it."""
        steps = path_of(made.get("name", ""))
        if len(steps) < 2:
            return
        unmapped.setdefault("path", steps)
        made["name"] = steps[-1]
        self.notes.append(Note(f"{pointer}/name", "nested label split into a hierarchy"))
        if "parent_id" not in made:
            above = ".".join(slug(step) for step in steps[:-1])
            made["parent_id"] = record_id(
                self._source, "taxonomy_term", f"{made.get('taxonomy', '')}:{above}"
            )

    def _keep(self, unmapped: dict[str, Any], name: str, sent: Any, pointer: str) -> None:
        """Keep what has no place in the standard, cleaned, without taking another field's place."""
        if isinstance(sent, dict | list) and is_too_deep(sent, max(1, DEEPEST - pointer.count("/"))):
            self.is_too_deep = True
        else:
            self._keep_cleaned(unmapped, name, sent, pointer)

    def _keep_cleaned(self, unmapped: dict[str, Any], name: str, sent: Any, pointer: str) -> None:
        kept = self._clean(sent, name, pointer)
        if kept is None:
            return
        name = plain_text(name).text or "unnamed"
        there = unmapped.get(name)
        if there is None:
            unmapped[name] = kept
        elif there != kept:
            if isinstance(there, list) and isinstance(kept, list):
                unmapped[name] = [*there, *(item for item in kept if item not in there)]
            elif not isinstance(there, list) or kept not in there:
                unmapped[name] = [*there, kept] if isinstance(there, list) else [there, kept]

    def _clean(self, sent: Any, name: str, pointer: str) -> Any:
        if isinstance(sent, dict):
            inner: dict[str, Any] = {}
            for key, value in sent.items():
                self._keep_cleaned(inner, str(key), value, f"{pointer}/{escaped(str(key))}")
            return inner or None
        if isinstance(sent, list):
            items = [self._clean(item, name, f"{pointer}/{place}") for place, item in enumerate(sent)]
            return [item for item in items if item is not None] or None
        if isinstance(sent, str):
            return self._clean_text(sent, name, pointer)
        if isinstance(sent, bool) or sent is None:
            return sent
        found = values.number(sent)
        return self._clean_text(found.rest, name, pointer) if found.value is None else found.value

    def _clean_text(self, sent: str, name: str, pointer: str) -> str | None:
        found = values.text(sent)
        if isinstance(found.value, str) and values.is_email(found.value):
            found = values.email(found.value)
        elif people.PERSONAL_KEYS.search(name):
            found = self._role(found)
        self.notes += [Note(pointer, words) for words in found.notes]
        return found.value if isinstance(found.value, str) else None


def plain_id(sent: Any) -> str | None:
    """An id as text; `None` for what is none."""
    if isinstance(sent, bool) or not isinstance(sent, str | int):
        return None
    if isinstance(sent, str) and is_uuid(sent):
        return sent
    external = values.line(sent).value
    return external if isinstance(external, str) else None


def _known_spelling(name: str, kind: str, shape: Entity) -> str:
    """A field's name in lower case with underscores, where that is one we know (`serviceAreas`, `Name`)."""
    snake = _WORDS.sub("_", name).lower()
    known = snake in shape.fields or snake in shape.spellings or (kind, snake) in RESPELLED
    return snake if known and snake != "id" else name
