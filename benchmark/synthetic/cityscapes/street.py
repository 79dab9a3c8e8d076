"""One street of the synthetic Cityscapes, seen from a car: ground, houses, trees, and traffic from far to near."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..painting.scenes import Canvas, Look, choose, look, uniform
from ..painting.silhouettes import SILHOUETTES

_CAMERA_M = 1.35
"""Height of the camera above the road: everything of that height reaches the horizon."""

EGO, BORDER, OUT_OF_ROI, STATIC, DYNAMIC, GROUND, ROAD, SIDEWALK, PARKING, RAIL, BUILDING, WALL, FENCE = range(1, 14)
GUARD_RAIL, BRIDGE, TUNNEL, POLE, POLEGROUP, LIGHT, SIGN, VEGETATION, TERRAIN, SKY, PERSON, RIDER, CAR = range(14, 27)
TRUCK, BUS, CARAVAN, TRAILER, TRAIN, MOTORCYCLE, BICYCLE = range(27, 34)

_HOUSES = (
    look("b09880 c8b49c", "window", 20, 0.7),
    look("94584a a86c54", "window", 18, 0.6),
    look("b8b8b4 a0a4a8", "window", 22, 0.9),
    look("cfc6b4 d8d0c4", "ashlar", 9, 0.8),
    look("8a8078 7c7470", "window", 22, 0.8),
    look("a4785c", "brick", 12, 0.6),
)
_SKIES = (look("d8dce0 c8ced4", "cloud", 5, 2), look("a8c4e0 b8cce0", "cloud", 8, 2), look("e4e2dc", "flat", 1))
_ROAD, _SIDEWALK = look("6c6c70 78747a 64646a", "grain", 5), look("98928c a49c98 8c8890", "slab", 8, 0.6)
_PARKING, _RAIL = look("807c7c 8a8684", "tile", 8), look("7c746c", "bar", 18, 1.2)
_TERRAIN, _TREES = look("6c8044 7c8c50 847c54", "grass", 13), look("3e5434 4c6438 34462e 5c6a3c", "leaf", 20)
_GROUND, _WALL = look("a89c88 b0a898", "pebble", 10), look("a8a098 989088 b4ac9c", "ashlar", 10, 0.8)
_FENCE, _GUARD = look("6c6c6c 7c6c58", "bar", 24, 0.6), look("b0b4b8", "blind", 12, 1.0)
_BRIDGE, _TUNNEL = look("9c9890 a8a49c", "panel", 7), look("3c3a3a 343434", "smooth", 6)
_EGO = look("2c3038 24262c", "smooth", 6)
_MARKING = look("c8c8c4", "grain", 5)

_CARS = look("2a2c30 b8babe 8c2828 2c4470 e0e0de 5c6268", "smooth", 7, 0.4)
_CLOTHES = look("2e3440 6a2f34 40506a 8a8478 2a2a2e 54604a b09a84", "fold", 8, 0.5)
_THINGS = {
    PERSON: (_CLOTHES, ("person",), 1.75),
    RIDER: (_CLOTHES, ("rider",), 1.3),
    CAR: (_CARS, ("front", "car", "front"), 1.5),
    TRUCK: (look("d8d4cc 3c5a8c 9c3c30", "panel", 5), ("truck",), 3.2),
    BUS: (look("c8a030 b83a34 e0e0dc", "panel", 5), ("bus",), 3.1),
    CARAVAN: (look("e4e2da d8d4c8", "panel", 5), ("caravan",), 2.6),
    TRAILER: (look("8c8c88 54606c", "board", 9, 0.4), ("trailer",), 2.0),
    TRAIN: (look("c03a34 d8d4c8 3c7c64", "panel", 6), ("train",), 3.5),
    MOTORCYCLE: (look("26262a 8c2424 34508c", "panel", 7, 0.4), ("motorbike",), 1.25),
    BICYCLE: (look("303034 7c2c2c 2c4c7c", "flat", 4), ("bicycle",), 1.1),
    STATIC: (look("4c5450 6c645c 8c8478", "panel", 8, 0.4), ("box", "hanging", "plate"), 1.1),
    DYNAMIC: (look("8c5c3c 46505c b0a490", "fold", 12, 0.4), ("bag", "case", "dog"), 0.9),
}
# Weights of 0, 1, 2, … of a kind in one picture.
_COUNTS = {
    PERSON: (2, 3, 4, 4, 3, 2, 2, 1),
    CAR: (1, 2, 4, 5, 5, 4, 3, 2),
    BICYCLE: (6, 4, 2, 1),
    STATIC: (5, 4, 2),
    DYNAMIC: (8, 2, 1),
    MOTORCYCLE: (12, 2, 1),
    TRUCK: (14, 2),
    BUS: (14, 2),
    CARAVAN: (30, 1),
    TRAILER: (30, 1),
    TRAIN: (24, 1),
}
_LIKELY = {
    **{TERRAIN: 0.45, PARKING: 0.12, RAIL: 0.08, WALL: 0.2, FENCE: 0.3, GUARD_RAIL: 0.04, BRIDGE: 0.05, TUNNEL: 0.03},
    **{POLEGROUP: 0.05, LIGHT: 0.55, SIGN: 0.75, GROUND: 0.1, RIDER: 0.3, POLE: 0.95, VEGETATION: 0.9},
}
_MANY = frozenset({PERSON, CAR, BICYCLE})
_LARGE = frozenset({TRUCK, BUS, CARAVAN, TRAILER, TRAIN})


@dataclass(frozen=True)
class Style:
    """What the pictures of one city have in common: looks of its houses and sky, leaves per tree-lined side."""

    houses: tuple[Look, ...]
    sky: Look
    green: float
    crowded: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Style:
        """Draw a city."""
        houses = tuple(_HOUSES[int(rng.integers(len(_HOUSES)))] for _ in range(3))
        return cls(houses, _SKIES[int(rng.integers(len(_SKIES)))], uniform(rng, 0.2, 0.9), uniform(rng, 0.6, 1.2))


class Street:
    """Paints one street on a canvas; ``wanted`` are label ids that must occur.

    ``members`` holds (label id, is a group) for the numbers 1, 2, … in the canvas's instances.
    """

    def __init__(self, canvas: Canvas, style: Style, wanted: set[int]) -> None:
        self.canvas, self.style, self.wanted = canvas, style, wanted
        self.members: list[tuple[int, bool]] = []
        rng = canvas.rng
        self.horizon = canvas.height * uniform(rng, 0.40, 0.48)
        self.vanish = canvas.width * uniform(rng, 0.42, 0.58)
        # How far the kerbs and the feet of the houses are from the middle, in camera heights.
        self.kerb = (uniform(rng, 1.7, 3.2), uniform(rng, 1.7, 3.4))
        self.front = tuple(k + uniform(rng, 0.8, 2.2) for k in self.kerb)

    def paint(self) -> None:
        """Everything, from the sky to the bonnet of the own car."""
        canvas = self.canvas
        canvas.stuff(np.full((canvas.height, canvas.width), 255, np.uint8), self.style.sky, SKY, fade=20)
        for side in (0, 1):
            self._houses(side)
            self._trees(side)
        self._far()
        self._floor()
        for side in (0, 1):
            self._barriers(side)
        self._traffic()
        self._frame()

    def _likely(self, label: int, factor: float = 1.0) -> bool:
        drawn = float(self.canvas.rng.random())
        return label in self.wanted or drawn < _LIKELY[label] * factor

    def _x(self, away: float, y: float) -> float:
        """Column of a point on the ground ``away`` camera heights right of the middle, seen in row ``y``."""
        return self.vanish + away * (y - self.horizon)

    def _strip(self, near: float, far: float, y0: float, y1: float) -> list[tuple[float, float]]:
        """Corners of a strip of ground between two distances from the middle and two rows."""
        return [(self._x(near, y0), y0), (self._x(far, y0), y0), (self._x(far, y1), y1), (self._x(near, y1), y1)]

    def _houses(self, side: int) -> None:
        """A row of houses along one side, each with its own front; gaps show the sky."""
        canvas, rng = self.canvas, self.canvas.rng
        sign, away = (-1, 1)[side], self.front[side]
        # Feet of the fronts, by how far below the horizon they stand: from far to near.
        y = self.horizon + 0.012 * canvas.height
        limit = self.horizon + 1.05 * canvas.width / away
        while y < limit:
            next_y = self.horizon + (y - self.horizon) * uniform(rng, 1.35, 2.4)
            if rng.random() < 0.88:
                tall = uniform(rng, 4, 11)
                tops = [self.horizon - (tall - 1) * (at - self.horizon) for at in (y, next_y)]
                x = [self._x(sign * away, at) for at in (y, next_y)]
                front = canvas.polygon([(x[0], tops[0]), (x[1], tops[1]), (x[1], next_y), (x[0], y)])
                canvas.stuff(front, self.style.houses[int(rng.integers(3))], BUILDING, fade=uniform(rng, -10, 10))
            y = next_y

    def _trees(self, side: int) -> None:
        canvas, rng = self.canvas, self.canvas.rng
        if not self._likely(VEGETATION):
            return
        for _ in range(int(rng.integers(1, 6))):
            if VEGETATION not in self.wanted and rng.random() > self.style.green:
                continue
            depth = uniform(rng, 0.03, 0.3)
            near = depth * math.sqrt(depth) * 1.5 * canvas.height
            x = self._x((-1, 1)[side] * (self.kerb[side] + uniform(rng, 0.4, 2.0)), self.horizon + near)
            size, y = near * uniform(rng, 1.6, 3.0), self.horizon - near * uniform(rng, 1.2, 2.6)
            if rng.random() < 0.8:
                trunk = (x - 0.06 * size, y, x + 0.06 * size, self.horizon + near)
                canvas.thing("pole", trunk, _TREES, VEGETATION, 0, on_ground=False)
            canvas.stuff(canvas.blob(x, y, size, size * uniform(rng, 0.7, 1.1), 0.3), _TREES, VEGETATION, fade=25)

    def _far(self) -> None:
        """What closes the street at its end: trees or houses, sometimes a bridge or a tunnel."""
        canvas, rng = self.canvas, self.canvas.rng
        h, top, x = canvas.height, self.horizon, self.vanish
        wide = uniform(rng, 0.12, 0.35) * h
        green = rng.random() < 0.7
        end = canvas.blob(x, top - 0.02 * h, wide, uniform(rng, 0.03, 0.12) * h, 0.3)
        canvas.stuff(end, _TREES if green else self.style.houses[0], VEGETATION if green else BUILDING)
        bridge, tunnel = self._likely(BRIDGE), self._likely(TUNNEL)
        if bridge or tunnel:
            y, thick = top - uniform(rng, 0.1, 0.2) * h, uniform(rng, 0.05, 0.09) * h
            left, right = (x - 1.6 * h, x + 1.6 * h) if bridge else (x - 0.35 * h, x + 0.35 * h)
            deck = [(left, y), (right, y), (right, y + thick), (left, y + thick)]
            if tunnel:
                mouth = [(left, y), (right, y), (right, top + 0.05 * h), (left, top + 0.05 * h)]
                canvas.stuff(canvas.polygon(mouth), _TUNNEL, TUNNEL)
            if bridge:
                canvas.stuff(canvas.polygon(deck), _BRIDGE, BRIDGE)

    def _floor(self) -> None:
        canvas, rng = self.canvas, self.canvas.rng
        top, bottom = self.horizon + 0.004 * canvas.height, canvas.height + 1.0
        pavement = self._strip(-self.front[0], self.front[1], top, bottom)
        canvas.stuff(canvas.polygon(pavement), _SIDEWALK, SIDEWALK, depth=12)
        for side in (0, 1):
            sign, kerb, front = (-1, 1)[side], self.kerb[side], self.front[side]
            if self._likely(TERRAIN, 0.7):
                inner = kerb + uniform(rng, 0.3, 0.7) * (front - kerb)
                self._cover(_TERRAIN, TERRAIN, sign * inner, sign * (front + 0.05))
            if self._likely(GROUND, 0.5):
                y = self.horizon + uniform(rng, 0.12, 0.3) * canvas.height
                patch = canvas.polygon(self._strip(sign * kerb, sign * front, y, y + 0.1 * canvas.height))
                canvas.stuff(patch, _GROUND, GROUND, depth=2)
        self._cover(_ROAD, ROAD, -self.kerb[0], self.kerb[1])
        for offset in (-0.08, 0.9 * self.kerb[1] - 0.06):
            for n in range(4):
                y0, y1 = ((0.04 + 0.011 * k + 0.015 * k * k) * canvas.height for k in (n, n + 0.45))
                dash = self._strip(offset, offset + 0.09, self.horizon + y0, self.horizon + y1)
                canvas.stuff(canvas.polygon(dash), _MARKING, ROAD)
        if self._likely(PARKING):
            side = int(rng.integers(2))
            inner, outer = self.kerb[side] - 0.8, self.kerb[side]
            self._cover(_PARKING, PARKING, (-1, 1)[side] * inner, (-1, 1)[side] * outer)
        if self._likely(RAIL) or TRAIN in self.wanted:
            middle = uniform(rng, -0.5, 0.3)
            self._cover(_RAIL, RAIL, middle, middle + 0.8)

    def _cover(self, surface: Look, label: int, near: float, far: float) -> None:
        """Cover the ground between two distances from the middle, from the horizon to the bottom."""
        corners = self._strip(near, far, self.horizon + 0.006 * self.canvas.height, self.canvas.height + 1.0)
        self.canvas.stuff(self.canvas.polygon(corners), surface, label, depth=12)

    def _barriers(self, side: int) -> None:
        """Walls, fences and guard rails along one side, and unlabelled gaps."""
        canvas, rng = self.canvas, self.canvas.rng
        for label, surface, tall in ((WALL, _WALL, 1.4), (FENCE, _FENCE, 1.1), (GUARD_RAIL, _GUARD, 0.55)):
            if not self._likely(label, 0.6):
                continue
            away = self.front[side] - 0.1 if label != GUARD_RAIL else self.kerb[side] + 0.1
            y0 = uniform(rng, 0.03, 0.12) * canvas.height
            y1 = y0 * uniform(rng, 1.8, 4.5)
            x0, x1 = (self._x((-1, 1)[side] * away, self.horizon + y) for y in (y0, y1))
            tops = [self.horizon + y * (1 - tall) for y in (y0, y1)]
            corners = [(x0, tops[0]), (x1, tops[1]), (x1, self.horizon + y1), (x0, self.horizon + y0)]
            canvas.stuff(canvas.polygon(corners), surface, label)
        if rng.random() < 0.4:
            near = uniform(rng, 0.04, 0.2) * canvas.height
            x = self._x((-1, 1)[side] * self.front[side], self.horizon + near)
            canvas.void(canvas.blob(x, self.horizon + 0.3 * near, 0.5 * near, 0.5 * near), 0)

    def _traffic(self) -> None:
        """Things and poles, the far ones first."""
        rng = self.canvas.rng
        todo: list[tuple[float, int]] = []
        for label, weights in _COUNTS.items():
            count = choose(rng, weights)
            if label in _MANY:
                count = round(count * self.style.crowded)
            todo += [(self._distance(label), label) for _ in range(max(count, int(label in self.wanted)))]
        for label in (RIDER, POLEGROUP, LIGHT, SIGN, SIGN, POLE, POLE, POLE):
            if self._likely(label):
                todo.append((self._distance(label), label))
        for near, label in sorted(todo):
            self._put(near * self.canvas.height, label)

    def _distance(self, label: int) -> float:
        """How far below the horizon a thing stands, as a share of the height: more far than near ones."""
        drawn = float(self.canvas.rng.random())
        # A lorry right before the camera would hide all else.
        return 0.03 + (0.14 if label in _LARGE else 0.36) * drawn * drawn

    def _put(self, near: float, label: int) -> None:
        canvas, rng = self.canvas, self.canvas.rng
        side = int(rng.integers(2))
        sign, kerb, front = (-1, 1)[side], self.kerb[side], self.front[side]
        y = self.horizon + near
        if label in (POLE, POLEGROUP, LIGHT, SIGN):
            self._post(label, self._x(sign * (kerb + uniform(rng, 0.1, 0.5)), y), y, near / _CAMERA_M)
            return
        if label in (CAR, TRUCK, BUS, CARAVAN, TRAILER):
            # Parked at the kerb or driving; what is near does not stand in our own way.
            parked = rng.random() < 0.6 or near > 0.2 * canvas.height
            away = sign * (kerb - uniform(rng, 0.2, 0.6)) if parked else uniform(rng, -0.6 * self.kerb[0], 0.6 * kerb)
        elif label == TRAIN:
            away = uniform(rng, -0.4, 0.8)
        elif label in (RIDER, MOTORCYCLE):
            away = sign * kerb * uniform(rng, 0.5, 1.0)
        else:
            away = sign * uniform(rng, kerb, front)
        if label == RIDER:
            mount = MOTORCYCLE if rng.random() < 0.25 else BICYCLE
            self._ridden(mount, self._x(away, y), y, near / _CAMERA_M)
            return
        group = label in _MANY and rng.random() < 0.12
        self.members.append((label, group))
        for _ in range(int(rng.integers(3, 6)) if group else 1):
            self._single(label, self._x(away, y), y, near / _CAMERA_M)
            away += sign * uniform(rng, 0.15, 0.35)

    def _single(self, label: int, x: float, y: float, metre: float) -> None:
        """Paint one thing with the newest number, standing in the middle of column ``x`` and on row ``y``."""
        rng = self.canvas.rng
        skin, shapes, tall_m = _THINGS[label]
        shape = shapes[int(rng.integers(len(shapes)))]
        tall = tall_m * metre * uniform(rng, 0.88, 1.12)
        half = tall * SILHOUETTES[shape].aspect * uniform(rng, 0.85, 1.1) / 2
        second = _CLOTHES.colour(rng) if label in (PERSON, RIDER) else None
        haze = max(0.0, 0.3 - 1.6 * metre / self.canvas.height)
        box = (x - half, y - tall, x + half, y)
        self.canvas.thing(shape, box, skin, label, len(self.members), second=second, haze=haze)

    def _ridden(self, mount: int, x: float, y: float, metre: float) -> None:
        self.members.append((mount, False))
        self._single(mount, x, y, metre)
        self.members.append((RIDER, False))
        self._single(RIDER, x, y - 0.42 * metre, metre)

    def _post(self, label: int, x: float, y: float, metre: float) -> None:
        """A pole, or several, with a traffic light or sign on top."""
        canvas, rng = self.canvas, self.canvas.rng
        tall = (uniform(rng, 4, 7) if label in (POLE, POLEGROUP) else uniform(rng, 2.4, 3.4)) * metre
        half = max(0.07 * metre, 0.7)
        for n in range(3 if label == POLEGROUP else 1):
            at = x + 2.5 * n * half
            kind = POLEGROUP if label == POLEGROUP else POLE
            canvas.thing("pole", (at - half, y - tall, at + half, y), _POLES, kind, 0)
        size = 0.9 * metre
        if label == LIGHT:
            box = (x - 0.2 * size, y - tall - 0.3 * size, x + 0.2 * size, y - tall + 0.7 * size)
            canvas.thing("lamp", box, _LAMPS, LIGHT, 0, on_ground=False)
        elif label == SIGN:
            box = (x - 0.42 * size, y - tall - 0.3 * size, x + 0.42 * size, y - tall + 0.55 * size)
            shape, skin = (("disk", _ROUND), ("plate", _PLATES))[int(rng.integers(2))]
            canvas.thing(shape, box, skin, SIGN, 0, second=(226.0, 224.0, 216.0), on_ground=False)

    def _frame(self) -> None:
        """The own car at the bottom, and the borders that rectification leaves."""
        canvas, rng = self.canvas, self.canvas.rng
        h, w = canvas.height, canvas.width
        rise, low = uniform(rng, 0.06, 0.1) * h, uniform(rng, 0.02, 0.05) * h
        bonnet = [(0, h + 1), (0, h - low), (0.2 * w, h - rise), (0.8 * w, h - rise), (w, h - low), (w, h + 1)]
        canvas.stuff(canvas.polygon(bonnet), _EGO, EGO, fade=30)
        edge = max(1, round(5 * canvas.unit / 4))
        for where, label in (
            (np.s_[:edge, :], OUT_OF_ROI),
            (np.s_[:, :edge], OUT_OF_ROI),
            (np.s_[:, -edge:], OUT_OF_ROI),
        ):
            canvas.labels[where], canvas.instances[where] = label, 0
        inset = max(1, edge // 2)
        canvas.labels[-inset:], canvas.instances[-inset:] = BORDER, 0
        canvas.image[-inset:] = 0


_POLES, _LAMPS = look("6c6e70 54585c 8c8c8a", "flat", 3), look("26282a", "flat", 3)
_ROUND, _PLATES = look("b82c2c 2c50a0", "flat", 3), look("2c58a8 d8b83c b03030", "flat", 3)
