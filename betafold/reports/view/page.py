"""The page of ``betafold view``: a table with pictures, and the 3D view where the viewer is there."""

import base64
import hashlib
from importlib.resources import files
from pathlib import Path

import numpy as np
from markupsafe import Markup

from betafold.errors import BetaFoldError
from betafold.reports import viewer as viewers
from betafold.reports.render import write_page
from betafold.reports.style import GREY, PLDDT_BANDS, data_uri, house_style
from betafold.reports.view.models import pdb_text
from betafold.reports.view.peptides import Peptide, Shown
from betafold.reports.view.pictures import NO_CONFIDENCE, description, picture
from betafold.reports.viewer import Viewer
from betafold.reports.wording import number


def write_view(shown: Shown, viewer: Viewer | None, out: Path) -> None:
    """Write the page about ``shown.peptides`` to ``out``, with pictures only if ``viewer`` is None."""
    with house_style():
        write_page("view.html.j2", context(shown, viewer), out, step="view")


def context(shown: Shown, viewer: Viewer | None) -> dict:
    """Everything the template shows."""
    peptides = shown.peptides
    scripts = (
        [viewer.script, files("betafold.reports").joinpath("templates/view.js").read_text()] if viewer else []
    )
    return {
        "peptides": [_row(peptide) for peptide in peptides],
        "left_out": shown.left_out,
        "failures": shown.failures,
        "conformers": max(len(peptide.models) for peptide in peptides),
        "has_confidence": any(np.isfinite(peptide.plddt) for peptide in peptides),
        "lacks_confidence": any(np.isnan(peptide.plddt) for peptide in peptides),
        "has_predicted": any(np.isfinite(peptide.value("predicted_rmsd")) for peptide in peptides),
        "uncalibrated": any(peptide.row.get("status") == "uncalibrated" for peptide in peptides),
        "has_native": any(peptide.native for peptide in peptides),
        "bands": PLDDT_BANDS,
        "native_colour": GREY,
        "plain_colour": NO_CONFIDENCE,
        "scripts": [Markup(_inline(script)) for script in scripts],
        "script_hashes": [_policy_hash(script) for script in scripts],
        "data": _data(peptides) if viewer else None,
        "viewer": viewer,
        "about": viewers,
    }


def _row(peptide: Peptide) -> dict:
    """One line of the table."""
    name = peptide.row.get("name", "")
    return {
        "id": peptide.id,
        "name": name if name != peptide.row.get("id") else "",
        "sequences": peptide.sequences,
        "chains": [strand.id for strand in peptide.models[0].strands],
        "length": peptide.length,
        "plddt": peptide.plddt,
        "predicted_rmsd": peptide.value("predicted_rmsd"),
        "bound": peptide.value("rmsd_bound_90"),
        "rmsd": peptide.rmsd[0],
        "best": min(peptide.rmsd) if len(peptide.rmsd) > 1 else np.nan,
        "native": peptide.native_name,
        "native_residues": peptide.native_residues,
        "models": len(peptide.models),
        "src": data_uri(picture(peptide)),
        "alt": description(peptide),
    }


def _data(peptides: list[Peptide]) -> dict:
    """What the 3D view reads: PDB texts and their labels."""
    return {
        "bands": [[above, shade] for above, shade, _ in PLDDT_BANDS],
        "native": GREY,
        "plain": NO_CONFIDENCE,
        "peptides": [
            {
                "id": peptide.id,
                "confidence": bool(np.isfinite(peptide.plddt)),
                "models": [
                    {"label": _label(peptide, place), "pdb": pdb_text(model)}
                    for place, model in enumerate(peptide.models)
                ],
                "native": pdb_text(peptide.native) if peptide.native else None,
            }
            for peptide in peptides
        ],
    }


def _label(peptide: Peptide, place: int) -> str:
    """``rank 2, pLDDT 61, RMSD 3.20 Å``"""
    plddt = peptide.models[place].plddt
    parts = (
        [f"rank {place + 1}", f"pLDDT {number(plddt, 0)}"] if np.isfinite(plddt) else [f"model {place + 1}"]
    )
    if np.isfinite(peptide.rmsd[place]):
        parts.append(f"RMSD {number(peptide.rmsd[place], 2, 'Å')}")
    return ", ".join(parts)


def _inline(script: str) -> str:
    """A script that may stand between script tags."""
    if "</script" in script.lower() or "<!--" in script:
        raise BetaFoldError("the viewer's script cannot stand inside a page")
    return script


def _policy_hash(script: str) -> str:
    """The source expression by which a content security policy lets exactly this script run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
