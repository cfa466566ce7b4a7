"""The one OpenAPI document over all apps, the pages to read it, and the way in."""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import orjson
import swagger_ui_bundle
from fastapi import APIRouter, Request
from hedgerow_kit import serving
from hedgerow_kit.problems import NOT_FOUND, Problem
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from hedgerow_gateway.domain import document, downgrade
from hedgerow_gateway.upstream.apps import AppDown, Apps

log = logging.getLogger(__name__)

router = APIRouter()

FRESH_SECONDS = 10.0

# Nothing from elsewhere, nothing inline. Swagger UI draws its icons from data: images.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_BUNDLED = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}

_START = """window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#documentation",
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
    docExpansion: "none",
    presets: [SwaggerUIBundle.presets.apis],
  });
});
"""

_DOCS_PAGE = """<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Hedgerow API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<script src="/docs/swagger-ui-bundle.js" defer></script>
<script src="/docs/start.js" defer></script>
</head>
<body>
<main id="documentation">
<noscript>
<p>This page needs JavaScript. The same document as JSON: <a href="/openapi.json">openapi.json</a></p>
</noscript>
</main>
</body>
</html>
"""

LINKS = {
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "openapi 3.0": "/openapi-3.0.json",
    "health": "/healthz",
    "readiness": "/readyz",
    "public keys": "/.well-known/jwks.json",
}


class Documents:
    """The apps' documents, asked for again when they are no longer fresh, kept for when an app is down.

    They are also kept on disk, so that a gateway that starts before its apps has the last known ones.
    """

    def __init__(self, apps: Apps, own: Callable[[], dict[str, Any]], directory: Path) -> None:
        self._apps = apps
        self._own = own
        self._directory = directory
        self._known: dict[str, dict[str, Any]] = {}
        self._merged: bytes | None = None
        self._in_3_0: tuple[bytes, bytes] = (b"", b"")
        self._fresh_until = 0.0
        self._lock = asyncio.Lock()

    async def merged(self) -> bytes:
        """The merged document as JSON."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if self._merged is None or loop.time() >= self._fresh_until:
                changed = await asyncio.gather(*(self._refresh(app) for app in self._apps.names))
                if self._merged is None or any(changed):
                    self._merged = await asyncio.to_thread(self._merge)
                self._fresh_until = loop.time() + FRESH_SECONDS
            return self._merged

    async def in_3_0(self) -> bytes:
        """The same in the words of OpenAPI 3.0, made once for each merged document."""
        merged = await self.merged()
        if self._in_3_0[0] is not merged:
            self._in_3_0 = (merged, await asyncio.to_thread(_older, merged))
        return self._in_3_0[1]

    def _merge(self) -> bytes:
        known = {app: self._known[app] for app in self._apps.names if app in self._known}
        missing = tuple(app for app in self._apps.names if app not in known)
        return orjson.dumps(document.merge(self._own(), known, missing=missing))

    async def _refresh(self, app: str) -> bool:
        """Whether an app's document is another than the one known."""
        try:
            found = await self._apps.document(app)
        except AppDown as error:
            log.info("document not fetched", extra={"upstream": app, "reason": str(error)})
            if app in self._known:
                return False
            kept = await asyncio.to_thread(self._read, app)
            if kept is None:
                return False
            self._known[app] = kept
            return True
        if found == self._known.get(app):
            return False
        self._known[app] = found
        await asyncio.to_thread(self._keep, app, found)
        return True

    def _read(self, app: str) -> dict[str, Any] | None:
        try:
            kept = orjson.loads((self._directory / f"{app}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return kept if isinstance(kept, dict) else None

    def _keep(self, app: str, found: dict[str, Any]) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            temporary = self._directory / f".{app}.{secrets.token_hex(4)}"
            temporary.write_bytes(orjson.dumps(found))
            os.replace(temporary, self._directory / f"{app}.json")
        except OSError as error:
            log.warning("document not kept", extra={"upstream": app, "reason": type(error).__name__})


def _older(merged: bytes) -> bytes:
    return orjson.dumps(downgrade.to_3_0(orjson.loads(merged)))


@router.get("/readyz/alone", include_in_schema=False)
def ready_alone(request: Request) -> dict[str, str]:
    """Whether this gateway can take requests, whatever its apps are at: for who chooses among gateways.

    An app that is down costs its own answers only; a balancer that looked at `/readyz` would take all of them
    away.
    """
    return serving.whether_ready(request.app.state.ready_alone)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    documents: Documents = request.app.state.documents
    return Response(await documents.merged(), media_type="application/json")


@router.get("/openapi-3.0.json", include_in_schema=False)
async def openapi_3_0(request: Request) -> Response:
    """The same for tools that read no OpenAPI 3.1."""
    documents: Documents = request.app.state.documents
    return Response(await documents.in_3_0(), media_type="application/json")


@router.get("/docs", include_in_schema=False)
def docs() -> HTMLResponse:
    return HTMLResponse(_DOCS_PAGE, headers=PAGE_HEADERS)


@router.get("/docs/{name}", include_in_schema=False)
def docs_file(name: str) -> Response:
    headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
    if name == "start.js":
        return Response(_START, media_type="text/javascript", headers=headers)
    if name not in _BUNDLED:
        raise Problem(NOT_FOUND)
    return FileResponse(
        Path(str(swagger_ui_bundle.swagger_ui_path)) / name, media_type=_BUNDLED[name], headers=headers
    )


@router.get("/", include_in_schema=False)
def way_in(request: Request) -> Response:
    """Where to go from here; a page for browsers, JSON for the rest."""
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"name": "Hedgerow", "links": LINKS})
    listed = "\n".join(f'<li><a href="{href}">{escape(name)}</a></li>' for name, href in LINKS.items())
    page = (
        '<!doctype html>\n<html lang="en-GB">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Hedgerow</title></head>\n'
        "<body>\n<main>\n<h1>Hedgerow</h1>\n<p>Who provides what, where, and where nobody does. "
        f"This address serves the API.</p>\n<ul>\n{listed}\n</ul>\n</main>\n</body>\n</html>\n"
    )
    return HTMLResponse(page, headers=PAGE_HEADERS | {"Vary": "Accept"})
