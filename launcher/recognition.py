"""Which init an image boots, looked up once for each image."""

import threading
import typing
from collections.abc import Mapping

from launcher import inits


class Depot(typing.Protocol):
    """What of the engine's images it takes."""

    def known(self, image: str) -> str: ...
    def files(self, image: str, paths: tuple[str, ...]) -> Mapping[str, str]: ...


class Recognition:
    """Looks into images, one after the other, where the engine does not know from an earlier time, and remembers."""

    def __init__(self, depot: Depot) -> None:
        self._depot, self._looking = depot, threading.Lock()
        self._known: dict[str, inits.Init] = {}

    def of(self, image: str) -> inits.Init:
        """Tell which init the image boots."""
        with self._looking:
            if image not in self._known:
                self._known[image] = inits.INITS.get(self._depot.known(image)) or self._look(image)
            return self._known[image]

    def _look(self, image: str) -> inits.Init:
        return inits.recognise(self._depot.files(image, inits.PROBED), image=image)
