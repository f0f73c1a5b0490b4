"""The mistakes a person can make and mend.

Owns the base class only; each part names its own. A door (CLI, page, API) turns a DigestError into one plain
line; anything else is a bug and rises with its traceback.
"""


class DigestError(Exception):
    """Something a person can put right: the text says what is wrong, where, and what to do."""
