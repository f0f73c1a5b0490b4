"""Chosen Articles as a mail: a superset document is rendered and inlined once, cut into blocks, and joined per variant.

Blocks are kept by Story, Look and templates, so a second Edition inlines only what it adds and thirty zones inline
nothing anew. Reads templates; touches no database, knows no reader: what is personal stays a Slot.
"""

import bisect
import functools
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass

import structlog

from digest import metrics
from digest.editions import blocks, folders, inline, library, outline, typeset
from digest.editions.blocks import Block, Fill, Segment, Slot
from digest.editions.look import Look
from digest.editions.outline import Choice, Facts, Key, Story
from digest.editions.shelf import Shelf
from digest.editions.typeset import Typesetter

__all__ = ["Choice", "Composer", "Facts", "Look", "Prepared", "Segment", "Slot", "Story", "Variant"]

VARIANTS = metrics.counter("digest_variants_composed_total", "Different digests and notices joined from their blocks.")
INLINED = metrics.counter("digest_stories_inlined_total", "Articles rendered and inlined, at milliseconds each.")
PLAIN = metrics.counter("digest_not_inlined_total", "Times the inliner failed, so that plainer mail went out.")

log = structlog.get_logger()

# A Story in all its forms takes about 10 KB: 20 MB at most, and more than a sender's news of a month.
KEPT_STORIES = 2048
KEPT_NOTICES = 256

# Gmail cuts a mail off at 102,400 bytes of HTML and hides the rest, with the way out in it, behind a link. What is left
# is for what relays and scanners add.
HTML_BUDGET = 90_000
# A token as it stands in a link; see links.
SLOT_BYTES = 100

# A block as HTML and as text.
Pair = tuple[Block, Block]
Pairs = Mapping[Key, Pair]
# What may be wrong with a document, and less so with the one made of the templates beneath.
SPOILT = (typeset.TemplateError, inline.InlineError, blocks.CutError)


@dataclass(frozen=True)
class Variant:
    """A mail but for its Slots. Segments return in other variants as the same objects: encode each once."""

    subject: tuple[Segment, ...]
    html: tuple[Segment, ...]
    text: tuple[Segment, ...]


@dataclass(frozen=True)
class Prepared:
    """What one Look may tell of some Stories. `inlined` is False if the inliner failed: still a mail, but plainer."""

    typesetter: Typesetter
    stories: Mapping[int, Story]
    pairs: Pairs
    inlined: bool

    def fitted(self, choice: Choice, facts: Facts) -> tuple[Choice, Variant]:
        """The choice, or as much less of it as makes its HTML fit HTML_BUDGET (outline.smaller), and its mail.

        One whose frame alone is too large is sent all the same, and said to be so.
        """
        variant = self.variant(choice, facts)
        size = html_bytes(variant.html)
        if size <= HTML_BUDGET:
            return choice, variant
        steps, excess = outline.smaller(choice), size - self._blocks_bytes(choice)
        # The sentences change a little with each step, so what was reckoned is tried, and the next taken if need be.
        first = bisect.bisect_left(steps, -HTML_BUDGET, key=lambda step: -self._blocks_bytes(step) - excess)
        for step in steps[first:]:
            variant = self.variant(step, facts)
            if html_bytes(variant.html) <= HTML_BUDGET:
                return step, variant
        log.error("mail_too_large", publication=self.typesetter.look.name, bytes=size, budget=HTML_BUDGET)
        return steps[-1], self.variant(steps[-1], facts)

    def _blocks_bytes(self, choice: Choice) -> int:
        keys = outline.arrange(choice, self.typesetter.look.topics)
        return sum(_block_bytes(self.pairs[key][0]) for key in keys)

    def variant(self, choice: Choice, facts: Facts) -> Variant:
        topics = self.typesetter.look.topics
        words = self.typesetter.sentences(outline.tell(choice, self.stories, topics), facts)
        pairs = [self.pairs[key] for key in outline.arrange(choice, topics)]
        VARIANTS.inc()
        return Variant(
            subject=(words[Fill.SUBJECT],),
            html=blocks.join((html for html, _ in pairs), words),
            text=blocks.join((text for _, text in pairs), words),
        )


class Composer:
    """One for all Editions of a process; threads may share it."""

    def __init__(self, places: folders.Folders | None = None) -> None:
        """Reads no template yet: one that is broken is no reason for any verb to fail."""
        self._marks = blocks.Marks()
        # premailer's caches are not made for two threads at once, and two would inline the same Story twice.
        self._lock = threading.Lock()
        self._kept: Shelf[tuple[str, Story | None], Pairs] = Shelf(KEPT_STORIES)
        self._notices: Shelf[tuple[Hashable, ...], Variant] = Shelf(KEPT_NOTICES)
        self._library = library.Library(places or folders.shipped(), self._marks)

    def prepare(self, look: Look, stories: Iterable[Story]) -> Prepared:
        """All blocks these Stories may need: milliseconds for each new one, next to nothing for those kept."""
        cleaned = {story.id: outline.clean(story, self._marks.without) for story in stories}
        with self._lock:
            typesetter = self._library.typesetter(look, typeset.INSTANT if look.is_single else None)
            typesetter, pairs, inlined = self._find(typesetter, list(cleaned.values()))
        return Prepared(typesetter, cleaned, pairs, inlined)

    def cleaned(self, story: Story) -> Story:
        """A Story fit to be handed to a template by itself."""
        return outline.clean(story, self._marks.without)

    def notice(self, name: str, look: Look, context: Mapping[str, Hashable]) -> Variant:
        """A mail that is no Edition. Kept by its context, which is why nothing personal may be in there."""
        with self._lock:
            typesetter = self._library.typesetter(look, name)
            key = (name, typesetter.key, *sorted(context.items()))
            return self._notices.get(key) or self._notices.put(key, self._write(typesetter, context))

    def _find(self, typesetter: Typesetter, stories: list[Story]) -> tuple[Typesetter, Pairs, bool]:
        """The blocks on the shelf and, in one document, those that are missing there; and whose they are."""
        kept = {story: self._kept.get((typesetter.key, story)) for story in (None, *stories)}
        missing = [story for story, pairs in kept.items() if pairs is None]
        if missing:
            try:
                made = self._make(typesetter, [story for story in missing if story], inline.inline)
            except SPOILT as error:
                return self._otherwise(typesetter, stories, error)
            INLINED.inc(len(missing))
            for story in missing:
                kept[story] = self._kept.put((typesetter.key, story), made[story])
        return typesetter, _flat(kept), True

    def _otherwise(
        self, typesetter: Typesetter, stories: list[Story], error: Exception
    ) -> tuple[Typesetter, Pairs, bool]:
        if typesetter.spare:
            return self._find(self._library.retire(typesetter, typesetter.spare, error), stories)
        if isinstance(error, typeset.TemplateError):
            raise error
        # Plainer mail beats no mail. Nothing of it is kept: the next Edition tries anew.
        PLAIN.inc()
        log.error("mail_not_inlined", publication=typesetter.look.name, reason=str(error))
        return typesetter, _flat(self._make(typesetter, stories, lambda document: document)), False

    def _make(
        self, typesetter: Typesetter, stories: list[Story], inliner: Callable[[str], str]
    ) -> dict[Story | None, Pairs]:
        """The superset of these Stories, cut; under None the frame that belongs to no Story."""
        pieces = outline.superset(stories, typesetter.look.topics)
        fills = {fill: self._marks.sentinel(fill) for fill in Fill}
        html, text = (typesetter.document(f"body.{kind}", pieces, fills, self._marks.mark) for kind in ("html", "txt"))
        cut = zip(
            self._marks.cut(inlined(self._marks, html, inliner), len(pieces), is_html=True),
            self._marks.cut(text, len(pieces), is_html=False),
            strict=True,
        )
        made: dict[Story | None, dict[Key, Pair]] = {story: {} for story in (None, *stories)}
        for piece, pair in zip(pieces, cut, strict=True):
            made[piece.story][piece.key] = pair
        return dict(made)

    def _write(self, typesetter: Typesetter, context: Mapping[str, Hashable]) -> Variant:
        try:
            letter = typesetter.letter(context)
            html = inlined(self._marks, letter["html"], inline.inline)
        except SPOILT as error:
            if typesetter.spare:
                return self._write(self._library.retire(typesetter, typesetter.spare, error), context)
            if isinstance(error, typeset.TemplateError):
                raise
            PLAIN.inc()
            log.error("mail_not_inlined", publication=typesetter.look.name, reason=str(error))
            html = letter["html"]
        VARIANTS.inc()
        [html_block] = self._marks.cut(html, 1, is_html=True)
        [text_block] = self._marks.cut(letter["txt"], 1, is_html=False)
        return Variant((letter["subject"],), blocks.join([html_block], {}), blocks.join([text_block], {}))


def html_bytes(segments: Iterable[Segment]) -> int:
    """What a mail program counts: the document as UTF-8, before its encoding for the way."""
    return sum(SLOT_BYTES if isinstance(segment, Slot) else _bytes(segment) for segment in segments)


# Segments are shared by all variants of an Edition, so each is encoded for this once.
@functools.lru_cache(maxsize=4096)
def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _block_bytes(block: Block) -> int:
    """Without its gaps, whose words are the same for all steps but for a few letters."""
    return html_bytes(segment for segment in block if not isinstance(segment, blocks.Gap))


def inlined(marks: blocks.Marks, document: str, inliner: Callable[[str], str]) -> str:
    """The document inlined. Raises InlineError, or CutError if it could not be cut at its marks any more."""
    made = inliner(document)
    if marks.tally(made) != marks.tally(document):
        raise blocks.CutError("the inliner lost or moved a mark or a sentinel")
    return made


def _flat(found: Mapping[Story | None, Pairs | None]) -> Pairs:
    return {key: pair for pairs in found.values() if pairs for key, pair in pairs.items()}
