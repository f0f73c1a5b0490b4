"""The group `digest keys …`: it only says what its verbs take."""

from typing import Annotated

import typer

from digest.commands.options import Json

keys = typer.Typer(no_args_is_help=True, help="Keys that open the API to a publisher's own programs.")


@keys.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who uses it, like website.", show_default=False)],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What it opens, like articles:write. Repeatable.")
    ] = None,
    publication: Annotated[str | None, typer.Option(help="Only for this publication. Default: for all.")] = None,
    days: Annotated[float | None, typer.Option(min=0.01, max=36500, help="Ends by itself then.")] = None,
    json: Json = False,
) -> int:
    """Make a key and show it, once: only its hash is kept."""
    from digest.commands import api_keys

    return api_keys.new(name, tuple(scope or ()), publication, days, as_json=json)


@keys.command("list")
def list_keys(json: Json = False) -> int:
    """List keys, what each opens and when it was last used."""
    from digest.commands import api_keys

    return api_keys.listing(as_json=json)


@keys.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="Its number or handle, as listed.", show_default=False)],
    json: Json = False,
) -> int:
    """End a key at once."""
    from digest.commands import api_keys

    return api_keys.revoke(key, as_json=json)
