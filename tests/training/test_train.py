"""Training learns, keeps the best model, and stops when it should."""

import pandas as pd
import pytest
import torch

from betafold.errors import BetaFoldError
from betafold.models.torsion import TorsionModel
from betafold.training.checkpoint import load_checkpoint
from betafold.training.dataset import PeptideDataset, in_split
from betafold.training.targets import ca_rmsd, mode_ca, residue_lddt
from betafold.training.torsion import TorsionTrainer
from betafold.training.train import train


def history_of(folder):
    return pd.read_csv(folder / "history.tsv", sep="\t")


@pytest.mark.parametrize("head", ["mixture", "sincos"])
def test_it_learns_and_says_where_it_came_from(world, small_spec, tmp_path, head):
    spec = small_spec(head, epochs=12)
    best = train(spec, *world, tmp_path, device="cpu")
    torsions = history_of(tmp_path).query("stage == 'torsions'")
    assert list(torsions["epoch"]) == list(range(1, len(torsions) + 1))
    assert torsions["train_loss"].iloc[-1] < torsions["train_loss"].iloc[0] - 0.5
    assert torsions["validation_loss"].min() < torsions["validation_loss"].iloc[0]
    assert torsions["validation_psi_mae"].min() < 30  # the synthetic noise alone gives 7 degrees
    assert torsions["validation_ca_rmsd"].min() < torsions["validation_ca_rmsd"].iloc[0]
    model, meta = load_checkpoint(best)
    assert meta["epoch"] == torsions["epoch"].loc[torsions["validation_loss"].idxmin()]
    assert meta["validation"]["loss"] == pytest.approx(torsions["validation_loss"].min(), rel=1e-5)
    assert meta["weights_sha256"] == "f" * 64 and meta["esm"] == "esm2_t6_8M" and meta["layer"] == 6
    assert meta["seed"] == 7 and meta["finished"] and len(meta["data_sha256"]) == 64
    assert meta["n_training"] == 40 and meta["n_validation"] == 12
    assert {"git_commit", "code_digest", "betafold_version"} <= meta.keys()
    assert model.config == spec.model and not model.training


def test_the_confidence_stage_leaves_the_torsions_alone(world, small_spec, tmp_path):
    states = []
    for epochs in (1, 20):
        spec = small_spec(confidence_epochs=epochs, confidence_learning_rate=0.02)
        best = train(spec, *world, tmp_path / str(epochs), device="cpu")
        states.append(load_checkpoint(best)[0].state_dict())
    a, b = states
    differing = {name.split(".")[0] for name in a if not torch.equal(a[name], b[name])}
    assert differing == {"confidence"}
    history = history_of(tmp_path / "20")
    assert list(history["stage"].value_counts()[["confidence", "confidence_tuning"]]) == [20, 10]
    stage = history.query("stage == 'confidence'")
    assert stage["train_loss"].iloc[-1] < stage["train_loss"].iloc[0] - 0.3


def test_kinds_of_weight_zero_are_left_out(world, small_spec, tmp_path):
    weights = {"free": 1.0, "bound": 2.0, "fragment": 0.0}
    best = train(small_spec(kind_weights=weights, epochs=1), *world, tmp_path, device="cpu")
    _, meta = load_checkpoint(best)
    samples, _, _, split = world
    expected = sum(s.kind != "fragment" for s in in_split(samples, split, "train"))
    assert meta["n_training"] == expected < 40


def test_an_epoch_can_be_a_share_that_differs_from_epoch_to_epoch(world, small_spec, tmp_path):
    samples, embeddings, _, split = world
    spec = small_spec(batches_per_epoch=2)
    training = PeptideDataset(in_split(samples, split, "train"), embeddings)
    validation = PeptideDataset(in_split(samples, split, "validation"), embeddings)
    trainer = TorsionTrainer(
        TorsionModel(spec.model), spec.training, training, validation, torch.device("cpu")
    )
    seen = []
    forward = trainer.forward

    def record(model, batch):
        if model.training:
            seen[-1].append(tuple(batch.sequences))
        return forward(model, batch)

    trainer.forward = record
    for _ in range(2):
        seen.append([])
        trainer.run_epoch()
    assert [len(epoch) for epoch in seen] == [2, 2]
    assert set(seen[0]) != set(seen[1])


def test_early_stopping(world, small_spec, tmp_path):
    train(small_spec(epochs=200, patience=2, learning_rate=0.05), *world, tmp_path, device="cpu")
    torsions = history_of(tmp_path).query("stage == 'torsions'")
    assert len(torsions) < 200
    assert len(torsions) - 1 - torsions["validation_loss"].argmin() == 2


def test_a_time_limit_still_gives_a_finished_model(world, small_spec, tmp_path):
    best = train(small_spec(epochs=200), *world, tmp_path, device="cpu", max_minutes=0)
    _, meta = load_checkpoint(best)
    assert meta["epoch"] == 1 and meta["finished"] and "time limit" in meta["stop_reason"]


def test_targets_agree_with_plain_loops(world, small_spec):
    samples, embeddings, _, split = world
    dataset = PeptideDataset(in_split(samples, split, "validation"), embeddings)
    batch = next(iter(dataset.loader([[0, 1, 2]])))
    torch.manual_seed(0)
    output = TorsionModel(small_spec().model)(batch.x, batch.mask)
    ca = mode_ca(output.distribution, batch.lengths)
    lddt = residue_lddt(ca, batch.coords, batch.lengths)
    rmsd = ca_rmsd(ca, batch.coords, batch.lengths)
    for b, length in enumerate(batch.lengths.tolist()):
        native, built = batch.coords[b, :length, 1].double(), ca[b, :length].double()
        d, e = torch.cdist(native, native), torch.cdist(built, built)
        pairs = ((torch.arange(length)[:, None] - torch.arange(length)).abs() >= 3) & (d < 15)
        kept = torch.stack([(d - e).abs() < t for t in (0.5, 1, 2, 4)]).double().mean(0)
        expected = (kept * pairs).sum(1) / pairs.sum(1)
        torch.testing.assert_close(lddt[b, :length].double(), expected, atol=1e-5, rtol=0)
        native, built = native - native.mean(0), built - built.mean(0)
        u, _, vt = torch.linalg.svd(built.T @ native)
        flip = torch.diag(torch.tensor([1.0, 1.0, torch.det(u @ vt).sign()], dtype=torch.float64))
        expected = (built @ (u @ flip @ vt) - native).square().sum(-1).mean().sqrt()
        assert float(rmsd[b]) == pytest.approx(float(expected), abs=1e-4)


def test_mistakes_in_the_data_are_one_line(world, small_spec, tmp_path):
    samples, embeddings, attrs, split = world
    spec = small_spec()
    few = {name: x for name, x in embeddings.items() if name != "s03"}
    with pytest.raises(BetaFoldError, match="s03: labelled but not embedded"):
        train(spec, samples, few, attrs, split, tmp_path)
    cut = embeddings | {"s03": embeddings["s03"][:-1]}
    with pytest.raises(BetaFoldError, match="s03: .* residues but an embedding of"):
        train(spec, samples, cut, attrs, split, tmp_path)
    with pytest.raises(BetaFoldError, match="split validation: no sample"):
        train(spec, samples, embeddings, attrs, split[split["split"] != "validation"], tmp_path)
    wide = {name: x.repeat(2, axis=1) for name, x in embeddings.items()}
    with pytest.raises(BetaFoldError, match="input_dim: is 8, the embeddings have 16"):
        train(spec, samples, wide, attrs, split, tmp_path)


def test_divergence_is_reported(world, small_spec, tmp_path):
    samples, embeddings, attrs, split = world
    broken = embeddings | {"s00": embeddings["s00"] * float("nan")}
    with pytest.raises(BetaFoldError, match="not finite; lower training.learning_rate"):
        train(small_spec(), samples, broken, attrs, split, tmp_path)


def test_the_history_has_the_coordinate_term_and_training_lowers_it(world, small_spec, tmp_path):
    quick = {"confidence_epochs": 1, "confidence_tuning_epochs": 0}
    train(small_spec(epochs=1, **quick), *world, tmp_path / "without", device="cpu")
    assert not [name for name in history_of(tmp_path / "without").columns if "coordinate" in name]
    spec = small_spec(epochs=12, coordinate_weight=0.1, **quick)
    train(spec, *world, tmp_path / "with", device="cpu")
    rows = history_of(tmp_path / "with").query("stage == 'torsions'")
    for part in ("train", "validation"):
        coordinate = rows[f"{part}_coordinate"]
        assert coordinate.iloc[-1] < 0.9 * coordinate.iloc[0]  # Angstrom
        expected = rows[f"{part}_phi_psi"] + 0.5 * rows[f"{part}_omega"] + 0.1 * coordinate
        assert rows[f"{part}_loss"].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-4)
