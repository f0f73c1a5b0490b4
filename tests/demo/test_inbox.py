"""The inbox page over real HTTP: mails are listed, opened and looked at, and their links do what they say."""

import re
from html.parser import HTMLParser

import pytest
import sqlalchemy as sa

from digest.audience import models as audience

pytestmark = pytest.mark.anyio


class Hrefs(HTMLParser):
    """What a page links to and loads."""

    def __init__(self, html):
        super().__init__()
        self.links, self.loads = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "a":
            self.links.append(values.get("href", ""))
        elif "src" in values:
            self.loads.append(values["src"])


def newest_to(played, recipient):
    return next(letter for letter in reversed(played.letters) if letter.recipient == recipient)


async def test_the_inbox_lists_every_mail_newest_first(played):
    page = await played.site.get("/inbox")
    numbers = [int(found) for found in re.findall(r'href="/inbox/(\d+)"', page.text)]
    assert numbers == sorted((letter.number for letter in played.letters), reverse=True)
    assert "Half of the class had it and nobody was ill" in page.text


async def test_the_inbox_of_one_reader_shows_no_other_mail(played):
    page = await played.site.get("/inbox", params={"to": "moana.reid@example.org"})
    [number] = re.findall(r'href="/inbox/(\d+)"', page.text)
    assert played.letters[int(number) - 1].recipient == "moana.reid@example.org"


async def test_a_mail_says_from_whom_to_whom_and_when_in_the_readers_zone(played):
    letter = newest_to(played, "moana.reid@example.org")
    page = (await played.site.get(f"/inbox/{letter.number}")).text
    for text in ("digest@mias-feed.example", "moana.reid@example.org", "Mon 2 Nov 2026, 07:30", "Pacific/Auckland"):
        assert text in page


async def test_a_mail_can_be_seen_as_html_text_and_source(played):
    letter = newest_to(played, "anna.berg@example.org")
    page = f"/inbox/{letter.number}"
    assert f'<iframe src="{page}/body" sandbox=' in (await played.site.get(page)).text
    assert letter.told[0].title in (await played.site.get(f"{page}/body")).text
    assert letter.told[0].title in (await played.site.get(page, params={"view": "text"})).text
    assert "Content-Transfer-Encoding" in (await played.site.get(page, params={"view": "source"})).text
    assert (await played.site.get(f"{page}/source.eml")).content == letter.received.content


async def test_the_html_of_a_mail_is_sandboxed_and_loads_from_here_only(played):
    letter = newest_to(played, "anna.berg@example.org")
    answer = await played.site.get(f"/inbox/{letter.number}/body")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups" in policy
    assert "script" not in policy
    loads = Hrefs(answer.text).loads
    assert loads
    assert all(load.startswith(str(played.site.base_url)) for load in loads)


@pytest.mark.parametrize("path", ["/inbox", "/inbox/1", "/inbox/1?view=text", "/sample/articles/measles-memory"])
async def test_pages_ask_nobody_else(played, path):
    answer = await played.site.get(path)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text
    assert all(load.startswith(("/", str(played.site.base_url))) for load in Hrefs(answer.text).loads)


@pytest.mark.parametrize(
    "path", ["/inbox/0", "/inbox/9999", "/inbox/1?view=x", "/inbox/1/x", "/sample/images/..%2Ffeed.xml"]
)
async def test_what_is_not_there_is_not_found(played, path):
    assert (await played.site.get(path)).status_code == 404


async def test_every_link_of_a_mail_leads_to_a_page(played):
    links = Hrefs(newest_to(played, "kenji.mori@example.org").html).links
    kinds = {re.sub(r"http://[^/]+/(\w+).*|(mailto):.*", r"\1\2", link) for link in links}
    assert kinds == {"sample", "unsubscribe", "less", "pause", "topics", "settings", "mail", "mailto"}
    for link in {link for link in links if not link.startswith("mailto:")}:
        assert (await played.site.get(link)).status_code == 200, link


async def test_pictures_of_the_sample_are_served(played):
    [picture, *_] = newest_to(played, "anna.berg@example.org").pictures
    assert (await played.site.get(picture)).headers["Content-Type"] == "image/jpeg"


async def test_the_one_click_button_unsubscribes(played):
    letter = newest_to(played, "david.owens@example.org")
    answer = await played.site.post(f"/inbox/{letter.number}/one-click")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/inbox/{letter.number}?answer=200")
    statement = (
        sa.select(audience.Subscription.state)
        .join(audience.Subscriber, audience.Subscriber.id == audience.Subscription.subscriber_id)
        .where(audience.Subscriber.email == "david.owens@example.org")
    )
    async with played.show.parts.db.reading() as connection:
        assert await connection.scalar(statement) is audience.SubscriptionState.UNSUBSCRIBED


async def test_opening_the_one_click_address_changes_nothing(played):
    letter = newest_to(played, "sofia.marques@example.net")
    assert (await played.site.get(f"/inbox/{letter.number}/one-click")).status_code == 404
    assert (await played.site.get(letter.unsubscribe_url)).status_code == 200
    async with played.show.parts.db.reading() as connection:
        states = (await connection.scalars(sa.select(audience.Subscription.state))).all()
    assert states.count(audience.SubscriptionState.ACTIVE) >= 9
