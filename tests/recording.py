"""Serve the API with an observer that prints each record of a request as a line of JSON."""

import json

from api.app import create_app
from api.config import Config
from api.serving.server import serve
from api.telemetry import log_lines
from api.telemetry.records import Observers, Record

FIELDS = [name for name in Record.__slots__ if not name.startswith("_")]


def print_record(record: Record) -> None:
    """Print a record, with a mark before it."""
    fields = {name: getattr(record, name) for name in FIELDS}
    print("record", json.dumps(fields), flush=True)  # noqa: T201 - the tests read it


if __name__ == "__main__":
    log_lines.configure("text")
    serve(create_app(Config.read(), Observers([print_record], keep_spans=True)), "127.0.0.1", 0)
