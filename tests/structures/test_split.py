"""The parts share no cluster, no sequence and no stretch of one, whatever the samples."""

import json
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from betafold.cli.__main__ import main
from betafold.errors import BetaFoldError
from betafold.structures.labels import SampleText, write_labels
from betafold.structures.parts import FRACTIONS, PARTS, deal
from betafold.structures.samples import STANDARD, Sample, sample_id
from betafold.structures.split import COLUMNS, count_samples, read_split, split_samples

KINDS = ("free", "bound", "fragment")


def random_chain(length, generator):
    return "".join(generator.choices(STANDARD, k=length))


def samples_of(chains, generator, copies=3):
    """Random stretches of 10-30 residues of ``chains``; of a peptide, the whole."""
    texts = []
    for i, chain in enumerate(chains):
        for _ in range(copies if len(chain) > 30 else 1):
            length = min(generator.randint(10, 30), len(chain)) if len(chain) > 30 else len(chain)
            start = generator.randint(0, len(chain) - length)
            kind = "fragment" if len(chain) > 30 else generator.choice(KINDS[:2])
            name = f"{sample_id(f'{i}abc', 'A', start, length)}.{len(texts)}"
            texts.append(SampleText(name, chain[start : start + length], kind, chain))
    return texts


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(0, 8))
def test_no_sequence_of_one_part_is_in_another(seed, chains, relatives):
    generator = random.Random(seed)
    sequences = [random_chain(generator.randint(10, 80), generator) for _ in range(chains)]
    for _ in range(relatives):
        whole = generator.choice(sequences)
        start = generator.randint(0, len(whole) - 10)
        piece = whole[start : start + generator.randint(10, 40)]
        sequences.append(random_chain(generator.randint(0, 6), generator) + piece)
    texts = samples_of(sequences, generator)
    table = split_samples(texts, seed=seed)
    assert sorted(table["id"]) == sorted(text.id for text in texts)
    assert set(table["split"]) <= set(PARTS)
    assert (table.groupby("cluster")["split"].nunique() == 1).all()
    assert (table.groupby("sequence")["split"].nunique() == 1).all()
    rows = list(table.itertuples())
    for one in rows:
        for other in rows:
            if one.sequence in other.parent:
                assert one.split == other.split


def many_samples(seed=1):
    generator = random.Random(seed)
    lengths = [generator.randint(10, 30) for _ in range(60)] + [generator.randint(40, 90) for _ in range(30)]
    return samples_of([random_chain(length, generator) for length in lengths], generator)


def test_split_depends_on_the_seed_only():
    texts = many_samples()
    table = split_samples(texts, seed=7)
    shuffled = texts.copy()
    random.Random(2).shuffle(shuffled)
    pd.testing.assert_frame_equal(table, split_samples(shuffled, seed=7, threads=2))
    assert (table["split"] != split_samples(texts, seed=8)["split"]).any()


def test_every_part_gets_its_share_of_peptides_and_fragments():
    counts = count_samples(split_samples(many_samples(), fractions=FRACTIONS))
    assert counts["samples"].sum() == 60 + 90
    for column, total in (("fragment", 90), ("peptides", 60)):
        have = counts[column] if column == "fragment" else counts["free"] + counts["bound"]
        for part, fraction in zip(PARTS, FRACTIONS, strict=True):
            assert have[part] == pytest.approx(fraction * total, abs=4), (column, part)


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(1, 50), min_size=1, max_size=40),
    st.permutations([0.7, 0.1, 0.1, 0.1]),
)
def test_deal(sizes, fractions):
    parts = deal(sizes, fractions, "7")
    assert parts.keys() == sizes.keys()
    assert parts == deal(dict(reversed(sizes.items())), fractions, "7")
    for part, fraction in zip(PARTS[1:], fractions[1:], strict=True):
        held_out = sum(size for name, size in sizes.items() if parts[name] == part)
        assert held_out <= max(fraction * sum(sizes.values()), 1) + 1e-9


def test_deal_few_clusters_and_large_ones():
    assert deal({"a": 1}, FRACTIONS, "7") == {"a": "train"}
    assert sorted(deal({"a": 1, "b": 1}, FRACTIONS, "7").values()) == ["test", "train"]
    assert set(deal(dict.fromkeys("abcd", 1), FRACTIONS, "7").values()) == set(PARTS)
    sizes = {"family": 50} | {f"s{i}": 1 for i in range(50)}
    parts = deal(sizes, FRACTIONS, "7")
    assert parts["family"] == "train"
    assert [list(parts.values()).count(part) for part in PARTS] == [21, 8, 12, 10]
    assert set(deal(sizes, (0.9, 0, 0, 0.1), "7").values()) == {"train", "test"}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"fractions": (0.7, 0.1, 0.1, 0.2)}, "add up to 1"),
        ({"fractions": (1.2, -0.2, 0, 0)}, "add up to 1"),
        ({"fractions": (0.5, 0.5)}, "four shares"),
        ({"identity": 0}, "--identity"),
        ({"identity": 1.5}, "--identity"),
    ],
)
def test_wrong_options(options, word):
    with pytest.raises(BetaFoldError, match=word):
        split_samples(many_samples()[:3], **options)


def test_no_samples_and_repeated_ids():
    with pytest.raises(BetaFoldError, match="no samples"):
        split_samples([])
    text = SampleText("1abc_A_1-10", "ACDEFGHIKL", "free", "ACDEFGHIKL")
    with pytest.raises(BetaFoldError, match="1abc_A_1-10 stands twice"):
        split_samples([text, text])


def as_sample(text):
    length = len(text.sequence)
    return Sample(
        id=text.id,
        sequence=text.sequence,
        coords=np.zeros((length, 3, 3), np.float32),
        torsions=np.zeros((length, 3), np.float32),
        mask=np.ones(length, bool),
        kind=text.kind,
        entry="1abc",
        chain="A",
        start=0,
        parent=text.parent,
    )


def test_command_and_file(tmp_path, capsys):
    samples = [as_sample(text) for text in many_samples()]
    write_labels(tmp_path / "0", samples[::2], {})
    write_labels(tmp_path / "1", samples[1::2], {})
    write_labels(tmp_path / "2", [], {})
    groups = [str(tmp_path / name) for name in "012"]
    out = tmp_path / "results" / "split.tsv"
    assert main(["split", "--labels", *groups, "--out", str(out), "--seed", "3"]) == 0
    assert f"{len(samples)} samples" in capsys.readouterr().out
    table = read_split(out)
    assert [table.index.name, *table.columns] == list(COLUMNS)
    assert set(table.index) == {sample.id for sample in samples}
    assert (table["length"] == table["sequence"].str.len()).all()
    about = json.loads(out.with_suffix(".json").read_text())
    assert about["seed"] == 3
    assert about["labels"].keys() == {"0", "1", "2"}
    assert {"git_commit", "code_digest", "clusters", "counts", "split_sha256"} <= about.keys()
    before = out.read_bytes()
    assert main(["split", "--labels", *groups[::-1], "--out", str(out), "--seed", "3"]) == 0
    assert out.read_bytes() == before


def test_files_that_are_no_split(tmp_path):
    row = "1abc_A_1-10\tACDEFGHIKL\t10\tfree\tACDEFGHIKL\t0\ttrain\n"
    heading = "\t".join(COLUMNS) + "\n"
    bad = {
        "absent": None,
        "empty": "",
        "other": "a\tb\n1\t2\n",
        "twice": heading + row + row,
        "part": heading + row.replace("train", "dev"),
        "number": heading + row.replace("\t0\t", "\tx\t"),
    }
    for name, text in bad.items():
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(BetaFoldError, match=name) as refused:
            read_split(tmp_path / name)
        assert "\n" not in str(refused.value)
    (tmp_path / "good").write_text(heading + row)
    assert read_split(tmp_path / "good").loc["1abc_A_1-10", "cluster"] == 0


def test_real_peptides(shared):
    """Every peptide of the mirror, split: parts are disjoint by containment, and no cluster swallows them."""
    table = pd.read_csv(shared / "pdb" / "clean_peptides.tsv", sep="\t", dtype=str, keep_default_na=False)
    sequences = sorted(set(table["sequence"]))
    texts = [SampleText(f"p{i}", sequence, "free", sequence) for i, sequence in enumerate(sequences)]
    split = split_samples(texts)
    words = {}
    for row in split.itertuples():
        for start in range(row.length - 9):
            word = row.sequence[start : start + 10]
            assert words.setdefault(word, row.split) == row.split
    assert split["cluster"].value_counts().max() < 0.3 * len(sequences)
    shares = split["split"].value_counts(normalize=True)
    assert all(
        shares[part] == pytest.approx(share, abs=0.03) for part, share in zip(PARTS, FRACTIONS, strict=True)
    )
