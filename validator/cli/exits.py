"""Exit codes, once, and the table from our errors to them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import IntEnum

from validator.errors import (
    Conflict,
    DatasetError,
    NotAuthorised,
    NotFound,
    RequestRefused,
    SettingsError,
    StorageUnavailable,
    ValidatorError,
)


class Exit(IntEnum):
    """What the command came to."""

    ALL_VALID = 0
    """Done, and nothing speaks against any address."""
    SOME_NOT = 1
    """Done, and at least one address is not valid, or the thing asked for is not there."""
    USAGE = 2
    """The command, a file or the configuration cannot be used."""
    UNDECIDED = 3
    """Something could not be decided: DNS trouble, or a store that cannot be reached."""


def end_with(command: Callable[[], object]) -> None:
    """Run a command; what it raises becomes a sentence and an exit code."""
    try:
        command()
    except ValidatorError as error:
        sys.stderr.write(f"validator: {error}\n")
        sys.exit(exit_of(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(Exit.ALL_VALID)


def exit_of(error: ValidatorError) -> Exit:
    """The one table from errors to exit codes."""
    match error:
        case SettingsError() | DatasetError() | RequestRefused() | NotAuthorised():
            return Exit.USAGE
        case NotFound() | Conflict():
            return Exit.SOME_NOT
        case StorageUnavailable():
            return Exit.UNDECIDED
        case _:
            return Exit.UNDECIDED
