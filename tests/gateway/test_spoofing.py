"""Whatever a caller invents about itself stops at the gateway."""

from collections.abc import Iterator

import httpx
import pytest
from hedgerow_gateway.domain.headers import REQUEST_HEADERS, for_app, for_caller
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.servers import App, Gateway, gateway, serving

SPOOFED = {
    **{
        f"X-Forwarded-{part}": "evil.example"
        for part in (
            "For",
            "Host",
            "Proto",
            "Port",
            "Server",
            "User",
            "Prefix",
            "Path",
            "Client-Cert",
            "Email",
        )
    },
    "Forwarded": "for=1.2.3.4;host=evil.example;proto=https",
    "Via": "1.1 evil",
    **{f"X-{part}": "1.2.3.4" for part in ("Real-IP", "Client-IP", "Cluster-Client-IP", "Originating-IP")},
    **{name: "1.2.3.4" for name in ("True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP", "Client-IP")},
    **{
        f"X-{part}": "administrator"
        for part in ("User", "User-Id", "Authority", "Authorities", "Role", "Roles", "Principal", "Subject")
    },
    **{f"X-Auth-{part}": "admin" for part in ("Request-User", "Token", "Roles", "Groups", "Email")},
    **{f"X-Hedgerow-{part}": "admin" for part in ("Principal", "Roles", "Authorities", "App", "Audience")},
    **{f"X-Amzn-{part}": "x" for part in ("Oidc-Data", "Oidc-Identity", "Trace-Id")},
    **{
        name: "admin"
        for name in ("Remote-User", "X-Remote-User", "X-Webauth-User", "X-Goog-Iap-Jwt-Assertion")
    },
    **{name: "/v1/keys" for name in ("X-Original-URL", "X-Rewrite-URL", "X-Original-Method")},
    **{name: "DELETE" for name in ("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override")},
    "Cookie": "session=admin",
    "Proxy-Authorization": "Basic YWRtaW46YWRtaW4=",
    "Proxy-Connection": "keep-alive",
    "Proxy": "http://evil.example",
    "X-Api-Key": "hedgerow_0123456789abcdef_x",
    "X-SSL-Client-Cert": "cert",
    "SSL_CLIENT_S_DN": "CN=admin",
    "X_Authority": "E08000009",
    "TE": "trailers",
    "Keep-Alive": "timeout=1000",
    "Trailer": "X-Role",
    "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Tracestate": "a=b",
    "Baggage": "user=admin",
    "X-Request-ID": "1\\r\\nX-Role: admin",
    "Origin": "https://evil.example",
    "Referer": "https://evil.example/?token=1",
}


@pytest.fixture(scope="module")
def seen_by() -> App:
    return App()


@pytest.fixture(scope="module")
def behind_all(seen_by: App, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with (
        serving(seen_by) as address,
        gateway(tmp_path_factory.mktemp("spoofing"), registry_url=address) as made,
    ):
        yield made


def test_there_are_headers_enough() -> None:
    assert len(SPOOFED) >= 50


@pytest.mark.parametrize("name", SPOOFED)
def test_a_spoofed_header_reaches_no_app(behind_all: Gateway, seen_by: App, name: str) -> None:
    seen_by.seen.clear()
    assert behind_all.client.get("/v1/areas", headers={name: SPOOFED[name]}).status_code == 200
    arrived = dict(seen_by.last["headers"])
    assert name.lower() not in arrived
    assert all(SPOOFED[name] != value for value in arrived.values())


def test_all_of_them_together_reach_no_app_either(behind_all: Gateway, seen_by: App) -> None:
    seen_by.seen.clear()
    behind_all.client.get("/v1/areas", headers=SPOOFED)
    arrived = {name for name, _ in seen_by.last["headers"]}
    assert arrived <= {"host", "authorization", *(name.decode() for name in REQUEST_HEADERS)}
    assert arrived.isdisjoint(name.lower() for name in SPOOFED)


def test_the_host_an_app_sees_is_its_own(behind_all: Gateway, seen_by: App) -> None:
    seen_by.seen.clear()
    behind_all.client.get("/v1/areas", headers={"Host": "evil.example"})
    assert dict(seen_by.last["headers"])["host"].startswith("127.0.0.1:")


def test_a_header_named_in_connection_goes_no_further(behind_all: Gateway, seen_by: App) -> None:
    seen_by.seen.clear()
    headers = httpx.Headers({"Connection": "close, Accept, If-None-Match", "If-None-Match": '"1"'})
    behind_all.client.get("/v1/areas", headers=headers)
    arrived = dict(seen_by.last["headers"])
    assert "if-none-match" not in arrived
    assert "accept" not in arrived
    assert arrived["authorization"].startswith("Bearer ey")


def test_authorization_cannot_be_taken_away_by_naming_it_in_connection(
    behind_all: Gateway, seen_by: App
) -> None:
    seen_by.seen.clear()
    behind_all.client.get("/v1/areas", headers={"Connection": "authorization"})
    assert dict(seen_by.last["headers"])["authorization"].startswith("Bearer ey")


header_names = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1, max_size=20
).map(lambda name: name.lower().encode())


@given(st.lists(st.tuples(header_names, st.binary(max_size=20)), max_size=20))
def test_only_what_is_listed_crosses(headers: list[tuple[bytes, bytes]]) -> None:
    assert all(name in REQUEST_HEADERS for name, _ in for_app(headers))
    assert all(
        name not in (b"connection", b"transfer-encoding", b"server") for name, _ in for_caller(headers)
    )
