"""`digest`: the operator's verbs, and the one place where a mistake becomes a plain line and an exit code.

Each verb only says what it takes; what it does stands in `commands/`, loaded when it is called, because the parts of
an installation take seconds to load and `digest --help` should not. Exit codes: 0 done (with bad rows set aside or
not), 1 something could not run, 2 a person's mistake in arguments, settings or files.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from digest import errors
from digest.commands import groups, hooks, keyring, looks
from digest.commands.options import Email, Json, Now, Pace, Slug

DONE, UNABLE, MISTAKE, INTERRUPTED = 0, 1, 2, 130
# What the surroundings do to us rather than what somebody typed. By name, so that telling the two apart loads nothing.
SURROUNDINGS = {"DatabaseError", "SchemaError", "InstanceError", "FolderError", "ListenError", "BrowserError"}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="E-mail digests at the pace every reader chooses. Start with: digest init",
)
app.add_typer(looks.app)
app.add_typer(groups.database, name="db")
app.add_typer(groups.subscribers, name="subscribers")
app.add_typer(groups.articles, name="articles")
app.add_typer(groups.editions, name="editions")
app.add_typer(groups.dkim, name="dkim")
app.add_typer(groups.deliveries, name="deliveries")
app.add_typer(groups.throttle, name="throttle")
app.add_typer(keyring.keys, name="keys")
app.add_typer(hooks.webhooks, name="webhooks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        code = app(args=given, prog_name="digest", standalone_mode=False)
    except TyperException as error:
        return _refused(error)
    except (errors.DigestError, OSError) as error:
        if debug:
            raise
        return _failed(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    return code if isinstance(code, int) else DONE


def _refused(error: TyperException) -> int:
    """Wrong usage. Groups called without a verb have printed their help already, and say nothing."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "digest"
    # What checked the value names its own kind of error, which says nothing to a person.
    message = error.format_message().replace(": Value error, ", ": ")
    if message:
        print(f"digest: {message.rstrip('.')}; see: {path} --help", file=sys.stderr)
    return MISTAKE


def _failed(error: Exception) -> int:
    for line in _words(error).splitlines():
        print(f"digest: {line}", file=sys.stderr)
    surroundings = isinstance(error, OSError) or type(error).__name__ in SURROUNDINGS
    return UNABLE if surroundings else MISTAKE


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return str(error)


@app.callback()
def _every_verb(debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False) -> None:
    """E-mail digests at the pace every reader chooses. Start with: digest init"""


@app.command()
def init() -> int:
    """Set up this folder: settings, keys, database and a first publication. Safe to repeat."""
    from digest.commands import setup

    return setup.init()


@app.command("check-config")
def check_config(
    probe: Annotated[bool, typer.Option("--probe", help="Also ask the relay whether it is there.")] = False,
    json: Json = False,
) -> int:
    """Say everything that is wrong with the settings and the publication files."""
    from digest.commands import checking

    return checking.check(probe=probe, as_json=json)


@app.command()
def apply(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", show_default=False)],
    move: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Readers of a frequency or topic that goes get this one. Repeatable."),
    ] = None,
    json: Json = False,
) -> int:
    """Put publication files into effect. Applying twice changes nothing."""
    from digest.commands import content

    return content.apply(files, move or [], as_json=json)


@app.command()
def ingest(
    publication: Slug,
    source: Annotated[str, typer.Argument(metavar="URL-OR-FILE", show_default=False)],
    now: Now = None,
    json: Json = False,
) -> int:
    """Read one feed now and release what is new in it."""
    from digest.commands import content

    return content.ingest(publication, source, now=now, as_json=json)


@app.command()
def release(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Its address or id.", show_default=False)],
    json: Json = False,
) -> int:
    """Let go the articles of a source that were held because there were so many at once."""
    from digest.commands import content

    return content.release(source, as_json=json)


@app.command()
def run(now: Now = None, json: Json = False) -> int:
    """Do all that is due, once: fetch, plan, send. For cron; `digest serve` does the same all the time."""
    from digest.commands import running

    return running.run(now=now, as_json=json)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen at.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535)] = None,
) -> int:
    """Run everything in one process: pages, schedule and sending. Ends cleanly on SIGTERM."""
    from digest.commands import running

    return running.serve(host=host, port=port)


@app.command()
def worker(
    connections: Annotated[
        int | None, typer.Option(min=1, max=500, help="Mails under way at once, instead of smtp.connections.")
    ] = None,
    child: Annotated[int | None, typer.Option(min=1, hidden=True)] = None,
) -> int:
    """Send only: no pages, no schedule. Beside `digest serve`, as many as you like. Ends cleanly on SIGTERM."""
    from digest.commands import running

    return running.worker(connections=connections, child=child)


@app.command()
def status(
    edition: Annotated[int | None, typer.Argument(metavar="EDITION", help="Only this one.", show_default=False)] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Again every second, until Ctrl-C.")] = False,
    now: Now = None,
    json: Json = False,
) -> int:
    """Show publications, sources, editions with their progress, and what needs attention."""
    from digest.commands import status, watching

    if watch:
        return watching.watch(edition, now=now, as_json=json)
    return status.show(edition, now=now, as_json=json)


@app.command()
def explain(publication: Slug, email: Email, now: Now = None, json: Json = False) -> int:
    """What one reader got and why, what waits, and when the next digest is due."""
    from digest.commands import explain

    return explain.show(publication, email, now=now, as_json=json)


@app.command()
def simulate(
    publication: Slug,
    start: Annotated[str | None, typer.Option("--from", metavar="DATE", help="Default: now.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Default: a week later.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Count readers instead of naming them.")] = False,
    json: Json = False,
) -> int:
    """Play the days ahead on a copy: who would get how much, and when. Sends nothing, changes nothing."""
    from digest.commands import simulate

    return simulate.show(publication, simulate.Span(start, end), summary=summary, as_json=json)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the table.")] = False,
    feed: Annotated[str | None, typer.Option(metavar="URL-OR-FILE", help="Your own feed, not the sample.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the inbox page. Default: any free one.")] = 0,
    home: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Default: a new folder.")] = None,
) -> int:
    """Play ten days in some seconds: real feed, real SMTP, and an inbox page to look into."""
    from digest.demo import demo
    from digest.run import logs

    logs.configure(level="warning")
    return demo.main(demo.Wish(once, feed, port, home))


@app.command("send-now")
def send_now(publication: Slug, frequency: Pace = None, now: Now = None, json: Json = False) -> int:
    """Plan an edition outside the schedule, for readers of one frequency or all. The next run sends it."""
    from digest.commands import operating

    return operating.send_now(publication, frequency, now=now, as_json=json)


@app.command()
def adopt() -> int:
    """Make this installation the owner of its database, after a move or a restore."""
    from digest.commands import operating

    return operating.adopt()


@app.command()
def prune(now: Now = None, json: Json = False) -> int:
    """Delete what is known of mails longer ago than retention.deliveries_days. The daemon does it every hour."""
    from digest.commands import operating

    return operating.prune(now=now, as_json=json)
