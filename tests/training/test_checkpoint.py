"""Checkpoints come back as they were; other files are refused in one line."""

import pickle

import pytest
import torch

from betafold.errors import BetaFoldError
from betafold.models.torsion import TorsionConfig, TorsionModel
from betafold.training.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TorsionModel(TorsionConfig(input_dim=8, d_model=8, layers=1, heads=2, ffn=8, confidence_width=4))


def test_round_trip(model, tmp_path):
    save_checkpoint(tmp_path / "a.pt", model, {"seed": 7, "esm": "esm2_t6_8M"})
    loaded, meta = load_checkpoint(tmp_path / "a.pt")
    assert meta == {"seed": 7, "esm": "esm2_t6_8M"}
    assert loaded.config == model.config and not loaded.training
    x, mask = torch.randn(1, 10, 8), torch.ones(1, 10, dtype=torch.bool)
    a, b = (m(x, mask).distribution.log_prob(torch.zeros(1, 10, 3)) for m in (model.eval(), loaded))
    assert torch.equal(a, b)


class Malicious:
    def __reduce__(self):
        return print, ("executed",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_foreign_and_damaged_files_are_refused(model, tmp_path, capsys):
    good = tmp_path / "good.pt"
    save_checkpoint(good, model, {})
    files = {
        "text.pt": b"<html>not found</html>",
        "empty.pt": b"",
        "cut.pt": good.read_bytes()[: good.stat().st_size // 2],
        "pickle.pt": pickle.dumps(Malicious()),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save(Malicious(), tmp_path / "malicious.pt")
    payload = torch.load(good, weights_only=True)
    torch.save(payload | {"config": {"no_such_field": 1}}, tmp_path / "other_version.pt")
    torch.save(payload | {"state": {}}, tmp_path / "no_weights.pt")
    for path in sorted(tmp_path.glob("*.pt")) + [tmp_path / "absent.pt", tmp_path]:
        if path == good:
            continue
        with pytest.raises(BetaFoldError) as error:
            load_checkpoint(path)
        assert "\n" not in str(error.value) and str(path) in str(error.value)
    assert "executed" not in capsys.readouterr().out
