"""`unmask`: collects the verbs and turns errors into messages and exit codes.

0: every input was answered (undecided is an answer). 1: some inputs could not be read or the work
failed. 2: wrong usage. Data goes to stdout, everything else to stderr.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from unmask import __version__
from unmask.cli import demo, forge, models, scan, train
from unmask.errors import OutputError, UnmaskError, UsageError

app = typer.Typer(
    name="unmask",
    help="Find manipulated faces: which face, when, how sure, and why, or that it cannot be told.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("scan")(scan.scan)
app.command("demo")(demo.demo)
app.command("forge")(forge.forge)
app.command("models")(models.models)
app.command("train")(train.train)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"unmask {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
) -> None:
    """Set up what all verbs share."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


def run() -> None:
    """Entry point of the `unmask` command."""
    try:
        app()
    except UnmaskError as error:
        print(f"unmask: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError | OutputError) else 1)
    except KeyboardInterrupt:
        print("unmask: stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of stdout (head, less) went away: that is its right, not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
