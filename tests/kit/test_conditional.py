import pytest
from fastapi import Response
from hedgerow_kit import problems, serving
from hedgerow_kit.conditional import LONGEST_TAGGED, etag, require_match
from hedgerow_kit.problems import Conditional
from starlette.responses import StreamingResponse

from tests.support.http import running


@pytest.fixture(scope="module")
def client():
    app = serving.create("Parcels", summary="", errors={}, ready={"van": lambda: app.state.van})
    app.state.van = None
    router = problems.router()

    @router.get("/parcel")
    def parcel(response: Response) -> dict[str, str]:
        response.headers["ETag"] = etag("parcel", 7)
        return {"content": "books"}

    @router.get("/count")
    def count() -> dict[str, int]:
        return {"count": app.state.count}

    @router.put("/parcel")
    def write(request: Conditional) -> dict[str, str]:
        require_match(request, etag("parcel", 7))
        return {"status": "written"}

    @router.post("/parcels", status_code=201)
    def make(response: Response) -> dict[str, str]:
        response.headers["ETag"] = etag("parcel", 7)
        return {"id": "7"}

    @router.get("/parcels/{id}")
    def read(id: str, response: Response) -> dict[str, str]:
        response.headers["ETag"] = etag("parcel", id)
        return {"id": id}

    @router.delete("/parcels/{id}")
    def remove(id: str, request: Conditional) -> dict[str, str]:
        require_match(request, etag("parcel", id))
        return {"id": id}

    @router.get("/parcels/{id}/labels")
    def labels(id: str, limit: int = 50) -> dict[str, list[str]]:
        return {"items": [id]}

    @router.put("/parcels/{id}/labels")
    def label(id: str, request: Conditional) -> dict[str, str]:
        require_match(request, etag("parcel", id))
        return {"id": id}

    @router.get("/long")
    def long() -> StreamingResponse:
        pieces = (b"x" * 1_000_000 for _ in range(LONGEST_TAGGED // 1_000_000 + 2))
        return StreamingResponse(pieces, media_type="application/json")

    app.include_router(router)
    app.state.count = 1
    with running(app) as made:
        made.app = app
        yield made


def test_an_unchanged_answer_is_304_without_a_body(client):
    first = client.get("/count")
    again = client.get("/count", headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


def test_a_changed_answer_is_sent_whole(client):
    first = client.get("/count")
    client.app.state.count = 2
    again = client.get("/count", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.json()) == (200, {"count": 2})


def test_a_tag_that_the_route_gave_is_kept_and_guards_the_write(client):
    tag = client.get("/parcel").headers["etag"]
    assert client.put("/parcel").status_code == 428
    assert client.put("/parcel", headers={"If-Match": '"stale"'}).status_code == 412
    assert client.put("/parcel", headers={"If-Match": tag}).status_code == 200


def test_a_long_answer_is_streamed_without_a_tag(client):
    answer = client.get("/long")
    assert len(answer.content) > LONGEST_TAGGED
    assert "etag" not in answer.headers


def test_readiness_names_what_is_missing(client):
    assert client.get("/readyz").json() == {"status": "ready"}
    client.app.state.van = "out of charge"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "van: out of charge"
    client.app.state.van = None


def test_what_shows_a_record_is_linked_to_the_writes_that_take_its_tag(client):
    paths = client.get("/openapi.json").json()["paths"]
    removed = {"operationRef": "#/paths/~1parcels~1{id}/delete"}
    tag = {"header.If-Match": "$response.header.ETag"}
    made = paths["/parcels"]["post"]["responses"]["201"]
    assert made["headers"]["ETag"]["schema"] == {"type": "string"}
    assert removed | {"parameters": {"path.id": "$response.body#/id"} | tag} in made["links"].values()
    shown = paths["/parcels/{id}"]["get"]["responses"]["200"]["links"].values()
    assert removed | {"parameters": {"path.id": "$request.path.id"} | tag} in shown
    assert [link["operationRef"] for link in shown] == [
        "#/paths/~1parcels~1{id}/delete",
        "#/paths/~1parcels~1{id}~1labels/put",
    ]
    assert "links" not in paths["/parcels/{id}/labels"]["get"]["responses"]["200"]
