"""Exit codes, once, and the table from our errors to them."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from io import UnsupportedOperation

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
    """Something could not be decided: DNS trouble, a store that cannot be reached, or a bug of ours."""


def end_with(command: Callable[[], object]) -> None:
    """Run a command; what it raises becomes a sentence and an exit code."""
    ended: SystemExit | None = None
    try:
        try:
            command()
        except SystemExit as said:
            ended = said
            raise
        finally:
            sys.stdout.flush()  # what cannot be written is found here, not by the interpreter on its way out
    except ValidatorError as error:
        sys.stderr.write(f"validator: {error}\n")
        sys.exit(exit_of(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever reads has seen enough; what the command came to stands
        _drop_output()
        sys.exit(Exit.ALL_VALID if ended is None else ended.code)
    except OSError as error:  # a file that cannot be written, a disk that is full
        place = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"validator: {place}{error.strerror or type(error).__name__}\n")
        _drop_output()
        sys.exit(Exit.USAGE)
    except Exception:  # noqa: BLE001 - the outermost place: of itself Python ends a bug with 1, as if it were a verdict
        traceback.print_exc()
        sys.exit(Exit.UNDECIDED)


def _drop_output() -> None:
    """Have the interpreter not try again to write what could not be written."""
    with contextlib.suppress(UnsupportedOperation):  # no stream of the system's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
