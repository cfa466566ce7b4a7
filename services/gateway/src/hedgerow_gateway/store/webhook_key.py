"""The key that the secrets of webhooks are made of."""

import secrets
from pathlib import Path

from hedgerow_gateway.errors import UnsafeFile
from hedgerow_gateway.store.files import write_secret

KEY_FILE = "webhooks.key"


def load_webhook_key(folder: Path) -> bytes:
    """The key, made if there is none; gateways on one data directory share it.

    A file of its own: signing keys are replaced now and then, and receivers should not notice.
    """
    path = folder / KEY_FILE
    if not path.exists():
        write_secret(path, f"{secrets.token_hex(32)}\n".encode(), replace=False)
    if path.stat().st_mode & 0o077:
        raise UnsafeFile(f"{path} can be read by others: set its mode to 0600.")
    return bytes.fromhex(path.read_text().strip())
