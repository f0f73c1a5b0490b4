"""The verbs about what others see of us: mails, and forms for websites. They only say what they take."""

from pathlib import Path
from typing import Annotated

import typer

from digest.commands.options import AsReader, Json, Layout, Locale, Notice, Now, Pace, Slug

app = typer.Typer()


@app.command()
def preview(
    publication: Slug,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.", show_default=False)],
    frequency: Pace = None,
    subscriber: AsReader = None,
    layout: Layout = None,
    locale: Locale = None,
    notice: Notice = None,
    png: Annotated[bool, typer.Option("--png", help="Pictures too, taken with Chromium, in every layout.")] = False,
    now: Now = None,
) -> int:
    """Write the digest as .html, .txt and .eml, and as pictures. Sends nothing, changes nothing."""
    from digest.commands import preview, proofs

    wish = proofs.Wish(frequency, subscriber, layout, locale, notice)
    return preview.write(publication, out, wish, with_pictures=png, now=now)


@app.command()
def embed(
    publication: Slug,
    frame: Annotated[bool, typer.Option("--frame", help="An iframe with the page of this service.")] = False,
    locale: Locale = None,
    json: Json = False,
) -> int:
    """Print a sign-up form to paste into a website. It works without a script."""
    from digest.commands import embedding

    return embedding.show(publication, locale, as_frame=frame, as_json=json)


@app.command("send-test")
def send_test(
    publication: Slug,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where it goes.", show_default=False)],
    frequency: Pace = None,
    subscriber: AsReader = None,
    layout: Layout = None,
    locale: Locale = None,
    notice: Notice = None,
    now: Now = None,
    json: Json = False,
) -> int:
    """Send one mail as preview shows it, marked as a test, by the configured relay. Changes nothing."""
    from digest.commands import proofs, send_test

    wish = proofs.Wish(frequency, subscriber, layout, locale, notice)
    return send_test.send(publication, address, wish, now=now, as_json=json)


@app.command("lint-mail")
def lint_mail(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.eml...", help="- reads stdin.", show_default=False)],
    online: Annotated[bool, typer.Option("--online", help="Also ask whether the links lead anywhere.")] = False,
    json: Json = False,
) -> int:
    """Say what a strict reader, a provider or somebody with poor sight would object to in a mail."""
    from digest.commands import linting

    return linting.run(files, is_online=online, as_json=json)
