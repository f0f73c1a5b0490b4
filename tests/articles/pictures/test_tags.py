import time

import pytest

from digest.articles import sanitise
from digest.articles.pictures import tags

PAGE = "https://ward.example.org/2026/salt/"


def cleaned(markup: str, base: str = PAGE) -> str:
    return sanitise.clean(markup, base=base)


@pytest.mark.parametrize(
    "noise",
    [
        '<img src="https://count.example/x" width="1" height="1">',
        '<img src="/s.png" width="600" height="0">',
        '<img src="/p.png" style="display: none">',
        '<img src="/p.png" style="border:0;width:1px;height:1px">',
        '<img src="/p.png" hidden>',
        '<img src="https://pixel.wp.com/b.gif?v=1">',
        '<img src="https://counter.theconversation.com/content/1/count.gif?distributor=republish">',
        '<img src="https://ad.doubleclick.net/x">',
        '<img src="https://www.facebook.com/tr?id=1&amp;ev=PageView">',
        '<img src="https://news.us1.list-manage.com/track/open.php?u=1">',
        '<img src="/images/spacer.gif">',
        '<img src="/1x1.png">',
        '<img src="https://secure.gravatar.com/avatar/0a1b?s=96" width="96" height="96">',
        '<img class="avatar photo" src="/ida.jpg">',
        '<img src="http://feeds.feedburner.com/~ff/Ward?d=yIl2AUoC8zA">',
        '<img src="/icons/share/facebook.png">',
        '<img src="/img/twitter-icon.png" width="32">',
        '<img src="data:image/png;base64,AAAA">',
        "<img alt='no source'>",
    ],
)
@pytest.mark.parametrize("base", [PAGE, ""])
def test_pictures_that_are_none_go(noise: str, base: str) -> None:
    assert cleaned(f"<p>a{noise}b</p>", base) == "<p>ab</p>"


def test_emoji_become_the_letters_they_stand_for() -> None:
    drawn = '<img src="https://s.w.org/images/core/emoji/15/72x72/1f44d.png" alt="👍" class="wp-smiley">'
    assert cleaned(f"<p>Well done {drawn}</p>") == "<p>Well done 👍</p>"
    assert cleaned('<p>x<img class="emoji" src="/e.png" alt="&lt;b&gt;"></p>') == "<p>x&lt;b&gt;</p>"


@pytest.mark.parametrize(
    ("image", "src"),
    [
        ('<img src="a.jpg">', "https://ward.example.org/2026/salt/a.jpg"),
        ('<img src="//cdn.example/a.jpg">', "https://cdn.example/a.jpg"),
        ('<img src="data:image/gif;base64,R0" data-src="/late.jpg">', "https://ward.example.org/late.jpg"),
        ('<img src="/blank.gif" data-lazy-src="/late.jpg">', "https://ward.example.org/late.jpg"),
        ('<img src="/a.jpg" srcset="/a-300.jpg 300w, /a-1200.jpg 1200w, /a-4000.jpg 4000w">',
         "https://ward.example.org/a-1200.jpg"),
        ('<img src="/a.jpg" srcset="/a-300.jpg 300w, /a-768.jpg 768w">', "https://ward.example.org/a-768.jpg"),
        ('<img src="/a.jpg" width="1024" srcset="/a-300.jpg 300w, /a-768.jpg 768w">', "https://ward.example.org/a.jpg"),
        ('<img src="/a.jpg" srcset="/a.webp 1200w">', "https://ward.example.org/a.jpg"),
        ('<img srcset="https://i.example/w_800,h_600/a.jpg 800w, https://i.example/w_1600,h_9/a.jpg 1600w">',
         "https://i.example/w_1600,h_9/a.jpg"),
        ('<img src="/a.jpg" srcset="/a-300.jpg 300w,/a-900.jpg 900w,/b.jpg">', "https://ward.example.org/a-900.jpg"),
        ('<img src="/a.jpg" srcset="/a.jpg 1x, /a@2.jpg 2x">', "https://ward.example.org/a.jpg"),
        ('<img src="/a.jpg" srcset="/b.jpg, 900w">', "https://ward.example.org/a.jpg"),
        ('<picture><source srcset="/a.avif" type="image/avif"><img src="/a.png"></picture>',
         "https://ward.example.org/a.png"),
        ('<img src="/a.jpg" srcset="javascript:alert(1) 1200w, data:x 2000w">', "https://ward.example.org/a.jpg"),
    ],
)  # fmt: skip
def test_the_real_source_is_found(image: str, src: str) -> None:
    assert [picture.url for picture in tags.read(cleaned(image))] == [src]


def test_what_told_the_source_is_not_kept() -> None:
    safe = cleaned(
        '<img class="x" style="color:red" srcset="/b.jpg 900w" data-src="/c.jpg" src="/a.jpg" alt="A &quot;dog">'
    )
    assert safe == '<img src="https://ward.example.org/b.jpg" alt="A &quot;dog">'


def test_a_picture_that_a_page_loads_late_is_there_once() -> None:
    twice = '<img data-src="/a.jpg" alt="A"><noscript><img src="/a.jpg" alt="A"></noscript>'
    assert cleaned(twice).count("<img") == 1


@pytest.mark.parametrize(
    ("markup", "alt"),
    [
        ('<img src="/a.jpg" alt="A dog">', "A dog"),
        ('<figure><img src="/a.jpg" alt="IMG_1.jpg"><figcaption>A <em>dog</em> &amp; a cat</figcaption></figure>',
         "A dog & a cat"),
        ('<figure><img src="/a.jpg"></figure><figure><img src="/b.jpg"><figcaption>B</figcaption></figure>', ""),
        ('<figure><img src="/a.jpg"><img src="/b.jpg"><figcaption>Both</figcaption></figure>', ""),
        ('<img src="/a.jpg" title="A dog">', "A dog"),
        ('<img src="/a.jpg" alt="" title="a.jpg">', ""),
    ],
)  # fmt: skip
def test_words_come_from_alt_caption_or_title(markup: str, alt: str) -> None:
    assert tags.read(cleaned(markup))[0].alt == alt


def test_a_hundred_thousand_candidates_are_not_all_read() -> None:
    many = ", ".join(f"/{number}.jpg {number}w" for number in range(1000, 20_000))
    assert tags.read(cleaned(f'<img src="/a.jpg" srcset="{many}">'))[0].url == "https://ward.example.org/1029.jpg"


@pytest.mark.parametrize(
    "attributes",
    [
        "srcset='{} x 900w'",
        "srcset='{}'",
        "src='/{}'",
        "src='/x.jpg' class='{}'",
        "src='/x.jpg' style='{}'",
        "alt='{}' src='/x'",
    ],
)
@pytest.mark.parametrize("part", ["a", "a ", ",", "/share/", "1w,", "width:", "avatar", "-"])
def test_no_attribute_keeps_it_busy(attributes: str, part: str) -> None:
    started = time.monotonic()
    tags.read(cleaned(f"<img {attributes.format(part * (150_000 // len(part)))}>"))
    assert time.monotonic() - started < 1
