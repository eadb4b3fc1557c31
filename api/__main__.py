"""`python -m api`: see `cli`."""

from api.cli import main

main()
