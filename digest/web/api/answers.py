"""Answers: a shape as JSON with its ETag, pages of a list with the way on, and conditions on how things stand.

ETags are of the bytes that are sent (RFC 9110 §8.8.3), so what looks the same has the same.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from digest import links
from digest.web.api.problems import Problem

Shape = TypeVar("Shape", bound=BaseModel)


class Page(BaseModel, Generic[Shape]):
    """Part of a list. `next` is the cursor of what follows, null at the end."""

    items: list[Shape]
    next: str | None


def of(shape: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = shape.model_dump_json().encode()
    given = {"ETag": _tag(body), **(headers or {})}
    return Response(body, status, given, media_type="application/json")


def page(request: Request, shapes: Sequence[Shape], ids: Sequence[int], limit: int) -> Response:
    """The first `limit` of these; whoever asks for one more than that knows whether there are any."""
    if len(ids) <= limit:
        return of(Page(items=list(shapes), next=None))
    cursor = links.base36(ids[limit - 1])
    query = {**request.query_params, "limit": str(limit), "cursor": cursor}
    # Relative, for a proxy may have put us elsewhere (RFC 8288 §3.1).
    way_on = {"Link": f'<?{urlencode(query)}>; rel="next"'}
    return of(Page(items=list(shapes[:limit]), next=cursor), headers=way_on)


def after(cursor: str | None) -> int | None:
    """The id a cursor stands for: the last one that was shown."""
    return int(cursor, 36) if cursor else None


def etag(shape: BaseModel) -> str:
    return _tag(shape.model_dump_json().encode())


def _tag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def not_modified(request: Request, response: Response) -> Response:
    """304 for who has it already (RFC 9110 §13.1.2); else the response as it is."""
    tag = response.headers.get("etag")
    if request.method != "GET" or response.status_code != 200 or not tag:
        return response
    asked = request.headers.get("if-none-match", "")
    if asked.strip() != "*" and tag not in _listed(asked):
        return response
    kept = {name: response.headers[name] for name in ("etag", "link") if name in response.headers}
    return Response(status_code=304, headers=kept)


def check(request: Request, current: BaseModel | None) -> None:
    """Raises Problem unless If-Match and If-None-Match agree with how it stands (RFC 9110 §13.1)."""
    wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
    tag = etag(current) if current is not None else None
    if wanted is not None and (tag is None or (wanted.strip() != "*" and tag not in _listed(wanted, weak=False))):
        raise Problem("changed-since", "what If-Match names is not how it stands now")
    if unwanted is not None and tag and (unwanted.strip() == "*" or tag in _listed(unwanted)):
        raise Problem("changed-since", "it is there already, and If-None-Match wants that it is not")


def _listed(header: str, *, weak: bool = True) -> set[str]:
    """If-None-Match compares weakly, for proxies that compress make tags weak; If-Match does not (§8.8.3.2)."""
    tags = (tag.strip() for tag in header.split(","))
    return {tag.removeprefix("W/") if weak else tag for tag in tags}


def headers_of(response: Response) -> dict[str, Any]:
    """Those that belong to the answer and not to the moment."""
    return {name: response.headers[name] for name in ("content-type", "etag", "location") if name in response.headers}
