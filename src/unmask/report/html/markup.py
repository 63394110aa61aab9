"""HTML that cannot be broken by what it shows.

Everything put into a template or a tag is escaped unless it already is `Html`, so that a file named
`<script>` is shown and never run; forgetting to escape is not possible, only asking for it twice.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from importlib.resources import files
from string import Template

from unmask.report.words import readable


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Any value as HTML; `Html` stays as it is.

    >>> escape('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return value if isinstance(value, Html) else Html(html.escape(readable(str(value))))


def join(parts: Iterable[object], separator: str = "") -> Html:
    """Parts, each escaped where needed, one after the other."""
    return Html(separator.join(map(escape, parts)))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """An element; `class_` gives the attribute class, `stroke_width` gives stroke-width.

    >>> tag("td", "a < b", class_="number")
    '<td class="number">a &lt; b</td>'
    """
    named = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{named}>{join(children)}</{name}>")


def fill(template: str, **values: object) -> Html:
    """A template file of this package with every `$name` replaced; a missing one is an error."""
    text = resource(template)
    return Html(Template(text).substitute({key: escape(value) for key, value in values.items()}))


def resource(name: str) -> Html:
    """A file of this package, as it is."""
    return Html(files("unmask.report.html").joinpath(name).read_text(encoding="utf-8"))


def badge(name: str) -> Html:
    """A small label in the colour of a verdict."""
    return tag("span", name, class_=f"badge small {name}")


def number(value: object) -> Html:
    """A table cell with figures, set to the right."""
    return tag("td", value, class_="number")
