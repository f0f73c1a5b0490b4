"""The verbs that come in groups: `digest db|subscribers|articles|editions|throttle …`. They only say what they take."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from digest.commands.options import Email, Json, Now, Number, Slug

database = typer.Typer(no_args_is_help=True, help="The database's schema.")
subscribers = typer.Typer(no_args_is_help=True, help="Readers: bring in, list, let go, forget.")
articles = typer.Typer(no_args_is_help=True, help="Single articles: hand in, list, take back.")
deliveries = typer.Typer(no_args_is_help=True, help="Single mails: which are in doubt, and what to do about one.")
editions = typer.Typer(no_args_is_help=True, help="Editions: list, release, pause, resume, cancel.")
dkim = typer.Typer(no_args_is_help=True, help="The keys that sign mails, and their DNS records.")

throttle = typer.Typer(no_args_is_help=True, help="What holds mail back: rates, pauses, the warm-up.")


@database.command("upgrade")
def upgrade() -> int:
    """Bring the schema up to date. Safe when several machines do it at once."""
    from digest.commands import setup

    return setup.upgrade()


@subscribers.command("import")
def import_subscribers(
    publication: Slug,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", show_default=False)],
    confirmed: Annotated[bool, typer.Option("--confirmed", help="Their consent is on record.")] = False,
    ask: Annotated[bool, typer.Option("--ask", help="Send the others a request to confirm.")] = False,
    seen_until: Annotated[
        str | None, typer.Option(help="They have had everything up to this date (or instant, UTC) elsewhere.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write every row that was not imported to this CSV.")] = None,
    told: Annotated[
        Literal["active", "pending", "unsubscribed", "bounced", "complained", "blocked"] | None,
        typer.Option(
            "--as", help="How all of them stand where the list comes from; who says something worse keeps that."
        ),
    ] = None,
    now: Now = None,
    json: Json = False,
) -> int:
    """Bring in readers from a CSV: ours, or an export of listmonk, Mailchimp, Ghost, Substack or Buttondown.

    Bad rows are listed with their reason; good rows are imported. Who had left, bounced or complained there, by what
    the file or --as says, is kept as such and not mailed.
    """
    from digest.commands import readers

    wish = readers.Wish(confirmed, ask, seen_until, dry_run, report, told)
    return readers.import_file(publication, file, wish, now=now, as_json=json)


@subscribers.command("export")
def export_subscribers(
    publication: Slug,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: stdout.")] = None,
) -> int:
    """Write all readers as CSV, in the columns that import reads."""
    from digest.commands import readers

    return readers.export(publication, out)


@subscribers.command()
def erase(email: Email, json: Json = False) -> int:
    """Forget a person in every publication."""
    from digest.commands import readers

    return readers.erase(email, as_json=json)


@subscribers.command()
def unsubscribe(publication: Slug, email: Email, json: Json = False) -> int:
    """End a subscription, as the reader's own click would."""
    from digest.commands import readers

    return readers.unsubscribe(publication, email, as_json=json)


@subscribers.command()
def reasons(
    publication: Slug,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How far to look back.")] = 30,
    now: Now = None,
    json: Json = False,
) -> int:
    """Say why readers left, as far as they said so."""
    from digest.commands import leavers

    return leavers.reasons(publication, days, now, as_json=json)


@subscribers.command()
def suppress(email: Email, json: Json = False) -> int:
    """Never write to this address."""
    from digest.commands import readers

    return readers.suppress(email, as_json=json)


@subscribers.command()
def unsuppress(email: Email, json: Json = False) -> int:
    """Let mail go to this address again."""
    from digest.commands import readers

    return readers.unsuppress(email, as_json=json)


@subscribers.command("list")
def list_subscribers(
    publication: Slug,
    state: Annotated[str | None, typer.Option(help="pending, active, unsubscribed or failing.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    json: Json = False,
) -> int:
    """List readers, the newest first. All of them: digest subscribers export."""
    from digest.commands import standing

    return standing.listing(publication, state, limit=limit, as_json=json)


@subscribers.command()
def reactivate(
    publication: Slug,
    email: Annotated[str | None, typer.Argument(metavar="[EMAIL]", show_default=False)] = None,
    all_failing: Annotated[bool, typer.Option("--all-failing", help="Everybody who is failing.")] = False,
    now: Now = None,
    json: Json = False,
) -> int:
    """Mail readers again whose mail was given up because it was refused for weeks."""
    from digest.commands import standing

    return standing.reactivate(publication, email, all_failing=all_failing, now=now, as_json=json)


@articles.command()
def add(
    publication: Slug,
    file: Annotated[Path, typer.Argument(metavar="FILE|-", help="JSON; - reads stdin.", show_default=False)],
    now: Now = None,
    json: Json = False,
) -> int:
    """Hand in one article or a list of them, as JSON, and release what is due."""
    from digest.commands import content

    return content.add(publication, file, now=now, as_json=json)


@articles.command("list")
def list_articles(
    publication: Slug,
    state: Annotated[str | None, typer.Option(help="waiting, held, archived, released or retracted.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    json: Json = False,
) -> int:
    """List the newest articles."""
    from digest.commands import content

    return content.listing(publication, state, limit=limit, as_json=json)


@articles.command()
def retract(
    publication: Slug,
    article: Annotated[str, typer.Argument(metavar="ARTICLE", help="Its number, guid or URL.", show_default=False)],
    json: Json = False,
) -> int:
    """Take an article back: whoever has not got it yet never will."""
    from digest.commands import content

    return content.retract(publication, article, as_json=json)


@editions.command("list")
def list_editions(
    limit: Annotated[int, typer.Option(min=1, help="How many, from the newest on.")] = 20, json: Json = False
) -> int:
    """List editions with what became of their mails, counted afresh."""
    from digest.commands import editions

    return editions.listing(limit=limit, as_json=json)


@editions.command("release")
def release_edition(edition: Number, json: Json = False) -> int:
    """Let an edition go out that was held because it was so late for so many."""
    from digest.commands import editions

    return editions.release(edition, as_json=json)


@editions.command("pause")
def pause_edition(edition: Number, now: Now = None, json: Json = False) -> int:
    """Let nothing more of an edition leave, also when it is being sent right now. Undone by resume."""
    from digest.commands import editions

    return editions.pause(edition, now=now, as_json=json)


@editions.command("resume")
def resume_edition(edition: Number, now: Now = None, json: Json = False) -> int:
    """Let a paused edition go on."""
    from digest.commands import editions

    return editions.resume(edition, now=now, as_json=json)


@editions.command("cancel")
def cancel_edition(edition: Number, now: Now = None, json: Json = False) -> int:
    """Stop an edition for good; what has not left comes with the next one."""
    from digest.commands import editions

    return editions.cancel(edition, now=now, as_json=json)


@dkim.command("new")
def new_key(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="Of the sender's address.", show_default=False)],
    selector: Annotated[str | None, typer.Option(help="Its name in DNS. Default: digest-YEAR-MONTH.")] = None,
    algorithm: Annotated[Literal["rsa", "ed25519"], typer.Option(help="ed25519 only beside an rsa key.")] = "rsa",
) -> int:
    """Make a private key in var/dkim, and print the DNS record to publish and the lines for digest.toml."""
    from digest.commands import signing

    return signing.new(domain, selector, algorithm)


@dkim.command("show")
def show_keys(
    domain: Annotated[str | None, typer.Argument(metavar="DOMAIN", help="Default: all.", show_default=False)] = None,
    check: Annotated[bool, typer.Option("--check", help="Also ask DNS whether the records are there.")] = False,
    json: Json = False,
) -> int:
    """Show the keys there are, which of them sign, and the DNS record of each."""
    from digest.commands import signing

    return signing.show(domain, check=check, as_json=json)


@deliveries.command()
def doubtful(limit: Annotated[int, typer.Option(min=1)] = 50, json: Json = False) -> int:
    """List mails that were sent without an answer being recorded: they may have arrived or not."""
    from digest.commands import deliveries

    return deliveries.doubtful(limit=limit, as_json=json)


@deliveries.command()
def resolve(
    delivery: Number,
    sent: Annotated[bool, typer.Option("--sent", help="It arrived: settle its articles.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Send it once more, as the same mail.")] = False,
    roll: Annotated[bool, typer.Option("--roll", help="Tell its articles again with the next digest.")] = False,
    now: Now = None,
    json: Json = False,
) -> int:
    """Say what became of a mail in doubt, or what is to become of it."""
    from digest.commands import deliveries

    wishes = [name for name, is_wanted in (("sent", sent), ("resend", resend), ("roll", roll)) if is_wanted]
    if len(wishes) != 1:
        raise typer.BadParameter("say exactly one of --sent, --resend, --roll")
    return deliveries.resolve(delivery, wishes[0], now=now, as_json=json)


@throttle.command("list")
def list_throttles(now: Now = None, json: Json = False) -> int:
    """Show limits, paused destinations, and how many mails were put off for which reason."""
    from digest.commands import throttling

    return throttling.listing(now=now, as_json=json)


@throttle.command()
def lift(
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="As listed, or a domain.")],
    now: Now = None,
    json: Json = False,
) -> int:
    """End the pause of a destination that turned us away. If it does so again, the next pause is not longer."""
    from digest.commands import throttling

    return throttling.lift(destination, now=now, as_json=json)
