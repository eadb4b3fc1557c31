"""All lines of a log have one format: text, or one JSON object a line."""

import asyncio
import gc
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api.telemetry import log_lines, records
from api.telemetry.records import Observers

Write = Callable[[Callable[[logging.Logger], None]], str]


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> log_lines.Format:
    return request.param  # type: ignore[no-any-return]  # from `params`


@pytest.fixture
def write(form: log_lines.Format) -> Iterator[Write]:
    """Yield a function that returns what a logger writes."""
    output = io.StringIO()
    logger = logging.getLogger("tests.someone")
    logger.propagate = False
    handler = logging.StreamHandler(output)
    handler.setFormatter(log_lines.formatter(form))
    logger.addHandler(handler)

    def written(act: Callable[[logging.Logger], None]) -> str:
        act(logger)
        return output.getvalue()

    yield written
    logger.removeHandler(handler)


def fail(logger: logging.Logger) -> None:
    try:
        try:
            int("a title")
        except ValueError as error:
            _ = vars()[str(error)]
    except LookupError:
        logger.exception("failed")


@pytest.mark.parametrize("form", ["json"], indirect=True)
def test_line_is_a_json_object_with_the_level_and_the_logger(write: Write) -> None:
    line: Any = json.loads(write(lambda logger: logger.warning("seen %d\n%s", 2, "twice")))
    assert line.pop("time").endswith("Z")
    assert line == {"level": "warning", "logger": "tests.someone", "message": "seen 2\ntwice"}


@pytest.mark.parametrize("form", ["text"], indirect=True)
def test_line_of_text_begins_with_the_level(write: Write) -> None:
    assert write(lambda logger: logger.warning("seen %d", 2)) == (
        "WARNING:  tests.someone: seen 2\n"
    )


def test_line_has_the_members_of_its_extra(write: Write, form: log_lines.Format) -> None:
    extra = {"statement": "SELECT 1", "duration_ms": 501, "another": "is not written"}
    line = write(lambda logger: logger.warning("slow statement", extra=extra))
    if form == "text":
        assert line == (
            "WARNING:  tests.someone: slow statement duration_ms=501 statement=SELECT 1\n"
        )
    else:
        rest = {key: value for key, value in json.loads(line).items() if key in log_lines.MEMBERS}
        assert rest == {"duration_ms": 501, "statement": "SELECT 1"}
        assert "another" not in line


def test_line_has_the_id_of_the_request(write: Write) -> None:
    record = Observers().begin_operation("someone")
    text = write(lambda logger: logger.warning("seen"))
    records.leave()
    assert record.request_id in text


@pytest.mark.parametrize("form", ["json"], indirect=True)
def test_json_has_the_types_and_places_of_exceptions_but_not_their_messages(write: Write) -> None:
    text = write(fail)
    assert text.count("\n") == 1
    exception = json.loads(text)["exception"]
    assert exception.index("builtins.KeyError") < exception.index("builtins.ValueError")
    assert exception.count("in fail") == 2
    assert 'File "' in exception
    assert "'a title'" not in exception


@pytest.mark.parametrize("value", ["\ud800", 2**64])
def test_json_has_every_value(value: object) -> None:
    """The library orjson encodes neither a lone surrogate nor such a number."""
    assert json.loads(log_lines.json({"value": value})) == {"value": value}


def test_json_has_no_message_of_an_exception_that_asyncio_quotes() -> None:
    async def fail() -> None:
        raise ValueError("a title")

    async def nobody_waits() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        del task

    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(log_lines.formatter("json"))
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    asyncio.run(nobody_waits())
    gc.collect()
    logger.removeHandler(handler)
    line = json.loads(output.getvalue())
    assert line["message"] == "Task exception was never retrieved"
    assert "builtins.ValueError" in line["exception"]


@pytest.mark.parametrize("form", ["text"], indirect=True)
def test_text_has_the_messages_of_exceptions_for_developers(write: Write) -> None:
    text = write(fail)
    assert "ValueError: invalid literal for int() with base 10: 'a title'" in text


@pytest.mark.parametrize("form", ["json"], indirect=True)
def test_exceptions_of_a_group_are_written(write: Write) -> None:
    def fail_twice(logger: logging.Logger) -> None:
        group = ExceptionGroup("both", [ZeroDivisionError("a title"), KeyError("a title")])
        logger.error("failed", exc_info=group)

    text = write(fail_twice)
    assert "builtins.ZeroDivisionError" in text
    assert "builtins.KeyError" in text
    assert "a title" not in text
