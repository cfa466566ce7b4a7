"""Sending files to outcomes in tests."""

import gzip
from typing import Any

from tests.support.http import Client

KPIS = """id,name,unit,polarity,level,perspective,frequency,aggregation,description
waits,Waiting times,days,lower,outcome,outward,monthly,mean,Days from referral to first contact
visits,Home visits,count,higher,output,inward,monthly,sum,
"""
HEAD = "kpi,subject,period,value\n"


def post(client: Client, kind: str, body: str | bytes, media_type: str = "text/csv", **options: str) -> Any:
    """The answer, whatever it is."""
    content = body.encode() if isinstance(body, str) else body
    headers = {"Content-Type": media_type}
    if content[:2] == b"\x1f\x8b":
        headers["Content-Encoding"] = "gzip"
    return client.post(f"/v1/imports/{kind}", content=content, params=options, headers=headers)


def send(client: Client, kind: str, body: str | bytes, media_type: str = "text/csv", **options: str) -> Any:
    """The import that a good file becomes."""
    answer = post(client, kind, body, media_type, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(client: Client, kind: str, body: str | bytes, **options: str) -> tuple[int, int, int, int]:
    """accepted, changed, unchanged, quarantined."""
    return tuple(send(client, kind, body, **options)["counts"].values())


def receipts(client: Client, done: Any, **filters: str) -> list[Any]:
    return client.items(done["receipts"], params=filters)


def values(client: Client, **filters: Any) -> dict[tuple[str, str, str], float | None]:
    """The observations by KPI, subject and period."""
    rows = client.items("/v1/observations", params=filters)
    return {(row["kpi"], row["subject"], row["period"]): row["value"] for row in rows}


def gzipped(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)
