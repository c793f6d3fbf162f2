"""Errors that end a command with one message and an exit code."""


class AeRunError(Exception):
    """Base of the errors that the command line prints as one message, without a traceback."""

    exit_code = 1


class UserError(AeRunError):
    """The request is invalid: the message says what to change."""

    exit_code = 2


class InvalidInput(UserError, ValueError):
    """Images or codes given to a run in Python are not such as its model takes."""


class FolderInUse(UserError):
    """Another process is working in a run folder."""


class RunFailed(AeRunError):
    """A run failed; its finished epochs are kept."""

    exit_code = 1


class MachineFault(RunFailed):
    """The machine lacks what any run needs: space, a permission, the storage."""


class OutOfMemory(RunFailed):
    """Memory ran out."""

    def __init__(self, message: str, by_values: bool = False) -> None:
        """`by_values`: the run would not fit into this machine, were it alone there."""
        super().__init__(message)
        self.by_values = by_values


class Interrupted(AeRunError):
    """The user or the system stopped the run; its finished epochs are kept."""

    def __init__(self, message: str, signal_number: int = 2) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
