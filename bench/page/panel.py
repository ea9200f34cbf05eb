"""The what-if panel: move exit rates and batch size, and see time, energy and verdict change.

The page shows the state as it was measured; ``panel.js`` takes over from there, with the model of
`calexnet.bench.model.what_if`. The browser knows the script by its hash, and runs no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from html import escape
from importlib.resources import files

from calexnet.bench.model.what_if import Cell, Model, Prediction, models, predict
from calexnet.bench.page import markup
from calexnet.bench.report.document import Report
from calexnet.bench.words.conclusions import VERDICTS, prediction_sentences, setting_name
from calexnet.bench.words.figures import MISSING, percent, ratio, significant
from calexnet.bench.words.overview import shown
from calexnet.files import schema

_TEXT = (
    "Other images may be easier or harder. Move the share that leaves at each exit (they always "
    "sum to 100 %), and see what an image would cost on this machine: predicted from the time of "
    "every part of the cascade, with images that stay gathered into smaller batches. The range "
    "behind the ratio allows for the noise of the measurement and for the error of the prediction."
)
_ENDS = (("seen", "As measured"), ("early", "All leave early"), ("late", "All stay to the end"))


def render(report: Report) -> str:
    """Return the panel as it stands before anyone moves it; nothing if nothing can be foretold."""
    found = _ordered(report)
    if not found:
        return ""
    model = found[0]
    first = model.cells[0]
    now = predict(model, first, model.exit_rates)
    sizes = tuple(sorted({cell.batch for one in found for cell in one.cells}))
    point = f"It begins with what was measured at {report.bundle.operating_point}, the default."
    return "\n".join(
        (
            markup.paragraphs((f"{_TEXT} {point}", *prediction_sentences(report.amortisation))),
            '<noscript><p class="warning">This browser runs no scripts, so the panel shows what '
            "was measured and cannot be moved.</p></noscript>",
            '<form id="what-if-form" autocomplete="off">\n<fieldset disabled>',
            _choosers(found, sizes),
            _sliders(model),
            _presets(),
            "</fieldset>",
            _answer(now, first),
            _by_batch(model, sizes),
            '<p><a id="what-if-link" href="#what-if">Link to this state</a></p>\n</form>',
        )
    )


def script(report: Report) -> str:
    """Return the panel's data and its script, for the end of the page."""
    found = _ordered(report)
    if not found:
        return ""
    # Names come from files; nothing in them may end the element.
    data = json.dumps(schema.encode(found), allow_nan=False).replace("<", "\\u003c")
    return (
        f'<script type="application/json" id="what-if-data">{data}</script>\n'
        f"<script>{_source()}</script>"
    )


def hashed() -> str:
    """Return what a content security policy calls the script by."""
    digest = hashlib.sha256(_source().encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _source() -> str:
    return files("calexnet.bench.page").joinpath("panel.js").read_text("utf-8")


def _ordered(report: Report) -> tuple[Model, ...]:
    """Return all settings, those of the decision's network first."""
    about = {
        (one.target, one.precision)
        for one in report.alternatives
        if one.name == report.decision.name
    }
    found = models(report)
    return tuple(sorted(found, key=lambda model: (model.target, model.precision) not in about))


def _choosers(found: Iterable[Model], sizes: Iterable[int]) -> str:
    shown = [*found]
    names = (setting_name(shown, (one.target, one.precision, one.threads)) for one in shown)
    settings = "".join(f"<option>{escape(name)}</option>" for name in names)
    batches = "".join(f"<option>{size}</option>" for size in sizes)
    return (
        f'<label>Where <select name="setting">{settings}</select></label>\n'
        f'<label>Images a call <select name="batch">{batches}</select></label>'
    )


def _sliders(model: Model) -> str:
    names = [f"Leave at exit {number}" for number in range(1, len(model.exit_rates))]
    names.append("Stay to the end")
    return "\n".join(
        f'<label class="slider"><span>{name}</span>'
        f'<input type="range" name="rate{number}" min="0" max="1000" value="{1000 * rate:.0f}">'
        f"{_data(f'rate{number}', rate, percent(rate))}</label>"
        for number, (name, rate) in enumerate(zip(names, model.exit_rates, strict=True), start=1)
    )


def _presets() -> str:
    buttons = "".join(
        f'<button type="button" data-preset="{name}">{words}</button>' for name, words in _ENDS
    )
    return f'<p class="presets">{buttons}</p>'


def _answer(now: Prediction, cell: Cell) -> str:
    longest = max(now.ms, now.plain_ms)
    bars = "".join(
        f'<div class="race"><span>{name}</span><span class="track"><span id="what-if-{kind}" '
        f'class="runner {colour}" style="width:{100 * ms / longest:.1f}%"></span></span>'
        f"{_data(key, ms, f'{significant(ms)} ms')}</div>"
        for name, kind, colour, key, ms in (
            ("Plain", "plain", "plain", "plain_ms", now.plain_ms),
            ("Cascade", "ours", "cascade", "ms", now.ms),
        )
    )
    return (
        f'<div class="answer" aria-live="polite">\n{bars}\n'
        f'<p><span id="what-if-verdict" class="cell {now.verdict}">'
        f"{_data('verdict', now.verdict, VERDICTS[now.verdict])}</span> "
        f"ratio {_data('ratio', now.ratio, ratio(now.ratio))} "
        f"({_data('low', now.low, ratio(now.low))} to {_data('high', now.high, ratio(now.high))})"
        f"</p>\n{_joules(now, cell)}\n</div>"
    )


def _joules(now: Prediction, cell: Cell) -> str:
    hidden = " hidden" if now.joules is None else ""
    return (
        f'<p id="what-if-joules"{hidden}>Energy an image: cascade '
        f"{_data('joules', now.joules, _mj(now.joules))}, plain "
        f"{_data('plain_j', cell.plain_j, _mj(cell.plain_j))}. From the power that the cascade "
        "drew at this batch size and on these threads.</p>"
    )


def _by_batch(model: Model, sizes: Iterable[int]) -> str:
    cells = {cell.batch: predict(model, cell, model.exit_rates) for cell in model.cells}
    head = "".join(f'<th scope="col">{size}</th>' for size in sizes)
    row = "".join(_batch_cell(size, cells.get(size)) for size in sizes)
    return (
        '<div class="scroll" role="region" aria-label="Foretold ratio by batch" tabindex="0">\n'
        f'<table class="heat"><thead><tr><th scope="col">Images a call</th>{head}</tr></thead>\n'
        f'<tbody><tr><th scope="row">Ratio</th>{row}</tr></tbody></table>\n</div>'
    )


def _batch_cell(size: int, found: Prediction | None) -> str:
    if found is None:
        return f'<td data-batch="{size}"></td>'
    return (
        f'<td data-batch="{size}" class="cell {found.verdict}" data-ratio="{found.ratio!r}">'
        f"{shown(found.ratio, found.verdict)}</td>"
    )


def _data(name: str, value: float | str | None, words: str) -> str:
    """Return a figure to be read, with all its digits beside."""
    whole = "" if value is None else f' value="{value}"'
    return f'<data data-what="{name}"{whole}>{words}</data>'


def _mj(joules: float | None) -> str:
    return MISSING if joules is None else f"{significant(1e3 * joules)} mJ"
