"""Copies of pictures as mail programs fetch them."""

import pytest
import sqlalchemy as sa

from digest.articles import models
from digest.web.pages import images
from tests.support import drawings

pytestmark = pytest.mark.anyio
NAME = "0123456789abcdef0123456789abcdef01234567.jpg"


async def keep(db, now, name: str = NAME) -> bytes:
    content = drawings.a_picture(size=(300, 200))
    values = {"name": name, "content": content, "width": 300, "height": 200, "made_at": now}
    async with db.transaction() as connection:
        await connection.execute(sa.insert(models.Picture).values(values))
    return content


async def test_a_copy_is_served_to_be_kept_for_ever(site, db, now):
    content = await keep(db, now)
    for _ in range(2):  # from the database, then from memory
        answer = await site.get(f"/images/{NAME}")
        assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Length"] == str(len(content))
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_who_has_it_already_gets_nothing_again(site, db, now):
    await keep(db, now)
    first = await site.get(f"/images/{NAME}")
    again = await site.client.get(f"/images/{NAME}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await site.client.head(f"/images/{NAME}")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    "name", [NAME.replace("0", "1"), "x.jpg", "..%2F..%2Fetc%2Fpasswd", NAME + ".png", NAME[:-3] + "svg"]
)
async def test_other_names_lead_nowhere(site, db, now, name):
    await keep(db, now)
    answer = await site.get(f"/images/{name}")
    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"


async def test_memory_holds_the_pictures_asked_for_last(db, now):
    names = [f"{number}" * 40 + ".jpg" for number in range(3)]
    sizes = [len(await keep(db, now, name)) for name in names]
    shelf = images.Shelf(room=2 * sizes[0])
    for name in (names[0], names[1], names[0], names[2]):
        await shelf.get(db, name)
    async with db.transaction() as connection:
        await connection.execute(sa.delete(models.Picture))
    assert [bool(await shelf.get(db, name)) for name in names] == [True, False, True]
