"""``betafold evaluate``."""

SUMMARY = "not built yet"
EXAMPLE = "betafold evaluate --help"


def add_arguments(parser):
    pass


def run(args) -> int:
    raise NotImplementedError
