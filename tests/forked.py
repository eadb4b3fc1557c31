"""Import what a server imports, once for all servers that are forked (`tests.forking`)."""

import gc

from api import app, cli, doctor  # noqa: F401 - what a server imports
from api.owned import statements
from api.serving import server  # noqa: F401 - what a server imports

gc.disable()  # as in `api.__main__`
statements.build()  # they are cached
gc.freeze()
