import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from betafold.errors import BetaFoldError
from betafold.prediction.confidence import Isotonic, chain_score, read_calibration, write_calibration
from tests.prediction.conftest import make_calibration


def test_a_calibration_survives_the_file(tmp_path):
    calibration = make_calibration(counts={"peptides": 7}, provenance={"checkpoint_sha256": "ab"})
    write_calibration(tmp_path / "calibration.json", calibration)
    assert read_calibration(tmp_path / "calibration.json") == calibration
    assert read_calibration(tmp_path / "calibration.json").sha256 == calibration.sha256
    assert make_calibration(factors=(0.8, 1.5, 2.1)).sha256 != calibration.sha256


@given(st.lists(st.floats(-50, 150), min_size=2, max_size=20))
def test_isotonic_keeps_order_and_stays_between_its_outer_values(raw):
    curve = Isotonic((0.0, 30.0, 30.0, 100.0), (5.0, 20.0, 45.0, 90.0))
    values = curve(np.sort(raw))
    assert (np.diff(values) >= 0).all()
    assert values.min() >= 5 and values.max() <= 90
    assert curve(65.0) == pytest.approx(67.5)  # half way between the last knots


def test_bounds_scale_the_prediction_and_grow_with_the_level():
    calibration = make_calibration()
    predicted = calibration.predicted_rmsd(np.array([50.0]), np.array([20]), np.array([4.0]))
    assert predicted == pytest.approx(0.5 + 0.4 * 7.5)
    bounds = calibration.upper_bounds(predicted)
    assert [float(bounds[level][0]) for level in (0.5, 0.8, 0.9)] == pytest.approx(
        [0.8 * 3.5, 1.5 * 3.5, 2 * 3.5]
    )


def test_chain_scores():
    assert chain_score("ensemble", 90.0, 20, 3.5) == 3.5
    assert chain_score("plddt", 75.0, 16, 3.5) == pytest.approx(1.0)
    assert chain_score("plddt", 50.0, 16, 0) > chain_score("plddt", 60.0, 16, 0)
    with pytest.raises(ValueError, match="ensemble, plddt"):
        chain_score("other", 90.0, 20, 3.5)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["plddt"].update(raw=[10, 0, 100]),
        lambda d: d["plddt"].update(calibrated=[5.0, 40.0, 101.0]),
        lambda d: d["plddt"].update(calibrated=[5.0, 40.0]),
        lambda d: d["rmsd"].update(calibrated=[8.0, 0.5]),
        lambda d: d["rmsd"].update(score="other"),
        lambda d: d["rmsd"].pop("raw"),
        lambda d: d["conformal"].update(levels=[0.5, 0.8, 1.0]),
        lambda d: d["conformal"].update(factors=[2.0, 1.0, 3.0]),
        lambda d: d.update(version=2),
        lambda d: d.update(format="other"),
    ],
)
def test_a_malformed_calibration_is_refused_in_one_line(tmp_path, change):
    document = make_calibration().to_dict()
    change(document)
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(document))
    with pytest.raises(BetaFoldError) as caught:
        read_calibration(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_other_files_are_no_calibration(tmp_path):
    (tmp_path / "a.json").write_text("<html>")
    for name in ("a.json", "absent.json"):
        with pytest.raises(BetaFoldError, match="not a calibration file"):
            read_calibration(tmp_path / name)
