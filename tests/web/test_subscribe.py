"""Signing up by page, frame and JSON: what is left for the pass, and what nobody can learn from the answer."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import prepared
from digest.audience import entrance, models, trail
from tests.support import cast

pytestmark = pytest.mark.anyio
PATH = "/subscribe/mias-feed"


async def waiting(site):
    async with site.db.reading() as connection:
        return (await connection.execute(sa.select(models.SignUp).order_by(models.SignUp.id))).all()


async def words_of(site, row):
    """What stood beside the button, as it is kept."""
    async with site.db.reading() as connection:
        return await connection.scalar(sa.select(models.Wording.text).where(models.Wording.key == row.wording))


async def sign_up(site, email="bea@example.org", path=PATH, **fields):
    return await site.press(path, email=email, **fields)


def plain(response):
    """A page without what is drawn by lot."""
    return re.sub(r'nonce="[^"]+"', "", response.text)


async def test_looking_changes_nothing(site):
    before = await cast.everything(site.db)
    for path in (PATH, "/embed/mias-feed"):
        for method in ("GET", "HEAD", "OPTIONS"):
            response = await site.client.request(method, path)
            assert response.status_code in (200, 204)
    assert await cast.everything(site.db) == before


async def test_the_page_says_when_each_first_digest_comes_in_the_visitors_time(site):
    # A Monday, 06:00 in London, 07:00 in Berlin and 15:00 in Tokyo.
    page = (await site.get(PATH)).text
    assert "How often would you like updates?" in page
    assert "Times are Berlin time, mails are in English" in page
    assert "first on Tuesday, 3 November, 07:00" in page
    assert "first on Monday, 9 November, 07:00" in page
    assert "within half an hour" in page
    tokyo = (await site.client.get(PATH, params={"timezone": "Asia/Tokyo"})).text
    assert "Times are Tokyo time" in tokyo
    los_angeles = (await site.client.get(PATH, params={"timezone": "America/Los_Angeles"})).text
    assert "first on Monday, 2 November, 07:00" in los_angeles


@pytest.mark.parametrize("timezone", ["Mars/Olympus", "", "'><script>", "../etc/passwd"])
async def test_a_zone_we_do_not_know_is_the_publications(site, timezone):
    response = await site.client.get(PATH, params={"timezone": timezone})
    assert (response.status_code, "Times are Berlin time" in response.text) == (200, True)


async def test_the_page_speaks_the_language_of_the_browser_or_of_the_link(site):
    german = await site.client.get(PATH, headers={"Accept-Language": "de-AT,en;q=0.5"})
    assert 'lang="de"' in german.text
    assert "Wie oft" in german.text
    arabic = await site.client.get(PATH, params={"language": "ar"}, headers={"Accept-Language": "de"})
    assert 'dir="rtl"' in arabic.text


async def test_a_wish_waits_for_the_pass_with_all_that_was_chosen(site):
    answer = await sign_up(
        site,
        "Bea@Example.org",
        frequency="weekly",
        timezone="Asia/Tokyo",
        language="de",
        spoken="en",
        which="some",
        **{"topic-heart": "1", "topic-sleep": "1"},
    )
    assert answer.status_code == 200
    assert "Bea@Example.org" in answer.text
    assert "Monday, 9 November" in answer.text
    (row,) = await waiting(site)
    assert (row.email, row.key, row.locale, row.page) == ("Bea@Example.org", "bea@example.org", "de", PATH)
    assert row.choice == {
        "frequency": "weekly",
        "weekday": 0,
        "send_at": "07:00",
        "timezone": "Asia/Tokyo",
        "topics": ["heart", "sleep"],
    }
    async with site.db.reading() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(models.Subscriber)) == 1


@pytest.mark.parametrize("path", [PATH, "/embed/mias-feed"])
async def test_the_consent_kept_is_the_one_that_was_read_whatever_language_mails_are_wanted_in(site, path):
    page = (await site.client.get(path, params={"language": "de"}, headers={"Accept-Language": "fr"})).text
    (spoken,) = re.findall(r'name="spoken" value="([^"]*)"', page)
    answer = await sign_up(site, path=path, language="ar", spoken=spoken)
    assert '<html lang="de"' in answer.text
    (row,) = await waiting(site)
    words = await words_of(site, row)
    assert (row.locale, words[:17], words in page) == ("ar", "Mit der Anmeldung", True)


async def test_a_form_to_look_at_again_speaks_as_before_and_keeps_the_language_of_the_mails(site):
    again = (await sign_up(site, "no address", language="ar", spoken="de")).text
    assert ('<html lang="de"' in again, 'name="spoken" value="de"' in again) == (True, True)
    assert '<option value="ar" lang="ar" selected>' in again
    assert again.count(" selected>") == 2, "one zone, one language"


@pytest.mark.parametrize("fields", [{}, {"spoken": ""}, {"spoken": "tlh"}, {"spoken": "../de"}])
async def test_no_words_are_kept_of_a_form_that_does_not_say_which_language_it_spoke(site, fields):
    assert (await sign_up(site, language="de", **fields)).status_code == 200
    (row,) = await waiting(site)
    assert (row.locale, row.wording) == ("de", "")


async def test_who_is_known_and_who_is_not_get_the_same_answer_and_the_same_work(site, monkeypatch):
    answers, statements = [], []
    await site.get(PATH)
    run = prepared._run

    async def run_and_count(driver, text, parameters):
        statements[-1].append(text)
        return await run(driver, text, parameters)

    monkeypatch.setattr(prepared, "_run", run_and_count)
    for engine in {site.db.engine, site.db._brisk}:
        sa.event.listen(engine.sync_engine, "before_cursor_execute", lambda *told: statements[-1].append(told[2]))
    for email in ("anna@example.org", "anne@example.org"):
        statements.append([])
        response = await sign_up(site, email)
        answers.append((response.status_code, plain(response).replace(email, "…")))
    assert answers[0] == answers[1]
    assert statements[0] == statements[1]
    assert sum("INSERT INTO rates" in text for text in statements[0]) == 4
    assert sum("INSERT INTO sign_ups" in text for text in statements[0]) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"email": ""}, "Where shall we write to?"),
        ({"email": "bea"}, "Mail cannot be sent to this address."),
        ({"email": "bea@mailinator.com"}, "This is a throw-away address."),
        ({"email": "bea@x.mailinator.com"}, "This is a throw-away address."),
        ({"email": "Postmaster+news@example.org"}, "This address is somebody’s duty."),
        ({"frequency": "hourly"}, "Please choose one of these."),
    ],
)
async def test_mistakes_are_named_beside_their_field_and_nothing_is_lost(site, fields, words):
    site.rules(duties=frozenset({"postmaster"}))
    response = await sign_up(site, **({"email": "bea@example.org"} | fields | {"topic-lungs": "1", "which": "some"}))
    assert response.status_code == 422
    assert words in response.text
    assert "Nothing was sent yet" in response.text
    assert 'name="topic-lungs" value="1" checked' in response.text
    if fields.get("email"):
        assert f'value="{fields["email"]}"' in response.text
    assert await waiting(site) == []


async def test_robots_are_answered_alike_and_forgotten(site):
    before = await cast.everything(site.db)
    person = await sign_up(site, "bea@example.org")
    robot = await sign_up(site, "rob@example.org", website="http://buy.example")
    assert plain(robot).replace("rob@", "bea@") == plain(person)
    assert [row.email for row in await waiting(site)] == ["bea@example.org"]
    assert before != await cast.everything(site.db)


async def test_a_form_filled_in_within_a_second_has_to_be_sent_again(site):
    stamp = site.signer.form_token(site.now)
    site.later(seconds=1)
    hasty = await sign_up(site, shown=stamp)
    assert "That was quick" in hasty.text
    assert 'value="bea@example.org"' in hasty.text
    assert await waiting(site) == []
    site.later(seconds=2)
    assert "look into your mailbox" in (await sign_up(site, shown=stamp)).text
    assert len(await waiting(site)) == 1


@pytest.mark.parametrize("stamp", ["", "x", "0.0.0.zzz", "a" * 200])
async def test_a_stamp_that_is_none_is_no_reason_to_doubt_a_person(site, stamp):
    await sign_up(site, shown=stamp)
    assert len(await waiting(site)) == 1


async def test_too_many_from_one_place_are_told_so_and_use_up_nobody_elses_share(site):
    site.rules(per_origin="2/hour")
    statuses = [(await sign_up(site, f"b{number}@example.org")).status_code for number in range(4)]
    assert statuses == [200, 200, 429, 429]
    assert len(await waiting(site)) == 2
    async with site.db.reading() as connection:
        rates = await connection.execute(sa.select(models.Rate.count))
        assert sorted(rates.scalars()) == [2, 2, 2, 2]
    site.later(hours=1, seconds=1)
    assert (await sign_up(site, "late@example.org")).status_code == 200


@pytest.mark.parametrize("rule", ["total", "per_domain", "per_network", "per_origin"])
async def test_each_limit_holds_by_itself(site, rule):
    site.rules(**{rule: "1/hour"})
    statuses = [(await sign_up(site, f"b{number}@example.org")).status_code for number in range(2)]
    assert statuses == [200, 429]


async def test_a_publication_may_take_no_sign_ups(site):
    await cast.a_publication(site.db, slug="closed", sign_up=False)
    for path in ("/subscribe/closed", "/embed/closed"):
        assert (await site.get(path)).status_code == 404
        response = await sign_up(site, path=path)
        assert (response.status_code, "Nobody can sign up here" in response.text) == (404, True)
    assert (await site.get("/subscribe/none")).status_code == 404
    assert await waiting(site) == []


async def test_a_frame_may_stand_anywhere_and_remembers_where(site):
    page = await site.client.get("/embed/mias-feed", headers={"Referer": "https://mia.example/about?who=bea"})
    assert "frame-ancestors *" in page.headers["Content-Security-Policy"]
    assert 'name="place" value="https://mia.example/about"' in page.text
    assert "<header>" not in page.text
    assert "frame-ancestors 'none'" in (await site.get(PATH)).headers["Content-Security-Policy"]
    await sign_up(site, path="/embed/mias-feed", place="https://mia.example/about")
    await sign_up(site, "cleo@example.org", path="/embed/mias-feed", place="javascript:alert(1)")
    await sign_up(site, "dora@example.org", path="/embed/mias-feed", place="https://mia.example/\x00about")
    assert [row.page for row in await waiting(site)] == ["https://mia.example/about", "", ""]


async def test_a_frame_that_loads_once_more_or_is_filled_in_once_more_remembers_too(site):
    where, kept = "https://mia.example/about", 'name="place" value="https://mia.example/about"'
    query = {"timezone": "Asia/Tokyo", "place": f"{where}?who=bea"}
    again = await site.client.get("/embed/mias-feed", params=query)
    assert kept in again.text
    assert 'url.searchParams.set("place",document.referrer' in again.text
    wrong = await sign_up(site, "no address", path="/embed/mias-feed", place=where)
    assert (wrong.status_code, kept in wrong.text) == (422, True)
    page = (await site.client.get(PATH, params=query)).text
    assert ("mia.example" in page, '"place"' in page) == (False, False)


@pytest.mark.parametrize("fields", [{"which": "some"}, {"topic-gone": "1"}, {"which": "some", "topic-gone": "1"}])
async def test_who_wants_some_topics_and_names_none_is_asked_which(site, fields):
    answer = await sign_up(site, frequency="daily", **fields)
    assert (answer.status_code, "Please choose one topic at least" in answer.text) == (422, True)
    assert 'name="which" value="some" checked' in answer.text
    assert await waiting(site) == []
    await cast.a_publication(site.db, slug="plain", topics=[])
    assert (await sign_up(site, path="/subscribe/plain", frequency="daily", **fields)).status_code == 200


@pytest.mark.parametrize("kind", ["data", "files"])
async def test_as_many_topics_as_there_are_can_be_ticked(site, kind):
    slugs = [f"t{number:02}" for number in range(60)]
    await cast.a_publication(site.db, slug="many", topics=[{"slug": slug, "name": slug} for slug in slugs])
    # The address last, which is where a form that is cut off loses it.
    fields = {"page": "subscribe", **{f"topic-{slug}": "1" for slug in slugs[:55]}, "email": "bea@example.org"}
    form = {"data": fields} if kind == "data" else {"files": {name: (None, text) for name, text in fields.items()}}
    assert (await site.client.post("/subscribe/many", **form)).status_code == 200
    assert [row.choice["topics"] for row in await waiting(site)] == [slugs[:55]]


async def test_a_plain_form_on_another_site_works(site):
    headers = {"Referer": "https://user:secret@mia.example/blog?x=1", "Origin": "https://mia.example"}
    answer = await site.client.post(PATH, data={"email": "bea@example.org", "frequency": "monthly"}, headers=headers)
    assert answer.status_code == 200
    (row,) = await waiting(site)
    assert (row.page, row.wording, row.choice["frequency"]) == ("https://mia.example/blog", "", "monthly")


async def test_a_plain_form_is_answered_in_the_language_it_was_printed_in(site):
    fields = {"email": "bea@example.org", "language": "de"}
    answer = await site.client.post(PATH, data=fields, headers={"Accept-Language": "fr"})
    assert '<html lang="de"' in answer.text
    assert [(row.locale, row.wording) for row in await waiting(site)] == [("de", "")]


async def test_what_was_typed_stands_in_no_page_as_markup(site):
    answer = await sign_up(site, '"><script>alert(1)</script>@example.org')
    assert "<script>alert" not in answer.text


async def test_a_page_is_small_and_asks_nobody_else(site):
    page = await site.get(PATH)
    assert len(page.content) < 50_000
    assert "set-cookie" not in page.headers
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


# --- JSON ---


async def ask_json(site, body, **headers):
    return await site.client.post(PATH, json=body, headers=headers)


async def test_a_script_signs_up_and_is_told_when_the_first_digest_comes(site):
    answer = await ask_json(
        site, {"email": "bea@example.org", "frequency": "weekly", "topics": ["heart"], "timezone": "Europe/London"}
    )
    assert answer.status_code == 202
    assert answer.json() == {"status": "asked", "frequency": "weekly", "first_at": "2026-11-02T07:00:00+00:00"}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    (row,) = await waiting(site)
    assert row.choice["topics"] == ["heart"]


async def test_a_script_learns_what_is_on_offer(site):
    answer = await site.client.get(PATH, headers={"Accept": "application/json"})
    found = answer.json()
    assert [one["frequency"] for one in found["frequencies"]] == ["daily", "instant", "weekly", "monthly"]
    assert found["frequencies"][0]["first_at"] == "2026-11-03T07:00:00+01:00"
    assert found["topics"][0] == {"topic": "heart", "name": "Heart"}
    preflight = await site.client.request("OPTIONS", PATH, headers={"Origin": "https://mia.example"})
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Headers"] == "Content-Type"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "email"),
        ({"email": "bea"}, 422, "email"),
        ({"email": "bea@example.org", "frequency": "hourly"}, 422, "frequency"),
        ({"email": "bea@example.org", "topics": ["stars"]}, 422, "topics"),
        ({"email": "bea@example.org", "timezone": "Mars"}, 422, "timezone"),
        ({"email": "bea@example.org", "language": "tlh"}, 422, "language"),
        ({"email": "bea@example.org", "website": "x"}, 400, None),
        ({"email": ["bea@example.org"]}, 400, None),
        ({"email": "bea@example.org", "topics": "heart"}, 400, None),
        ([], 400, None),
        ("bea@example.org", 400, None),
    ],
)
async def test_a_script_is_told_its_mistakes_field_by_field(site, body, status, field):
    answer = await ask_json(site, body)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [one["field"] for one in answer.json().get("errors", [])] == ([field] if field else [])
    assert await waiting(site) == []


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 60_000, b'{"email": 1e999}'])
async def test_a_body_that_is_no_json_is_refused(site, content):
    answer = await site.client.post(PATH, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


# --- Behind a proxy, and what becomes of it ---


async def test_places_are_counted_by_network_and_never_kept(site):
    await sign_up(site)
    (row,) = await waiting(site)
    assert row.origin_hash == cast.HASHER.newest("origin 127.0.0.1")
    assert "127.0.0.1" not in str(await cast.everything(site.db))


async def test_from_form_to_reader(site):
    await sign_up(site, frequency="weekly")

    async def trap(work):
        await work

    assert await entrance.run(site.db, cast.HASHER, site.now, trap=trap) == 1
    assert await waiting(site) == []
    async with site.db.reading() as connection:
        row = (
            await connection.execute(sa.select(models.Subscription).where(models.Subscription.id != site.reader))
        ).one()
        (consent,) = (await connection.execute(sa.select(models.Consent))).all()
    assert (row.state, row.notice_due) == ("pending", "confirm")
    assert (consent.asked_at, consent.confirmed_at, consent.page) == (site.now, None, PATH)
    site.later(hours=3)
    token = site.signer.confirm_token(row.id, 1, site.now - timedelta(hours=3))
    page = (await site.get(f"/confirm/{token}")).text
    assert "Your first digest comes on Monday, 9 November, 07:00." in page
    done = (await site.press(f"/confirm/{token}")).text
    assert "You are in" in done
    async with site.db.reading() as connection:
        (consent,) = (await connection.execute(sa.select(models.Consent))).all()
    assert consent.confirmed_at == site.now
    assert trail.What.CONFIRMED in [what for what, _ in await site.changes()]
