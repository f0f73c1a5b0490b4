"""HEAD is GET without a body (RFC 9110 §9.3.2): answered by the same doors, kept out of the OpenAPI document."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """ASGI middleware. The server's own scope stays as it is, or it would not know to send no body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def headless(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        asked = {**scope, "method": "GET"}
        try:
            await self.app(asked, receive, headless)
        finally:
            if "pattern" in asked:
                scope["pattern"] = asked["pattern"]
