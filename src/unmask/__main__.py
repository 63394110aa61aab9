"""`python -m unmask`: the command for whoever has no scripts on the search path."""

from unmask.cli.main import run

run()
