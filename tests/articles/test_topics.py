import pytest

from digest.articles import topics
from digest.articles.parse import Entry
from digest.publications import Topic
from tests.articles.test_changes import an_entry

HEART = Topic(
    slug="heart", name="Heart", categories=("Cardiology", "Heart  health"), keywords=("art", "blood pressure")
)
FOOD = Topic(slug="food", name="Food", categories=("Diet & Food",), keywords=("C++", "straße", "naïve"))
RULES = (HEART, FOOD)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (an_entry(categories=("CARDIOLOGY",)), ("heart",)),
        (an_entry(categories=("heart health",)), ("heart",)),
        (an_entry(categories=("Cardio",)), ()),
        (an_entry(categories=("diet & food", "cardiology")), ("heart", "food")),
        (an_entry(title="The art of rest"), ("heart",)),
        (an_entry(title="Heart and party"), ()),
        (an_entry(title="Art."), ("heart",)),
        (an_entry(title="x", standfirst="High blood\n pressure?"), ("heart",)),
        (an_entry(title="blood", standfirst="pressure"), ("heart",)),
        (an_entry(title="Using C++ today"), ("food",)),
        (an_entry(title="Auf der STRASSE"), ("food",)),
        (an_entry(title="x", body="<p>art</p>"), ()),
    ],
)
def test_topics_by_category_and_by_word(entry: Entry, expected: tuple[str, ...]) -> None:
    assert topics.match(RULES, entry) == expected


def test_topics_of_the_source_are_added_in_the_order_of_the_rules() -> None:
    entry = an_entry(categories=("Diet & Food",))
    assert topics.match(RULES, entry, ("heart",)) == ("heart", "food")
    assert topics.match(RULES, entry, ("food", "unknown")) == ("food",)


def test_an_empty_keyword_matches_nothing() -> None:
    assert topics.match((Topic(slug="x", name="X", keywords=("", " ")),), an_entry(title="anything")) == ()
