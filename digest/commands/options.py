"""What several verbs take, described once. Loaded with `digest --help`, so it imports nothing heavy."""

from typing import Annotated

import typer

Slug = Annotated[str, typer.Argument(metavar="PUBLICATION", help="The publication's slug.", show_default=False)]
Email = Annotated[str, typer.Argument(metavar="EMAIL", show_default=False)]
Number = Annotated[int, typer.Argument(metavar="ID", show_default=False)]
Now = Annotated[
    str | None, typer.Option(metavar="INSTANT", help="Act as of this instant, like 2026-11-22T08:00:00+01:00.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Pace = Annotated[str | None, typer.Option(metavar="FREQUENCY", help="daily, weekly …")]
AsReader = Annotated[str | None, typer.Option("--subscriber", metavar="EMAIL", help="As this reader would get it now.")]
Layout = Annotated[str | None, typer.Option(metavar="LAYOUT", help="Instead of the publication's own.")]
Locale = Annotated[str | None, typer.Option(metavar="LOCALE", help="In this language, like de or ar.")]
Notice = Annotated[str | None, typer.Option(metavar="NOTICE", help="Not a digest: confirm, welcome, goodbye …")]
