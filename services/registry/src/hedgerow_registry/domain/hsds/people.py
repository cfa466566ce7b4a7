"""Which contacts belong to an organisation and which to a private person.

The registry keeps how to reach an organisation, never who its people are. Whether a text names a person
cannot be known for certain, so the rule is one-sided: a contact's name is kept only where it reads as a role,
a department or the organisation itself; a mailbox or number is dropped only where it reads as a person's own.
"""

import re
from collections.abc import Iterable
from typing import Final

from hedgerow_registry.domain.plain_text import words_of

_HONORIFICS: Final = words_of("mr mrs ms miss mx dr prof professor rev revd reverend sir dame lord lady fr")

# Words that make a name the name of a role, a place or a body.
_ROLES: Final = words_of(
    "admin administration administrator advice adviser advisor agency appointments association board"
    " bookings booking branch bureau care caretaker centre center chair chairman chairperson charity"
    " church cic clerk clinic club college committee community contact coordinator co-ordinator council"
    " counselling customer department dept desk director duty engagement enquiries enquiry events family"
    " finance foundation friends front general group hall headteacher health helpdesk helpline home"
    " hospital hotline housing hub information initiative intake leader library limited line line-manager"
    " ltd main manager membership mosque network nursery nurse office officer operations organiser"
    " outreach partnership practice president principal programme project reception receptionist referrals"
    " referral registrar representative safeguarding school scheme secretary service services social"
    " society staff steward support surgery switchboard synagogue team temple treasurer trust unit vicar"
    " volunteer volunteers volunteering warden welcome worker youth"
)

# Common given names that are not also ordinary words, places or saints that halls are called after.
_GIVEN: Final = words_of(
    "aaron abdul abigail adam adrian ahmed aisha alan alasdair albert alex alexander alexandra alice"
    " alison alistair amanda amelia amy andrea andrew andy angela angus anita ann anna anne annette annie"
    " anthony antony arthur ashley barbara barry becky ben benjamin bernadette bernard beth beverley bill"
    " bob brenda brian bridget bruce callum carl carol caroline carolyn catherine cath cathy charles"
    " charlie chloe chris christine christopher claire clare clive colin connor craig daniel danielle"
    " darren dave david dawn dean deborah debbie debra denise dennis derek diana diane dominic donald"
    " donna doreen dorothy douglas duncan edward eileen elaine eleanor elizabeth ellen ellie emily emma"
    " eric erin esther ethan eve fatima fiona frances fred freddie frederick gareth gary gavin gemma geoff"
    " geoffrey gerald geraldine gillian gina glenn glynis gordon graeme graham greg gwen hannah harriet"
    " harry hassan hayley heather heidi helen henry hilary howard hugh hussein ian imran irene isabel"
    " isobel jack jackie jacqueline jade jake james jamie jane janet janice jasmine jason jayne jean jeff"
    " jeffrey jennifer jenny jeremy jessica jill jim joan joanna joanne joe joel john jon jonathan joseph"
    " josephine josh joshua joyce judith judy julia julian julie june karen kate katherine kathleen"
    " kathryn kathy katie katy keith kelly ken kenneth kerry kevin kieran kim kirsty laura lauren laurence"
    " lee leanne len leonard lesley leslie liam linda lindsay lisa liz lorna lorraine louise lucy luke"
    " lynda lynn lynne maggie malcolm mandy marcus margaret maria marian marie marilyn marion marjorie"
    " martin martyn mary matthew maureen maurice megan melanie melissa michael michelle mick mike miriam"
    " mohammad mohammed moira monica muhammad muriel naomi natalie natasha neil nicholas nick nicola"
    " nicole nigel nina noel nora norma norman olivia omar oliver pam pamela pat patricia patrick paul"
    " paula pauline penny peter phil philip phillip philippa phoebe pippa rachael rachel ralph raymond"
    " rebecca reginald richard rob robert roger ronald rory rosemary rosie ross roy russell ruth ryan"
    " sally sam samantha samuel sandra sarah scott sean shane sharon sheila shirley sian simon sonia"
    " sophia sophie stacey stan stella stephanie stephen steve steven stuart sue susan suzanne sylvia"
    " tania tanya ted teresa terence terry theresa thomas tim timothy tina toby tom tommy tony tracey"
    " tracy trevor ursula valerie vanessa vera vicky victor vincent vivien vivienne wayne wendy william"
    " yasmin yvonne zara zoe"
)

# Providers of private mailboxes; small groups use them too, so the provider alone decides nothing.
_PRIVATE_HOSTS: Final = re.compile(
    r"@(?:gmail|googlemail|hotmail|outlook|live|yahoo|ymail|icloud|me|mac|aol|btinternet|btopenworld|talktalk|sky|"
    r"virginmedia|ntlworld|blueyonder|tiscali|protonmail|proton)\.[a-z.]{2,8}$"
)
_PARTS: Final = re.compile(r"\s*(?:[,;|/()\[\]\n]|\s[-–—]\s)\s*")
_WORD: Final = re.compile(r"[a-z'’-]+")
_NEVER_A_ROLE: Final = frozenset(("redacted", "test", "example", "noreply", "no-reply"))

# Keys of vendors' own fields that say who did something.
PERSONAL_KEYS: Final = re.compile(
    r"(?:assur|updat|creat|modif|edit|approv|review|check|chang|publish|submitt|verifi)\w*_?by$|author$|"
    r"(?:contact|owner|editor|user|manager|person|first|last|full|given|family|assurer|reviewer)_?name$|"
    r"surname$|forename$|date_?of_?birth$",
    re.I,
)


def role_in(name: str, *, known: Iterable[str] = ()) -> str:
    """What of a contact's name is a role, a department or a body; empty where nothing is.

    known: names of the organisation and the service, which are kept whole.

    >>> role_in("Ann Persona"), role_in("Ann Persona, Reception Manager"), role_in("Enquiries Team")
    ('', 'Reception Manager', 'Enquiries Team')
    """
    folded = name.casefold().strip()
    if any(folded == other.casefold().strip() for other in known):
        return name
    parts = [part for part in _PARTS.split(name) if part]
    kept = [part for part in parts if _is_role(part)]
    return name if len(kept) == len(parts) else ", ".join(kept)


def _is_role(part: str) -> bool:
    words = _WORD.findall(part.casefold())
    if not words or words[0] in _HONORIFICS or words[0] in _GIVEN:
        return False
    return any(word in _ROLES for word in words)


def is_honorific(title: str) -> bool:
    """Whether a contact's title is a form of address, not a post.

    >>> is_honorific("Mrs."), is_honorific("Manager")
    (True, False)
    """
    words = _WORD.findall(title.casefold())
    return bool(words) and all(word in _HONORIFICS for word in words)


def is_personal_mailbox(email: str, *, person: str = "") -> bool:
    """Whether a mailbox reads as one person's own.

    It does where its local part holds the surname or given name of the contact it came with (`person`),
    starts with a common given name, or is an initial and a surname.

    >>> is_personal_mailbox("ann.persona@example.org"), is_personal_mailbox("a.persona@example.org")
    (True, True)
    >>> is_personal_mailbox("community.meals@example.org"), is_personal_mailbox("bristol@example.org")
    (False, False)
    """
    local = email.casefold().partition("@")[0]
    words = [word for word in re.split(r"[^a-z]+", local) if word]
    if not words or words[0] in _NEVER_A_ROLE or any(word in _ROLES for word in words):
        return False
    if any(len(word) > 2 and word in local for word in _WORD.findall(person.casefold())):
        return True
    if words[0] in _GIVEN or re.fullmatch(r"[a-z][._][a-z]{3,}\d{0,4}", local):
        return True
    return bool(_PRIVATE_HOSTS.search(email.casefold())) and any(
        local.startswith(given) for given in _GIVEN if len(given) > 4
    )
