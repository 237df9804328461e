"""Batches, their padding and their order."""

import dataclasses

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from betafold.training.dataset import PeptideDataset, data_sha256, in_split, ordered_batches, shuffled_batches

LENGTHS = st.lists(st.integers(10, 30), min_size=1, max_size=300)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_shuffled_batches_hold_every_peptide_once(lengths, size, seed, epoch):
    batches = shuffled_batches(lengths, size, seed, epoch)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert max(map(len, batches)) <= size
    assert batches == shuffled_batches(lengths, size, seed, epoch)


def test_order_changes_with_epoch_and_seed_and_padding_is_small():
    lengths = [10 + i % 21 for i in range(2000)]
    orders = [shuffled_batches(lengths, 32, seed, epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in orders[0])
    assert padded < 1.1 * sum(lengths)


def test_long_chains_make_small_batches():
    sizes = [len(batch) for batch in shuffled_batches([30] * 64 + [60] * 32 + [512] * 3, 32, 0, 0)]
    assert sorted(sizes) == [1] * 3 + [8] * 4 + [32] * 2


@given(LENGTHS, st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_ordered_batches_are_sorted_and_complete(lengths, size):
    flat = [i for batch in ordered_batches(lengths, size) for i in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[i] for i in flat] == sorted(lengths)


def test_padding(world):
    samples, embeddings, _, _ = world
    dataset = PeptideDataset(samples, embeddings, {"free": 2.0, "bound": 0.5})
    batch = next(iter(dataset.loader([[0, 1, 2, 3]])))
    longest = max(sample.length for sample in samples[:4])
    assert batch.x.shape == (4, longest, 8) and batch.x.dtype == torch.float32
    assert batch.weight.tolist() == [2.0, 0.5, 1.0, 2.0]
    for b, sample in enumerate(samples[:4]):
        n = sample.length
        assert batch.lengths[b] == n and batch.mask[b].sum() == n and batch.mask[b, :n].all()
        torch.testing.assert_close(batch.x[b, :n], torch.from_numpy(embeddings[sample.id]).float())
        assert (batch.x[b, n:] == 0).all()
        assert batch.torsions[b, n:].isnan().all() and batch.coords[b, n:].isnan().all()
        torch.testing.assert_close(batch.torsions[b, :n], torch.from_numpy(sample.torsions), equal_nan=True)
        assert torch.equal(batch.residue_weight[b, :n], batch.weight[b].expand(n))
        assert (batch.residue_weight[b, n:] == 0).all()


def test_splits_are_ordered_by_id(world):
    samples, _, _, split = world
    chosen = in_split(samples[::-1], split, "validation")
    assert [sample.id for sample in chosen] == [f"s{i}" for i in range(40, 52)]


def test_digest_depends_on_labels_and_split_but_not_on_order(world):
    samples, _, _, split = world
    digest = data_sha256(samples, split)
    assert digest == data_sha256(samples[::-1], split.sample(frac=1, random_state=0))
    moved = split.copy()
    moved.iloc[5, 0] = "test"
    assert digest != data_sha256(samples, moved)
    bent = dataclasses.replace(samples[0], torsions=samples[0].torsions + 1e-3)
    assert digest != data_sha256([bent, *samples[1:]], split)
