"""Models between file and memory: identity, rebuilding, and what is refused."""

import pytest
import torch
from torch import nn

from betafold.errors import BetaFoldError
from betafold.models.families import FAMILIES, Family
from betafold.models.stored import StoredModel
from betafold.models.torsion import TorsionConfig, TorsionModel


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TorsionModel(TorsionConfig(input_dim=8, d_model=8, layers=1, heads=2, ffn=8, confidence_width=4))


def test_a_model_comes_back_and_its_digest_tells_it_from_others(model):
    stored = StoredModel.of(model, {"seed": 1})
    built = stored.build()
    assert not built.training and built.config == model.config
    for name, tensor in model.state_dict().items():
        assert torch.equal(built.state_dict()[name], tensor), name
    assert StoredModel.of(built, {"seed": 2}).sha256 == stored.sha256  # of the model, not of its record
    with torch.no_grad():
        built.torsions.anchors[0, 0, 0] += 1e-3
    assert StoredModel.of(built, {}).sha256 != stored.sha256
    assert stored.max_length == 30


def test_a_description_without_a_family_is_a_torsion_models(model):
    stored = StoredModel.of(model, {})
    old = {"config": stored.config}
    assert StoredModel.from_description("a", old, stored.state, {}).family_name == "torsion"
    with pytest.raises(BetaFoldError, match="old.pt: model family 'diffusion', .* knows torsion, mtp"):
        StoredModel.from_description("old.pt", old | {"family": "diffusion"}, stored.state, {})


@pytest.mark.parametrize("change", [{"config": {"depth": 3}}, {"config": {"components": 99}}, {"state": {}}])
def test_what_does_not_fit_is_refused_in_one_line(model, change):
    stored = StoredModel.of(model, {})
    values = {"config": stored.config, "state": stored.state} | change
    broken = StoredModel("a.pt", "torsion", values["config"], values["state"], {})
    with pytest.raises(
        BetaFoldError, match=r"^a.pt: made by another version of BetaFold \(.+\); train it again$"
    ):
        broken.build()


class Reader(nn.Module):
    """A model that stands on a backbone of its own."""

    def __init__(self, weights):
        super().__init__()
        self.head = nn.Linear(3 if weights == "c" else 2, 2)
        self.origin = {"backbone": "tiny", "weights_sha256": weights * 64}


class ReaderFamily(Family):
    name, reads_embeddings = "reader", False
    config = staticmethod(dict)
    max_length = staticmethod(lambda config: 512)
    build = staticmethod(lambda config, weights, device: Reader(weights or "a"))
    state = staticmethod(nn.Module.state_dict)
    load_state = staticmethod(nn.Module.load_state_dict)
    origin = staticmethod(lambda model, attrs: model.origin)


def test_another_backbone_is_refused(monkeypatch):
    monkeypatch.setitem(FAMILIES, "reader", ReaderFamily())
    state = Reader("a").state_dict()
    stored = StoredModel("b", "reader", {}, state, {"backbone": "tiny", "weights_sha256": "a" * 64})
    assert torch.equal(stored.build().head.weight, state["head.weight"])
    for weights in "bc":  # of the same size and of another one
        with pytest.raises(
            BetaFoldError,
            match=f"backbone tiny, weights aaaaaaaaaaaa, not on tiny, weights {weights * 4}.*--weights",
        ):
            stored.build(weights)


def test_a_failure_to_build_is_no_other_version(monkeypatch):
    class Full(ReaderFamily):
        @staticmethod
        def build(config, weights, device):
            raise torch.OutOfMemoryError("the device is full")

    monkeypatch.setitem(FAMILIES, "reader", Full())
    with pytest.raises(torch.OutOfMemoryError, match="the device is full"):
        StoredModel("b", "reader", {}, Reader("a").state_dict(), {}).build()
