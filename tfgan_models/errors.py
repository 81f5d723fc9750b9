"""Errors whose message is written for the person at the command line."""


class UsageError(ValueError):
    """A request that cannot be met as it was put; commands exit with status 2.

    The message is one line: what was received, what is allowed, what to do.
    """


class FailureError(RuntimeError):
    """A request that was fine but failed on the way; commands exit with status 1.

    The message is one line: what went wrong, what was kept, what to do.
    """
