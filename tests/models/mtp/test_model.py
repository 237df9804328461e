"""The whole model on small backbones: masks, outputs, sampling, stored state, and that it learns."""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load_file, save_file

from betafold.errors import BetaFoldError
from betafold.models.mtp.backbone import build_backbone
from betafold.models.mtp.config import BackboneConfig, LoraSettings, MtpConfig
from betafold.models.mtp.model import MtpModel
from tests.models.mtp.backbones import save_qwen3
from tests.models.mtp.test_losses import helix, moved

SEQUENCES = ["GIGKFLHSAKKFGKAFVGEIMNS", "ACDEFGHIKL", "LLKKLLKKLLKK"]
LENGTHS = torch.tensor([len(sequence) for sequence in SEQUENCES])
MASK = torch.arange(23) < LENGTHS[:, None]
OUTPUTS = ("coordinates", "distances", "distances_fape", "egnn")
SMALL = {"width": 32, "heads": 4, "pair_width": 16, "max_length": 40, "dropout": 0.2}


def build(esm2_weights, **values) -> MtpModel:
    config = MtpConfig.from_dict({**SMALL, **values})
    return MtpModel(config, build_backbone(config.backbone, str(esm2_weights)))


def trained(model: MtpModel) -> dict[str, torch.nn.Parameter]:
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def randomise(model: MtpModel) -> MtpModel:
    torch.manual_seed(4)
    with torch.no_grad():
        for parameter in trained(model).values():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def natives() -> torch.Tensor:
    ca = torch.full((3, 23, 3), float("nan"))
    for row, length in zip(ca, LENGTHS, strict=True):
        row[:length] = helix(int(length)).float()
    return ca


@pytest.fixture(params=OUTPUTS)
def model(request, esm2_weights):
    return randomise(build(esm2_weights, output=request.param)).double().eval()


@torch.no_grad()
def test_padding_and_batch_mates_change_nothing(model):
    together = model(SEQUENCES, MASK)
    for index, length in enumerate(LENGTHS):
        alone = model(SEQUENCES[index : index + 1], MASK[index : index + 1, :length])
        torch.testing.assert_close(together.h[index, :length], alone.h[0], rtol=1e-9, atol=1e-9)
        # Features and what follows go through an iterative solver, which stops within its tolerance.
        for name in ("features", "plddt_logits"):
            ours, theirs = getattr(together, name)[index, :length], getattr(alone, name)[0]
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3, msg=name)
        inside = together.distances[index, :length, :length]
        torch.testing.assert_close(inside, alone.distances[0], rtol=1e-9, atol=1e-9)
    order = [1, 2, 0]
    permuted = model([SEQUENCES[i] for i in order], MASK[order])
    torch.testing.assert_close(permuted.distances, together.distances[order], rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_outputs_have_their_shapes(model):
    output = model(SEQUENCES, MASK)
    assert output.h.shape == (3, 23, 32) and output.plddt_logits.shape == (3, 23, 50)
    assert output.distances.shape == (3, 23, 23) and output.ca.shape == (3, 23, 3)
    assert (output.coordinates is not None) == (model.config.output == "coordinates")
    assert all(value.isfinite().all() for value in (output.h, output.features, output.ca))
    assert model(SEQUENCES, MASK, confidence=False).plddt_logits is None


def test_a_mask_of_other_lengths_is_refused(model):
    with pytest.raises(ValueError, match="mask of"):
        model(SEQUENCES, MASK.roll(1, 0))
    with pytest.raises(ValueError, match="mask of"):
        model(SEQUENCES, torch.nn.functional.pad(MASK, (0, 1)))


def test_terms_and_gradients(model):
    names = {
        "coordinates": {"coordinates"},
        "distances": {"distances", "dihedrals"},
        "distances_fape": {"distances", "dihedrals", "fape"},
        "egnn": {"distances", "dihedrals", "refined_distances", "fape"},
    }[model.config.output]
    model.train()
    terms = model.terms(model(SEQUENCES, MASK, confidence=False), natives().double())
    assert set(terms) == names
    assert all(term.shape == (3,) and term.isfinite().all() for term in terms.values())
    sum(term.sum() for term in terms.values()).backward()
    without = {name for name, p in trained(model).items() if p.grad is None or not p.grad.abs().sum() > 0}
    assert all(name.startswith("confidence.") for name in without), without
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)


def test_the_frame_of_the_native_matters_to_coordinates_only(model):
    torch.manual_seed(0)
    model.eval()
    output = model(SEQUENCES, MASK, confidence=False)
    native = natives().double()
    turned = torch.stack([moved(row) for row in native])
    before, after = model.terms(output, native), model.terms(output, turned)
    for name, term in before.items():
        same = torch.allclose(term, after[name], rtol=1e-5)
        assert same == (name != "coordinates"), name


@torch.no_grad()
def test_samples_differ_but_depend_on_generator_and_peptide_only(model):
    output = model(SEQUENCES, MASK)
    state = torch.get_rng_state()
    first = model.sample(output, 1, 4, torch.Generator().manual_seed(5)).distances
    assert torch.equal(torch.get_rng_state(), state) and not model.labels.training
    assert first.shape == (4, 10, 10) and first.std(0).max() > 1e-3
    again = model.sample(output, 1, 4, torch.Generator().manual_seed(5)).distances
    other = model.sample(output, 1, 4, torch.Generator().manual_seed(6)).distances
    alone = model(SEQUENCES[1:2], MASK[1:2, :10])
    apart = model.sample(alone, 0, 4, torch.Generator().manual_seed(5)).distances
    torch.testing.assert_close(again, first, rtol=0, atol=0)
    torch.testing.assert_close(apart, first, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(other, first)


@torch.no_grad()
def test_temperature_scales_the_spread(model):
    output = model(SEQUENCES, MASK)

    def spread(temperature):
        generator = torch.Generator().manual_seed(5)
        return (
            model.sample(output, 1, 16, generator, temperature).distances - output.distances[1, :10, :10]
        ).std()

    if model.config.output == "coordinates":  # of which distances are no linear function
        assert spread(0.5) < spread(1.0) < spread(2.0)
    else:
        torch.testing.assert_close(spread(0.5), 0.5 * spread(1.0))
    assert spread(1e-6) < 1e-4


@torch.no_grad()
def test_stored_state_is_small_and_complete(model, esm2_weights, tmp_path):
    state = model.adapter_state()
    assert "backbone.placeholder" in state and not any(".default." in name for name in state)
    assert not any(name.startswith("backbone.model.") and ".lora_" not in name for name in state)
    save_file({name: value.float().contiguous() for name, value in state.items()}, tmp_path / "a.safetensors")
    again = build(esm2_weights, output=model.config.output)
    again.load_adapter_state(load_file(tmp_path / "a.safetensors"))
    wanted, found = model.float()(SEQUENCES, MASK), again.eval()(SEQUENCES, MASK)
    torch.testing.assert_close(found.distances, wanted.distances, rtol=0, atol=0)
    torch.testing.assert_close(found.plddt_logits, wanted.plddt_logits, rtol=0, atol=0)


def test_a_state_that_does_not_fit_is_refused(esm2_weights):
    model = build(esm2_weights)
    state = model.adapter_state()
    with pytest.raises(RuntimeError, match="missing or unknown, e.g. labels"):
        model.load_adapter_state({name: v for name, v in state.items() if name != "labels.label_positions"})
    with pytest.raises(RuntimeError):
        build(esm2_weights, width=64).load_adapter_state(state)


@torch.no_grad()
def test_reading_the_residues_needs_no_placeholders(esm2_weights):
    model = randomise(build(esm2_weights, readout="residues")).double().eval()
    together = model(SEQUENCES, MASK, confidence=False).distances
    model.backbone.placeholder.add_(1.0)
    torch.testing.assert_close(model(SEQUENCES, MASK, confidence=False).distances, together, rtol=0, atol=0)
    alone = model(SEQUENCES[1:2], MASK[1:2, :10], confidence=False).distances
    torch.testing.assert_close(together[1:2, :10, :10], alone, rtol=1e-9, atol=1e-9)


def test_residues_without_tokens_of_their_own_are_one_line(tmp_path):
    folder = save_qwen3(tmp_path / "words", words=True)
    config = MtpConfig.from_dict({"backbone": {"kind": "causal", "path": str(folder)}, "readout": "residues"})
    with pytest.warns(UserWarning), pytest.raises(BetaFoldError, match=r"readout: .*one token per residue"):
        MtpModel(config, build_backbone(config.backbone))


def test_a_qwen3_directory_learns_and_comes_back(qwen3, tmp_path):
    """The whole path for a causal model: on-disk format, bf16, checkpointing, adapters, training, reload."""
    backbone = {"kind": "causal", "path": str(qwen3), "dtype": "bfloat16", "gradient_checkpointing": True}
    config = MtpConfig.from_dict({**SMALL, "dropout": 0.0, "output": "distances_fape", "backbone": backbone})
    torch.manual_seed(0)
    model = MtpModel(config, build_backbone(config.backbone))
    optimiser = torch.optim.AdamW(trained(model).values(), lr=3e-3)
    losses = []
    for _ in range(25):
        terms = model.train().terms(model(SEQUENCES, MASK, confidence=False), natives())
        loss = 0.1 * terms["distances"].mean() + terms["fape"].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0], losses
    save_file(
        {name: v.contiguous() for name, v in model.adapter_state().items()}, tmp_path / "adapters.safetensors"
    )
    again = MtpModel(config, build_backbone(config.backbone))
    again.load_adapter_state(load_file(tmp_path / "adapters.safetensors"))
    with torch.inference_mode():
        wanted, found = model.eval()(SEQUENCES, MASK), again.eval()(SEQUENCES, MASK)
    torch.testing.assert_close(found.distances, wanted.distances, rtol=0, atol=0)
    assert (tmp_path / "adapters.safetensors").stat().st_size < 400_000


def test_config_comes_back_from_plain_values():
    config = MtpConfig(backbone=BackboneConfig(lora=LoraSettings(rank=4, target_modules=("q_proj",))))

    assert MtpConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config
    assert MtpConfig.from_dict({}) == MtpConfig()
    with pytest.raises(TypeError):
        MtpConfig.from_dict({"backbone": {"colour": "red"}})


def test_mistakes_of_a_config_are_named():
    wrong = {"width": 30, "heads": 8, "backbone": {"kind": "causal"}}
    assert [line.split(":")[0] for line in MtpConfig.from_dict(wrong).mistakes()] == [
        "model.width",
        "model.backbone.path",
    ]
    assert "quantisation" in MtpConfig.from_dict({"backbone": {"quantisation": "4bit"}}).mistakes()[0]
    assert not MtpConfig().mistakes()
