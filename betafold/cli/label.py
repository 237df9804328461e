"""``betafold label``."""

SUMMARY = "not built yet"
EXAMPLE = "betafold label --help"


def add_arguments(parser):
    pass


def run(args) -> int:
    raise NotImplementedError
