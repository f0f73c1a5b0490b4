"""What holds for every page: headers, limits, problems, health, and silence about tokens."""

import asyncio
import re

import httpx
import pytest
import structlog
from hypothesis import given, strategies as st

from digest import publications
from digest.editions import look
from digest.web import app, forms, parts, render, visits
from tests.support import cast

pytestmark = pytest.mark.anyio


async def test_every_answer_is_private_and_may_load_nothing(site):
    site.mails[77] = "x"
    for path in ("/", f"/unsubscribe/{site.token()}", "/nowhere", "/health/live", f"/mail/{site.token()}"):
        headers = (await site.get(path)).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-robots-tag"] == "noindex, nofollow"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "set-cookie" not in headers


async def test_pages_are_small_and_ask_nobody_for_anything(site):
    for path in ("/", *(f"/{link}/{site.token()}" for link in ("unsubscribe", "less", "pause", "resume", "undo"))):
        response = await site.get(path)
        assert len(response.content) < 50_000
        assert "<script" not in response.text
        assert not re.findall(r"https?://|@import|url\(", response.text)
        nonce = re.search(r'<style nonce="([^"]+)">', response.text)[1]
        assert f"style-src 'nonce-{nonce}'" in response.headers["content-security-policy"]
        assert 'style="' not in response.text
        assert re.search(r'<html lang="en" dir="ltr">', response.text)


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/nowhere", 404, "There is nothing here"),
        ("GET", "/unsubscribe/", 404, "There is nothing here"),
        ("GET", "/unsubscribe/a/b", 404, "There is nothing here"),
        ("POST", "/", 405, "This page cannot do that"),
        ("POST", "/nowhere", 404, "There is nothing here"),
    ],
)
async def test_problems_get_a_page_that_helps(site, method, path, status, says):
    response = await site.client.request(method, path)
    assert (response.status_code, says in response.text) == (status, True)
    assert "location" not in response.headers


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/less/broken", "/confirm/broken", "/manage/broken", "/settings/broken"]
)
async def test_a_stranger_is_spoken_to_in_their_own_language(site, path):
    arabic = await site.client.get(path, headers={"Accept-Language": "ar-EG,en;q=0.5"})
    assert '<html lang="ar" dir="rtl">' in arabic.text
    other = await site.client.get(path, headers={"Accept-Language": "tlh, *;q=0.1"})
    assert '<html lang="en" dir="ltr">' in other.text


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_beyond_the_limit_is_refused(site, declared):
    async def chunks():
        for _ in range(9):
            yield b"x" * 8192

    before = await cast.everything(site.db)
    content = b"x" * 70_000 if declared else chunks()
    response = await site.client.post(f"/unsubscribe/{site.token()}", content=content)
    assert (response.status_code, "too much at once" in response.text) == (413, True)
    assert await cast.everything(site.db) == before


async def test_a_body_that_never_comes_is_given_up(site, monkeypatch):
    monkeypatch.setattr(forms, "BODY_SECONDS", 0.05)

    async def slow():
        yield b"List-"
        await asyncio.sleep(0.5)
        yield b"Unsubscribe=One-Click"

    response = await site.client.post(f"/unsubscribe/{site.token()}", content=slow())
    assert response.status_code == 408
    assert await site.changes() == []


async def test_our_own_mistakes_get_a_page_without_details(site, monkeypatch):
    async def broken(_token):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(type(site), "view", lambda _site, token: broken(token))
    transport = httpx.ASGITransport(site.app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        response = await client.get(f"/mail/{site.token()}")
    assert (response.status_code, "secret" in response.text) == (500, False)
    assert (response.headers["cache-control"], response.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert "Something broke on our side" in response.text


async def test_health_tells_the_truth(site):
    assert (await site.get("/health/live")).json() == {"status": "live"}
    site.readiness = parts.Readiness(facts={"oldest_due": None})
    response = await site.get("/health/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "reasons": [], "oldest_due": None})
    site.readiness = parts.Readiness(reasons=("the database does not answer",))
    response = await site.get("/health/ready/")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "reasons": ["the database does not answer"]}


async def test_no_token_reaches_the_log(site):
    with structlog.testing.capture_logs() as lines:
        await site.press(f"/unsubscribe/{site.token()}")
        await site.get(f"/nowhere/{site.token()}")
    assert [(line["path"], line["status"]) for line in lines] == [("/unsubscribe/{token}", 200), ("(none)", 404)]
    assert site.token() not in str(lines)


def test_every_path_is_served_with_and_without_a_slash():
    assert all(not path.endswith("/") or path == "/" for path in app.PATHS)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"List-Unsubscribe=One-Click", {"List-Unsubscribe": "One-Click"}),
        (b"page=less&frequency=weekly", {"page": "less", "frequency": "weekly"}),
        (b"a=%C3%A4+b&empty=", {"a": "ä b", "empty": ""}),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n', {"a": "1"}),
        (b"--x\nContent-Disposition: form-data; name=a\nContent-Type: text/plain\n\n1\n--x--", {"a": "1"}),
        (b'{"List-Unsubscribe": "One-Click"}', {}),
        (b"", {}),
    ],
)
def test_forms_are_told_by_their_body(body, fields):
    assert {name: value for name, value in forms.parse(body).items() if value or name in fields} == fields


def urlencoded(count):
    return b"&".join(b"a%d=1" % number for number in range(count))


def multipart(count):
    part = b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n'
    return b"".join(part % number for number in range(count)) + b"--x--\r\n"


@pytest.mark.parametrize("written", [urlencoded, multipart])
def test_a_form_is_read_whole_or_not_at_all(written):
    form = forms.parse(written(forms.MAX_FIELDS))
    assert (len(form), set(form.values())) == (forms.MAX_FIELDS, {"1"})
    assert forms.parse(written(forms.MAX_FIELDS + 1)) is None


@pytest.mark.parametrize("written", [urlencoded, multipart])
async def test_a_form_with_too_much_in_it_is_told_so_and_changes_nothing(site, written):
    before = await cast.everything(site.db)
    for path in (f"/less/{site.token()}", f"/topics/{site.token()}", "/subscribe/mias-feed"):
        response = await site.client.post(path, content=written(forms.MAX_FIELDS + 1))
        assert (response.status_code, "too much at once" in response.text) == (413, True)
    assert await cast.everything(site.db) == before


@given(st.binary(max_size=400).map(lambda body: b"--" + body) | st.binary(max_size=400))
def test_no_body_breaks_the_reader_of_forms(body):
    assert isinstance(forms.parse(body), dict)


@pytest.mark.parametrize(
    ("form", "is_page"),
    [({"page": "x"}, True), ({"List-Unsubscribe": "One-Click"}, False), ({}, False)],
)
def test_a_page_says_that_it_is_one(form, is_page):
    assert forms.is_from_page(form) is is_page
    assert not forms.is_from_page(form | {"List-Unsubscribe": "One-Click"})


@pytest.mark.parametrize(("email", "shown"), [("anna@example.org", "a***@example.org"), ("é@b.org", "é***@b.org")])
def test_an_address_is_shown_only_to_who_knows_it(email, shown):
    assert visits.masked(email) == shown


COLOUR = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(COLOUR, COLOUR, COLOUR)
def test_buttons_and_text_can_be_read_in_any_colours(accent, background, text):
    palette = look.palette(publications.Colours(accent=accent, background=background, text=text))
    for shades in (palette.light, palette.dark):
        for ground in (shades.page, shades.card):
            for ink in (shades.text, shades.muted, shades.accent):
                assert look.contrast(ink, ground) >= 4.5


@pytest.mark.parametrize(
    ("locale", "tag"), [("en", "en"), ("en-GB", "en-GB"), ("he", "en"), ("de-AT", "de-AT"), ("x", "en")]
)
def test_a_page_never_claims_a_language_it_does_not_speak(locale, tag):
    html = bytes(render.page("lost.html", cast.a_spec(), locale=locale).body).decode()
    assert f'<html lang="{tag}" dir="ltr">' in html


def test_a_page_in_arabic_reads_from_the_right():
    html = bytes(render.page("lost.html", cast.a_spec(), locale="ar").body).decode()
    assert '<html lang="ar" dir="rtl">' in html
    assert "This link leads nowhere" not in html
