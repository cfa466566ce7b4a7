"""Logs as JSON lines: time, level, logger, message, fields. Never a body, a key or a query string."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from hedgerow_kit import tracing

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonFormatter(logging.Formatter):
    def __init__(self, app: str) -> None:
        super().__init__()
        self._app = app

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "app": self._app,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= tracing.identifiers()
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["trace"] = self._trace(record)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()

    def _trace(self, record: logging.LogRecord) -> list[str]:
        """Where it happened, without the exception's words: those may hold what somebody sent."""
        assert record.exc_info is not None
        kind, _, trace = record.exc_info
        lines = [kind.__name__ if kind else "Exception"]
        while trace is not None:
            code = trace.tb_frame.f_code
            lines.append(
                f"{code.co_filename.rpartition('site-packages/')[2]}:{trace.tb_lineno} {code.co_name}"
            )
            trace = trace.tb_next
        return lines


def install(app: str, *, level: str = "INFO") -> None:
    """Send every log line of this process to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(app))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = name != "uvicorn.access"
    # httpx writes whole URLs at INFO.
    logging.getLogger("httpx").setLevel("WARNING")
