"""Verdicts to a person: terminal, JSON, HTML.

Each module is imported where it is used (`unmask.report.terminal`, `.schema`, `.html`), so that a
scan that prints JSON builds no page.
"""
