"""What somebody filled in to sign up, from a form or as JSON, and what is wrong with it, field by field. Pure.

Names of topics are form fields of their own, as on the page about topics: a form can be pasted into any website as it
is, and works without a script.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from digest import addresses, errors, publications
from digest.audience import preferences, screening, signup
from digest.editions import wording

# What the form calls a topic.
TOPIC = "topic-"


@dataclass(frozen=True, slots=True)
class Wish:
    """As it was typed. `topics` () means everything; `language` "" is whatever the page speaks."""

    email: str = ""
    frequency: str = ""
    topics: tuple[str, ...] = ()
    timezone: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Mistakes:
    """What is wrong with each field: "missing", "unknown", or a sentence for `email`'s "invalid"."""

    fields: Mapping[str, str]
    detail: str = ""

    def __bool__(self) -> bool:
        return bool(self.fields)


NONE = Mistakes({})


def from_form(form: Mapping[str, str], spec: publications.Spec) -> Wish:
    ticked = tuple(slug for slug in spec.topic_slugs if TOPIC + slug in form)
    # Whoever ticks all there are means those to come as well, and what has no topic.
    topics = () if form.get("which") == "all" or ticked == spec.topic_slugs else ticked or _of_none(form, spec)
    return Wish(
        form.get("email", ""),
        form.get("frequency", ""),
        topics,
        form.get("timezone", ""),
        form.get("language", ""),
    )


def _of_none(form: Mapping[str, str], spec: publications.Spec) -> tuple[str, ...]:
    """A topic that no Publication has, for whoever wants only some and named none that is there: not everything."""
    wants_some = form.get("which") == "some" or any(name.startswith(TOPIC) for name in form)
    return ("",) if wants_some and spec.topic_slugs else ()


def from_json(body: Any) -> Wish | None:
    """None when it is no object of texts, or has fields we do not know."""
    if not isinstance(body, dict) or set(body) - {"email", "frequency", "topics", "timezone", "language"}:
        return None
    topics = body.get("topics") or ()
    texts = {name: body.get(name) or "" for name in ("email", "frequency", "timezone", "language")}
    if not isinstance(topics, list | tuple) or not all(isinstance(one, str) for one in (*topics, *texts.values())):
        return None
    return Wish(topics=tuple(topics), **texts)


def check(wish: Wish, spec: publications.Spec, policy: screening.Policy, *, publication_id: int) -> Any:
    """The signup.Request this wish amounts to, or its Mistakes."""
    found: dict[str, str] = {}
    address, detail = _address(wish, policy, found)
    if wish.frequency and spec.offer(wish.frequency) is None:
        found["frequency"] = "unknown"
    if set(wish.topics) - set(spec.topic_slugs):
        found["topics"] = "unknown"
    if wish.language and wish.language not in wording.spoken():
        found["language"] = "unknown"
    choice = None if found else _choice(wish, spec, found)
    if address is None or choice is None:
        return Mistakes(found, detail)
    return signup.Request(publication_id, address, choice, locale=own_locale(wish.language, spec))


def _address(wish: Wish, policy: screening.Policy, found: dict[str, str]) -> tuple[addresses.EmailAddress | None, str]:
    if not wish.email:
        found["email"] = "missing"
        return None, ""
    try:
        address = addresses.parse(wish.email)
    except addresses.AddressError as error:
        found["email"] = "invalid"
        return None, str(error)
    if objection := screening.judge(address, policy):
        found["email"] = objection.value
        return None, ""
    return address, ""


def _choice(wish: Wish, spec: publications.Spec, found: dict[str, str]) -> preferences.Choice | None:
    try:
        return preferences.fulfil(
            spec, preferences.Wish(wish.frequency or None, timezone=wish.timezone or None, topics=wish.topics)
        )
    except errors.DigestError:
        found["timezone"] = "unknown"
        return None


def own_locale(language: str, spec: publications.Spec) -> str | None:
    """The language to keep with a reader: none where it is the Publication's, which may change."""
    return None if not language or language == spec.locale.partition("-")[0] else language
