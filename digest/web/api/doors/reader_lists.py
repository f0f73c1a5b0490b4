"""Whole lists of readers: brought in as CSV or as JSON lines, and given out as the CSV that import reads."""

import io
from typing import Annotated

from fastapi import Query
from starlette.responses import Response, StreamingResponse

from digest.audience import exporting, importing, jsonlines, lists, rows
from digest.web import streams
from digest.web.api import answers, problems, shapes
from digest.web.api.route import Calling
from digest.web.api.shapes import Instant, Shown

CSV, LINES = "text/csv", "application/x-ndjson"
BODY = {
    "required": True,
    "content": {
        CSV: {"schema": {"type": "string"}, "example": "email,frequency,topics\nanna@example.org,weekly,nutrition\n"},
        LINES: {"schema": {"type": "string"}, "example": '{"email": "anna@example.org", "frequency": "weekly"}\n'},
    },
}


class Refusal(Shown):
    line: int
    reason: str


class ImportShape(Shown):
    """What became of the list. `refused` tells of the first thousand of `refusals`."""

    imported: int
    updated: int
    unchanged: int
    left: int
    suppressed: int
    refusals: int
    refused: list[Refusal]


async def bring_in(
    call: Calling,
    publication: shapes.Slug,
    confirmed: Annotated[bool, Query(description="Their consent is on record.")] = False,
    ask: Annotated[bool, Query(description="Send the others a request to confirm.")] = False,
    seen_until: Annotated[Instant | None, Query(description="They have had everything up to then elsewhere.")] = None,
    dry_run: Annotated[bool, Query(description="Say what would be done, and do nothing.")] = False,
    told: Annotated[
        rows.Told | None,
        Query(alias="as", description="How all of them stand elsewhere; who says something worse keeps that."),
    ] = None,
) -> Response:
    """Bring in many readers at once; a bad line stops no other. 10 MB at most: split what is longer.

    Without `confirmed` and `ask` they are pending and get nothing. Who left or is suppressed is not revived. Lines that
    say an address bounced or complained need `suppressions:write` besides, for they hold for all publications.
    """
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
    may_suppress = "suppressions:write" in call.key.scopes
    order = lists.Order(
        row, call.parts.hasher, call.now, confirmed, ask, seen_until, dry_run, may_suppress=may_suppress
    )
    text = rows.as_text(io.BufferedReader(io.BytesIO(call.body)))
    is_csv = call.request.headers["content-type"].partition(";")[0].strip().lower() == CSV
    try:
        found = rows.read(text) if is_csv else jsonlines.read(text)
        report = await importing.run(call.parts.db, rows.at_best(found, told) if told else found, order)
    except rows.ImportFileError as error:
        raise problems.refuse(str(error), "#") from None
    counted = {name: getattr(report, name) for name in ImportShape.model_fields if name != "refused"}
    refused = [Refusal(line=line, reason=reason) for line, reason in report.refused]
    return answers.of(ImportShape(**counted, refused=refused))


async def export(call: Calling, publication: shapes.Slug) -> Response:
    """All readers with the state each is in, as CSV."""
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
    headers = {"Content-Disposition": f'attachment; filename="{publication}.csv"'}
    return StreamingResponse(streams.pieces(exporting.lines(call.parts.db, row.id)), 200, headers, media_type=CSV)
