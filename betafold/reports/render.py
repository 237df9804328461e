"""A page from its template: what all pages share."""

import hashlib
import json
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from betafold import __version__
from betafold.files import write_beside
from betafold.provenance import provenance
from betafold.reports.style import data_uri
from betafold.reports.wording import duration, interval, number, percent


def write_page(template: str, context: dict, out: Path, step: str = "report") -> None:
    """Render ``template`` with ``context``, version and the step's provenance, and write the page to ``out``."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("betafold.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "interval": interval,
        "percent": percent,
        "duration": duration,
        "digest": digest,
    }
    html = environment.get_template(template).render(
        context, version=__version__, provenance=provenance(step)
    )
    with write_beside(out) as partial:
        partial.write_text(html, encoding="utf-8")


def digest(values: dict) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def section(title: str, figure: Figure, alt: str, text: str) -> dict:
    """A figure with its heading, its description for who cannot see it, and what it shows."""
    return {"title": title, "src": data_uri(figure), "alt": alt, "text": text}
