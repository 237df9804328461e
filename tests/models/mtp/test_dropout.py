import pytest
import torch

from betafold.models.mtp.dropout import Dropout, drawn_from
from betafold.models.mtp.labelwise import LabelWiseAttention


def draw(head, x, seed=0):
    with drawn_from(torch.Generator().manual_seed(seed), head):
        return head(x)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5])
def test_a_share_of_the_values_is_dropped_and_the_mean_stays(p):
    x = torch.ones(3, 501, 67)
    found = draw(Dropout(p).eval(), x)
    assert (found == 0).float().mean() == pytest.approx(p, abs=0.005)
    assert found.mean() == pytest.approx(1, abs=0.01)
    assert found.unique().tolist() == pytest.approx([0, 1 / (1 - p)] if p else [1], rel=1e-4)


def test_the_generator_alone_decides():
    head = torch.nn.Sequential(torch.nn.Linear(8, 8), Dropout(0.5)).eval()
    x = torch.randn(5, 8)
    before = torch.get_rng_state()
    torch.testing.assert_close(draw(head, x), draw(head, x))
    assert not torch.equal(draw(head, x), draw(head, x, seed=1))
    assert torch.equal(before, torch.get_rng_state())
    torch.testing.assert_close(head(x), head[0](x))


def test_draws_without_dropout_are_the_answer():
    torch.manual_seed(0)
    labels = LabelWiseAttention(16, 4, 32, 0.0).eval()
    pooled, states = torch.randn(1, 16), torch.randn(1, 9, 16)
    answer = labels(pooled, states, torch.ones(1, 9, dtype=torch.bool))
    with drawn_from(torch.Generator(), labels):
        torch.testing.assert_close(labels.draw(pooled, states, 3), answer.expand(3, -1, -1))


def test_draws_drop_what_training_drops():
    """Mean and spread of draws are those of passes in training mode."""
    torch.manual_seed(0)
    labels = LabelWiseAttention(16, 4, 32, 0.3).eval()
    pooled, states = torch.randn(1, 16), torch.randn(1, 9, 16)
    n = 4000
    with torch.no_grad():
        with drawn_from(torch.Generator().manual_seed(1), labels):
            found = labels.draw(pooled, states, n)
        mask = torch.ones(n, 9, dtype=torch.bool)
        expected = labels.train()(pooled.expand(n, -1), states.expand(n, -1, -1), mask)
    torch.testing.assert_close(found.mean(0), expected.mean(0), atol=0.06, rtol=0)
    torch.testing.assert_close(found.std(0), expected.std(0), atol=0.06, rtol=0.1)
