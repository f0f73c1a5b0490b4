"""Pages and Specs kept in memory: never older than what they show, never more than there is room for."""

import re

import pytest
import sqlalchemy as sa

from digest import publications
from digest.web import kept, render
from tests.support import cast

pytestmark = pytest.mark.anyio
PATH = "/subscribe/mias-feed"


def test_the_longest_unused_goes_first():
    found = kept.Kept[int](2)
    found.put("a", 1)
    found.put("b", 2)
    assert found.get("a") == 1
    found.put("c", 3)
    assert [found.get(key) for key in "abc"] == [1, None, 3]
    found.put("a", 4)
    assert found.get("a") == 4


def test_a_gap_is_filled_anew_each_time_and_its_filling_is_escaped():
    printed = render.printed("problem.html", problem=render.gap("x"))
    one, other = printed.response(x="a"), printed.response(x="b")
    assert one.headers["content-security-policy"] != other.headers["content-security-policy"]
    sheet = render.Printed(f"<p>{render.gap('x')}".encode(), 200, "")
    assert bytes(sheet.response(x='"<b>').body) == b"<p>&#34;&lt;b&gt;"


async def test_each_copy_of_the_form_has_its_own_nonce_and_stamp(site):
    copies = []
    for _ in range(2):
        response = await site.get(PATH)
        (nonce,) = set(re.findall(r'nonce="([^"]+)"', response.text))
        assert f"'nonce-{nonce}'" in response.headers["content-security-policy"]
        stamp = re.search(r'name="shown" value="([^"]+)"', response.text)[1]
        assert site.signer.form_age(stamp, site.now) is not None
        copies.append((nonce, stamp, response.text.replace(nonce, "").replace(stamp, "")))
        site.later(seconds=1)
    (nonce, stamp, rest), (other_nonce, other_stamp, other_rest) = copies
    assert (nonce != other_nonce, stamp != other_stamp, rest == other_rest) == (True, True, True)


async def test_a_frame_remembers_whose_it_is_and_not_whose_it_was(site):
    for place in ("https://one.example/a", "https://two.example/b"):
        response = await site.client.get("/embed/mias-feed", headers={"Referer": place})
        assert re.findall(r'name="place" value="([^"]*)"', response.text) == [place]


async def test_a_form_shows_what_is_true_now(site, db):
    def first(text: str) -> str:
        return re.search(r"first on ([^<]+)", text)[1].strip()

    before = (await site.get(PATH)).text
    site.later(days=2)
    assert first((await site.get(PATH)).text) != first(before)
    async with db.transaction() as connection:
        changed = cast.a_spec(description="Told anew").model_dump(mode="json")
        await connection.execute(sa.update(publications.Publication).values(spec=changed, applied_at=site.now))
    assert "Told anew" in (await site.get(PATH)).text


async def test_new_articles_are_on_the_form_at_once(site, db):
    assert "Lately" not in (await site.get(PATH)).text
    await cast.some_articles(db, site.publication.id, ("heart",))
    assert "Article 1" in (await site.get(PATH)).text


async def test_visitors_get_the_form_in_their_own_language_and_zone(site):
    async def form(language: str, zone: str) -> str:
        return (await site.client.get(f"{PATH}?timezone={zone}", headers={"Accept-Language": language})).text

    seen = {await form(language, zone) for language in ("en", "de") for zone in ("UTC", "Asia/Tokyo", "nonsense")}
    plain = {re.sub(r'(nonce|value)="[^"]+"', "", text) for text in seen}
    assert len(plain) == 6, "nonsense is the Publication's own zone"
