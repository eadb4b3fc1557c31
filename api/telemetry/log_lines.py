"""Write the lines of the log: readable text, or one JSON object a line.

structlog formats the lines of all loggers of the process, including those of uvicorn and asyncpg. A
line that is written while a request is served has the id of the request.
"""

import json as stdlib_json
import logging
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final, Literal, TypeAlias

import orjson
import structlog
from structlog.typing import EventDict, Processor, ProcessorReturnValue

from api.telemetry import records

Format: TypeAlias = Literal["text", "json"]

CHATTY: Final = ("alembic", "httpx", "watchfiles")
"""Loggers whose lines below the level WARNING are left out."""
MEMBERS: Final = ("operation", "owner", "duration_ms", "error", "waited_for", "statement")
"""The members of `extra` that a line contains, in this order (see `slow_statements`)."""
SERVERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access")
"""Loggers for which uvicorn's own command installs handlers."""
MAX_CAUSES: Final = 10
"""The most exceptions of one chain that are logged as JSON."""


def configure(form: Format) -> None:
    """Write the lines of all loggers to stderr in this format, from level INFO on."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    root.setLevel(logging.INFO)
    for name in ("", *SERVERS):
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(formatter(form))
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def formatter(form: Format) -> logging.Formatter:
    """Return the formatter of the lines that are written with the standard library's loggers."""
    rendering: list[Processor] = [structlog.processors.format_exc_info, _render_text]
    if form == "json":
        rendering = [_add_exception, _render_json]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _add_request_id,
            structlog.stdlib.ExtraAdder(MEMBERS),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.EventRenamer("message"),
            *rendering,
        ],
    )


def text(line: Mapping[str, object]) -> str:
    """Return a line as text: its level, its logger, its message, and then its other members."""
    rest = {key: value for key, value in line.items() if key not in _PLACED}
    members = "".join(f" {key}={value}" for key, value in rest.items())
    head = f"{str(line['level']).upper()}:  {line['logger']}: {line['message']}{members}"
    return f"{head}\n{line['exception']}" if "exception" in line else head


_PLACED = frozenset({"time", "level", "logger", "message", "exception"})


def json(line: Mapping[str, object]) -> bytes:
    """Return a line as a JSON object."""
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a lone surrogate, or a number of more than 64 bits
        return stdlib_json.dumps(line, default=str).encode()


def _add_request_id(_: object, __: str, line: EventDict) -> EventDict:
    record = records.current()
    if record is not None:
        line["request_id"] = record.request_id
    return line


def _add_exception(_: object, __: str, line: EventDict) -> EventDict:
    """Add the types of exceptions, and the lines of code that raised them.

    Leave out the messages: that of a database error, for example, may quote a user's text.
    """
    exc_info = line.pop("exc_info", None)
    if isinstance(exc_info, tuple) and exc_info[1] is not None:
        line["exception"] = "\n".join(_chain(exc_info[1]))
        if line["logger"] == "asyncio":  # further lines quote the exception
            line["message"] = line["message"].partition("\n")[0]
    return line


def _chain(error: BaseException) -> Iterator[str]:
    found: BaseException | None = error
    for _ in range(MAX_CAUSES):
        if found is None:
            return
        kind = type(found)
        yield f"{kind.__module__}.{kind.__qualname__}"
        yield "".join(traceback.format_tb(found.__traceback__)).rstrip()
        if isinstance(found, BaseExceptionGroup):
            for inner in found.exceptions[:MAX_CAUSES]:
                yield from _chain(inner)
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _render_json(_: object, __: str, line: MutableMapping[str, Any]) -> ProcessorReturnValue:
    ordered = {key: line.pop(key) for key in ("time", "level", "logger", "message")}
    return json({**ordered, **line}).decode()


def _render_text(_: object, __: str, line: MutableMapping[str, Any]) -> ProcessorReturnValue:
    return text(line)
