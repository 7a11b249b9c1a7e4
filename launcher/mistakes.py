"""What nobody has foreseen, as a sentence: output that cannot be written, and mistakes of fhv's own."""

import pathlib
import traceback
from collections.abc import Mapping

from launcher import model, words

_TRACE = "FHV_TRACEBACK"


def tell(error: Exception, environment: Mapping[str, str]) -> None:
    """Say what happened; the traceback is for who asks for it, and a reader that went away needs no word."""
    if environment.get(_TRACE):
        traceback.print_exception(error)
    elif not isinstance(error, BrokenPipeError):
        words.refusal(_sentence(error))


def _sentence(error: Exception) -> model.Cannot:
    if isinstance(error, OSError):
        act = f"use {error.filename}" if error.filename else "write the output"
        return model.Cannot(f"cannot {act}: {error.strerror or error}")
    last = traceback.extract_tb(error.__traceback__)[-1]
    return model.Cannot(
        f"cannot go on: {type(error).__name__}: {error} ({pathlib.Path(last.filename).name}, line {last.lineno})",
        hint=f"this is a mistake of fhv's, or the engine is none; {_TRACE}=1 shows where it was made",
    )
