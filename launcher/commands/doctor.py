"""The command `fhv doctor`."""

import sys

import click

from launcher import world as worlds


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")
@click.pass_obj
@worlds.refusing
def doctor(world: worlds.World, *, as_json: bool) -> None:
    """Examine the engine, the driver, the network, DNS and this host; say what mends what is wrong.

    Exit code 1 where something is broken.
    """
    import importlib.metadata

    from launcher import doctor as doctors
    from launcher import findings, surroundings, words

    settings = world.settings()
    examined = doctors.Doctor(
        engine=world.engine,
        driver=world.driver(),
        host=surroundings,
        network=settings.common.network,
        ordered=settings.ordered,
        version=importlib.metadata.version("fullhost"),
    ).examine()
    click.echo(words.as_json(examined) if as_json else words.findings(examined))
    if any(finding.verdict is findings.Verdict.BROKEN for finding in examined):
        sys.exit(1)
