"""What is wrong with the letters of a sequence, in words that say what to do."""

from betafold.structures.samples import STANDARD

REMEDIES = {
    "B": "write D or N",
    "Z": "write E or Q",
    "J": "write I or L",
    "X": "write the residue that is meant",
    "U": "selenocysteine is not modelled; write C",
    "O": "pyrrolysine is not modelled; write K",
    "*": "cut the sequence at the stop",
    "-": "remove gaps",
    ".": "remove gaps",
}


def wrong_character(sequence: str) -> str:
    """Reason that names the first character that is not a standard residue, or ""."""
    for position, letter in enumerate(sequence, start=1):
        if letter in STANDARD:
            continue
        where = f"at position {position}"
        if letter.isspace():
            return f"blank {where}; remove it"
        if letter.upper() in STANDARD:
            return (
                f"lower-case {letter!r} {where} in a sequence of mixed case (a D residue? masked?); "
                "write the whole sequence in upper case"
            )
        remedy = REMEDIES.get(letter.upper(), "remove it")
        return f"{letter!r} {where} is not one of the 20 standard residues; {remedy}"
    return ""
