"""httpx for servers on this machine: without TLS, and with a long timeout.

Reading all certificate authorities takes 27 ms a call. httpx's own timeout is five seconds.
"""

from functools import partial

import httpx

from tests.waiting import PATIENCE

NO_TLS = False
"""The value of httpx's `verify`."""
Client = partial(httpx.Client, verify=NO_TLS, timeout=PATIENCE)
request = partial(httpx.request, verify=NO_TLS, timeout=PATIENCE)
get = partial(httpx.get, verify=NO_TLS, timeout=PATIENCE)
options = partial(httpx.options, verify=NO_TLS, timeout=PATIENCE)
post = partial(httpx.post, verify=NO_TLS, timeout=PATIENCE)
put = partial(httpx.put, verify=NO_TLS, timeout=PATIENCE)


def preflight(url: str, origin: str, *headers: str) -> httpx.Response:
    """Ask as a browser does whether a page of this origin may send a POST with these headers."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(headers),
    }
    return options(url, headers=asked)
