"""Sentences on what only models of distances raise: handedness, outputs, placeholder tokens."""

from betafold.reports import comparison
from betafold.reports.benchmark import tables
from betafold.reports.benchmark.inputs import Benchmark, Contender
from betafold.reports.benchmark.text import quoted
from betafold.reports.wording import amount, compared, interval, percent


def handedness(run: Benchmark) -> str:
    """How often a mirror image fits better, with what chance makes of it."""
    records = {record["method"]: record["share"] for record in tables.handedness(run)}
    if not records:
        return "These tables do not tell how well mirror images fit; betafold evaluate adds it."
    clauses = [
        f"{percent(share.estimate)} of the {share.n} of {quoted(model)}"
        for model in run.models
        if (share := records[model.name]).n
    ]
    shares = (
        f"this holds for {', '.join(clauses)}" if clauses else "no model of this run predicts such distances"
    )
    return (
        "Distances alone cannot tell a structure from its mirror image. Where a prediction's distances are about right (dRMSD "
        f"below {tables.RIGHT_DISTANCES:g} Å) and its mirror image lies closer to the native, the wrong hand was chosen: "
        f"{shares}. Of a prediction whose distances are wrong either hand is as good, so those are not counted; short and "
        "nearly flat peptides remain, for which the hand matters little."
    )


def outputs(run: Benchmark) -> str:
    """What the output, and reading placeholders instead of residues, make of it."""
    records = tables.outputs(run)
    if len(records) == 1:
        return "There is one ProteinMTP model in this run; config/outputs.yaml trains the others beside it."
    reference = records[0]["model"]
    sentences = []
    for record in records[1:]:
        words = compared(record["difference"], quoted(reference))
        sentences.append(f"{quoted(record['model'])} {words}.")
    for first, second in readout_pairs(records):
        difference = comparison.difference(first.test(), second.test())
        result = comparison.verdict(difference)
        meaning = {
            "better": f"placeholder tokens are worth {amount(difference).removeprefix('by ')}",
            "worse": f"placeholder tokens cost {amount(difference).removeprefix('by ')}",
            "undecided": f"placeholder tokens make no established difference ({interval(difference, 2, 'Å')})",
        }[result]
        sentences.append(
            f"Between {quoted(first)} and {quoted(second)}, alike but for the readout, {meaning}."
        )
    return " ".join(sentences)


def readout_pairs(records: list[dict]) -> list[tuple[Contender, Contender]]:
    """Models that read placeholders with those that read residues and are described alike otherwise."""

    def rest(model: Contender) -> dict:
        return {name: value for name, value in tables.model_section(model).items() if name != "readout"}

    by_readout = {
        readout: [record["model"] for record in records if record["readout"] == readout]
        for readout in ("placeholders", "residues")
    }
    return [
        (first, second)
        for first in by_readout["placeholders"]
        for second in by_readout["residues"]
        if rest(first) == rest(second)
    ]
