"""What the store has and the engine has not: gone for good only if two looks in turn miss it."""

import datetime
from collections.abc import Mapping

BETWEEN = datetime.timedelta(seconds=1)  # two looks, while something is missed
# The longest that a call takes, and what the engine does after it: it keeps a network or an endpoint a moment after
# the driver has answered (createEndpoint in libnetwork/network.go), so what is just being made is missed, too. On a
# machine with fifty processes that want each of its processors a moment is seconds.
MAKING = datetime.timedelta(seconds=10)


class Absences:
    """What was missed at the last look, with the time since when. The first look is at the start of the driver.

    What was made in an earlier life of the driver is not being made any more: its call died with that life.
    """

    def __init__(self) -> None:
        self._began: datetime.datetime | None = None
        self._since: dict[str, datetime.datetime] = {}

    @property
    def doubtful(self) -> bool:
        """Whether something was missed, and another look has to tell whether it is gone."""
        return bool(self._since)

    def gone(self, absent: Mapping[str, datetime.datetime], *, now: datetime.datetime) -> frozenset[str]:
        """Return what was missed before and is so again; `absent` has the time of creation by id."""
        self._began = self._began or now
        self._since = {key: self._since.get(key, now) for key in absent}
        return frozenset(
            key
            for key, created in absent.items()
            if now - self._since[key] >= BETWEEN and (created < self._began or now - created >= MAKING)
        )

    def forget(self, now: datetime.datetime) -> None:
        """Begin anew: the engine boots or hangs, and nothing is known."""
        self._began = self._began or now
        self._since.clear()
