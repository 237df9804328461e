"""Both backbones through one interface: placeholders, padding, adapters; and what is said when one is missing."""

import importlib.util
import json
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from betafold.embeddings.esm2 import load_esm2
from betafold.errors import BetaFoldError
from betafold.models.mtp.backbone import build_backbone
from betafold.models.mtp.config import BackboneConfig, LoraSettings
from betafold.models.mtp.labelwise import masked_max_pool
from tests.conftest import ROOT
from tests.models.mtp.backbones import save_qwen3

SEQUENCES = ["GIGKFLHSAKKFGKAFVGEIMNS", "ACDEFGHIKL", "LLKKLL"]
COUNTS = torch.tensor([len(sequence) for sequence in SEQUENCES])
KINDS = ("esm2", "causal")


def randomise_adapters(module):
    """LoRA starts at zero; make every adapter and the placeholder matter."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.copy_(0.2 * torch.randn_like(parameter))
    return module


@pytest.fixture(params=KINDS)
def config(request, esm2_weights, qwen3):
    return BackboneConfig(request.param, str(esm2_weights if request.param == "esm2" else qwen3))


@pytest.fixture(scope="session")
def gpt2(qwen3, tmp_path_factory):
    """A random GPT-2 of 2 layers and 64 learned positions, with the tokenizer of the other one."""
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = AutoTokenizer.from_pretrained(qwen3)
    tokenizer.save_pretrained(folder)
    config = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=64)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(params=["continued", "residues"])
def positions(request):
    return request.param


@pytest.fixture
def backbone(config, positions):
    config = replace(config, placeholder_positions=positions)
    return randomise_adapters(build_backbone(config)).double().eval()


@torch.no_grad()
def test_shapes_and_split(backbone):
    states = backbone(SEQUENCES, COUNTS)
    start, extra = (1, 2) if backbone.identity["kind"] == "esm2" else (0, 0)
    assert states.inputs.shape == (3, 23 + extra, backbone.dim)
    assert states.input_mask.sum(1).tolist() == [23 + extra, 10 + extra, 6 + extra]
    assert states.placeholders.shape == states.residues.shape == (3, 23, backbone.dim)
    for index, length in enumerate(COUNTS):
        torch.testing.assert_close(
            states.residues[index, :length], states.inputs[index, start : start + length], rtol=0, atol=0
        )
        assert (states.placeholders[index, length:] == 0).all()
        assert states.placeholders[index, :length].std(0).min() > 0  # positions tell them apart


@torch.no_grad()
def test_padding_and_batch_mates_change_nothing(backbone):
    together = backbone(SEQUENCES, COUNTS)
    for index, sequence in enumerate(SEQUENCES):
        alone = backbone([sequence], COUNTS[index : index + 1])
        for name in ("inputs", "placeholders", "residues"):
            ours, theirs = getattr(together, name)[index], getattr(alone, name)[0]
            torch.testing.assert_close(ours[: len(theirs)], theirs, rtol=1e-9, atol=1e-9)
    order = [2, 0, 1]
    permuted = backbone([SEQUENCES[i] for i in order], COUNTS[order])
    torch.testing.assert_close(permuted.placeholders, together.placeholders[order], rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_who_sees_whom(backbone):
    """ESM-2 reads placeholders while it reads the sequence; a causal model does not, and reads in one direction."""
    without, having = backbone(SEQUENCES, None), backbone(SEQUENCES, COUNTS)
    assert without.placeholders is None
    is_causal = backbone.identity["kind"] == "causal"
    assert torch.allclose(without.residues, having.residues) == is_causal
    changed = backbone(["GIGKFLHSAKKFGKAFVGEIMNA"], COUNTS[:1])
    torch.testing.assert_close(changed.residues.shape, having.residues[:1].shape)
    assert torch.allclose(changed.residues[:, :22], having.residues[:1, :22]) == is_causal
    assert not torch.allclose(changed.placeholders[:, 0], having.placeholders[:1, 0])


@torch.no_grad()
def test_positions_of_residues_are_those_of_the_residues(config):
    """A placeholder that has a residue's embedding and position gets that residue's state, where all see all."""
    config = replace(config, lora=LoraSettings(rank=0), placeholder_positions="residues")
    backbone = build_backbone(config).double().eval()
    residue = torch.tensor([backbone.tokenise("L")[0][backbone.tokenise("L")[1]]])
    backbone.placeholder.copy_(backbone.embed(residue[None])[0, 0])
    states = backbone(["LLLLLLLK"], torch.tensor([8]))
    same = torch.isclose(states.placeholders, states.residues).all(-1)[0, :7]
    if config.kind == "esm2":
        assert same.all()
        without = backbone(["LLLLLLLK"], None).residues
        assert not torch.allclose(states.residues, without)  # each residue is there twice
    else:
        assert not same.any()  # a later token of a causal model sees more


@pytest.mark.parametrize("counts", [[23, 10, 5], [23, 10, 7], [0, 0, 0]])
def test_another_number_of_placeholders_is_refused(backbone, counts):
    with pytest.raises(ValueError, match="each residue has one"):
        backbone(SEQUENCES, torch.tensor(counts))


def test_only_adapters_and_placeholder_are_trained(config):
    backbone = build_backbone(config)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    trained = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    assert all(name == "placeholder" or ".lora_" in name for name in trained)
    assert len(trained) == 1 + 2 * 4 * 2  # A and B of four projections in two layers
    optimiser = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):  # B starts at zero, so A has no gradient in the first step
        optimiser.zero_grad()
        backbone.train()(SEQUENCES, COUNTS).placeholders.square().sum().backward()
        optimiser.step()
    changed = {name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == trained


def test_gradient_checkpointing_changes_no_gradient(config):
    grads = []
    for checkpointing in (False, True):
        backbone = randomise_adapters(build_backbone(replace(config, gradient_checkpointing=checkpointing)))
        for module in backbone.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        backbone.double().train()(SEQUENCES, COUNTS).placeholders.square().sum().backward()
        grads.append({name: p.grad for name, p in backbone.named_parameters() if p.requires_grad})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad)


def test_bfloat16_keeps_adapters_and_states_in_float32(config):
    backbone = build_backbone(replace(config, dtype="bfloat16"))
    dtypes = {p.dtype for p in backbone.parameters() if p.requires_grad}
    assert dtypes == {torch.float32}
    assert torch.bfloat16 in {p.dtype for p in backbone.parameters()}
    exact = build_backbone(config)(SEQUENCES, COUNTS).placeholders
    rough = backbone(SEQUENCES, COUNTS).placeholders
    assert rough.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(rough[0], exact[0], dim=-1).min() > 0.98


def test_rank_zero_freezes_the_backbone(config):
    backbone = build_backbone(replace(config, lora=LoraSettings(rank=0)))
    assert [name for name, p in backbone.named_parameters() if p.requires_grad] == ["placeholder"]


def test_wrong_target_modules_name_those_there_are(config):
    wrong = replace(config, lora=LoraSettings(target_modules=("query",)))
    with pytest.raises(BetaFoldError, match=r"target_modules: .* called query; it has .*q_proj") as error:
        build_backbone(wrong)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("target", ["query", "embed_tokens", "layers", "proj"])
def test_every_target_module_has_to_be_a_linear_layer(config, target):
    half_wrong = replace(config, lora=LoraSettings(target_modules=("q_proj", target)))
    with pytest.raises(BetaFoldError, match=f"target_modules: .* called {target}; it has .*q_proj"):
        build_backbone(half_wrong)


@pytest.mark.parametrize("target", ["regression", "dense"])
def test_heads_that_no_state_comes_from_get_no_adapter(esm2_weights, target):
    wrong = BackboneConfig("esm2", str(esm2_weights), lora=LoraSettings(target_modules=("fc1", target)))
    with pytest.raises(
        BetaFoldError, match=f"called {target}; it has fc1, fc2, k_proj, out_proj, q_proj, v_proj$"
    ):
        build_backbone(wrong)


def test_a_part_of_the_name_tells_layers_of_the_same_name_apart(config):
    targets = ("0.self_attn.q_proj", "1.self_attn.q_proj", "v_proj")
    backbone = build_backbone(replace(config, lora=LoraSettings(target_modules=targets)))
    adapted = {name.split(".lora_A")[0] for name, _ in backbone.named_parameters() if ".lora_A" in name}
    assert {name.split("layers.")[1] for name in adapted} == {
        f"{layer}.self_attn.{name}" for layer in (0, 1) for name in ("q_proj", "v_proj")
    }


def test_gpt2_gets_adapters_without_a_warning(gpt2):
    """Its linear layers are of a class of its own."""
    config = BackboneConfig("causal", str(gpt2), lora=LoraSettings(target_modules=("c_attn", "c_fc")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backbone = build_backbone(config)
    assert len([name for name, p in backbone.named_parameters() if p.requires_grad]) == 1 + 2 * 2 * 2
    randomise_adapters(backbone)(SEQUENCES, COUNTS).placeholders.square().sum().backward()
    assert all(p.grad.any() for p in backbone.parameters() if p.requires_grad)
    with pytest.raises(
        BetaFoldError, match="called q_proj, k_proj, v_proj, o_proj; it has c_attn, c_fc, c_proj$"
    ):
        build_backbone(replace(config, lora=LoraSettings()))


@torch.no_grad()
def test_esm2_states_are_those_of_the_embeddings(esm2_weights):
    backbone = build_backbone(BackboneConfig("esm2", str(esm2_weights)))
    states = backbone(SEQUENCES, None)
    for row, wanted in zip(states.residues, load_esm2(esm2_weights).embed(SEQUENCES), strict=True):
        torch.testing.assert_close(row[: len(wanted)], torch.from_numpy(wanted), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_causal_states_are_those_of_the_library(qwen3):
    """Against the library's own pass over the same tokens, alone and without anything of ours."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    backbone = build_backbone(BackboneConfig("causal", str(qwen3)))
    model = AutoModelForCausalLM.from_pretrained(qwen3).eval()
    tokenizer = AutoTokenizer.from_pretrained(qwen3)
    tokens = tokenizer.convert_tokens_to_ids(list(SEQUENCES[0]))
    assert tokenizer.decode(tokens) == SEQUENCES[0] and len(tokens) == 23
    wanted = model(torch.tensor([tokens]), output_hidden_states=True).hidden_states[-1]
    states = backbone(SEQUENCES, COUNTS)
    torch.testing.assert_close(states.residues[:1], wanted, rtol=1e-4, atol=1e-5)


def test_one_token_per_residue_even_where_the_tokenizer_merges(qwen3):
    backbone = build_backbone(BackboneConfig("causal", str(qwen3)))
    assert len(backbone.tokenizer("LLKKLL")["input_ids"]) == 4  # LL K KL L
    tokens, start = backbone.tokenise("LLKKLL")
    assert len(tokens) == 6 and start == 0 and backbone.one_token_per_residue


def test_a_tokenizer_without_letters_is_said_once(tmp_path):
    folder = save_qwen3(tmp_path / "words", words=True)
    with pytest.warns(UserWarning, match="several residues a token") as said:
        backbone = build_backbone(BackboneConfig("causal", str(folder)))
    assert len(said) == 1 and not backbone.one_token_per_residue
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        states = backbone(["LLKKLL"], torch.tensor([6]))
    assert states.residues is None and states.placeholders.shape == (1, 6, 64)
    with pytest.raises(BetaFoldError, match="placeholder_positions: residues needs one token per residue"):
        build_backbone(BackboneConfig("causal", str(folder), placeholder_positions="residues"))
    assert states.input_mask.sum() == 4


def test_a_model_without_a_tokenizer_is_one_line(qwen3, tmp_path):
    """The library makes up an empty tokenizer, which every sequence is the same to."""
    folder = tmp_path / "none"
    shutil.copytree(qwen3, folder, ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(BetaFoldError, match=f"no tokenizer in {folder}") as error:
        build_backbone(BackboneConfig("causal", str(folder)))
    assert "\n" not in str(error.value)


def test_a_tokenizer_of_small_letters_only_is_one_line(qwen3, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path / "small"
    shutil.copytree(qwen3, folder, ignore=shutil.ignore_patterns("tokenizer*"))
    vocabulary = {token: index for index, token in enumerate(["<unk>", *"abcdefghijklmnopqrstuvwxyz"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>").save_pretrained(folder)
    with pytest.raises(BetaFoldError, match=f"no tokenizer in {folder} that knows the letters"):
        build_backbone(BackboneConfig("causal", str(folder)))


def test_tokenising_like_text_is_one_plain_line_on_stderr(tmp_path):
    folder = save_qwen3(tmp_path / "words", words=True)
    code = (
        "from betafold.models.mtp.backbone import build_backbone\n"
        "from betafold.models.mtp.config import BackboneConfig\n"
        f"build_backbone(BackboneConfig('causal', {str(folder)!r}))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stderr == (
        f"{folder}: its tokenizer has no token for each amino acid's letter; sequences are tokenised like text, "
        "several residues a token\n"
    )


@pytest.mark.parametrize("length", [0, 3])
def test_the_maximum_of_nothing_is_zero(length):
    x = torch.full((2, length, 4), -5.0)
    assert torch.equal(masked_max_pool(x, torch.zeros(2, length, dtype=torch.bool)), torch.zeros(2, 4))


@torch.no_grad()
@pytest.mark.parametrize(("placeholders", "longest"), [("continued", 32), ("residues", 64), (None, 64)])
def test_a_chain_beyond_the_learned_positions_is_one_line(gpt2, placeholders, longest):
    """The longest one that fits is read; one residue more names the limit."""
    config = BackboneConfig("causal", str(gpt2), lora=LoraSettings(rank=0))
    backbone = build_backbone(replace(config, placeholder_positions=placeholders or "continued"))

    def read(length):
        return backbone(["ACD", "L" * length], torch.tensor([3, length]) if placeholders else None)

    assert read(longest).residues.isfinite().all()
    with pytest.raises(BetaFoldError, match=rf"has 64; set model.max_length to {longest} or less$") as error:
        read(longest + 1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("residue", ["J", "x", " "])
def test_unknown_residues_are_one_line(backbone, residue):
    if backbone.identity["kind"] == "causal" and residue != "J":
        residue = "J"
    with pytest.raises(BetaFoldError, match="no (token for )?residue"):
        backbone([f"ACD{residue}F"], torch.tensor([5]))


def test_the_same_weights_have_the_same_identity(config, tmp_path):
    identity = build_backbone(config).identity
    assert set(identity) == {"kind", "name", "weights_sha256"} and len(identity["weights_sha256"]) == 64
    if config.kind == "causal":
        copy = shutil.copytree(config.path, tmp_path / "copy")
        again = build_backbone(config, weights=str(copy)).identity
        assert again["weights_sha256"] == identity["weights_sha256"]


@pytest.mark.parametrize("source", ["somebody/no-such-model", "no-such-model"])
def test_a_missing_causal_model_says_how_to_get_it(monkeypatch, source):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BetaFoldError, match=f"{source}: .*hf download {source} --local-dir") as error:
        build_backbone(BackboneConfig("causal", source))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "source", ["/no/such/folder", "./no-such-folder", "models/no/such", "~/no-such-folder"]
)
def test_what_can_be_no_hub_id_is_a_missing_directory(source):
    with pytest.raises(BetaFoldError, match=f"{source}: no such directory$"):
        build_backbone(BackboneConfig("causal", source))


def test_a_weights_file_in_place_of_its_directory_is_one_line(qwen3):
    with pytest.raises(BetaFoldError, match="model.safetensors: a file; give the directory"):
        build_backbone(BackboneConfig("causal", str(qwen3 / "model.safetensors")))


def test_a_folder_without_a_model_is_one_line(tmp_path):
    with pytest.raises(BetaFoldError, match=r"no config\.json"):
        build_backbone(BackboneConfig("causal", str(tmp_path)))


@pytest.mark.parametrize("cut", [None, 5000])
def test_weights_that_are_no_safetensors_are_one_line(qwen3, tmp_path, cut):
    """Truncated, or the pointer that Git LFS leaves where the file itself was not fetched."""
    folder = shutil.copytree(qwen3, tmp_path / "model")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n"
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:cut] if cut else pointer)
    with pytest.raises(BetaFoldError, match=f"{folder}: cannot be loaded as a language model") as error:
        build_backbone(BackboneConfig("causal", str(folder)))
    assert "\n" not in str(error.value)


def drop_layer(state):
    return {name: value for name, value in state.items() if ".layers.1." not in name}


def cut_norm(state):
    return state | {"model.norm.weight": state["model.norm.weight"][:-1].clone()}


def prefix_all(state):
    return {f"module.{name}": value for name, value in state.items()}


@pytest.mark.parametrize(
    ("change", "first"),
    [(drop_layer, r"layers\.1\."), (cut_norm, r"norm\.weight"), (prefix_all, "embed_tokens")],
)
def test_missing_and_misshapen_tensors_are_not_made_up(qwen3, tmp_path, change, first):
    folder = shutil.copytree(qwen3, tmp_path / "model")
    state = change(load_file(folder / "model.safetensors"))
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        BetaFoldError, match=f"{folder}: its weights do not fit its config.json: {first}.* is missing"
    ) as error:
        build_backbone(BackboneConfig("causal", str(folder)))
    assert "\n" not in str(error.value)


def test_pickled_weights_and_own_code_are_refused(qwen3, tmp_path):
    pickled = shutil.copytree(qwen3, tmp_path / "pickled")
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    own_code = shutil.copytree(qwen3, tmp_path / "own-code")
    config = json.loads((own_code / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModel": "mine.Mine", "AutoConfig": "mine.Config"}}
    (own_code / "config.json").write_text(json.dumps(config))
    (own_code / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    for folder in (pickled, own_code):
        with pytest.raises(BetaFoldError, match="cannot be loaded as a language model") as error:
            build_backbone(BackboneConfig("causal", str(folder)))
        assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


BITSANDBYTES = importlib.util.find_spec("bitsandbytes") is not None


@pytest.mark.skipif(not BITSANDBYTES, reason="needs the optional package bitsandbytes")
def test_four_bits_hold_the_frozen_weights_and_train_the_adapters(qwen3):
    exact = BackboneConfig("causal", str(qwen3), dtype="bfloat16")
    backbone = build_backbone(replace(exact, quantisation="4bit", gradient_checkpointing=True)).train()
    assert {parameter.dtype for parameter in backbone.parameters()} >= {torch.uint8, torch.float32}
    states = backbone(SEQUENCES, COUNTS).placeholders
    wanted = build_backbone(exact)(SEQUENCES, COUNTS).placeholders
    assert torch.nn.functional.cosine_similarity(states[0], wanted[0], dim=-1).min() > 0.8
    states.square().sum().backward()
    assert all((p.grad is not None) for p in backbone.parameters() if p.requires_grad)


@pytest.mark.skipif(BITSANDBYTES, reason="bitsandbytes is installed")
def test_four_bits_without_bitsandbytes_is_one_line(qwen3):
    with pytest.raises(BetaFoldError, match="4bit needs the package bitsandbytes.*pip install bitsandbytes"):
        build_backbone(BackboneConfig("causal", str(qwen3), quantisation="4bit"))
