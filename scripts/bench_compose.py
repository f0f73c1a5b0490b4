"""How fast mail is composed: an Edition of 30 Articles for 1,000 readers' choices, none like another, in each layout.

`run()` returns the figures; `scripts/bench compose` prints them and holds them against their limits. A variant counts
as made when it also fits; of articles without end, as many as a digest can hold have to be cut down first.
"""

import dataclasses
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from digest import templating
from digest.editions import compose, inline, typeset
from digest.editions.compose import Choice, Composer, Facts, Look, Prepared, Story

ARTICLES, VARIANTS, TOPICS, MAX_ITEMS, MAX_LINKS = 30, 1000, 12, 10, 15
TEMPLATES = templating.data_dir("templates") / "email"
LAYOUTS = typeset.layouts(TEMPLATES)
MUCH = tuple((f"Related reading {number}", f"https://news.example.org/related/{number}") for number in range(9))
LIMITS = {"edition_ms": 150, "variant_mean_ms": 0.5, "inlined_per_look": 1}
FACTS = Facts(frequency="weekly", since=date(2026, 10, 27), upto=date(2026, 11, 2), timezone="Europe/Berlin")
NEW = datetime(2026, 11, 2, 6, tzinfo=UTC)


def run() -> dict[str, Any]:
    calls = _count_inlining()
    # The first of all pays for compiling templates and for filling the inliner's caches.
    composer = Composer()
    first = _milliseconds(composer.prepare, _look(LAYOUTS[0], "fr"), _stories(-ARTICLES))
    found = {layout: _layout(composer, layout, calls) for layout in LAYOUTS}
    worst = {name: max(one[name] for one in found.values()) for name in LIMITS}
    shares = {name: round(worst[name] / limit, 3) for name, limit in LIMITS.items()}
    return {
        "articles": ARTICLES,
        "variants": VARIANTS,
        "first_edition_of_a_process_ms": round(first, 1),
        "layouts": found,
        "limits": LIMITS,
        "share_of_limit": shares,
        "ok": all(share <= 1 for share in shares.values()),
    }


def _layout(composer: Composer, layout: str, calls: list[int]) -> dict[str, float]:
    look, choices = _look(layout, "en"), _choices()
    composer.prepare(look, _stories(1000))
    calls.clear()
    edition = _milliseconds(composer.prepare, look, _stories(0))
    prepared = composer.prepare(look, _stories(0))
    # Thirty zones at the same instant: the look and the stories are the same.
    zones = [_milliseconds(composer.prepare, look, _stories(0)) for _ in range(30)]
    inlined = len(calls)
    _variant(prepared, choices[0])
    variants = [_milliseconds(_variant, prepared, choice) for choice in choices]
    endless = composer.prepare(
        look, [dataclasses.replace(one, standfirst=one.standfirst * 40, related=MUCH) for one in _stories(0)]
    )
    return {
        "edition_ms": round(edition, 1),
        "next_zone_ms": round(statistics.fmean(zones), 3),
        "inlined_per_look": inlined,
        "variant_mean_ms": round(statistics.fmean(variants), 3),
        "variant_p95_ms": round(statistics.quantiles(variants, n=20)[-1], 3),
        "variant_cut_down_ms": round(
            _milliseconds(_variant, endless, Choice(tuple((n, None) for n in range(ARTICLES)))), 3
        ),
        "html_kb": round(compose.html_bytes(prepared.variant(choices[0], FACTS).html) / 1000, 1),
    }


def _variant(prepared: Prepared, choice: Choice) -> None:
    prepared.fitted(choice, FACTS)


def _count_inlining() -> list[int]:
    calls: list[int] = []
    original = inline.inline

    def counted(document: str) -> str:
        calls.append(len(document))
        return original(document)

    inline.inline = counted
    return calls


def _milliseconds(work: Callable[..., object], *arguments: object) -> float:
    # CPU time of this thread: the figure is about our code, not about who else is on the machine.
    started = time.thread_time()
    work(*arguments)
    return (time.thread_time() - started) * 1000


def _choices() -> list[Choice]:
    """A thousand different topic sets, each choosing what it matches, as readers' choices come about."""
    dice = random.Random(7)
    found: dict[frozenset[int], Choice] = {}
    while len(found) < VARIANTS:
        held = frozenset(dice.sample(range(TOPICS), dice.randint(1, TOPICS)))
        picks = tuple((n, f"topic-{n % TOPICS}") for n in range(ARTICLES) if n % TOPICS in held)
        choice = Choice(
            picks[:MAX_ITEMS], picks[MAX_ITEMS : MAX_ITEMS + MAX_LINKS], len(picks[MAX_ITEMS + MAX_LINKS :])
        )
        found[held] = choice
    return list(found.values())


def _stories(first: int) -> list[Story]:
    """Others for another `first`, but with the same ids."""
    return [_story(number, first) for number in range(ARTICLES)]


def _story(number: int, first: int) -> Story:
    return Story(
        id=number,
        version=1,
        title=f"Study {first + number}: what ten thousand steps a day do, and what they do not",
        url=f"https://news.example.org/articles/{number}",
        standfirst="A trial with nine years of follow-up found a smaller effect than hoped, yet a lasting one. " * 2,
        image_url=f"https://news.example.org/images/{number}.jpg",
        image_alt="People walking in a park",
        author="Ada Diaz",
        source="The Example Journal",
        minutes=number % 7 + 1,
        published_at=NEW - timedelta(hours=number),
        related=((f"Background {number}", f"https://news.example.org/background/{number}"),),
    )


def _look(layout: str, locale: str) -> Look:
    return Look(
        layout=layout,
        name="Mia's Feed",
        base_url="https://mias.example.org",
        tagline="Medical news and research",
        postal_address="12 Example Street\n10115 Berlin",
        locale=locale,
        timezone="Europe/Berlin",
        topics=tuple((f"topic-{n}", f"Topic {n}") for n in range(TOPICS)),
    )


if __name__ == "__main__":
    for name, figure in run().items():
        print(f"{name:22} {figure}")
