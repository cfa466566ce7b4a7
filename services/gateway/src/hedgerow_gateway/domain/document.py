"""One OpenAPI document out of several."""

import re
from collections.abc import Mapping
from typing import Any

from hedgerow_gateway.domain.routes import RouteTable

Document = Mapping[str, Any]

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_OPEN_PATHS = frozenset(
    {
        "/",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/auth/callback",
        "/auth/session",
        "/auth/sign-in",
        "/auth/sign-out",
        "/oauth/token",
        "/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
    }
)
# Whoever watches over a gateway is never refused.
_UNLIMITED = frozenset({"/healthz", "/readyz"})
_LIMIT_HEADERS = {
    "RateLimit-Policy": {
        "description": "What may be asked for: the name of the quota, how many requests (`q`) in how many"
        " seconds (`w`). draft-ietf-httpapi-ratelimit-headers.",
        "schema": {"type": "string"},
        "example": '"reads";q=6000;w=60',
    },
    "RateLimit": {
        "description": "What is left: how many requests (`r`), for how many seconds (`t`) at the least until"
        " there is more.",
        "schema": {"type": "string"},
        "example": '"reads";r=5760;t=12',
    },
}
_RETRY_AFTER = {"description": "Seconds to wait for", "schema": {"type": "integer", "minimum": 1}}
_TOO_MANY = "TooManyRequests"
_APP_AWAY = {
    "BrokenAnswer": ("502", "An app gave a broken answer."),
    "NotAvailable": ("503", "An app, or its database, is not available at the moment."),
    "TookTooLong": ("504", "An app took too long."),
}
_AT_THE_DOOR = {
    "Malformed": ("400", "The request is not well-formed."),
    "RequestTimeout": ("408", "The request did not come in time."),
    "AddressTooLong": ("414", "The address is longer than 8 kB."),
    "HeadersTooLarge": ("431", "The header block is longer than 16 kB or has more than 100 lines."),
}
SECURITY_SCHEME = "bearer"
OAUTH_SCHEME = "oauth"
_SECURITY: tuple[dict[str, Any], ...] = ({SECURITY_SCHEME: []}, {OAUTH_SCHEME: []})
_ROUTES = RouteTable()


def merge(own: Document, apps: Mapping[str, Document], *, missing: tuple[str, ...] = ()) -> dict[str, Any]:
    """The gateway's own document with the apps' `/v1` and `/hsds` paths and the schemas they use
    added.

    Where two documents use one name for different components, both get the app's name in front; equal ones
    are kept once. A path that two apps share (`/v1/imports/{id}`) is described once: the gateway's own
    description wins, then the order of `apps`. Operation ids that collide get the app's name. `missing` names
    the apps whose document has never been seen; they are listed in `info.x-missing`.
    """
    sources = {"gateway": own, **apps}
    renamed = _colliding_components(sources)
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, dict[str, Any]] = {}
    tags: dict[str, Any] = {}
    operation_ids: set[str] = set()
    for app, document in sources.items():
        mended = _with_references(document, renamed.get(app, {}))
        for section, entries in mended.get("components", {}).items():
            if section == "securitySchemes":
                continue
            target = components.setdefault(section, {})
            for name, entry in entries.items():
                target[renamed.get(app, {}).get((section, name), name)] = entry
        for tag in mended.get("tags", []):
            tags.setdefault(tag["name"], tag)
        for path, item in mended.get("paths", {}).items():
            if app != "gateway" and not path.startswith(("/v1/", "/hsds/")):
                continue
            present = paths.setdefault(path, {})
            for method, operation in item.items():
                if method in present:
                    continue
                present[method] = operation
                if method in _METHODS:
                    _settle_operation(operation, app, path, method, operation_ids)
    components["securitySchemes"] = {
        SECURITY_SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key or an access token: `Authorization: Bearer hedgerow_<id>_<secret>`.",
        },
        OAUTH_SCHEME: {
            "type": "oauth2",
            "description": "An API key is a client: its id is the client's id, the key itself the secret.",
            "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}},
        },
    }
    _tell_of_limits(paths, components)
    _tell_of_apps(paths, components, own=own.get("paths", {}))
    _tell_of_door(paths, components)
    information = dict(own.get("info", {}))
    if missing:
        information["x-missing"] = sorted(missing)
    return {
        "openapi": "3.1.0",
        "info": information,
        "servers": [{"url": "/"}],
        "security": list(_SECURITY),
        "tags": [tags[name] for name in sorted(tags)],
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            section: {name: entries[name] for name in sorted(entries)}
            for section, entries in sorted(components.items())
        },
    }


def _settle_operation(
    operation: dict[str, Any], app: str, path: str, method: str, operation_ids: set[str]
) -> None:
    operation_id = operation.get("operationId") or re.sub(r"\W+", "_", f"{method}{path}").strip("_")
    if operation_id in operation_ids:
        operation_id = f"{app}_{operation_id}"
    number = 2
    unique = operation_id
    while unique in operation_ids:
        unique, number = f"{operation_id}_{number}", number + 1
    operation_ids.add(unique)
    operation["operationId"] = unique
    operation.pop("security", None)
    if path in _OPEN_PATHS or path.startswith("/hsds/"):
        operation["security"] = []
    elif (route := _ROUTES.find(path)) is not None and route.also_open:
        # Who sends no key may read it, and who sends one may be shown more.
        operation["security"] = [{}, *_SECURITY]


def _tell_of_limits(paths: dict[str, dict[str, Any]], components: dict[str, dict[str, Any]]) -> None:
    """Every operation tells what is left to ask for, and may be refused; the apps know nothing of that."""
    components.setdefault("headers", {}).update(_LIMIT_HEADERS)
    told = {name: {"$ref": f"#/components/headers/{name}"} for name in _LIMIT_HEADERS}
    refused = {"Retry-After": _RETRY_AFTER, **told}
    components.setdefault("responses", {})[_TOO_MANY] = {
        "description": "More than this key, person or address may ask for in a minute. Nothing was done.",
        "headers": refused,
        "content": _problem(**{"violated-policies": {"type": "array", "items": {"type": "string"}}}),
    }
    for path, item in paths.items():
        for method, operation in item.items():
            if method not in _METHODS or path in _UNLIMITED:
                continue
            answers = operation.setdefault("responses", {})
            for status, answer in answers.items():
                if status.startswith("2"):
                    answer["headers"] = {**answer.get("headers", {}), **told}
            own = answers.setdefault("429", {"$ref": f"#/components/responses/{_TOO_MANY}"})
            if "$ref" not in own:
                own["headers"] = {**own.get("headers", {}), **refused}


def _tell_of_apps(
    paths: dict[str, dict[str, Any]], components: dict[str, dict[str, Any]], *, own: Mapping[str, Any]
) -> None:
    """What an app answers does not come, or not whole, when it is away; the apps know nothing of that."""
    for name, (_, description) in _APP_AWAY.items():
        refusal = {"description": description, "content": _problem()}
        components.setdefault("responses", {}).setdefault(name, refusal)
    for path, item in paths.items():
        for method, operation in item.items():
            if method not in _METHODS or method in own.get(path, {}):
                continue
            for name, (status, _) in _APP_AWAY.items():
                operation.setdefault("responses", {})[status] = {"$ref": f"#/components/responses/{name}"}


def _tell_of_door(paths: dict[str, dict[str, Any]], components: dict[str, dict[str, Any]]) -> None:
    """What is refused of any request before anybody looks at what it asks for."""
    for name, (_, description) in _AT_THE_DOOR.items():
        refusal = {"description": description, "content": _problem()}
        components.setdefault("responses", {}).setdefault(name, refusal)
    for item in paths.values():
        for method, operation in item.items():
            if method in _METHODS:
                for name, (status, _) in _AT_THE_DOOR.items():
                    reference = {"$ref": f"#/components/responses/{name}"}
                    operation.setdefault("responses", {}).setdefault(status, reference)


def _problem(**more: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a problem whose members beside the usual ones are `more`."""
    members = {"type": "string", "title": "string", "status": "integer", "detail": "string"}
    schema = {
        "type": "object",
        "required": [*members, *more],
        "properties": {**{name: {"type": kind} for name, kind in members.items()}, **more},
    }
    return {"application/problem+json": {"schema": schema}}


def _colliding_components(sources: Mapping[str, Document]) -> dict[str, dict[tuple[str, str], str]]:
    """Per app, the components to rename: those whose name another app uses for something else."""
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    for app, document in sources.items():
        for section, entries in document.get("components", {}).items():
            for name, entry in entries.items():
                seen.setdefault((section, name), {})[app] = entry
    unequal = {
        key: by_app
        for key, by_app in seen.items()
        if any(entry != next(iter(by_app.values())) for entry in by_app.values())
    }
    # An equal schema that refers to a renamed one differs after all; follow until nothing more changes.
    grew = True
    while grew:
        grew = False
        targets = {f"#/components/{section}/{name}" for section, name in unequal}
        for key, by_app in seen.items():
            if key not in unequal and len(by_app) > 1 and _mentions(next(iter(by_app.values())), targets):
                unequal[key] = by_app
                grew = True
    renamed: dict[str, dict[tuple[str, str], str]] = {}
    for (section, name), by_app in unequal.items():
        for app in by_app:
            renamed.setdefault(app, {})[section, name] = f"{app.capitalize()}{name[:1].upper()}{name[1:]}"
    return renamed


def _mentions(value: Any, targets: set[str]) -> bool:
    if isinstance(value, Mapping):
        return value.get("$ref") in targets or any(_mentions(inner, targets) for inner in value.values())
    if isinstance(value, list):
        return any(_mentions(inner, targets) for inner in value)
    return False


def _with_references(document: Document, renamed: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """A deep copy in which every `$ref` (and discriminator mapping) names the component's new name."""
    new_names = {
        f"#/components/{section}/{name}": f"#/components/{section}/{new}"
        for (section, name), new in renamed.items()
    }

    def copy(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: copy(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [copy(inner) for inner in value]
        return new_names.get(value, value) if isinstance(value, str) else value

    return {key: copy(value) for key, value in document.items()}
