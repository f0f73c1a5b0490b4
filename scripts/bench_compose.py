"""How fast mail is composed: an Edition of 30 Articles for 1,000 readers' choices, none like another.

`run()` returns the figures; `scripts/bench compose` prints them and holds them against their limits.
"""

import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from digest.editions import compose, inline
from digest.editions.compose import Choice, Composer, Facts, Look, Prepared, Story

ARTICLES, VARIANTS, TOPICS, LOCALES, MAX_ITEMS, MAX_LINKS = 30, 1000, 12, ("en", "de"), 10, 15
VARIANT_LIMIT_MS = 0.5
FACTS = Facts(frequency="weekly", since=date(2026, 10, 27), upto=date(2026, 11, 2), timezone="Europe/Berlin")
NEW = datetime(2026, 11, 2, 6, tzinfo=UTC)


def run() -> dict[str, Any]:
    calls = _count_inlining()
    composer, stories = Composer(), [_story(number) for number in range(ARTICLES)]
    cold = [_milliseconds(composer.prepare, _look(locale), stories) for locale in LOCALES]
    prepared = composer.prepare(_look(LOCALES[0]), stories)
    choices = _choices()
    prepared.variant(choices[0], FACTS)
    variants = [_milliseconds(prepared.variant, choice, FACTS) for choice in choices]
    inlined = len(calls)
    warm = _milliseconds(composer.prepare, _look(LOCALES[0]), [*stories, _story(ARTICLES)])
    mean = statistics.fmean(variants)
    return {
        "articles": ARTICLES,
        "variants": len(set(choices)),
        "first_edition_ms": round(cold[0], 1),
        "next_locale_ms": round(cold[1], 1),
        "one_article_more_ms": round(warm, 1),
        "inlined_per_look": inlined / len(LOCALES),
        "variant_mean_ms": round(mean, 3),
        "variant_p95_ms": round(statistics.quantiles(variants, n=20)[-1], 3),
        "html_kb": round(_size(prepared, choices[0]) / 1024, 1),
        "limits": {"inlined_per_look": 1, "variant_mean_ms": VARIANT_LIMIT_MS},
        "ok": inlined == len(LOCALES) and mean <= VARIANT_LIMIT_MS,
    }


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


def _story(number: int) -> Story:
    return Story(
        id=number,
        version=1,
        title=f"Study {number}: what ten thousand steps a day do, and what they do not",
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


def _look(locale: str) -> Look:
    return Look(
        name="Mia's Feed",
        base_url="https://mias.example.org",
        tagline="Medical news and research",
        postal_address="12 Example Street\n10115 Berlin",
        locale=locale,
        timezone="Europe/Berlin",
        topics=tuple((f"topic-{n}", f"Topic {n}") for n in range(TOPICS)),
    )


def _size(prepared: Prepared, choice: Choice) -> int:
    html = prepared.variant(choice, FACTS).html
    return sum(len(part.encode()) for part in html if not isinstance(part, compose.Slot))


if __name__ == "__main__":
    for name, figure in run().items():
        print(f"{name:22} {figure}")
