"""How a reader wants to be told: the language and the layout they chose, where not the Publication's. Pure."""

from typing import Any, NamedTuple

from digest import publications


class Manner(NamedTuple):
    """None is the Publication's own. Readers of one manner share their variants."""

    locale: str | None = None
    layout: str | None = None

    @staticmethod
    def of(row: Any) -> "Manner":
        """Of the reader in a row as in facts.Look."""
        return Manner(row.reader_locale, row.reader_layout)

    @property
    def is_text(self) -> bool:
        """Whether there is no HTML. What is told is as in the Publication's layout, and so is its page."""
        return self.layout == "text"

    def dress(self, spec: publications.Spec) -> publications.Spec:
        """The Publication as this reader likes it."""
        return spec.model_copy(update={"layout": self.layout}) if self.layout == "compact" else spec
