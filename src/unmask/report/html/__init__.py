"""The report as one self-contained HTML page."""

from unmask.report.html.render import render, write_html

__all__ = ["render", "write_html"]
