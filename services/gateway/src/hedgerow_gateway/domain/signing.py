"""Secrets of webhooks, and signatures by Standard Webhooks."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

SALT_BYTES = 16


def secret_of(key: bytes, webhook_id: str, salt: str) -> str:
    """The secret of a webhook: made of the gateway's own key, so that no database holds it.

    A new salt makes a new secret.
    """
    made = hmac.new(key, f"webhook/{webhook_id}/{salt}".encode(), hashlib.sha256).digest()
    return f"whsec_{b64encode(made).decode()}"


def headers(secrets: Sequence[str], *, id: str, at: datetime, body: str) -> dict[str, str]:
    """The headers of a signed message, with a signature for each secret that is good now."""
    moment = datetime.fromtimestamp(int(at.timestamp()), UTC)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(id, moment, body) for secret in secrets),
    }
