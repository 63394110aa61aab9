"""`unmask`: collects the verbs and turns errors into messages and exit codes.

0: every input was answered (undecided is an answer). 1: some inputs could not be read or the work
failed. 2: the request cannot be met, so nothing was begun: wrong usage, a checkpoint that must not
be used, a missing extra, an output that cannot be written. Data goes to stdout, everything else to
stderr.
"""

from __future__ import annotations

import logging
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from unmask import __version__
from unmask.cli import (
    demo,
    doctor,
    evaluate,
    explain,
    export,
    figure,
    forge,
    models,
    prepare,
    recipes,
    scan,
    table,
    train,
)
from unmask.errors import (
    CheckpointError,
    MissingExtraError,
    OutputError,
    UnmaskError,
    UsageError,
)

log = logging.getLogger(__name__)

_NOTHING_BEGUN = (UsageError, OutputError, CheckpointError, MissingExtraError)

app = typer.Typer(
    name="unmask",
    help="Find manipulated faces: which face, when, how sure, and why, or that it cannot be told.",
    epilog="Begin with: unmask demo, or: unmask scan clip.mp4 --html report.html",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: it can be searched, pasted and read in a log
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("scan")(scan.scan)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("evaluate")(evaluate.evaluate)
app.command("explain")(explain.explain)
app.command("export")(export.export)
app.command("figure")(figure.figure)
app.command("forge")(forge.forge)
app.command("models")(models.models)
app.command("prepare")(prepare.prepare)
app.command("recipes")(recipes.recipes)
app.command("table")(table.table)
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name of a file must not stop the work
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="unmask")
    except UnmaskError as error:
        print(f"unmask: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, _NOTHING_BEGUN) else 1)
    except Exception as error:  # a traceback helps nobody who did not ask for it
        log.info("unexpected failure", exc_info=True)
        print(
            f"unmask: unexpected failure ({type(error).__name__}: {error}). This is a mistake in "
            "unmask; `unmask --verbose ...` shows where. Please report it",
            file=sys.stderr,
        )
        sys.exit(1)
