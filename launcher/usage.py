"""What machines use of the host: two readings of a machine's control groups, and what lies between them."""

import dataclasses
import datetime as dt
import json
from collections.abc import Sequence

from launcher import api

COLUMNS = ("NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "PIDS")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The counters of one moment: processor time in ns, memory without page cache that can go, octets of network.

    None is what the host does not count: it has no controller for it.
    """

    moment: float
    processor: int | None
    memory: int | None
    limit: int | None
    received: int
    sent: int
    processes: int | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a machine uses; `cpu` in percent of one core, memory and network in octets; None is not counted."""

    name: str
    cpu: float | None
    memory: int | None
    limit: int | None
    received: int
    sent: int
    processes: int | None


class Gauge:
    """Reads counters; `container` is the engine's id of one. Several threads may use it at once."""

    def __init__(self, client: api.Client) -> None:
        self._client = client

    def read(self, container: str) -> Reading | None:
        """Read the counters once, without waiting for the next ones; None where nothing runs any more."""
        url = f"{self._client.base_url}/v{self._client.api_version}/containers/{container}/stats"
        with api.refusing("read what the machine uses"):
            answer = self._client.get(url, params={"stream": "false", "one-shot": "true"}, timeout=30)
            answer.raise_for_status()
        return reading(answer.text)


def reading(text: str) -> Reading | None:
    """Take a reading from the engine's answer, which is empty of one that does not run."""
    found = json.loads(text)
    moment = str(found.get("read", "0001"))
    if moment.startswith("0001"):
        return None
    memory, networks = found.get("memory_stats") or {}, (found.get("networks") or {}).values()
    details = memory.get("stats") or {}
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))  # cgroup v1, v2; as docker stats has it
    return Reading(
        moment=_seconds(moment),
        processor=found["cpu_stats"]["cpu_usage"]["total_usage"] or None,
        memory=max(0, memory["usage"] - cache) if memory.get("usage") else None,
        limit=memory.get("limit") or None,
        received=sum(network["rx_bytes"] for network in networks),
        sent=sum(network["tx_bytes"] for network in networks),
        processes=(found.get("pids_stats") or {}).get("current"),
    )


def _seconds(moment: str) -> float:
    """Turn a moment of RFC 3339 with nanoseconds into seconds; of the fraction six digits are read."""
    whole, _, fraction = moment.rstrip("Z").partition(".")
    return dt.datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction[:6] or 0}")


def between(name: str, before: Reading, after: Reading) -> Usage:
    """Say what a machine used between two readings, and what it has now."""
    return Usage(
        name=name,
        cpu=_share(before, after),
        memory=after.memory,
        limit=after.limit,
        received=after.received,
        sent=after.sent,
        processes=after.processes,
    )


def _share(before: Reading, after: Reading) -> float | None:
    """Give the share of one core's time; counters begin anew with a machine that was started again."""
    seconds = after.moment - before.moment
    if after.processor is None or seconds <= 0:
        return None
    return round(max(0, after.processor - (before.processor or 0)) / seconds / 1e7, 2)


def rows(found: Sequence[Usage]) -> list[tuple[str, ...]]:
    """Write usages as `docker stats` does, a row each."""
    return [
        (
            one.name,
            "-" if one.cpu is None else f"{one.cpu:.2f}%",
            f"{size(one.memory, step=1024)} / {size(one.limit, step=1024)}",
            f"{100 * one.memory / one.limit:.2f}%" if one.limit and one.memory is not None else "-",
            f"{size(one.received)} / {size(one.sent)}",
            "-" if one.processes is None else str(one.processes),
        )
        for one in found
    ]


def size(octets: float | None, *, step: int = 1000) -> str:
    """Write a number of octets for people, in steps of 1000 (kB) or 1024 (KiB)."""
    if octets is None:
        return "-"
    units = ("B", "kB", "MB", "GB", "TB") if step == 1000 else ("B", "KiB", "MiB", "GiB", "TiB")
    for unit in units[:-1]:
        if octets < step:
            return f"{octets:.4g}{unit}"
        octets /= step
    return f"{octets:.4g}{units[-1]}"
