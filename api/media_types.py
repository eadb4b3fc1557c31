"""Parse the media types in the headers of a request, with parameters (RFC 9110 §8.3, §12.5)."""

import re
from collections.abc import Mapping
from email.message import Message
from functools import lru_cache
from urllib.request import parse_http_list

_QVALUE = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


@lru_cache(128)
def is_utf8(content_type: bytes, media_type: str) -> bool:
    """Return whether a Content-Type is of this media type, and its charset is UTF-8 or missing.

    Parameters other than `charset` are ignored (RFC 2045 §1). A media type and its parameters are
    case-insensitive, and a quoted value is the same as an unquoted one (RFC 9110 §5.6.6).
    """
    name, parameters = _parsed(content_type.decode("latin-1"))
    return name == media_type and [v for n, v in parameters if n == "charset"] in ([], ["utf-8"])


@lru_cache(128)
def weights(accept: bytes) -> Mapping[str, float]:
    """Return the weight of each accepted value (RFC 9110 §12.4.2): 1 is best, 0 not acceptable."""
    named: dict[str, float] = {}
    for accepted in parse_http_list(accept.decode("latin-1")):
        name, parameters = _parsed(accepted)
        given = [value for parameter, value in parameters if parameter == "q"]
        named[name] = float(given[0]) if given and _QVALUE.fullmatch(given[0]) else 1.0
    return named


def _parsed(value: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the media type and its parameters, in lower case and unquoted."""
    message = Message()
    message["Content-Type"] = value.lower()
    [(name, _), *parameters] = message.get_params([("", "")])
    # A parameter that names its own charset (RFC 2231) is a tuple. Its text matches no known value.
    return name, [(parameter, str(text)) for parameter, text in parameters]
