"""The one exception that reaches a user as a single line instead of a traceback."""


class BetaFoldError(Exception):
    """A mistake in the input or the set-up: the message names the input and the remedy."""
