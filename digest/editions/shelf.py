"""A memory of bounded size: what was asked for last is kept, the rest forgotten. Pure."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Shelf(Generic[K, V]):
    """The things asked for last, at most so many of them."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._things: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        if key in self._things:
            self._things.move_to_end(key)
        return self._things.get(key)

    def put(self, key: K, thing: V) -> V:
        self._things[key] = thing
        while len(self._things) > self._room:
            self._things.popitem(last=False)
        return thing

    def replace(self, old: V, new: V) -> None:
        """Wherever the one thing stands, the other."""
        for key, thing in self._things.items():
            if thing is old:
                self._things[key] = new
