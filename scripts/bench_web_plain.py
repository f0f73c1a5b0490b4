"""What we are compared with: bare Starlette on the same server and event loop, with a constant answer, and with a
one-click unsubscribe that does the same writes in a transaction for each request.
"""

import json
import socket
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest import clock, database, links
from digest.audience import trail, unsubscribe
from digest.run import loop


def _app(url: str, keys: str) -> Starlette:
    db, signer = database.connect(url), links.Signer([keys])

    async def constant(_request: Request) -> Response:
        return PlainTextResponse("Your request to unsubscribe has been received.\n")

    async def leave(request: Request) -> Response:
        await request.body()
        token = signer.read_mail_token(request.path_params["token"])
        if token:
            async with db.transaction() as connection:
                await unsubscribe.leave(connection, token, door=trail.Door.ONE_CLICK, now=clock.system())
        return await constant(request)

    return Starlette(
        routes=[Route("/", constant), Route("/unsubscribe/{token}", leave, methods=["POST"])],
    )


async def _serve(port: int, url: str, keys: str) -> None:
    config = uvicorn.Config(_app(url, keys), log_config=None, access_log=False, lifespan="off")
    with socket.create_server(("127.0.0.1", port)) as listening:
        await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    loop.run(_serve(order["port"], order["url"], order["keys"]))
