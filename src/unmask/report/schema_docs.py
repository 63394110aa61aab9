"""Writes the reference pages of the JSON format from the models that validate it.

Run as `python -m unmask.report.schema_docs docs`; a test fails when the pages are out of date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from unmask.report.schema import ErrorDocument, ReportDocument
from unmask.types import REASONS

PAGE = "report-schema.md"
SCHEMA = "report.schema.json"

Schema = dict[str, Any]


def json_schema() -> Schema:
    """JSON Schema (draft 2020-12) of one document of either kind."""
    documents: tuple[type[BaseModel], ...] = (ReportDocument, ErrorDocument)
    schemas = [model.model_json_schema(by_alias=True) for model in documents]
    shared = {name: part for schema in schemas for name, part in schema.pop("$defs", {}).items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "unmask.report/1 or unmask.error/1",
        "oneOf": schemas,
        "$defs": shared,
    }


def page() -> str:
    """The reference page: every field of both documents, and every reason code."""
    codes = "\n".join(f"| `{code}` | {text} |" for code, text in REASONS.items())
    return f"""\
<!-- Written by `python -m unmask.report.schema_docs docs`; change src/unmask/report/schema.py. -->
# The JSON report

`unmask scan PATH --json FILE` writes one document for every input; several inputs give one
document per line (JSON Lines), in the order of the inputs. Lines are pure ASCII. A machine-readable
JSON Schema lies beside this page (`{SCHEMA}`), and `unmask.report.from_json` reads a line
back, refusing what the format does not allow.

`null` means absent and is never replaced by zero: without a face there is no `p_fake`, and the
verdict is `undecided`. Verdicts were decided before the numbers were rounded.

## A report: `unmask.report/1`

{_table(ReportDocument)}

## An input that could not be read: `unmask.error/1`

{_table(ErrorDocument)}

## Reason codes

| code | meaning |
|---|---|
{codes}
"""


def write(folder: Path) -> None:
    """Write both reference files into `folder`."""
    (folder / PAGE).write_text(page(), encoding="utf-8", newline="\n")
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    (folder / SCHEMA).write_text(text, encoding="utf-8", newline="\n")


def _table(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True)
    rows = [f"| `{name}` | {kind} | {text} |" for name, kind, text in _rows(schema, schema, "")]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows])


def _rows(part: Schema, schema: Schema, prefix: str) -> Iterator[tuple[str, str, str]]:
    """(path, type, meaning) of every field of `part`, depth first, in order of the document."""
    for name, field in part["properties"].items():
        dots = "[]." if field.get("type") == "array" else "."
        inner = _object(field, schema)
        yield f"{prefix}{name}", _kind(field), field.get("description") or inner["description"]
        yield from _rows(inner, schema, f"{prefix}{name}{dots}") if inner else ()


def _object(field: Schema, schema: Schema) -> Schema:
    """The object a field holds, lists or may hold; empty when it holds plain values."""
    for holder in (field, field.get("items", {}), *field.get("anyOf", ())):
        if "$ref" in holder:
            found: Schema = schema["$defs"][holder["$ref"].rsplit("/", 1)[1]]
            return found
    return {}


def _kind(field: Schema) -> str:
    """A field's type in words; `anyOf` is, in this format, something or null."""
    if "anyOf" in field:
        return " or ".join(map(_kind, field["anyOf"]))
    if "const" in field:
        return f'`"{field["const"]}"`'
    if "prefixItems" in field:
        return f"list of {len(field['prefixItems'])} numbers"
    if "items" in field:
        return (
            "list of reason codes"
            if "enum" in field["items"]
            else f"list of {_kind(field['items'])}s"
        )
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    return str(field.get("type", "object"))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
