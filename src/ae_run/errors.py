"""The ways a command can end other than well, each with its exit code."""


class AeRunError(Exception):
    """Base of the errors that the command line shows as one message, without a traceback."""

    exit_code = 1


class UserError(AeRunError):
    """What was asked for cannot be done: the message says what to change."""

    exit_code = 2


class RunFailed(AeRunError):
    """A run stopped by itself; what it had finished is kept."""

    exit_code = 1


class Interrupted(AeRunError):
    """The user or the system asked the run to stop; what it had finished is kept."""

    def __init__(self, message: str, signal_number: int = 2) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
