"""What happens around each door of the API: key, scope, allowance, body, repetition, conditions, problems.

FastAPI reads parameters and bodies by their schema; all else is here, in the order it is asked.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest import errors, publications
from digest.web.api import allowance, answers, keys, once, problems
from digest.web.parts import Parts

PREFIX = "/api/v1"
SCHEME = "key"
JSON = "application/json"
# For a body within the limit even over a slow line; whoever takes longer would hold a connection for ever.
BODY_SECONDS = 60
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be served: whose it is, and with what."""

    parts: Parts
    key: keys.Key
    request: Request
    now: datetime
    body: bytes

    async def publication(self, connection: AsyncConnection, slug: str) -> sa.Row[Any]:
        """The row of a Publication this key may touch. Raises Problem."""
        if self.key.publication not in (None, slug):
            raise problems.Problem("forbidden", f"this key is bound to the publication '{self.key.publication}'")
        is_it = publications.Publication.slug == slug
        row = (await connection.execute(sa.select(publications.Publication).where(is_it))).one_or_none()
        if row is None:
            raise problems.Problem("not-found", f"there is no publication '{slug}'")
        return row


def _call(request: Request) -> Call:
    found: Call = request.state.call
    return found


Calling = Annotated[Call, Depends(_call)]


class Door(APIRoute):
    """One door. Its scope and the types of its body are read from what the OpenAPI document says of it."""

    def get_route_handler(self) -> Handler:
        act = super().get_route_handler()

        async def handle(request: Request) -> Response:
            request.scope["pattern"] = PREFIX + self.path_format
            told: dict[str, str] = {}
            try:
                response = await self._admitted(request, act, told)
            except _MISTAKES as error:
                response = problems.response(request, problems.of(error))
            for name, value in told.items():
                response.headers.setdefault(name, value)
            return response

        return handle

    @property
    def scope(self) -> str | None:
        """What a key needs, None where any will do."""
        needed: list[str] = (self.openapi_extra or {})["security"][0][SCHEME]
        return needed[0] if needed else None

    async def _admitted(self, request: Request, act: Handler, told: dict[str, str]) -> Response:
        parts: Parts = request.app.state.parts
        now = parts.clock()
        key = await _key(parts, request, now)
        allowed: allowance.Allowance = request.app.state.allowance
        told |= allowed.take(key.handle)
        if self.scope is not None and self.scope not in key.scopes:
            raise problems.Problem("forbidden", f"this key has not the scope {self.scope}")
        self._check_type(request)
        body = await _read(request)
        request.state.call = Call(parts, key, request, now, body)
        turn = await once.take(parts.db, key.id, request, body, now)
        if isinstance(turn, Response):
            return turn
        return answers.not_modified(request, await self._act(request, act, turn))

    async def _act(self, request: Request, act: Handler, turn: once.Turn | None) -> Response:
        """Act, and keep the answer for whoever asks again: also a refusal, for it would be the same."""
        if turn is None:
            return await act(request)
        is_kept = False
        try:
            try:
                response = await act(request)
            except _MISTAKES as error:
                response = problems.response(request, problems.of(error))
            if response.status_code < 500:
                await turn.keep(response)
                is_kept = True
        finally:
            if not is_kept:
                await turn.drop()
        return response

    def _check_type(self, request: Request) -> None:
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        takes = self._takes()
        if takes and given not in takes:
            raise problems.Problem("media-type", f"send the body as {' or '.join(takes)}")

    def _takes(self) -> tuple[str, ...]:
        body = (self.openapi_extra or {}).get("requestBody")
        if body:
            return tuple(body["content"])
        return (JSON,) if self.body_field else ()


async def _key(parts: Parts, request: Request, now: datetime) -> keys.Key:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    found = await keys.find(parts.db, given.strip(), now) if scheme.lower() == "bearer" else None
    if found is None:
        challenge = {"WWW-Authenticate": 'Bearer realm="digest"'}
        raise problems.Problem("unauthorized", problems.KINDS["unauthorized"].help, headers=challenge)
    return found


async def _read(request: Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise HTTPException(408) from None


_MISTAKES = (problems.Problem, HTTPException, RequestValidationError, errors.DigestError)
