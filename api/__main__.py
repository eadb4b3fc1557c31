"""`python -m api`: see `cli`."""

import gc

# Imports leave no garbage, and searching for garbage takes an eighth of the CPU time of a start.
# `server` and `draining` enable the search again.
gc.disable()

from api.cli import main  # noqa: E402 - see above

if __name__ == "__main__":
    main()
