"""People sign in at a real identity provider, and what they can then do and not do."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hedgerow_gateway.api import cookies
from hedgerow_gateway.domain.grants import Grant, of_groups
from hedgerow_gateway.domain.sessions import own_path
from hedgerow_gateway.errors import UnknownRoles
from hedgerow_gateway.settings import Settings
from hedgerow_gateway.upstream.provider import NotBelieved, Provider, ProviderDown
from hedgerow_kit.auth import Verifier
from pydantic import ValidationError

from tests.gateway.servers import App, Gateway, gateway, nobody_there, serving, wait_until
from tests.support import forgeries
from tests.support.identity_provider import CLIENT, SECRET, IdentityProvider, identity_provider

PUBLIC_URL = "https://hedgerow.example"
REDIRECT = f"{PUBLIC_URL}/auth/callback"
GRANTS = {
    "commissioners-trafford": {"roles": ["commissioner"], "authorities": ["E08000009"]},
    "readers": {"roles": ["reader"], "authorities": ["*"]},
}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityProvider]:
    with identity_provider(REDIRECT, tmp_path_factory.mktemp("provider") / "log") as running:
        yield running


def settings(provider: IdentityProvider) -> dict[str, Any]:
    return {
        "HEDGEROW_PUBLIC_URL": PUBLIC_URL,
        "oidc_issuer": provider.url,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SECRET,
        "oidc_scope": "openid groups",
        "oidc_grants": GRANTS,
    }


@pytest.fixture(scope="module")
def seen_by() -> App:
    return App()


@pytest.fixture(scope="module")
def pair(
    provider: IdentityProvider, seen_by: App, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways on one database and one data directory."""
    folder = tmp_path_factory.mktemp("gateways")
    with ExitStack() as stack:
        address = stack.enter_context(serving(seen_by))
        one, two = (
            stack.enter_context(gateway(folder, registry_url=address, **settings(provider))) for _ in range(2)
        )
        yield one, two


@pytest.fixture
def made(pair: tuple[Gateway, Gateway]) -> Gateway:
    return pair[0]


class Browser:
    """Keeps cookies as a browser does for https, whichever gateway stands behind the address."""

    def __init__(self) -> None:
        self.jar: dict[str, str] = {}
        self.attributes: dict[str, Any] = {}

    def send(self, made: Gateway, method: str, path: str, **options: Any) -> httpx.Response:
        headers = options.pop("headers", {}) | {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())
        }
        with made.stranger() as client:
            answer = client.request(method, path, headers=headers, **options)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.attributes[name] = morsel
                self.jar[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.jar[name]
        return answer

    def begin(self, made: Gateway, to: str = "/v1/areas") -> str:
        answer = self.send(made, "GET", "/auth/sign-in", params={"to": to})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def come_back(self, made: Gateway, back: httpx.URL, **changes: str | None) -> httpx.Response:
        query = {name: value for name, value in ({**back.params} | changes).items() if value is not None}
        return self.send(made, "GET", "/auth/callback", params=query)

    def sign_in(self, made: Gateway, provider: IdentityProvider, name: str) -> httpx.Response:
        return self.come_back(made, provider.sign_in(self.begin(made), name))


def signed_in(made: Gateway, provider: IdentityProvider, name: str) -> Browser:
    browser = Browser()
    answer = browser.sign_in(made, provider, name)
    assert answer.status_code == 303, answer.text
    return browser


def identity(made: Gateway, app: App) -> Any:
    sent = dict(app.last["headers"])["authorization"].removeprefix("Bearer ")
    return Verifier(made.data_dir / "gateway" / "identity.jwks.json", audience="registry").principal(sent)


def test_a_person_signs_in_and_reads_as_their_group_may(
    made: Gateway, provider: IdentityProvider, seen_by: App
) -> None:
    browser = Browser()
    answer = browser.sign_in(made, provider, "ada")
    assert (answer.status_code, answer.headers["location"]) == (303, "/v1/areas")
    assert answer.headers["cache-control"] == "no-store"
    session = browser.attributes[cookies.SESSION]
    assert session.key.startswith("__Host-")
    assert (session["secure"], session["httponly"], session["samesite"]) == (True, True, "Lax")
    assert (session["path"], session["domain"]) == ("/", "")
    assert 3500 < int(session["max-age"]) <= 3600
    assert cookies.SIGNING_IN not in browser.jar
    assert browser.send(made, "GET", "/v1/areas").status_code == 200
    who = identity(made, seen_by)
    assert (who.subject, who.roles, who.authorities) == ("person:ada", {"commissioner"}, {"E08000009"})
    assert "cookie" not in dict(seen_by.last["headers"])
    about = browser.send(made, "GET", "/auth/session").json()
    assert (about["subject"], about["roles"]) == ("person:ada", ["commissioner"])


def test_who_is_in_no_listed_group_is_not_let_in(made: Gateway, provider: IdentityProvider) -> None:
    browser = Browser()
    answer = browser.sign_in(made, provider, "eve")
    assert answer.status_code == 403
    assert cookies.SESSION not in browser.jar


def test_a_session_by_cookie_may_only_read_unless_the_page_says_it_means_it(
    made: Gateway, provider: IdentityProvider, seen_by: App
) -> None:
    browser = signed_in(made, provider, "ada")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        reached = len(seen_by.seen)
        answer = browser.send(made, method, "/v1/areas", headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert "X-CSRF-Protection" in answer.json()["detail"]
        assert len(seen_by.seen) == reached
        meant = browser.send(made, method, "/v1/areas", headers={"X-CSRF-Protection": "1"})
        assert meant.status_code == 200
    # Another origin is never allowed to send the header.
    preflight = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-csrf-protection",
    }
    for path in ("/v1/areas", "/v1/keys", "/auth/sign-out"):
        answer = browser.send(made, "OPTIONS", path, headers=preflight)
        assert "access-control-allow-origin" not in answer.headers


def test_a_session_is_known_at_every_gateway_and_its_end_within_five_seconds(
    pair: tuple[Gateway, Gateway], provider: IdentityProvider
) -> None:
    one, two = pair
    browser = Browser()
    # Begun at one, ended at the other: what a load balancer does.
    back = provider.sign_in(browser.begin(one), "bob")
    assert browser.come_back(two, back).status_code == 303
    kept = dict(browser.jar)
    assert browser.send(one, "GET", "/v1/areas").status_code == 200
    assert browser.send(two, "GET", "/v1/areas").status_code == 200
    out = browser.send(one, "POST", "/auth/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/")
    assert cookies.SESSION not in browser.jar
    ended = time.monotonic()
    browser.jar = kept
    assert browser.send(one, "GET", "/v1/areas").status_code == 401
    wait_until(lambda: browser.send(two, "GET", "/v1/areas").status_code == 401, seconds=5)
    assert time.monotonic() - ended < 5
    assert browser.send(two, "GET", "/auth/session").status_code == 401


def test_signing_in_again_ends_the_session_before(made: Gateway, provider: IdentityProvider) -> None:
    browser = signed_in(made, provider, "ada")
    before = browser.jar[cookies.SESSION]
    again = browser.sign_in(made, provider, "ada")
    assert again.status_code == 303, again.text
    assert browser.jar[cookies.SESSION] != before
    browser.jar[cookies.SESSION] = before
    assert browser.send(made, "GET", "/auth/session").status_code == 401


def test_a_way_back_that_is_not_this_browsers_own_is_refused(
    made: Gateway, provider: IdentityProvider
) -> None:
    browser = Browser()
    back = provider.sign_in(browser.begin(made), "ada")
    begun = dict(browser.jar)
    attempts: list[tuple[str, dict[str, str], dict[str, str | None]]] = [
        ("no cookie", {}, {}),
        ("another cookie", {cookies.SIGNING_IN: "a.b.c"}, {}),
        ("the cookie of another browser", _begun(made), {}),
        ("another state", begun, {"state": "x"}),
        ("no state", begun, {"state": None}),
        ("an empty state", begun, {"state": ""}),
        ("no code", begun, {"code": None}),
        ("an error", begun, {"code": None, "error": "access_denied"}),
        ("a code made up", begun, {"code": "made-up" * 6}),
        ("a long code", begun, {"code": "x" * 5000}),
        ("another issuer", begun, {"iss": "https://evil.example"}),
        ("no issuer though it is promised", begun, {"iss": None}),
    ]
    for case, jar, changes in attempts:
        other = Browser()
        other.jar = dict(jar)
        answer = other.come_back(made, back, **changes)
        assert answer.status_code == 403, case
        assert cookies.SESSION not in other.jar, case
        assert answer.headers["content-type"] == "application/problem+json", case
    twice = browser.send(made, "GET", "/auth/callback?state=a&state=b&code=c")
    assert twice.status_code == 400
    assert browser.come_back(made, back).status_code == 303
    # The same way back a second time: the code is used up.
    browser.jar = begun
    assert browser.come_back(made, back).status_code == 403


def _begun(made: Gateway) -> dict[str, str]:
    other = Browser()
    other.begin(made)
    return other.jar


def test_what_is_sent_to_the_provider_ties_the_answer_to_this_browser(made: Gateway) -> None:
    browser = Browser()
    first, second = (httpx.URL(browser.begin(made)).params for _ in range(2))
    assert first["response_type"] == "code"
    assert first["code_challenge_method"] == "S256"
    assert first["redirect_uri"] == REDIRECT
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) == 43
        assert first[name] != second[name]
    spoofed = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    answer = browser.send(made, "GET", "/auth/sign-in", headers=spoofed)
    assert httpx.URL(answer.headers["location"]).params["redirect_uri"] == REDIRECT


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/a\r\nSet-Cookie: a=b",
        "/\t/evil.example",
        "",
        "/" + "a" * 2000,
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(wanted: str) -> None:
    assert own_path(wanted) == "/"


def test_a_person_is_sent_where_they_wanted_to_go(made: Gateway, provider: IdentityProvider) -> None:
    browser = Browser()
    back = provider.sign_in(browser.begin(made, "/v1/areas?limit=5"), "ada")
    assert browser.come_back(made, back).headers["location"] == "/v1/areas?limit=5"
    elsewhere = Browser()
    back = provider.sign_in(elsewhere.begin(made, "//evil.example"), "ada")
    assert elsewhere.come_back(made, back).headers["location"] == "/"


def test_a_program_may_bring_the_providers_token_itself(
    made: Gateway, provider: IdentityProvider, seen_by: App
) -> None:
    given = provider.tokens(REDIRECT, "bob")
    for name in ("id_token", "access_token"):
        with made.stranger() as client:
            shown = {"Authorization": f"Bearer {given[name]}"}
            assert client.get("/v1/areas", headers=shown).status_code == 200
            # A header is no cookie: nobody can make a browser send it.
            assert client.post("/v1/areas", headers=shown).status_code == 200
        who = identity(made, seen_by)
        assert (who.subject, who.roles, who.authorities) == ("person:bob", {"reader"}, {"*"})
    with made.stranger() as client:
        shown = {"Authorization": f"Bearer {provider.tokens(REDIRECT, 'eve')['id_token']}"}
        assert client.get("/v1/areas", headers=shown).status_code == 401
        # Without the groups in it a token says nothing of what may be done.
        bare = provider.tokens(REDIRECT, "bob", scope="openid")["id_token"]
        assert "groups" not in jwt.decode(bare, options={"verify_signature": False})
        shown = {"Authorization": f"Bearer {bare}"}
        assert client.get("/v1/areas", headers=shown).status_code == 401


def test_no_forged_token_of_the_provider_gets_past_the_door(
    made: Gateway, provider: IdentityProvider, seen_by: App
) -> None:
    token = provider.tokens(REDIRECT, "ada")["id_token"]
    head, body, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    keys = httpx.get(f"{provider.url}/oauth/jwks.json", trust_env=False).json()
    public = jwt.PyJWK(keys["keys"][0])
    pem = public.key.public_bytes(
        forgeries.serialization.Encoding.PEM, forgeries.serialization.PublicFormat.SubjectPublicKeyInfo
    )
    other = rsa.generate_private_key(65537, 2048)
    b64 = forgeries.b64
    kid = {"kid": "first"}
    elsewhere = {"jku": "http://127.0.0.1:1/jwks.json"}
    attacks = {
        "none": f"{b64({'alg': 'none', **kid})}.{body}.",
        "none signed": f"{b64({'alg': 'none', **kid})}.{body}.{signature}",
        "no signature": f"{head}.{body}.",
        "other claims": f"{head}.{b64(claims | {'sub': 'root'})}.{signature}",
        "other groups": f"{head}.{b64(claims | {'groups': ['readers']})}.{signature}",
        "another key": jwt.encode(claims, other, "RS256", headers=kid),
        "another key by jku": jwt.encode(claims, other, "RS256", headers=kid | elsewhere),
        "unknown kid": jwt.encode(claims, other, "RS256", headers={"kid": "second"}),
        "kid a path": jwt.encode(claims, other, "RS256", headers={"kid": "../../etc/passwd"}),
        "no kid": jwt.encode(claims, other, "RS256"),
        "HS256 with the public key": forgeries.hmac_signed({"alg": "HS256", **kid}, claims, pem),
        "HS256 with the modulus": forgeries.hmac_signed(
            {"alg": "HS256", **kid}, claims, keys["keys"][0]["n"].encode()
        ),
        "PS256": f"{b64({'alg': 'PS256', **kid})}.{body}.{signature}",
        "ES256": f"{b64({'alg': 'ES256', **kid})}.{body}.{signature}",
        "EdDSA": f"{b64({'alg': 'EdDSA', **kid})}.{body}.{signature}",
        "crit": f"{b64({'alg': 'RS256', 'crit': ['b64'], **kid})}.{body}.{signature}",
        "nested deep": f"{b64(b'[' * 5000)}.{body}.{signature}",
        "oversize": f"{head}.{b64(b'x' * 9000)}.{signature}",
    }
    for attack, forged in attacks.items():
        reached = len(seen_by.seen)
        with made.stranger() as client:
            answer = client.get("/v1/areas", headers={"Authorization": f"Bearer {forged}"})
        assert answer.status_code == 401, attack
        assert len(seen_by.seen) == reached, attack
    with made.stranger() as client:
        shown = {"Authorization": f"Bearer {token}"}
        assert client.get("/v1/areas", headers=shown).status_code == 200, "the token itself is good"


def test_a_token_for_somebody_else_or_from_somebody_else_is_not_believed(provider: IdentityProvider) -> None:
    token = provider.tokens(REDIRECT, "ada")["id_token"]
    mine = Provider(provider.url, CLIENT, SECRET)
    assert mine.claims(token, audiences=[CLIENT])["sub"] == "ada"
    with pytest.raises(NotBelieved):
        mine.claims(token, audiences=["another client"])
    with pytest.raises(ProviderDown):
        Provider(f"{provider.url}/", CLIENT, SECRET).claims(token, audiences=[CLIENT])


class Counted(Provider):
    """Counts what it asks, and says when a test wants it to that nobody answers."""

    def __init__(self, issuer: str) -> None:
        self.now = 1000.0
        self.asked = 0
        self.is_down = False
        super().__init__(issuer, CLIENT, SECRET, clock=lambda: self.now)

    def _ask(self, method: str, address: str, **options: Any) -> tuple[int, dict[str, Any]]:
        self.asked += 1
        if self.is_down:
            raise ProviderDown
        return super()._ask(method, address, **options)


def of_an_unknown_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return jwt.encode({"sub": "x"}, key, "RS256", headers={"kid": "nobody's"})


def test_unknown_keys_do_not_make_us_ask_the_provider_again_and_again(provider: IdentityProvider) -> None:
    counted, forged = Counted(provider.url), of_an_unknown_key()
    for expected in (2, 4):
        for _ in range(50):
            with pytest.raises(NotBelieved):
                counted.claims(forged, audiences=[CLIENT])
        assert counted.asked == expected
        counted.now += 11


def test_a_provider_that_is_down_is_asked_seldom_and_what_was_known_stays_good(
    provider: IdentityProvider,
) -> None:
    token = provider.tokens(REDIRECT, "ada")["id_token"]
    counted = Counted(provider.url)
    counted.is_down = True
    for _ in range(50):
        with pytest.raises(ProviderDown):
            counted.claims(token, audiences=[CLIENT])
    assert counted.asked == 1
    counted.is_down = False
    counted.now += 11
    assert counted.claims(token, audiences=[CLIENT])["sub"] == "ada"
    counted.is_down = True
    counted.now += 10_000
    for _ in range(50):
        assert counted.claims(token, audiences=[CLIENT])["sub"] == "ada"
    assert counted.asked == 4


def test_a_provider_that_is_down_is_said_and_keys_go_on_without_it(
    provider: IdentityProvider, tmp_path: Path
) -> None:
    down = settings(provider) | {"oidc_issuer": nobody_there()}
    with gateway(tmp_path, **down) as made, made.stranger() as client:
        shown = {"Authorization": f"Bearer {of_an_unknown_key()}"}
        for answer in (client.get("/auth/sign-in"), client.get("/v1/areas", headers=shown)):
            assert answer.status_code == 503
            assert "retry-after" in answer.headers
        assert made.client.get("/v1/keys").status_code == 200


def test_without_a_provider_nobody_signs_in(lone: Gateway) -> None:
    with lone.stranger() as client:
        assert client.get("/auth/sign-in").status_code == 404
        assert client.get("/auth/callback?code=a&state=b").status_code == 404
        assert client.get("/auth/session").status_code == 401
        assert client.post("/auth/sign-out").status_code == 303


def test_roles_of_one_group_never_meet_the_authorities_of_another() -> None:
    listed = {
        "commissioners": Grant(("commissioner",), ("E08000009",)),
        "more commissioners": Grant(("commissioner",), ("E08000001",)),
        "readers": Grant(("reader",), ("*",)),
    }
    assert of_groups(["readers", "commissioners"], listed) == Grant(("commissioner",), ("E08000009",))
    both = ["more commissioners", "commissioners", "readers"]
    assert of_groups(both, listed) == Grant(("commissioner",), ("E08000001", "E08000009"))
    assert of_groups(["readers"], listed) == Grant(("reader",), ("*",))
    assert of_groups([], listed) is of_groups(["Readers", "reader"], listed) is None


def test_a_configuration_that_cannot_be_meant_is_refused_at_the_start(
    provider: IdentityProvider, tmp_path: Path
) -> None:
    for wrong in (
        {"oidc_issuer": "http://login.example"},
        {"oidc_grants": {"a": {"roles": ["reader"], "authorities": ["everywhere"]}}},
        {"oidc_grants": {"a": {"roles": [], "authorities": ["*"]}}},
        {"session_minutes": 100_000},
    ):
        with pytest.raises(ValidationError):
            Settings(**wrong)
    king = {"oidc_grants": {"a": {"roles": ["king"], "authorities": ["*"]}}}
    with pytest.raises(UnknownRoles), gateway(tmp_path, **(settings(provider) | king)):
        pass


def test_grants_come_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEDGEROW_GATEWAY_OIDC_GRANTS", json.dumps(GRANTS))
    monkeypatch.setenv("HEDGEROW_GATEWAY_OIDC_ISSUER", "https://login.example/tenant")
    read = Settings()
    assert list(read.oidc_grants) == list(GRANTS)
    assert read.oidc_grants["readers"].authorities == ("*",)


def test_no_session_and_no_token_is_kept_or_logged(
    made: Gateway, provider: IdentityProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    browser = signed_in(made, provider, "ada")
    secret = browser.jar[cookies.SESSION]
    browser.send(made, "GET", "/v1/areas")
    # Not what the test's own client says.
    ours = [record for record in caplog.records if record.name.startswith("hedgerow")]
    logged = "\n".join(json.dumps(record.__dict__, default=str) for record in ours)
    assert "/auth/callback" in logged
    files = b"".join(path.read_bytes() for path in made.data_dir.rglob("*") if path.is_file())
    for word in (secret, secret.removeprefix("session_"), SECRET):
        assert word not in logged
        assert word.encode() not in files
