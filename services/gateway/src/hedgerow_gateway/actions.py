"""What is decided at the gateway: keys given out and taken back, and what a first start leaves behind."""

import json
import os
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hedgerow_kit import auth
from hedgerow_kit.auth import PERMISSIONS, Signer
from hedgerow_kit.db import Database
from sqlalchemy.orm import Session

from hedgerow_gateway.domain import keys as domain
from hedgerow_gateway.errors import (
    AlreadyOver,
    LastAdministrator,
    MalformedAuthorities,
    UnknownKey,
    UnknownRoles,
    UnsafeFile,
)
from hedgerow_gateway.store import keys
from hedgerow_gateway.tables import ApiKey

ADMINISTRATOR = "administrator"
FIRST_KEY_NAME = "administrator, made at the first start"
# The apps that read the registry through the gateway, each with a key of its own.
FOLLOWERS = ("network", "outcomes")
FOLLOWER = "follower"
SIGNING_KEY_FILE = "signing.key"
PUBLIC_KEYS_FILE = "identity.jwks.json"

_GSS_CODE = re.compile(r"[EWSNKJLM]\d{8}")


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
    if list(authorities) != [auth.ALL_AUTHORITIES] and not all(map(_GSS_CODE.fullmatch, authorities)):
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


def prepare(database: Database, data_dir: Path, *, now: datetime) -> Signer:
    """Leave behind what a first start must: signing key, public keys, first API keys.

    Doing it again changes nothing. There is always at least one live administrator key afterwards.
    """
    signer = load_signer(data_dir)
    with database.writing() as session:
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
            _prepare_app_key(session, app, data_dir / f"{app}.key", now=now)
    return signer


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


def load_signer(data_dir: Path) -> Signer:
    """The signing key, made if there is none, with its public half written beside it for the apps."""
    own = data_dir / "gateway"
    own.mkdir(parents=True, exist_ok=True)
    path = own / SIGNING_KEY_FILE
    if not path.exists():
        write_secret(path, auth.new_private_key(), replace=False)
    if path.stat().st_mode & 0o077:
        raise UnsafeFile(f"{path} can be read by others: set its mode to 0600.")
    signer = Signer(path.read_bytes())
    public = json.dumps(signer.jwks, indent=1).encode()
    public_path = own / PUBLIC_KEYS_FILE
    if not public_path.exists() or public_path.read_bytes() != public:
        _write(public_path, public, mode=0o644)
    return signer


def write_secret(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file that only its owner can read, whole or not at all; `replace` or keep what is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, content, mode=0o600, replace=replace)


def _write(path: Path, content: bytes, *, mode: int, replace: bool = True) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(temporary, path)
        else:
            # A link refuses to take the place of a file that another process made meanwhile.
            try:
                os.link(temporary, path)
            except FileExistsError:
                return
    finally:
        temporary.unlink(missing_ok=True)
