"""The group `digest webhooks …`: it only says what its verbs take."""

from typing import Annotated

import typer

from digest.commands.options import Json

webhooks = typer.Typer(no_args_is_help=True, help="Programs of the publisher that are told what happens.")
Endpoint = Annotated[int, typer.Argument(metavar="ID", help="As listed.", show_default=False)]


@webhooks.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", show_default=False)],
    publication: Annotated[str | None, typer.Option(help="Only of this publication. Default: of all.")] = None,
    event: Annotated[
        list[str] | None, typer.Option("--event", help="Like subscription.confirmed. Repeatable. Default: all.")
    ] = None,
    json: Json = False,
) -> int:
    """Tell this URL from now on, and show the secret that signs, once."""
    from digest.commands import webhooks as verbs

    return verbs.add(publication, url, tuple(event or ()), as_json=json)


@webhooks.command("list")
def list_endpoints(json: Json = False) -> int:
    """List endpoints, how much waits for each, and what is wrong."""
    from digest.commands import webhooks as verbs

    return verbs.listing(as_json=json)


@webhooks.command("log")
def log(
    endpoint: Endpoint,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many, the newest first.")] = 20,
    json: Json = False,
) -> int:
    """Show what an endpoint was told last, or was not and why."""
    from digest.commands import webhooks as verbs

    return verbs.log(endpoint, limit, as_json=json)


@webhooks.command("test")
def trial(endpoint: Endpoint, json: Json = False) -> int:
    """Send a ping now, and say what came of it."""
    from digest.commands import webhooks as verbs

    return verbs.trial(endpoint, as_json=json)


@webhooks.command("rotate")
def rotate(endpoint: Endpoint, json: Json = False) -> int:
    """Make a new secret and show it, once. The old one signs beside it for a day."""
    from digest.commands import webhooks as verbs

    return verbs.rotate(endpoint, as_json=json)


@webhooks.command("retry")
def retry(endpoint: Endpoint, json: Json = False) -> int:
    """Go on with an endpoint that was stopped, with all that waited or was given up."""
    from digest.commands import webhooks as verbs

    return verbs.retry(endpoint, as_json=json)


@webhooks.command("remove")
def remove(endpoint: Endpoint, json: Json = False) -> int:
    """Tell it nothing more, and forget what waited."""
    from digest.commands import webhooks as verbs

    return verbs.remove(endpoint, as_json=json)
