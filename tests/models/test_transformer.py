"""The hand-written block against torch's own, and two toy tasks that need attention and its mask."""

import math

import pytest
import torch
from torch import nn

from betafold.models.transformer import MultiHeadAttention, TransformerBlock, TransformerEncoder

B, L, D, H = 4, 9, 24, 4


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(B, L, D)


@pytest.fixture
def mask():
    lengths = torch.tensor([9, 5, 1, 7])
    return torch.arange(L) < lengths[:, None]


def copy_attention(ours, theirs):
    ours.qkv.weight.data.copy_(theirs.in_proj_weight)
    ours.qkv.bias.data.copy_(theirs.in_proj_bias)
    ours.out.load_state_dict(theirs.out_proj.state_dict())


@pytest.mark.parametrize("masked", [False, True])
def test_attention_agrees_with_torch(x, mask, masked):
    theirs = nn.MultiheadAttention(D, H, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    nn.init.normal_(theirs.out_proj.bias)
    ours = MultiHeadAttention(D, H)
    copy_attention(ours, theirs)
    padding = ~mask if masked else None
    expected, expected_weights = theirs(x, x, x, key_padding_mask=padding, average_attn_weights=False)
    out, weights = ours(x, mask if masked else None)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(weights, expected_weights, atol=1e-5, rtol=0)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("masked", [False, True])
def test_block_agrees_with_torch(x, mask, norm, activation, masked):
    theirs = nn.TransformerEncoderLayer(
        D, H, 2 * D, dropout=0.0, activation=activation, batch_first=True, norm_first=norm == "pre"
    )
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    ours = TransformerBlock(D, H, 2 * D, 0.0, norm, activation)
    copy_attention(ours.attention, theirs.self_attn)
    ours.norm1.load_state_dict(theirs.norm1.state_dict())
    ours.norm2.load_state_dict(theirs.norm2.state_dict())
    ours.feed_forward[0].load_state_dict(theirs.linear1.state_dict())
    ours.feed_forward[3].load_state_dict(theirs.linear2.state_dict())
    used = mask if masked else torch.ones_like(mask)
    expected = theirs(x, src_key_padding_mask=~mask if masked else None)
    out, _ = ours(x, mask if masked else None)
    torch.testing.assert_close(out[used], expected[used], atol=1e-5, rtol=0)


def test_attention_weights_are_distributions_over_residues(x, mask):
    _, weights = MultiHeadAttention(D, H)(x, mask)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, L))
    assert weights[~mask[:, None, None, :].expand_as(weights)].abs().max() == 0


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_peptide_that_is_all_padding_stays_finite(x, mask, norm):
    mask[2] = False
    block = TransformerBlock(D, H, D, norm=norm)
    out, weights = block(x, mask)
    out.sum().backward()
    assert out.isfinite().all() and weights.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in block.parameters())


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_padding_does_not_change_a_residue(x, norm, positions):
    encoder = TransformerEncoder(D, 2, H, D, norm=norm, positions=positions).eval()
    alone, attention = encoder(x[:1, :5], torch.ones(1, 5, dtype=torch.bool))
    mask = torch.arange(L) < 5
    padded, _ = encoder(x[:1], mask[None])
    torch.testing.assert_close(padded[:, :5], alone, atol=1e-6, rtol=1e-5)
    assert attention.shape == (2, 1, H, 5, 5)


def test_sinusoidal_positions_follow_the_formula():
    table = TransformerEncoder(D, 1, H, D, positions="sinusoidal").positions(7)
    assert float(table[5, 6]) == pytest.approx(math.sin(5 / 10000 ** (6 / D)), abs=1e-6)
    assert float(table[5, 7]) == pytest.approx(math.cos(5 / 10000 ** (6 / D)), abs=1e-6)


def test_mistakes_in_the_shape_are_named():
    with pytest.raises(ValueError, match="multiple of heads"):
        MultiHeadAttention(10, 3)
    with pytest.raises(ValueError, match="'pre' or 'post'"):
        TransformerBlock(8, 2, 8, norm="both")
    with pytest.raises(ValueError, match="33 residues.*at most 32"):
        TransformerEncoder(8, 1, 2, 8)(torch.zeros(1, 33, 8))


VOCABULARY, LENGTH = 8, 8


class ToyModel(nn.Module):
    """Tokens [B, L] -> logits [B, L, vocabulary]."""

    def __init__(self, norm):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 32)
        self.encoder = TransformerEncoder(32, 1, 2, 64, norm=norm, max_length=LENGTH)
        self.out = nn.Linear(32, VOCABULARY)

    def forward(self, tokens, mask):
        return self.out(self.encoder(self.embed(tokens), mask)[0])


def toy_batch():
    """Tokens [32, LENGTH] and a mask; what stands in the padding is as random as the rest."""
    lengths = torch.randint(LENGTH - 3, LENGTH + 1, (32, 1))
    return torch.randint(VOCABULARY, (32, LENGTH)), torch.arange(LENGTH) < lengths


def copy_task(tokens, mask):
    return tokens


def shift_task(tokens, mask):
    """The token before; before the first comes the last, which only the mask can tell."""
    last = tokens.gather(1, mask.sum(1, keepdim=True) - 1)
    return torch.cat([last, tokens[:, :-1]], dim=1)


def train_toy(task, norm, steps):
    torch.manual_seed(1)
    model = ToyModel(norm)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(steps):
        tokens, mask = toy_batch()
        loss = nn.functional.cross_entropy(model(tokens, mask)[mask], task(tokens, mask)[mask])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return model.eval(), losses


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_toy_copy_loss_falls_sharply(norm):
    _, losses = train_toy(copy_task, norm, 80)
    assert losses[0] > 1.8  # about ln 8: it knows nothing
    assert sum(losses[-10:]) / 10 < 0.1


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_toy_shift_loss_falls_sharply_and_needs_the_mask(norm):
    model, losses = train_toy(shift_task, norm, 250)
    assert losses[0] > 1.8
    assert sum(losses[-10:]) / 10 < 0.15
    tokens, mask = toy_batch()
    expected = shift_task(tokens, mask)[:, 0]
    with_mask = nn.functional.cross_entropy(model(tokens, mask)[:, 0], expected)
    without = nn.functional.cross_entropy(model(tokens, torch.ones_like(mask))[:, 0], expected)
    assert with_mask < 0.3
    assert without > 1.5
