"""The keys the gateway signs with: a file each, named by the moment from which it signs.

Gateways on one data directory share them without another word. The key that came last signs; its public half
is published before, and that of the key before it is kept until nothing that it signed is good any more.
"""

import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hedgerow_kit import auth
from hedgerow_kit.auth import Principal, Signer

from hedgerow_gateway.errors import RotationUnderWay, UnsafeFile
from hedgerow_gateway.store.files import write, write_secret

log = logging.getLogger(__name__)

FIRST_KEY_FILE = "signing.key"
PUBLIC_KEYS_FILE = "identity.jwks.json"
# A new key is published this long before it signs: longer than anybody may keep the published ones.
LEAD_SECONDS = 60
# The longest that a token of ours is good, and a minute for clocks that differ.
BELIEVED_SECONDS = 15 * 60 + 60
LOOK_SECONDS = 1.0

_FILE = re.compile(r"signing(?:-(\d{1,12}))?\.key")


class SigningKey(NamedTuple):
    signer: Signer
    signs_from: int
    path: Path


class Keyring:
    """Signs with the key whose turn it is, and knows the public halves of all that are believed.

    published: the file where the apps find the public halves, beside the keys unless said
    """

    def __init__(
        self, folder: Path, *, published: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.published = published or folder / PUBLIC_KEYS_FILE
        self._clock = clock
        self._lock = Lock()
        self._keys: tuple[SigningKey, ...] = ()
        self._public: dict[str, Ed25519PublicKey] = {}
        self._looked_at = 0.0
        self.jwks: dict[str, Any] = {"keys": []}
        if not _files(folder):
            write_secret(folder / FIRST_KEY_FILE, auth.new_private_key(), replace=False)
        self._read(clock())

    @property
    def key_id(self) -> str:
        """The id of the key that signs at this moment."""
        return self._current().key_id

    def token(self, principal: Principal, *, audience: str) -> str:
        return self._current().token(principal, audience=audience)

    def sign(self, claims: dict[str, Any], *, life_s: int, kind: str) -> str:
        return self._current().sign(claims, life_s=life_s, kind=kind)

    def public_key(self, key_id: str) -> Ed25519PublicKey:
        """The public half of a key that is believed; KeyError for any other."""
        self.refresh()
        return self._public[key_id]

    def believed(self) -> tuple[SigningKey, ...]:
        """All that are believed, oldest first."""
        self.refresh()
        return self._keys

    def refresh(self) -> None:
        """Look again, at most once a second, for keys that came or whose time is over."""
        now = self._clock()
        if abs(now - self._looked_at) < LOOK_SECONDS:
            return
        try:
            self._read(now)
        except (OSError, ValueError, UnsafeFile) as error:
            log.error("signing keys cannot be read; the known ones stay", extra={"reason": str(error)})

    def rotate(self, *, at_once: bool = False, lead_seconds: int | None = None) -> SigningKey:
        """Make the key that signs next, after a while for which it is only published.

        at_once: it signs from now on, and what the keys before it signed is believed no longer.
        """
        with self._lock:
            now = int(self._clock())
            files = _files(self._folder)
            if not at_once and files and max(files) > now:
                raise RotationUnderWay
            # Two within a second are told apart by it.
            starts = now if at_once else now + (LEAD_SECONDS if lead_seconds is None else lead_seconds)
            path = self._folder / f"signing-{max(starts, max(files, default=0) + 1)}.key"
            write_secret(path, auth.new_private_key(), replace=False)
            if at_once:
                for old in files.values():
                    old.unlink(missing_ok=True)
        self._read(self._clock())
        return self._keys[-1]

    def _current(self) -> Signer:
        self.refresh()
        now = self._clock()
        due = [key for key in self._keys if key.signs_from <= now]
        # A clock that was put back makes no gateway mute.
        return (due or self._keys)[-1 if due else 0].signer

    def _read(self, now: float) -> None:
        with self._lock:
            self._looked_at = now
            files = _files(self._folder)
            for starts, successor in zip(sorted(files), sorted(files)[1:], strict=False):
                if successor + BELIEVED_SECONDS <= now:
                    files.pop(starts).unlink(missing_ok=True)
            known = {key.path: key for key in self._keys}
            keys = tuple(
                known.get(path) or SigningKey(Signer(_secret(path), clock=self._clock), starts, path)
                for starts, path in sorted(files.items())
            )
            if not keys:
                raise FileNotFoundError("there is no signing key")
            if keys != self._keys:
                self.jwks = {"keys": [jwk for key in keys for jwk in key.signer.jwks["keys"]]}
                self._public = auth.public_keys(self.jwks)
                self._keys = keys
            # Every time: two gateways that see a change at once may have written in the wrong order.
            _publish(self.published, self.jwks)


def _files(folder: Path) -> dict[int, Path]:
    """The key files by the moment from which each signs."""
    named = ((_FILE.fullmatch(path.name), path) for path in folder.iterdir())
    return {int(shape.group(1) or 0): path for shape, path in named if shape}


def _secret(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise UnsafeFile(f"{path} can be read by others: set its mode to 0600.")
    return path.read_bytes()


def _publish(path: Path, jwks: dict[str, Any]) -> None:
    """The public halves, for the apps."""
    public = json.dumps(jwks, indent=1).encode()
    if not path.exists() or path.read_bytes() != public:
        write(path, public, mode=0o644)
