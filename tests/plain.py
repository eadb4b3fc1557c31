"""httpx without TLS, for this machine: reading all certificate authorities takes 27 ms a call."""

from functools import partial

import httpx

NO_TLS = False
"""The value of httpx's `verify`."""
Client = partial(httpx.Client, verify=NO_TLS)
request = partial(httpx.request, verify=NO_TLS)
get = partial(httpx.get, verify=NO_TLS)
options = partial(httpx.options, verify=NO_TLS)
post = partial(httpx.post, verify=NO_TLS)
put = partial(httpx.put, verify=NO_TLS)
