"""Max-pooling and label-wise attention: masks, and an independent implementation."""

import pytest
import torch

from betafold.models.mtp.labelwise import LabelWiseAttention, masked_max_pool


@pytest.fixture
def attention():
    torch.manual_seed(0)
    module = LabelWiseAttention(16, 4, max_length=12, dropout=0.1).double().eval()
    torch.nn.init.normal_(module.label_positions)
    return module


def test_max_pool_sees_only_what_is_there():
    x = torch.tensor([[[1.0, -5.0], [-2.0, -3.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True, False]])
    assert masked_max_pool(x, mask).tolist() == [[1.0, -3.0]]
    assert masked_max_pool(x, torch.zeros_like(mask)).tolist() == [[0.0, 0.0]]


def test_agrees_with_torch_multihead_attention(attention):
    """The attention itself, against nn.MultiheadAttention with the same weights."""
    pooled, states = torch.randn(2, 16).double(), torch.randn(2, 5, 16).double()
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    oracle = torch.nn.MultiheadAttention(16, 4, batch_first=True).double()
    with torch.no_grad():
        oracle.in_proj_weight.copy_(torch.cat([attention.query.weight, attention.key_value.weight]))
        oracle.in_proj_bias.copy_(torch.cat([attention.query.bias, attention.key_value.bias]))
        oracle.out_proj.load_state_dict(attention.out.state_dict())
    document = attention.norm(torch.cat([pooled[:, None], states], 1))
    ignored = torch.cat([torch.zeros(2, 1, dtype=torch.bool), ~mask], 1)
    query = document[:, 1:] + attention.label_positions[:5]
    x = states + oracle(query, document, document, key_padding_mask=ignored, need_weights=False)[0]
    expected = x + attention.feed_forward(x)
    torch.testing.assert_close(attention(pooled, states, mask)[mask], expected[mask])


def test_padding_and_batch_mates_change_nothing(attention):
    lengths = [5, 9, 1, 12]
    pooled = torch.randn(4, 16).double()
    states = torch.full((4, 12, 16), 1e6).double()
    for row, length in zip(states, lengths, strict=True):
        row[:length] = torch.randn(length, 16).double()
    mask = torch.arange(12) < torch.tensor(lengths)[:, None]
    together = attention(pooled, states, mask)
    assert together.isfinite().all()
    for index, length in enumerate(lengths):
        alone = attention(
            pooled[index : index + 1], states[index : index + 1, :length], mask[index : index + 1, :length]
        )
        torch.testing.assert_close(together[index, :length], alone[0], rtol=1e-12, atol=1e-12)


def test_a_wrong_mask_shows(attention):
    pooled, states = torch.randn(1, 16).double(), torch.randn(1, 6, 16).double()
    right = torch.arange(6)[None] < 4
    wrong = torch.ones_like(right)
    assert not torch.allclose(
        attention(pooled, states, right)[:, :4], attention(pooled, states, wrong)[:, :4]
    )


def test_a_label_reads_input_and_other_placeholders(attention):
    pooled = torch.randn(1, 16).double().requires_grad_()
    states = torch.randn(1, 6, 16).double().requires_grad_()
    attention(pooled, states, torch.ones(1, 6, dtype=torch.bool))[0, 2].sum().backward()
    assert (pooled.grad.abs().sum(-1) > 0).all() and (states.grad.abs().sum(-1) > 0).all()


def test_labels_have_queries_of_their_own(attention):
    pooled, states = torch.randn(1, 16).double(), torch.randn(1, 6, 16).double()
    mask = torch.ones(1, 6, dtype=torch.bool)
    swapped = attention(pooled, states.flip(1), mask).flip(1)
    assert not torch.allclose(attention(pooled, states, mask), swapped)
    torch.nn.init.zeros_(attention.label_positions)
    swapped = attention(pooled, states.flip(1), mask).flip(1)
    torch.testing.assert_close(attention(pooled, states, mask), swapped)


def test_too_many_labels_are_refused(attention):
    with pytest.raises(ValueError, match="13 residues.*at most 12"):
        attention(
            torch.zeros(1, 16).double(), torch.zeros(1, 13, 16).double(), torch.ones(1, 13, dtype=torch.bool)
        )
