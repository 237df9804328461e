"""The ProteinMTP family: structures from a language model's placeholder tokens."""
