"""``betafold fetch``."""

SUMMARY = "not built yet"
EXAMPLE = "betafold fetch --help"


def add_arguments(parser):
    pass


def run(args) -> int:
    raise NotImplementedError
