"""What is decided at the gateway: keys given out and taken back, and what a first start leaves behind."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hedgerow_kit import audit, auth, idempotency
from hedgerow_kit.auth import PERMISSIONS
from hedgerow_kit.db import Act, Database
from sqlalchemy.orm import Session

from hedgerow_gateway.domain import keys as domain
from hedgerow_gateway.domain.grants import GSS_CODE
from hedgerow_gateway.errors import (
    AlreadyOver,
    LastAdministrator,
    MalformedAuthorities,
    UnknownKey,
    UnknownRoles,
)
from hedgerow_gateway.store import keys
from hedgerow_gateway.store.files import write_secret
from hedgerow_gateway.store.signing import PUBLIC_KEYS_FILE, Keyring, SigningKey
from hedgerow_gateway.store.webhook_key import load_webhook_key
from hedgerow_gateway.tables import ApiKey

ADMINISTRATOR = "administrator"
FIRST_KEY_NAME = "administrator, made at the first start"
# The apps that read the registry through the gateway, each with a key of its own.
FOLLOWERS = ("network", "outcomes")
FOLLOWER = "follower"
# What the audit calls it.
SIGNING_KEY = "signing key"
# Who does what is done on the machine itself, past the API.
COMMAND = "command"


def give_key(
    session: Session,
    *,
    name: str,
    roles: Sequence[str],
    authorities: Sequence[str],
    expires_at: datetime | None,
    now: datetime,
) -> tuple[ApiKey, str]:
    """Make a key; its text is returned this once and kept nowhere."""
    if not set(roles) <= set(PERMISSIONS):
        raise UnknownRoles(sorted(PERMISSIONS))
    if list(authorities) != [auth.ALL_AUTHORITIES] and not all(map(GSS_CODE.fullmatch, authorities)):
        raise MalformedAuthorities
    if expires_at is not None and expires_at <= now:
        raise AlreadyOver
    new = domain.forge(secrets.token_hex, secrets.token_urlsafe)
    key = ApiKey(
        id=new.id,
        prefix=new.prefix,
        sha256=new.hash,
        name=name,
        roles=sorted(set(roles)),
        authorities=sorted(set(authorities)),
        expires_at=expires_at.astimezone(UTC) if expires_at else None,
        revoked_at=None,
        created_at=now,
        last_used_at=None,
    )
    session.add(key)
    session.flush()
    return key, new.text


def revoke_key(session: Session, identifier: str, *, now: datetime) -> None:
    """Take a key back for good; taking it back twice is the same as once."""
    key = keys.found(session, identifier)
    if key is None:
        raise UnknownKey
    if key.revoked_at is not None:
        return
    if ADMINISTRATOR in key.roles and not any(other.id != key.id for other in _administrators(session, now)):
        raise LastAdministrator
    key.revoked_at = now


def _administrators(session: Session, now: datetime) -> list[ApiKey]:
    return [
        key
        for key in keys.live(session, now=now)
        if ADMINISTRATOR in key.roles and auth.ALL_AUTHORITIES in key.authorities
    ]


def rotate_signing_key(
    database: Database, keyring: Keyring, *, act: Act, at_once: bool, lead_seconds: int | None = None
) -> SigningKey:
    """Make the key that signs next; nothing is entered of one that could not be made.

    One that was made and of which nothing was entered, because that was cut off, is entered in place of
    another. At once there always is another: the one before may be what leaked.
    """
    with database.writing() as session:
        made = None if at_once else _cut_off(session, keyring)
        if made is None:
            made = keyring.rotate(at_once=at_once, lead_seconds=lead_seconds)
        told = {"signs_from": made.signs_from, "at_once": at_once}
        audit.enter(session, act, SIGNING_KEY, made.signer.key_id, after=told)
    return made


def _cut_off(session: Session, keyring: Keyring) -> SigningKey | None:
    """The last key, if its rotation did not come to its end and may still be asked for again."""
    last = keyring.believed()[-1]
    is_recent = last.signs_from > (datetime.now(UTC) - idempotency.KEPT_FOR).timestamp()
    return last if is_recent and not audit.knows(session, SIGNING_KEY, last.signer.key_id) else None


def prepare(database: Database, data_dir: Path, *, now: datetime, apps_dir: Path | None = None) -> Keyring:
    """Leave behind what a first start must: signing key, public keys, the webhooks' key, first API keys.

    Doing it again changes nothing. There is always at least one live administrator key afterwards.
    apps_dir: where the apps find what is for them, if they are to see nothing else
    """
    keyring = load_keyring(data_dir, apps_dir)
    load_webhook_key(data_dir / "gateway")
    with database.writing(act=Act(COMMAND, "prepare")) as session:
        if not _administrators(session, now):
            _, text = give_key(
                session,
                name=FIRST_KEY_NAME,
                roles=[ADMINISTRATOR],
                authorities=[auth.ALL_AUTHORITIES],
                expires_at=None,
                now=now,
            )
            # Written before the commit: a file without its row is replaced at the next start,
            # a row without its file would lock everybody out.
            write_secret(data_dir / "admin.key", f"{text}\n".encode())
        for app in FOLLOWERS:
            _prepare_app_key(session, app, (apps_dir or data_dir) / f"{app}.key", now=now)
    return keyring


def _prepare_app_key(session: Session, app: str, path: Path, *, now: datetime) -> None:
    """An app reads the registry through the gateway with a key of its own, which changes nothing.

    Another live key of that name is left alone: it may belong to a replica with a data directory of its own.
    """
    text = path.read_text().strip() if path.exists() else ""
    identifier = domain.identifier_of(text)
    known = keys.held(session, identifier) if identifier else None
    is_good = known is not None and domain.is_good(known, domain.digest(text), now=now)
    if known is not None and is_good and known.roles == (FOLLOWER,):
        return
    _, text = give_key(
        session,
        name=f"{app} app",
        roles=[FOLLOWER],
        authorities=[auth.ALL_AUTHORITIES],
        expires_at=None,
        now=now,
    )
    write_secret(path, f"{text}\n".encode())


def load_keyring(data_dir: Path, apps_dir: Path | None = None) -> Keyring:
    """The signing keys, the first made if there is none; their public halves are where the apps look."""
    if apps_dir is not None:
        apps_dir.mkdir(parents=True, exist_ok=True)
    return Keyring(data_dir / "gateway", published=apps_dir and apps_dir / PUBLIC_KEYS_FILE)
