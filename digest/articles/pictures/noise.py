"""Pictures that are none: beacons, spacers, emoji drawn as pictures, faces beside comments, buttons to share. Pure.

Looked at as publishing systems write them, with class and style, which do not survive the cleaning.
"""

import re
from collections.abc import Mapping

_SMALLEST = 3  # pixels: spacers and beacons are one or two

# Who counts readers by a picture. Mail of ours must not report to them who reads it, and when.
_BEACON = re.compile(
    r"^https?://(?:[\w.-]+\.)?(?:"
    r"feeds\.feedburner\.com/~r/|feedsportal\.com/|pixel\.wp\.com/|stats\.wordpress\.com/|counter\.theconversation\.com/"
    r"|doubleclick\.net/|google-analytics\.com/|googlesyndication\.com/|facebook\.com/tr\b|scorecardresearch\.com/"
    r"|quantserve\.com/|medium\.com/_/stat|list-manage\.com/track/|adnxs\.com/|outbrain\.com/|chartbeat\.net/"
    r"|pixel\.mathtag\.com/|sb\.scorecardresearch\.com/|sitemeter\.com/|statcounter\.com/|c\.gigcount\.com/"
    r")",
    re.IGNORECASE,
)
_BEACON_PATH = re.compile(
    r"/b\.gif|/(?:(?:tracking[_-]?)?pixel|beacon|count|counter|1x1|clear|blank|spacer|transparent|trans|shim|empty)"
    r"\.(?:gif|png|aspx|php|svg)(?:[?#]|$)|/(?:matomo|piwik)\.php|/wf/open\?|/open\.aspx\?|/track(?:ing)?/open",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"feeds\.feedburner\.com/~ff/|feeds\.wordpress\.com/1\.0/|addtoany\.com/|sharethis\.com/|addthis\.com/"
    r"|/(?:share|follow|like|tweet)[_-]?(?:this|us|button|icon)?s?\.(?:png|gif|svg|jpe?g)"
    r"|/(?:(?:share|social|icon)s?[/_-]+)+(?:facebook|twitter|x|linkedin|whatsapp|reddit|pinterest|instagram|e?mail|rss)\b"
    r"|/(?:facebook|twitter|linkedin|whatsapp|reddit|pinterest|instagram)(?:[_-]?(?:logo|icon|share|\d+(?:x\d+)?))*"
    r"\.(?:png|gif|svg)",
    re.IGNORECASE,
)
_FACE = re.compile(r"^https?://(?:[\w-]+\.)?gravatar\.com/avatar|^https?://[\w.-]*/avatars?/\d", re.IGNORECASE)
_CLASSES = re.compile(
    r"(?:^|[\s_-])(?:avatar|gravatar|share|sharing|social|sharedaddy|tracker|tracking|pixel|spacer)(?:$|[\s_-])",
    re.IGNORECASE,
)
_EMOJI_CLASSES = re.compile(r"(?:^|\s)(?:emoji|emojione|twemoji|wp-smiley)(?:$|\s)", re.IGNORECASE)
_EMOJI = re.compile(
    r"^https?://(?:s\.w\.org/images/core/emoji/|twemoji\.maxcdn\.com/|abs\.twimg\.com/emoji/"
    r"|static\.xx\.fbcdn\.net/images/emoji|[\w.-]+/(?:wp-includes/images/smilies|emoji)/)",
    re.IGNORECASE,
)  # fmt: skip
_HIDDEN = re.compile(
    r"display:none|visibility:hidden|opacity:0(?:\.0+)?(?:;|$)|(?<![-\w])(?:width|height):[012](?:px)?(?:!important)?(?:;|$)"
)


def is_emoji(image: Mapping[str, str]) -> bool:
    return bool(_EMOJI_CLASSES.search(image.get("class", "")) or _EMOJI.match(image.get("src", "")))


def is_noise(image: Mapping[str, str]) -> bool:
    """Whether readers lose nothing when it goes. `image` has the attributes as written, `src` made absolute."""
    url, style = image.get("src", ""), re.sub(r"\s+", "", image.get("style", "").lower())
    is_hidden = "hidden" in image or bool(_HIDDEN.search(style))
    return is_hidden or is_tiny(image) or is_beacon(url) or bool(_CLASSES.search(image.get("class", "")))


def is_beacon(url: str) -> bool:
    return any(pattern.search(url) for pattern in (_BEACON, _BEACON_PATH, _SHARE, _FACE))


def is_tiny(image: Mapping[str, str]) -> bool:
    sides = (pixels(image.get(name)) for name in ("width", "height") if image.get(name, "").strip()[:1].isdigit())
    return any(side < _SMALLEST for side in sides)


def pixels(written: str | None) -> int:
    """A width or height attribute in pixels; 0 if it says nothing one could use, such as "100%"."""
    match = re.fullmatch(r"\s*(\d{1,5})(?:\.\d+)?(?:px)?\s*", written or "", re.ASCII)
    return int(match[1]) if match else 0
