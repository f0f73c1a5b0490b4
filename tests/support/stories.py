"""A fixed cast of Stories, the Look of the reference publication, and how a Variant reads once a token is in it."""

from datetime import UTC, date, datetime, time

from digest import publications, templating
from digest.editions import typeset
from digest.editions.compose import Choice, Facts, Look, Story, Variant

TEMPLATES = templating.data_dir("templates") / "email"
# Whatever there is: a new layout is tried by every test that goes over them.
LAYOUTS = typeset.layouts(TEMPLATES)

MIAS = Look(
    name="Mia's Feed",
    tagline="Medical news & research, in plain words",
    base_url="https://mias.example.org",
    postal_address="Mia's Feed, 12 Example Street\n10115 Berlin, Germany",
    colours=publications.Colours(accent="#0b6e78"),
    timezone="Europe/Berlin",
    topics=(("heart", "Heart"), ("food", "Food & nutrition"), ("sleep", "Sleep")),
)
WEEKLY = Facts(
    frequency="weekly",
    since=date(2026, 10, 27),
    upto=date(2026, 11, 2),
    weekday=0,
    send_at=time(7, 30),
    timezone="Europe/Berlin",
    until=datetime(2026, 11, 5, 14, 20, tzinfo=UTC),
)
TOKEN = "1z.1.2s.c2lnbmF0dXJl"


def a_story(number: int, **changes) -> Story:
    values = {
        "id": number,
        "version": 1,
        "title": f"Story number {number}",
        "url": f"https://news.example.net/{number}?a=1&b=2",
        "standfirst": f"What number {number} is about, in a sentence.",
        "source": "The Example Journal",
        "minutes": 2,
        "published_at": datetime(2026, 11, 1, 23, 30, tzinfo=UTC),
    }
    return Story(**(values | changes))


LEAD = a_story(
    1,
    title="A walk after dinner steadies blood sugar, a nine-year study finds",
    standfirst="12,000 adults wore sensors for nine years. Ten minutes on foot did more than an hour at the gym.",
    image_url="https://news.example.net/walk.jpg",
    image_alt="Two people walking at dusk",
    author="Ada Diaz",
    related=(
        ("How insulin works", "https://news.example.net/insulin"),
        ("Sugar & sleep", "https://example.net/?s=1&t=2"),
    ),
)
BARE = a_story(2, standfirst="", source="", minutes=0, published_at=None)
NO_ADDRESS = a_story(3, title="An article without an address of its own", url=None)
HOSTILE = a_story(
    4,
    title='<script>alert("x")</script> & {{ 7*7 }} {% raw %} @@0123456789abcdef-token@@ <!--0123456789abcdef 3-->',
    url="javascript:alert(1)",
    standfirst="</td></tr></table>\r\nBcc: all@example.org\x00\x08 \u202egnihtyreve\u202c 'quoted' \"twice\"",
    image_url="data:image/png;base64,AAAA",
    image_alt='"><img src=x onerror=alert(1)>',
    author="Ann <ann@example.org>",
    source="A&B",
    related=(("<b>bold</b>", "https://example.net/\"onclick='x' <y>"), ("gone", "javascript:alert(2)")),
)
ENDLESS = a_story(5, title="Word " * 59 + "and so", standfirst="donaudampfschifffahrt" * 40)
HEBREW = a_story(6, title="מחקר חדש על שינה ובריאות הלב", standfirst="שבע שעות עדיפות על שמונה, אומרים החוקרים.")
EMOJI = a_story(
    7, title="👩🏽‍⚕️ Doctors walk out: café naïve, 血糖値と歩行 🫀", url="https://example.net/café/血糖?q=ü ü"
)
PLAIN = tuple(a_story(number) for number in range(8, 13))
CAST = (LEAD, BARE, NO_ADDRESS, HOSTILE, ENDLESS, HEBREW, EMOJI, *PLAIN)

FULL = Choice(
    full=((1, "heart"), (2, "sleep"), (3, "heart"), (7, None), (6, "food")), links=((8, None), (9, "food")), more=213
)
TROUBLE = Choice(full=((4, "food"), (5, None), (6, "sleep")), links=((4, None), (5, "heart")), more=1)
ONE = Choice(full=((1, "heart"),))


def read(segments) -> str:
    """The segments as the reader gets them."""
    return "".join(segment if type(segment) is str else TOKEN for segment in segments)


def files(variant: Variant) -> dict[str, str]:
    return {"subject": read(variant.subject) + "\n", "html": read(variant.html), "txt": read(variant.text)}
