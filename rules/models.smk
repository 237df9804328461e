"""What each model reads, by the family that its file names."""


def spec(model):
    """What the model's file says; nothing where it is missing, which Snakemake says better."""
    path = Path(f"config/models/{model}.yaml")
    return yaml.safe_load(path.read_text()) if path.is_file() else {}


def backbone(wildcards):
    """The ESM-2 weights behind a model; another language model is found by what its file says."""
    about = spec(wildcards.model).get("model", {}).get("backbone", {})
    return {} if about.get("kind") == "causal" else {"weights": ESM2}


def longest():
    """Residues of the longest test chains that all models take, so that all are timed on the same ones."""
    specs = [spec(model) for model in MODELS]
    if not all(about.get("family") == "mtp" for about in specs):
        return 30
    limits = [about.get("model", {}).get("max_length", 512) for about in specs]
    return min(config["labels"]["max_length"], *limits)


def features(wildcards):
    """What training and evaluation read: frozen embeddings, or the backbone that an mtp model adapts."""
    adapts = spec(wildcards.model).get("family") == "mtp"
    return backbone(wildcards) if adapts else {"embeddings": EMBEDDINGS}


def features_options(wildcards, input):
    """Those files as options of a command line."""
    given = (name for name in ("embeddings", "weights") if hasattr(input, name))
    return " ".join(f"--{name} {getattr(input, name)}" for name in given)
