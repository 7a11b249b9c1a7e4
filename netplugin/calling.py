"""The forms of calls: the engine's by their bodies; our own questions by their paths, our orders by both."""

import dataclasses
import typing
from collections.abc import Callable, Mapping

from netplugin import answers, model, protocol

Form = typing.TypeVar("Form")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ordered:
    """An order as it came: the variable parts of its path, and its body."""

    parts: Mapping[str, str]
    body: protocol.Json


Call = Callable[[protocol.Json], answers.Answer]
Question = Callable[[Mapping[str, str]], protocol.Json]
Order = Callable[[Ordered], protocol.Json]


def parsed(parse: Callable[[protocol.Json], Form], use: Callable[[Form], answers.Answer]) -> Call:
    """Return the call that parses a body and gives it to a use case; an empty one is refused."""

    def call(body: protocol.Json) -> answers.Answer:
        if not body:  # moby, pkg/plugins/client.go: it sends what was read already again, without its body
            raise model.Cannot(
                "read the request",
                why="it is empty, as the engine sends one again when the driver was restarted meanwhile",
                hint="do it again",
                reason=model.Reason.UNAVAILABLE,
            )
        return use(parse(body))

    return call
