"""What models read: padding, and batches that stay small enough."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from betafold.models.inputs import PAIRS, PEPTIDES, inference_batches, pad_inputs


def test_padding_with_and_without_embeddings():
    features = [np.full((length, 4), length, np.float16) for length in (3, 5)]
    inputs = pad_inputs(["ACD", "ACDEF"], features)
    assert inputs.mask.tolist() == [[True] * 3 + [False] * 2, [True] * 5]
    assert inputs.x.dtype == torch.float32
    assert inputs.x[0].tolist() == [[3.0] * 4] * 3 + [[0.0] * 4] * 2 and (inputs.x[1] == 5).all()
    alone = pad_inputs(["ACD", "ACDEF"])
    assert alone.x is None and torch.equal(alone.mask, inputs.mask)
    moved = alone.to("cpu")
    assert moved.sequences == ["ACD", "ACDEF"] and moved.x is None


@given(st.lists(st.integers(10, 512), max_size=300))
def test_batches_keep_order_and_limits(lengths):
    batches = list(inference_batches(lengths))
    assert [index for batch in batches for index in batch] == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[index] for index in batch) ** 2
        assert len(batch) == 1 or (len(batch) <= PEPTIDES and padded <= PEPTIDES * PAIRS)


@given(st.lists(st.integers(10, 30), min_size=1, max_size=400))
def test_peptides_come_in_full_batches(lengths):
    sizes = [len(batch) for batch in inference_batches(lengths)]
    assert all(size == PEPTIDES for size in sizes[:-1])
