"""A real OpenID provider, canaille, in a process of its own: three people, two groups, one client."""

import re
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from tests.support.platform import ROOT, free_port

CLIENT = "hedgerow"
SECRET = "the secret of the client"
PASSWORD = "correct horse battery"
GROUPS = {"commissioners-trafford": ["ada"], "readers": ["ada", "bob"]}


@dataclass
class IdentityProvider:
    url: str
    _seen: set[str] = field(default_factory=set)

    def sign_in(self, address: str, name: str) -> httpx.URL:
        """Do at the provider what a person does in a browser; gives where it sends them back to."""
        if name in self._seen:
            # Its tokens for one person differ by the second they are of, and it refuses to make one twice.
            time.sleep(1 - time.time() % 1)
        self._seen.add(name)
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as browser:
            answer = browser.get(address)
            for _ in range(10):
                if answer.is_redirect:
                    target = answer.url.join(answer.headers["location"])
                    if target.port != httpx.URL(self.url).port:
                        return target
                    answer = browser.get(target)
                    continue
                assert answer.status_code == 200, answer.text
                answer = browser.post(answer.url, data=self._filled_in(answer.text, name))
        raise AssertionError("the provider did not send the browser back")

    def _filled_in(self, page: str, name: str) -> dict[str, str]:
        asked = set(re.findall(r'name="([^"]+)"', page))
        known = {"login": name, "password": PASSWORD, "answer": "accept"}
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert token is not None, page
        return {"csrf_token": token.group(1)} | {key: known[key] for key in asked & known.keys()}

    def tokens(self, redirect_uri: str, name: str, *, scope: str = "openid profile groups") -> dict[str, Any]:
        """The tokens that a program of its own gets for a person, past the gateway."""
        verifier = "v" * 43
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": CLIENT,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": "s",
            "nonce": "n",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        address = str(httpx.URL(f"{self.url}/oauth/authorize", params=query))
        code = self.sign_in(address, name).params["code"]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        answer = httpx.post(f"{self.url}/oauth/token", data=form, auth=(CLIENT, SECRET), trust_env=False)
        assert answer.status_code == 200, answer.text
        given: dict[str, Any] = answer.json()
        return given


@contextmanager
def identity_provider(redirect_uri: str, log: Path) -> Iterator[IdentityProvider]:
    """The provider, running; it sends people back to the one address and to no other."""
    port, database = free_port(), str(log.with_name("people.db").resolve())
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.identity_provider", str(port), redirect_uri, database],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"serving\n", log.read_text()
        yield IdentityProvider(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def serve(port: int, redirect_uri: str, database: str) -> None:
    from canaille import create_app
    from canaille.app import models
    from canaille.backends import Backend
    from joserfc.jwk import RSAKey
    from werkzeug.serving import make_server

    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "first"})
    app = create_app(
        {
            "SECRET_KEY": "of the provider's own cookies",
            "SERVER_NAME": f"127.0.0.1:{port}",
            "PREFERRED_URL_SCHEME": "http",
            "CANAILLE": {"DATABASE": "sql", "LOGGING": None, "JAVASCRIPT": False, "HTMX": False},
            # In a file: canaille's store in memory finds a code by its client alone.
            "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{database}"},
            "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True)]},
        }
    )
    with app.app_context():
        Backend.instance.init_app(app, True)
        people = {}
        for name in ("ada", "bob", "eve"):
            people[name] = models.User(
                user_name=name,
                formatted_name=name,
                family_name=name,
                emails=[f"{name}@example.org"],
                password=PASSWORD,
            )
            Backend.instance.save(people[name])
        for group, members in GROUPS.items():
            Backend.instance.save(
                models.Group(display_name=group, members=[people[name] for name in members])
            )
        client = models.Client(
            client_id=CLIENT,
            client_secret=SECRET,
            client_name="Hedgerow",
            # An address the provider trusts: it asks nobody for consent.
            client_uri=f"http://127.0.0.1:{port}",
            redirect_uris=[redirect_uri],
            grant_types=["authorization_code"],
            response_types=["code"],
            scope=["openid", "profile", "groups"],
            token_endpoint_auth_method="client_secret_basic",
        )
        Backend.instance.save(client)
        client.audience = [client]
        Backend.instance.save(client)
    server = make_server("127.0.0.1", port, app, threaded=True)
    print("serving", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), *sys.argv[2:])
