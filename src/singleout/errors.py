"""The errors that a user can cause, each of which is shown as one clear line."""


class SingleoutError(Exception):
    """Base of every error that singleout raises on purpose."""


class InputError(SingleoutError, ValueError):
    """A file, option or value of the user's that cannot be used.

    The message names the file or option, says what was expected, and what to do. The command line prints it
    and exits with code 2.
    """


class BusyError(InputError):
    """An output folder that another run is writing to."""
