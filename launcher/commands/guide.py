"""What helps a person at the keyboard: `fhv help` and `fhv completion`."""

import sys

import click

from launcher import world as worlds

_SHELLS = {
    "bash": "~/.local/share/bash-completion/completions/fhv",
    "zsh": "a folder of $fpath, as _fhv",
    "fish": "~/.config/fish/completions/fhv.fish",
}


@click.command(name="help")
@click.argument("words", metavar="[TOPIC | COMMAND...]", nargs=-1)
@click.pass_context
@worlds.refusing
def guide(context: click.Context, words: tuple[str, ...]) -> None:
    """Explain a topic or a command; without one, list both."""
    root = context.find_root()
    if not words:
        click.echo(f"{root.get_help()}\n\nTopics (fhv help TOPIC):")
        for name, text in _topics().items():
            click.echo(f"  {name:<12}{text.splitlines()[0].removeprefix('# ')}")
    elif len(words) == 1 and words[0] in _topics():
        _show(_topics()[words[0]])
    else:
        click.echo(_command(root, words).get_help())


@click.command(epilog="\b\n" + "\n".join(f"  fhv completion {shell} > {place}" for shell, place in _SHELLS.items()))
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Write the completion of a shell: machines, names of the zone, snapshots and images, commands and options."""
    import click.shell_completion

    kind = click.shell_completion.get_completion_class(shell)
    if kind is not None:
        click.echo(kind(context.find_root().command, {}, "fhv", "_FHV_COMPLETE").source())


def _topics() -> dict[str, str]:
    """Return the texts by topic; each begins with its heading."""
    import importlib.resources

    topics = importlib.resources.files("launcher") / "topics"
    pages = [page for page in topics.iterdir() if page.name.endswith(".md")]
    return {page.name.removesuffix(".md"): page.read_text(encoding="utf-8") for page in sorted(pages, key=str)}


def _show(text: str) -> None:
    """Draw the text on a terminal, page by page where it is long; a pipe gets it as it is."""
    if not sys.stdout.isatty():
        click.echo(text.rstrip())
        return
    import rich.console
    import rich.markdown

    console = rich.console.Console()
    with console.capture() as captured:
        console.print(rich.markdown.Markdown(text))
    click.echo_via_pager(captured.get())


def _command(root: click.Context, words: tuple[str, ...]) -> click.Context:
    """Return the context of a command, of a group's too: its help is what it says of itself."""
    from launcher import model

    context = root
    for word in words:
        group = context.command
        found = group.get_command(context, word) if isinstance(group, click.Group) else None
        if found is None:
            raise model.Cannot(
                f"cannot explain {' '.join(words)}: there is no such topic or command", hint="fhv help lists them"
            )
        context = click.Context(found, info_name=word, parent=context)
    return context
