"""Sending a message to a receiver: to the address that was given, nowhere else, and within a time limit."""

import ssl
from collections.abc import Mapping
from typing import Final

import httpx
from hedgerow_kit.outgoing import HostRefused, PublicTransport, deadline

from hedgerow_gateway.domain.retries import Outcome

# From the look-up of the name to the answer's head; the answer's body is not read.
ATTEMPT_SECONDS: Final = 15.0
CONNECT_SECONDS: Final = 5.0


def is_allowed(host: str, port: int | None, scheme: str, allowed_hosts: frozenset[str]) -> bool:
    """Whether the operator has named this host, or this host with its port.

    It need not be public then, and need not speak TLS.
    """
    if scheme not in ("http", "https"):
        return False
    number = port or (443 if scheme == "https" else 80)
    return host in allowed_hosts or f"{host}:{number}" in allowed_hosts


class Receiver:
    """The connections to one receiver."""

    def __init__(
        self,
        allowed_hosts: frozenset[str],
        *,
        trusted: ssl.SSLContext | None = None,
        seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._seconds = seconds
        self._allowed = allowed_hosts
        self._client = httpx.Client(
            transport=PublicTransport(allowed_hosts=allowed_hosts, trusted=trusted),
            timeout=httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)),
            headers={"User-Agent": "hedgerow-webhooks/1", "Accept": "*/*"},
            follow_redirects=False,
            trust_env=False,
        )

    def close(self) -> None:
        self._client.close()

    def send(self, url: str, headers: Mapping[str, str], body: str) -> Outcome:
        """What became of one attempt. Nothing of the answer but its status and Retry-After is looked at."""
        try:
            address = httpx.URL(url)
            if address.scheme != "https" and not is_allowed(
                address.host, address.port, address.scheme, self._allowed
            ):
                return Outcome(None, "the address does not begin with https://")
            with deadline(self._seconds):
                request = self._client.build_request("POST", url, headers=dict(headers), content=body)
                answer = self._client.send(request, stream=True)
        except HostRefused:
            return Outcome(None, "the address is not on the public internet")
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return Outcome(None, _words(error))
        try:
            return _outcome(answer)
        finally:
            answer.close()


def _outcome(answer: httpx.Response) -> Outcome:
    status = answer.status_code
    if 200 <= status < 300:
        return Outcome(status, None)
    reason = (
        "the receiver answered with a redirect, which is not followed"
        if 300 <= status < 400
        else f"the receiver answered {status}"
    )
    return Outcome(status, reason, answer.headers.get("retry-after"))


def _words(error: Exception) -> str:
    """What the transport says of it, in its own fixed words: nothing that the receiver sent."""
    said = str(error) if type(error) is httpx.TransportError else type(error).__name__
    return said[:200]
