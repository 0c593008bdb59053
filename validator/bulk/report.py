"""The closing report as one HTML file: SVG charts drawn here, no script, nothing loaded from anywhere. Pure.

The Content-Security-Policy in the file allows its one style sheet, by hash, and nothing else. No address is in it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape

from validator.bulk.summary import Summary

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
dl { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; } dt { opacity: .75; } dd { margin: 0; font-size: 1.5rem; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .2rem 1rem .2rem 0; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; fill: currentColor; } footer { margin-top: 3rem; opacity: .75; font-size: .9rem; }
"""
_COLOURS = {"valid": "#2f855a", "invalid": "#c53030", "unknown": "#b7791f", "unreadable": "#718096"}
_BAR = "#2b6cb0"
_ROW_PX = 26
_LABEL_PX = 250
_WIDTH_PX = 760


def html_report(summary: Summary, *, source: str, finished: str, seconds: float, version: str) -> str:
    """The whole file. *source* names the list, *finished* says when, both as they are to be shown."""
    document = summary.document()
    statuses = [(name, count) for name, count in document["statuses"].items() if count]
    if summary.errors:
        statuses.append(("unreadable", summary.errors))
    reasons = [(name, count) for name, count in document["reasons"].items() if count]
    repairs = [(f"repaired: {name}", count) for name, count in summary.repairs.most_common()]
    if summary.suggested:
        repairs.append(("only suggested", summary.suggested))
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    figures = [
        ("Addresses", f"{summary.rows:,}"),
        ("Valid", _share(document["statuses"]["valid"], summary.rows)),
        ("Repaired", f"{summary.repaired:,}"),
        ("Took", f"{seconds:,.1f} s"),
    ]
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in figures)
    sections = [
        _section("Verdicts", statuses, summary.rows, _COLOURS),
        _section("Reasons", reasons, summary.rows, {}),
        _section("Repairs", repairs, summary.rows, {}),
        _section("Domains with most invalid addresses", summary.top_domains(), summary.rows, {}),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>Addresses of {escape(source)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Addresses of {escape(source)}</h1>\n<dl>{facts}</dl>\n"
        + "".join(sections)
        + f"<footer>Validator {escape(version)}, {escape(finished)}</footer>\n</body>\n</html>\n"
    )


def _section(title: str, rows: Sequence[tuple[str, int]], total: int, colours: dict[str, str]) -> str:
    if not rows:
        return ""
    cells = "".join(
        f'<tr><td>{escape(name)}</td><td class="n">{count:,}</td><td class="n">{_share(count, total)}</td></tr>'
        for name, count in rows
    )
    return (
        f"<section>\n<h2>{escape(title)}</h2>\n{bar_chart(title, rows, colours)}\n"
        f"<table><thead><tr><th>What</th><th>Rows</th><th>Share</th></tr></thead><tbody>{cells}</tbody></table>\n"
        "</section>\n"
    )


def bar_chart(title: str, rows: Sequence[tuple[str, int]], colours: dict[str, str]) -> str:
    """Horizontal bars with names and counts, readable by screen readers."""
    most = max(count for _, count in rows)
    height = len(rows) * _ROW_PX
    room = _WIDTH_PX - _LABEL_PX - 90
    bars = []
    for place, (name, count) in enumerate(rows):
        y = place * _ROW_PX
        length = max(1.0, room * count / most)
        shown = name if len(name) <= 34 else f"{name[:33]}…"
        bars.append(
            f'<text x="{_LABEL_PX - 8}" y="{y + 18}" text-anchor="end">{escape(shown)}</text>'
            f'<rect x="{_LABEL_PX}" y="{y + 4}" width="{length:.1f}" height="{_ROW_PX - 8}" rx="2"'
            f' fill="{colours.get(name, _BAR)}"/>'
            f'<text x="{_LABEL_PX + length + 6:.1f}" y="{y + 18}">{count:,}</text>'
        )
    return (
        f'<svg role="img" viewBox="0 0 {_WIDTH_PX} {height}" width="{_WIDTH_PX}" height="{height}" font-size="13"'
        f' aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(bars)}</svg>'
    )


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else "–"
