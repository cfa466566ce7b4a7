"""What can go wrong for the person at the terminal. Each message is one line and says what to do next."""


class CommandError(Exception):
    """The command cannot do what was asked."""

    exit_code = 1


class AnswerIsAnError(CommandError):
    """The platform answered, and the answer is that it will not or cannot."""


class NothingToSend(CommandError):
    """The file or address to import cannot be read."""

    exit_code = 2


class UnclearName(CommandError):
    """The name given is that of nothing, or of more than one thing."""


class NotReachable(CommandError):
    """No platform answers at the address."""

    exit_code = 3


class CutOff(NotReachable):
    """An answer broke off before its end."""


class NotWritten(CommandError):
    """The answer cannot be written where or how it was asked for."""

    exit_code = 2


class NoKey(CommandError):
    """There is no key, or the platform refused it."""

    exit_code = 4


class CannotStart(CommandError):
    """`hedgerow up` cannot start."""

    exit_code = 10


class UnsuitablePython(CannotStart):
    """The Python that runs is too old or lacks a package."""

    exit_code = 10


class DataDirUnusable(CannotStart):
    """The data directory cannot be written."""

    exit_code = 11


class PortTaken(CannotStart):
    """Another program listens on the port."""

    exit_code = 12


class AlreadyRunning(CannotStart):
    """Another `hedgerow up` uses this data directory."""

    exit_code = 13


class DatabaseUnusable(CannotStart):
    """An app's database is broken or could not be brought up to date."""

    exit_code = 14


class AppFailed(CannotStart):
    """An app stopped or did not become ready while the platform was starting."""

    exit_code = 15


class NotBackedUp(CommandError):
    """The backup could not be made; nothing of it is left."""

    exit_code = 16


class NotRestored(CommandError):
    """The backup could not be put back."""

    exit_code = 17
