"""One scene of the synthetic COCO-Stuff: outdoors or in a room, with stuff in its places and things in depth order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..painting.scenes import Canvas, Colour, Mask, choose, look, profile, seams, skyline, uniform
from ..painting.silhouettes import SILHOUETTES
from ..painting.textures import cut
from .surfaces import SLOTS, STUFF, THINGS, Stuff, Thing

VOID = 255
_PERSON = THINGS[0]
_TROUSERS = look("2c3a5a 3a3a3e 6a5a48 8a8478", "grain")
_STRANGE = look("6c5c70 708070 a08c60 505860", "cloud", 24, 0.3)
_BUILT = frozenset({"building-other", "house", "skyscraper", "structural-other", "roof"})
_SHOWN_BY_FORCE = 2 * len(STUFF)
# How much larger than life small things are painted, so that pictures of a few hundred pixels can show them.
_TABLE_SCALE, _SMALLEST_M = 2.6, 0.32


@dataclass(frozen=True)
class Member:
    """A painted thing: its label value, and whether it is a group."""

    label: int
    crowd: bool


class Setting:
    """Paints one scene; ``members`` are the things with the numbers 1, 2, … in the canvas's instances.

    The first images of a split show every class in turn, so that rare ones occur; the others as chance has it.
    """

    def __init__(self, canvas: Canvas, index: int) -> None:
        self.canvas, rng = canvas, canvas.rng
        self.members: list[Member] = []
        forced = index < _SHOWN_BY_FORCE
        self.thing = THINGS[index % len(THINGS)] if forced else THINGS[_frequent(rng, len(THINGS))]
        self.stuff = STUFF[index % len(STUFF)] if forced else None
        self.place = self.thing.places[int(rng.integers(len(self.thing.places)))]
        if self.thing is _PERSON and rng.random() < 0.3:
            self.place = "w"
        self.indoors = self.place in "it" or (self.place == "a" and rng.random() < 0.4)
        self.horizon = canvas.height * (uniform(rng, 0.45, 0.65) if self.indoors else uniform(rng, 0.3, 0.55))
        self.table: float | None = None

    def paint(self) -> None:
        """Stuff from the back to the front, what is not labelled, then things."""
        (self._room if self.indoors else self._outdoors)()
        if self.stuff is not None and not (self.canvas.labels == self.stuff.label).any():
            self._patch(self.stuff)
        self._unlabelled()
        self._things()

    def shows_what_it_should(self) -> bool:
        """Whether enough of the wanted thing and stuff can be seen."""
        wanted = [self.thing.label, *([self.stuff.label] if self.stuff is not None else [])]
        enough = 30 * self.canvas.unit**2
        return all(np.count_nonzero(self.canvas.labels == label) > enough for label in wanted)

    def _pick(self, slot: str) -> Stuff:
        """The wanted stuff where it fits, else one of the slot: the first ones much more often."""
        if self.stuff is not None and self.stuff.slot == slot:
            return self.stuff
        entries = SLOTS[slot]
        return entries[_frequent(self.canvas.rng, len(entries))]

    def _fill(self, mask: Mask, entry: Stuff, *, depth: float = 0.0, fade: float = 0.0) -> None:
        self.canvas.stuff(mask, entry.look, entry.label, depth=depth, fade=fade)

    def _whole(self) -> Mask:
        return np.full((self.canvas.height, self.canvas.width), 255, dtype=np.uint8)

    def _rectangle(self, left: float, top: float, right: float, bottom: float) -> Mask:
        return self.canvas.polygon([(left, top), (right, top), (right, bottom), (left, bottom)])

    def _outdoors(self) -> None:
        canvas, rng = self.canvas, self.canvas.rng
        height, width = canvas.height, canvas.width
        self._fill(self._whole(), self._pick("sky"), fade=-uniform(rng, 0, 40))
        for _ in range(choose(rng, (1, 4, 4, 2))):
            entry = self._pick("back")
            rise, level = height * uniform(rng, 0.03, 0.1), self.horizon - height * uniform(rng, 0.03, 0.3)
            line = (
                skyline(rng, width, level, rise, int(rng.integers(1, 6)))
                if entry.name in _BUILT
                else profile(rng, width, level, rise, int(rng.integers(4, 16)))
            )
            mask = canvas.below(line)
            if rng.random() < 0.5:
                edge = int(uniform(rng, 0.25, 0.75) * width)
                mask[:, (slice(edge, None), slice(0, edge))[int(rng.integers(2))]] = 0
            self._fill(mask, entry, fade=10)
        ground = self._water() if self.place == "w" else self._pick("ground")
        tilt = profile(rng, width, self.horizon, 2 * canvas.unit, 5)
        self._fill(canvas.below(tilt), ground, depth=6)
        if rng.random() < 0.55:
            line = profile(rng, width, self.horizon + uniform(rng, 0.15, 0.4) * height, 8 * canvas.unit, 6)
            self._fill(canvas.below(line), self._pick("ground"), depth=3)
        if rng.random() < 0.25:
            self._patch(self._pick("patch"))

    def _water(self) -> Stuff:
        waters = [entry for entry in SLOTS["ground"] if entry.name in ("sea", "river", "water-other")]
        return waters[choose(self.canvas.rng, (5, 2, 2))]

    def _room(self) -> None:
        canvas, rng = self.canvas, self.canvas.rng
        height, width = canvas.height, canvas.width
        self._fill(self._whole(), self._pick("wall"), fade=uniform(rng, -10, 20))
        if rng.random() < 0.3 or (self.stuff is not None and self.stuff.slot == "ceiling"):
            line = profile(rng, width, height * uniform(rng, 0.08, 0.2), 0, 1)
            self._fill(np.asarray(255 - canvas.below(line), dtype=np.uint8), self._pick("ceiling"))
        for _ in range(choose(rng, (1, 3, 4, 2))):
            entry = self._pick("furniture")
            x, w = uniform(rng, -0.1, 0.8) * width, uniform(rng, 0.18, 0.4) * width
            hung = entry.name in ("window-other", "mirror-stuff", "window-blind", "light", "curtain")
            top = uniform(rng, 0.0, 0.25) * height if hung else self.horizon - uniform(rng, 0.1, 0.45) * height
            bottom = top + uniform(rng, 0.15, 0.35) * height if hung else self.horizon + 0.04 * height
            self._fill(self._rectangle(x, top, x + w, bottom), entry)
        floor = self._rectangle(-1, self.horizon, width + 1, height + 1)
        self._fill(floor, self._pick("floor"), depth=3)
        if rng.random() < 0.2:
            middle, wide = uniform(rng, 0.3, 0.7) * width, uniform(rng, 0.15, 0.35) * width
            low = self.horizon + 0.7 * (height - self.horizon)
            rug = SLOTS["floor"][int(rng.integers(6, 8))]
            self._fill(canvas.blob(middle, low, wide, 0.2 * (height - self.horizon), 0.03), rug)
        if self.place == "t":
            self._top()
        if rng.random() < 0.45:
            self._patch(self._pick("patch"))

    def _top(self) -> None:
        """A table or counter in front, on which things stand: a thing of its own, or stuff."""
        canvas, rng = self.canvas, self.canvas.rng
        self.table = canvas.height * uniform(rng, 0.5, 0.68)
        edge = self._rectangle(-1, self.table, canvas.width + 1, canvas.height + 1)
        if rng.random() < 0.45:
            dining = next(thing for thing in THINGS if thing.name == "dining table")
            self.members.append(Member(dining.label, False))
            self._fill(edge, Stuff(dining.label, dining.name, "", dining.look), depth=2)
            canvas.instances[edge > 127] = len(self.members)
        else:
            names = ("counter", "table", "desk-stuff")
            entries = [entry for entry in SLOTS["furniture"] if entry.name in names]
            self._fill(edge, entries[int(rng.integers(3))], depth=2)

    def _patch(self, entry: Stuff) -> None:
        """A piece of stuff somewhere, rounded or straight."""
        canvas, rng = self.canvas, self.canvas.rng
        y = uniform(rng, 0.2, 0.85) * canvas.height
        if self.table is not None and entry.slot == "patch":
            y = uniform(rng, self.table + 0.05 * canvas.height, canvas.height)
        x, rx, ry = uniform(rng, 0.1, 0.9) * canvas.width, *(uniform(rng, 0.1, 0.22) * canvas.height for _ in range(2))
        round_one = rng.random() < 0.6
        mask = canvas.blob(x, y, rx, ry, 0.2) if round_one else self._rectangle(x - rx, y - ry, x + rx, y + ry)
        self._fill(mask, entry)

    def _unlabelled(self) -> None:
        """Unlabelled pixels: patches of no class, and in places the seams between kinds of stuff."""
        canvas, rng = self.canvas, self.canvas.rng
        for _ in range(choose(rng, (3, 3, 2))):
            x, y = uniform(rng, 0, 1) * canvas.width, uniform(rng, 0.1, 0.95) * canvas.height
            size = uniform(rng, 0.04, 0.15) * canvas.height
            canvas.stuff(canvas.blob(x, y, 1.3 * size, size, 0.35), _STRANGE, VOID)
        width = max(3, 2 * round(1.5 * canvas.unit) + 1)
        loose = cut(rng, "cloud", canvas.height, canvas.width, canvas.unit) > 0
        gap = seams(canvas.labels.astype(np.int32), width) & loose & (canvas.instances == 0)
        canvas.labels[gap] = VOID

    def _things(self) -> None:
        """Some things that belong to the place from far to near, then the wanted one."""
        rng = self.canvas.rng
        places = {"t": "t", "i": "i", "a": "i" if self.indoors else "o"}.get(self.place, self.place + "o")
        fitting = [thing for thing in THINGS if set(thing.places) & set(places)]
        todo: list[tuple[float, Thing, bool]] = []
        for _ in range(choose(rng, (2, 4, 4, 3, 2, 1))):
            todo.append((uniform(rng, 0.1, 0.85), fitting[_frequent(rng, len(fitting))], False))
        if self.place not in "ts" or rng.random() < 0.3:
            todo += [(uniform(rng, 0.1, 0.95), _PERSON, False) for _ in range(choose(rng, (3, 4, 3, 2, 1)))]
        if rng.random() < 0.15:
            todo.append((uniform(rng, 0.1, 0.6), _PERSON if rng.random() < 0.6 else fitting[0], True))
        for near, thing, crowd in sorted(todo, key=lambda entry: entry[0]):
            self._put(thing, near, crowd)
        self._put(self.thing, uniform(rng, 0.7, 1.0), False, main=True)

    def _put(self, thing: Thing, near: float, crowd: bool, main: bool = False) -> None:
        """Paint one thing, or a group of four to seven with one number."""
        canvas, rng = self.canvas, self.canvas.rng
        self.members.append(Member(thing.label, crowd))
        shape = thing.shapes[int(rng.integers(len(thing.shapes)))]
        if thing.name == "bird":
            shape = "flyer" if self.place == "s" else "bird"
        tall, bottom = self._size(thing, near, shape, main)
        wide = tall * SILHOUETTES[shape].aspect * uniform(rng, 0.85, 1.15)
        x = uniform(rng, -0.2 * wide, canvas.width - 0.8 * wide)
        if main:
            x = uniform(rng, 0, max(1.0, canvas.width - wide))
        for _ in range(int(rng.integers(4, 8)) if crowd else 1):
            second = self._second(thing)
            floating = self.place in "sw" or "a" in thing.places
            box = (x, bottom - tall, x + wide, bottom)
            canvas.thing(
                *(shape, box, thing.look, thing.label, len(self.members)),
                second=second,
                on_ground=not floating,
                haze=0.25 * (1 - near) * (1 - near),
            )
            x, bottom = x + wide * uniform(rng, 0.3, 0.8), bottom + tall * uniform(rng, -0.04, 0.04)

    def _size(self, thing: Thing, near: float, shape: str, main: bool) -> tuple[float, float]:
        """Height of a thing in pixels and the row of its foot."""
        canvas, rng = self.canvas, self.canvas.rng
        low = canvas.height - self.horizon
        if self.table is not None and "t" in thing.places:
            bottom = self.table + (canvas.height - self.table) * (0.1 + 0.85 * near)
            tall = max(thing.height_m, 0.1) * _TABLE_SCALE * canvas.height * uniform(rng, 0.4, 0.7)
        else:
            bottom = self.horizon + low * (0.1 + 0.88 * near)
            metres = max(thing.height_m, _SMALLEST_M)
            tall = metres / 1.7 * (0.15 + near) * canvas.height * uniform(rng, 0.4, 0.65)
            if "a" in thing.places and thing.name != "tv":
                bottom = self.horizon * uniform(rng, 0.3, 1.0)
            elif self.place == "s" and "s" in thing.places:
                bottom = max(self.horizon * uniform(rng, 0.4, 0.95), 0.9 * tall)
        aspect = SILHOUETTES[shape].aspect
        least = (0.22 if main else 0.05) * canvas.height / max(1.0, math.sqrt(aspect))
        tall = min(max(tall, least), 0.95 * canvas.height, 1.0 * canvas.width / aspect)
        return tall, max(bottom, 0.8 * tall)

    def _second(self, thing: Thing) -> Colour | None:
        if thing is _PERSON:
            return _TROUSERS.colour(self.canvas.rng)
        if thing.name in ("zebra", "clock"):
            return 40.0, 38.0, 36.0
        return None


def _frequent(rng: np.random.Generator, count: int) -> int:
    """A position, the first ones much more often: with a weight of 1 / (position + 2)."""
    return choose(rng, [5040 // (position + 2) for position in range(count)])
