import pytest

from digest.articles import headline

TEXT = (
    "On Monday the WHO said that a new vaccine against measles works in babies. Vaccine trials in Berlin and "
    "Nairobi were led by Ida Lund, who had not hoped for so much. Babies of six months were given one dose."
)


@pytest.mark.parametrize(
    ("markup", "title"),
    [
        ("Salt &amp; sleep", "Salt & sleep"),
        ("Salt &amp;amp; sleep", "Salt & sleep"),
        ("Mia&amp;#8217;s &amp;#x201C;big&amp;#x201D; day", "Mia’s “big” day"),
        ("Mia&amp;amp;#8217;s day", "Mia’s day"),
        ("Caf&amp;eacute; na&amp;iuml;ve &amp;hellip;", "Café naïve …"),
        ("<em>E. coli</em> in <b>salad</b>", "E. coli in salad"),
        ("&lt;em&gt;E. coli&lt;/em&gt; in salad", "E. coli in salad"),
        ("The &lt;b&gt; tag, explained", "The <b> tag, explained"),
        ("Is 3 &lt; 5?", "Is 3 < 5?"),
        ("Vec&lt;T&gt; and you", "Vec<T> and you"),
        ("AT&amp;T and R&amp;D", "AT&T and R&D"),
        ("  Much\n\tspace&nbsp;&#8203; here\ufeff ", "Much space here"),
        ("👩🏽‍⚕️ Doctors walk out 🫀", "👩🏽‍⚕️ Doctors walk out 🫀"),
        ("\u202egnihtyreve\u202c", "gnihtyreve"),
        ("\u3164\u2800", ""),
        ("", ""),
    ],
)
def test_markup_and_entities_are_gone_however_often_they_were_encoded(markup: str, title: str) -> None:
    assert headline.tidy(markup) == title


@pytest.mark.parametrize(
    ("markup", "site", "title"),
    [
        ("Salt and sleep - Ward Notes", "Ward Notes", "Salt and sleep"),
        ("Salt and sleep | ward notes", "Ward Notes", "Salt and sleep"),
        ("Salt – and sleep – Ward Notes", "Ward Notes", "Salt – and sleep"),
        ("Salt and sleep » Ward Notes", "Ward Notes – medicine in plain words", "Salt and sleep"),
        ("Salt and sleep - Nature", "Ward Notes", "Salt and sleep - Nature"),
        ("Salt-and Ward Notes", "Ward Notes", "Salt-and Ward Notes"),
        ("Ward Notes", "Ward Notes", "Ward Notes"),
        ("Salt - and sleep", "", "Salt - and sleep"),
    ],
)
def test_the_name_of_the_site_goes_from_the_end(markup: str, site: str, title: str) -> None:
    assert headline.tidy(markup, site=site) == title


@pytest.mark.parametrize(
    ("markup", "title"),
    [
        ("NEW MEASLES VACCINE WORKS IN BABIES, SAYS WHO", "New measles vaccine works in babies, Says WHO"),
        ("IDA LUND: BABIES IN BERLIN", "Ida Lund: Babies in Berlin"),
        ("WHO: NEW VACCINE", "WHO: NEW VACCINE"),
        ("NASA ESA JAXA ISRO ROSCOSMOS", "NASA ESA JAXA ISRO ROSCOSMOS"),
        ("New measles vaccine works", "New measles vaccine works"),
        ("今日の医学 ニュース です よ", "今日の医学 ニュース です よ"),
    ],
)
def test_a_title_in_capitals_is_written_as_the_text_writes_it(markup: str, title: str) -> None:
    assert headline.tidy(markup, text=TEXT) == title


def test_a_text_in_place_of_a_title_is_cut_between_words() -> None:
    long = headline.tidy("A walk after dinner " * 15)
    assert len(long) <= headline.LONGEST
    assert long.endswith("dinner…")
