"""The atom records of a PDB or mmCIF file as lines of text, one list per model."""

from betafold.errors import BetaFoldError

BACKBONE = ("N", "CA", "C")
PDB_STARTS = ("ATOM  ", "HETATM", "HEADER", "MODEL ", "REMARK", "CRYST1", "TITLE ", "EXPDTA", "SEQRES")
MMCIF_ITEMS = (
    *("group_PDB", "id", "type_symbol", "label_asym_id", "label_alt_id", "auth_asym_id"),
    *("Cartn_x", "Cartn_y", "Cartn_z", "pdbx_PDB_model_num"),
)


def is_mmcif(lines: list[str]) -> bool:
    """Whether the lines are mmCIF (else PDB), judged by content. Raises BetaFoldError if they are neither."""
    for line in lines:
        if line.startswith(("data_", "_atom_site.")):
            return True
        if line.startswith(PDB_STARTS):
            return False
        if line.lstrip().startswith("<"):
            raise BetaFoldError("an HTML or XML page, not a structure file; fetch it again")
    raise BetaFoldError("neither PDB nor mmCIF: no ATOM records and no data_ block")


def pdb_models(lines: list[str]) -> list[list[str]]:
    """ATOM, HETATM and TER lines of each model of a PDB file."""
    models = [[]]
    for line in lines:
        if line.startswith(("MODEL ", "ENDMDL")):
            models.append([])
        elif line.startswith(("ATOM  ", "HETATM", "TER")):
            models[-1].append(line)
    return [model for model in models if any(not line.startswith("TER") for line in model)]


def pdb_backbone(model: list[str]) -> list[str]:
    """The lines of N, CA and C atoms, with the TER lines between them."""
    return [line for line in model if line.startswith("TER") or line[12:16].strip() in BACKBONE]


class MmcifAtoms:
    """The atom_site table of an mmCIF file."""

    def __init__(self, lines: list[str]):
        """Raises BetaFoldError if there is no table or it lacks an item that is needed."""
        first = next((i for i, line in enumerate(lines) if line.startswith("_atom_site.")), None)
        if first is None:
            raise BetaFoldError("mmCIF without atoms")
        last = first
        while last < len(lines) and not self._ends(lines[last]):
            last += 1
        table = lines[first:last]
        self.others = lines[:first] + lines[last:]  # all that is not this table
        self.heading = [line for line in table if line.startswith("_atom_site.")]
        self.items = [line.strip().removeprefix("_atom_site.") for line in self.heading]
        self.rows = self._joined(table[len(self.heading) :])
        missing = [item for item in MMCIF_ITEMS if item not in self.items]
        if missing:
            raise BetaFoldError(f"mmCIF without the item _atom_site.{missing[0]}")
        for row in self.rows:
            if len(row.split()) != len(self.items):
                raise BetaFoldError(f"unreadable atom records: {' '.join(row.split()[:4])} ... is not whole")

    @staticmethod
    def _ends(line: str) -> bool:
        return line.startswith(("#", "loop_", "data_")) or (
            line.startswith("_") and not line.startswith("_atom_site.")
        )

    @staticmethod
    def _joined(lines: list[str]) -> list[str]:
        """One line per atom: some writers break long rows, which ProDy reads only in part."""
        rows = []
        for line in lines:
            if line.startswith(("ATOM", "HETATM")):
                rows.append(line)
            elif rows:
                rows[-1] += " " + line
        return rows

    def models(self) -> list[list[str]]:
        """Rows of each model."""
        column = self.items.index("pdbx_PDB_model_num")
        models = {}
        for row in self.rows:
            models.setdefault(row.split()[column], []).append(row)
        return list(models.values())

    def backbone(self, model: list[str]) -> list[str]:
        """The rows of N, CA and C atoms."""
        item = "auth_atom_id" if "auth_atom_id" in self.items else "label_atom_id"
        column = self.items.index(item)
        return [row for row in model if row.split()[column] in BACKBONE]

    def text(self, rows: list[str]) -> str:
        """A minimal mmCIF file of some of the rows."""
        return "\n".join(["data_model", "loop_", *self.heading, *rows, "#", ""])
