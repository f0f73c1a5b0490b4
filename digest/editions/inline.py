"""premailer with the settings that make it safe: no network, no files, and nothing that is not in the document.

Owns the one call to premailer. Slow (milliseconds per document), so it is called once per new block, never per
reader. Pure but for the library's own cache; never decides what to do when it fails.
"""

import logging
import os
from xml.dom import DOMException

# Read at import. Sheet and selectors share one cache of 128 entries by default, which a sheet of 200 rules thrashes:
# four times slower.
os.environ.setdefault("PREMAILER_CACHE_MAXSIZE", "4096")

import cssutils
import premailer
from lxml import etree


def _fetch_nothing(url: str) -> None:
    """`allow_network=False` still lets cssutils fetch an @import; this does not."""


cssutils.util._defaultFetcher = _fetch_nothing
# Colours stay as they were written: "#fff" is right in a style, and wrong in what mail programs make of it.
cssutils.ser.prefs.minimizeColorHash = False

# What premailer, cssutils and lxml are known to raise on odd input; there is no common base class.
FAULTS = (
    etree.LxmlError,
    DOMException,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    RuntimeError,
)


class InlineError(Exception):
    """The document could not be inlined; it can still be sent as it is."""


def inline(document: str) -> str:
    """The document with its first stylesheet written into style attributes."""
    try:
        return str(_premailer(document).transform(pretty_print=False))
    except FAULTS as error:
        raise InlineError(f"{type(error).__name__}: {error}") from error


def _premailer(document: str) -> premailer.Premailer:
    return premailer.Premailer(
        document,
        disable_validation=True,
        # Without it the "!important" of the dark and phone rules is lost, and with it their effect.
        strip_important=False,
        # The classes are what those rules hold on to.
        remove_classes=False,
        align_floating_images=False,
        allow_network=False,
        allow_loading_external_files=False,
        # It would write width="auto", which Outlook reads as 0, and a bgcolor on elements that know none.
        disable_basic_attributes=["width", "height", "bgcolor"],
        cssutils_logging_level=logging.CRITICAL,
    )
