"""What Schemathesis does to the requests that it makes up (tests/contracts/test_conforms.py)."""

from typing import Any
from uuid import uuid4

import schemathesis
from hedgerow_kit.idempotency import HEADER, LONGEST_KEY


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """Send each request under a key of its own: under a used one it is refused, whatever else it holds."""
    key = (case.headers or {}).get(HEADER)
    if isinstance(key, str) and 0 < len(key) <= LONGEST_KEY:
        case.headers[HEADER] = key[: LONGEST_KEY - 32] + uuid4().hex
