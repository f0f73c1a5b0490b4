"""One mail as it was sent, in the browser."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from digest.web import visits

# The mail's own document: its style is inline, its pictures lie where the articles are. The sandbox keeps whatever an
# article may have brought from being part of this site.
POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src https: http: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def show(request: Request) -> Response:
    visit = await visits.look(request)
    if visit is None:
        return visits.lost(request)
    html = await visit.parts.view(visit.token)
    if html is None:
        return await visit.gone()
    return HTMLResponse(html, headers={"Content-Security-Policy": POLICY})
