"""The shipped sample feed as a web site of its own: the feed, its pictures, and a page for each Article.

Stands for the publisher's site, so that every link in a mail leads somewhere on this machine.
"""

import hashlib
import secrets
from pathlib import Path

import jinja2
import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from digest import database, templating
from digest.articles import models as articles

FOLDER = templating.data_dir("config") / "demo"
# What the feed calls its own site; served from here, its links are ours.
WRITTEN_AS = "https://feed.example/"
PATH = "/sample/"
# The form at the end of every article, as `digest embed mias-feed --frame` prints it.
SIGN_UP = "/embed/mias-feed"
POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; img-src 'self' data:; frame-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def feed(base_url: str) -> bytes:
    text = (FOLDER / "feed.xml").read_text(encoding="utf-8")
    return text.replace(WRITTEN_AS, base_url + PATH).encode()


class Site:
    def __init__(self, db: database.Database, base_url: str) -> None:
        self._db, self._base_url = db, base_url
        self._feed = feed(base_url)
        self._etag = f'"{hashlib.sha256(self._feed).hexdigest()[:16]}"'
        self._templates = templating.environment([templating.data_dir("templates") / "demo"])

    @property
    def feed_url(self) -> str:
        return f"{self._base_url}{PATH}feed.xml"

    def routes(self) -> list[Route]:
        return [
            Route(PATH + "feed.xml", self.feed),
            Route(PATH + "images/{name}", self.picture),
            Route(PATH + "articles/{slug}", self.article),
        ]

    async def feed(self, request: Request) -> Response:
        if request.headers.get("If-None-Match") == self._etag:
            return Response(status_code=304, headers={"ETag": self._etag})
        return Response(self._feed, media_type="application/atom+xml", headers={"ETag": self._etag})

    async def picture(self, request: Request) -> Response:
        # The last part alone, so that no name leads out of the folder.
        path = FOLDER / "images" / Path(request.path_params["name"]).name
        if not path.is_file():
            raise HTTPException(404)
        return FileResponse(path)

    async def article(self, request: Request) -> Response:
        article = articles.Article
        url = f"{self._base_url}{PATH}articles/{request.path_params['slug']}"
        async with self._db.reading() as connection:
            row = (await connection.execute(sa.select(article).where(article.url == url))).first()
        if row is None:
            raise HTTPException(404)
        nonce = secrets.token_urlsafe(12)
        template: jinja2.Template = self._templates.get_template("article.html")
        # The body was sanitised when it was stored.
        html = template.render(article=row, nonce=nonce, sign_up=SIGN_UP)
        return HTMLResponse(html, headers={"Content-Security-Policy": POLICY.format(nonce=nonce)})
