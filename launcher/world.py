"""The outside world as the commands of `fhv` find it, and the way in which each of them ends.

Nothing slow is imported before a command needs it.
"""

import contextlib
import functools
import math
import os
import signal
import sys
import time
import typing
from collections.abc import Callable, Iterator, Sequence

import click

if typing.TYPE_CHECKING:
    from launcher import (
        access,
        api,
        builder,
        config,
        depot,
        driver,
        engine,
        files,
        holding,
        machines,
        model,
        terminal,
        usage,
    )

_Params = typing.ParamSpec("_Params")

PATIENCE_SECONDS = 120.0


def _finite(_context: click.Context, _option: click.Parameter, seconds: float) -> float:
    """Refuse what compares with nothing: `nan` is within any range."""
    if math.isnan(seconds):
        raise click.BadParameter("it is no number of seconds")
    return seconds


timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    callback=_finite,
    default=PATIENCE_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until a machine is up; after that it goes on booting.",
)


class World:
    """The real engine, driver and configuration, each reached when it is first needed."""

    @functools.cached_property
    def _client(self) -> "api.Client":
        from launcher import api

        return api.connect()

    def engine(self) -> "engine.Engine":
        """Reach the engine."""
        from launcher import engine

        return engine.Engine(self._client)

    def depot(self) -> "depot.Depot":
        """Reach the engine's images."""
        from launcher import depot

        return depot.Depot(self._client)

    @contextlib.contextmanager
    def swept(self) -> Iterator[None]:
        """Remove, after something, images that only machines were made of which are gone."""
        try:
            yield
        finally:
            self.depot().sweep()

    def files(self) -> "files.Files":
        """Reach the files of machines."""
        from launcher import files

        return files.Files(self._client)

    def terminal(self) -> "terminal.Terminal":
        """Reach the terminals of machines."""
        from launcher import terminal

        return terminal.Terminal(self._client)

    def gauge(self) -> "usage.Gauge":
        """Reach what tells how much machines use."""
        from launcher import usage

        return usage.Gauge(self._client)

    def access(self, *, extra: tuple[str, ...] = ()) -> "access.Access":
        """Reach machines by ssh; `extra` public keys may log in besides the user's own."""
        from launcher import access, keyring

        whose = keyring.person(os.environ, root=os.geteuid() == 0)
        return access.Access(self.files(), keyring.Keyring(whose), extra=extra)

    def builder(self) -> "builder.Builder":
        """Reach the engine's builder of images."""
        from launcher import builder

        return builder.Builder(self._client)

    def driver(self) -> "driver.Driver":
        """Reach the driver."""
        import pathlib

        from launcher import driver, wire

        return driver.Driver(wire.found(pathlib.Path(os.environ.get("FULLHOST_SOCKET") or wire.SOCKET)))

    def settings(self) -> "config.Config":
        """Read the configuration."""
        import pathlib

        from launcher import config

        named = os.environ.get("FHV_CONFIG")
        return config.load(pathlib.Path(named), required=True) if named else config.load()

    def holds(self) -> "holding.Holds":
        """Reach what keeps other fhv of this host from a machine."""
        import pathlib

        from launcher import holding

        folder = pathlib.Path(os.environ.get("FHV_LOCK_DIR") or holding.FOLDER)
        return holding.Holds(folder=folder, engine=os.environ.get("DOCKER_HOST", ""))

    def now(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let some pass."""
        time.sleep(seconds)


def heed_signals() -> None:
    """Have what ends a program end this one as control-C does: what was begun is undone, or told of."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has one ignored
            signal.signal(number, signal.default_int_handler)


def leave(number: int, frame: object) -> None:
    """End at a signal without a word, and without waiting for threads, which may hang as long as an engine does."""
    os._exit(128 + number)


def refusing(command: Callable[_Params, None]) -> Callable[_Params, None]:
    """Give a command the ending of one that cannot be done: a sentence, a hint, exit code 1."""

    @functools.wraps(command)
    def edge(*args: _Params.args, **kwargs: _Params.kwargs) -> None:
        from launcher import model, words

        try:
            command(*args, **kwargs)
        except click.Abort as error:  # at a question; whether by control-C or the end of input, its context alone tells
            click.echo(err=True)
            words.refusal(model.Cannot("interrupted: nothing is changed"))
            sys.exit(128 + signal.SIGINT if isinstance(error.__context__, KeyboardInterrupt) else 1)
        except model.Cannot as error:
            words.refusal(error)
            sys.exit(1)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, leave)  # before it is told: who reads it may insist at once
            hint = "what was begun is brought to an end, or cut off by control-C again; fhv start continues it"
            words.refusal(model.Cannot("interrupted", hint=hint))
            sys.exit(128 + signal.SIGINT)

    return edge


def operator(
    world: World,
    report: Callable[[str, str], None] = lambda name, step: None,
    patience: float = PATIENCE_SECONDS,
    public_keys: tuple[str, ...] = (),
) -> "machines.Operator":
    """Give the use cases the world they work on; machines that come up are opened to ssh, with these keys too."""
    from launcher import booting, ending, exchange, machines, making, recognition

    engine, driver, settings = world.engine(), world.driver(), world.settings()
    welcome = world.access(extra=public_keys).welcome
    watch = booting.Watch(engine=engine, clock=world, patience=patience, welcome=welcome, ordered=settings.ordered)
    ends = ending.Ending(engine=engine, driver=driver, report=report)
    return machines.Operator(
        engine=engine,
        maker=making.Maker(
            engine=engine,
            driver=driver,
            settings=settings,
            images=recognition.Recognition(world.depot()),
        ),
        exchange=exchange.Exchange(engine=engine, ending=ends, watch=watch, report=report, hold=world.holds().hold),
        watch=watch,
        report=report,
    )


def several(
    world: World,
    act: "Callable[[machines.Operator], tuple[model.Result, ...]]",
    patience: float = PATIENCE_SECONDS,
    public_keys: tuple[str, ...] = (),
) -> None:
    """Do something with several machines, show how it goes and how it went."""
    from launcher import words

    with words.progress(live=sys.stderr.isatty()) as report:
        outcome = act(operator(world, report, patience, public_keys))
    finish(outcome)


def finish(outcome: "Sequence[model.Result]") -> None:
    """Show how something went, and end with the exit code that tells it."""
    from launcher import words

    if not words.results(outcome):
        sys.exit(1)
