"""The images that machines start from, as the engine builds, lists and removes them."""

import collections
import datetime as dt
import io
import re
from collections.abc import Callable, Iterable, Mapping

from launcher import api, model, stock

_SECONDS = 3600  # between two words of a step, such as one that gets packages
_LAST_LINES = 8
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_OWN_WORDS = ("---> ", "Removing intermediate container", "Removed intermediate container")  # the engine's, of a step


class Builder:
    """The verbs."""

    def __init__(self, client: api.Client) -> None:
        self._client = client

    def build(self, context: bytes, *, tag: str, arguments: Mapping[str, str], report: Callable[[str], None]) -> None:
        """Build the image `tag` from a tar archive with a Dockerfile, and tell `report` of each step."""
        with api.refusing(f"build {tag}"):
            told = self._client.build(
                fileobj=io.BytesIO(context),
                custom_context=True,
                tag=tag,
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                decode=True,
                timeout=_SECONDS,
            )
            follow(told, tag=tag, report=report)

    def images(self) -> tuple[stock.Image, ...]:
        """List what machines start from, by name: what is labelled with its init, and what a machine is made of."""
        with api.refusing("list the images"):
            listed, containers = self._client.images(), self._client.containers(all=True)
        used: dict[str, dict[str, str]] = collections.defaultdict(dict)
        for container in containers:
            if name := container["Labels"].get(model.MACHINE_LABEL):
                used[container["ImageID"]][name] = container["Labels"].get(model.INIT_LABEL, "")
        found = []
        for image in listed:
            labels, machines = image["Labels"] or {}, used.get(image["Id"], {})
            if model.SNAPSHOT_LABEL in labels or not (machines or model.INIT_LABEL in labels):
                continue
            found += [
                stock.Image(
                    name=name,
                    init=labels.get(model.INIT_LABEL) or next(iter(machines.values()), ""),
                    size=image["Size"],
                    created=dt.datetime.fromtimestamp(image["Created"], dt.UTC).isoformat(),
                    machines=tuple(sorted(machines)),
                )
                for name in image["RepoTags"] or ["<none>"]
            ]
        return tuple(sorted(found, key=lambda image: image.name))

    def remove(self, name: str) -> None:
        """Take a name from an image, and the image away when that was the last; not while something is made of it."""
        try:
            with api.refusing(f"look at the image {name}"):
                number = self._client.inspect_image(name)["Id"]  # type: ignore[no-untyped-call]
                containers = self._client.containers(all=True)
        except api.Missing as error:
            raise model.Cannot(
                f"cannot remove the image {name}: the engine has none of this name", hint="fhv image list shows them"
            ) from error
        users = sorted(c["Names"][0].removeprefix("/") for c in containers if c["ImageID"] == number and c["Names"])
        if users:
            raise model.Cannot(
                f"cannot remove the image {name}: made of it {'is' if len(users) == 1 else 'are'} {', '.join(users)}",
                hint=f"fhv rm {' '.join(users)} first",
            )
        with api.refusing(f"remove the image {name}"):
            self._client.remove_image(name)


def follow(told: Iterable[Mapping[str, object]], *, tag: str, report: Callable[[str], None]) -> None:
    """Report the steps of a build while the engine tells of them; one that fails is named, with its last words."""
    step, said = "", collections.deque[str](maxlen=_LAST_LINES)
    for event in told:
        if "error" in event:
            words = "".join(f"\n{line}" for line in said)
            # The engine's own sentence has the whole command in it once more.
            why = re.sub(
                r"^The command '.*' returned a non-zero code: (\d+)$", r"exit code \1", str(event["error"]).strip()
            )
            raise model.Cannot(
                f"cannot build {tag}{f' at {step}' if step else ''}: {why}{words}",
                hint="mend the recipe, or see that the engine reaches what it gets packages from; then build it again",
            )
        for line in str(event.get("stream", "")).splitlines():
            if line.startswith("Step "):
                step = line.split(" : ", 1)[-1]
                said.clear()
                report(line)
            elif (plain := _COLOURS.sub("", line).strip()) and not plain.startswith(_OWN_WORDS):
                said.append(plain)
