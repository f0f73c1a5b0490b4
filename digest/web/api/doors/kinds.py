"""What the `type` of a problem leads to: what it means, and what to do. Open to everybody."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from digest.web.api import problems


async def show(request: Request) -> Response:
    name = request.path_params["name"]
    kind = problems.KINDS.get(name)
    if kind is None:
        raise HTTPException(404)
    type_ = f"{request.app.state.root}/problems/{name}"
    return JSONResponse({"type": type_, "title": kind.title, "status": kind.status, "help": kind.help})
