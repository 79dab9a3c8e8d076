"""What the 80 things and 91 kinds of stuff of COCO-Stuff look like in synthetic scenes.

One line per class. Things: number, name | outlines | colours | texture, contrast, scale | height in metres | places.
Places: o ground outdoors, s sky, w water, i floor indoors, t table top, a on a wall. Stuff: number, name | slot |
colours | texture, contrast, scale. Within a slot, the classes met most often in the real set come first.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..painting.scenes import Look, look

_THINGS = """
1 person | person sitter | 34507e a03a3a d0ccc2 4a6444 2e2e36 b88a3c | fold 10 0.5 | 1.7 | oi
2 bicycle | bicycle | b02c2c 2a5ea8 3a8a4a 303034 | flat 5 1 | 1.1 | o
3 car | car front | a82626 28487e c4c6ca 2c2c30 50704e | smooth 9 0.4 | 1.5 | o
4 motorcycle | motorbike | a02424 26262a 30509a c86a20 | panel 8 0.4 | 1.2 | o
5 airplane | plane | d8dadd c2c8d0 e6e2da | panel 7 0.4 | 3.0 | so
6 bus | bus | c23a2e d8a826 3a6ab0 e4e2dc | panel 5 0.6 | 3.0 | o
7 train | train | b83a30 35608a d4b43a 5c6c64 | panel 8 0.8 | 3.3 | o
8 truck | truck | d8d4cc 3c5a8c 9c3c30 4c6c44 | panel 6 0.6 | 3.0 | o
9 boat | boat ship | 8e4a34 36506e e0dcd0 5a6a4a | board 9 0.5 | 2.4 | w
10 traffic light | lamp | 2c3030 44463a c8a428 | flat 4 1 | 1.0 | a
11 fire hydrant | hydrant | b83028 d0a828 4878a0 | smooth 12 0.3 | 0.8 | o
13 stop sign | sign | b42424 a01e28 | flat 4 1 | 2.0 | o
14 parking meter | meter | 5c6468 3c4448 7c7460 | smooth 8 0.3 | 1.3 | o
15 bench | bench | 7c5634 5a4634 4c6448 | board 14 0.4 | 0.9 | o
16 bird | bird flyer | 7a5a3c 4a6a8e c0b8a8 3a3a3e | fur 16 0.4 | 0.35 | sow
17 cat | cat | b8783c 6a6460 2e2a2a d8cab4 | fur 20 0.5 | 0.4 | i
18 dog | dog | a67c4a 4a3424 d6c6a4 303034 | fur 18 0.6 | 0.6 | oi
19 horse | horse | 6a3c22 3a2a20 a87a4e | smooth 14 0.5 | 1.7 | o
20 sheep | sheep | dcd6c6 c4bca8 ece8dc | wool 22 0.6 | 0.9 | o
21 cow | cow | 6e4630 2c2624 e0d6c8 | blotch 30 0.6 | 1.4 | o
22 elephant | elephant | 7c7672 6a625c 8c8078 | stone 9 0.3 | 2.6 | o
23 bear | bear | 3a281e 5c4028 d8d4c8 | fur 14 0.6 | 1.2 | o
24 zebra | horse | c8c4bc d4d0c8 | zebra 62 0.35 | 1.5 | o
25 giraffe | giraffe | c08c48 b07c3c | giraffe 34 0.5 | 3.6 | o
27 backpack | bag case | 2c4c7c 8c3030 3c3c40 4c6c3c | fold 10 0.4 | 0.5 | oi
28 umbrella | umbrella | b83040 3058a0 d8b030 3c3c40 | stripe 16 0.8 | 1.1 | o
31 handbag | bag | 6c3c24 2a2628 a0784c b04058 | smooth 10 0.3 | 0.35 | oi
32 tie | tie | 8c2030 2c3c78 3c5c40 | stripe 26 0.4 | 0.5 | a
33 suitcase | case | 3c4048 7c2c2c 4c5c8c | bar 8 0.5 | 0.7 | i
34 frisbee | disk | d84030 3070c8 e0d040 | flat 4 1 | 0.3 | so
35 skis | stick | 3858b0 c83838 e0e0e0 | flat 5 1 | 0.5 | o
36 snowboard | stick | 40a080 b040a0 303040 | stripe 20 0.5 | 0.7 | o
37 sports ball | ball | e0e0d8 c8d840 c86828 | spot 20 0.3 | 0.3 | os
38 kite | kite | d83838 38a0d8 e8c830 8038b0 | check 26 1 | 1.2 | s
39 baseball bat | stick | a87848 4c3828 c09868 | wood 8 0.3 | 0.6 | o
40 baseball glove | roll | 7c4a24 5a3418 | fold 12 0.3 | 0.3 | o
41 skateboard | flat | 2c2c34 a03838 3878a0 | stripe 14 0.5 | 0.25 | o
42 surfboard | stick | e8e0d0 e0c040 40a8c0 | stripe 14 1 | 0.9 | w
43 tennis racket | racket | 303038 b03030 3060a0 | flat 4 1 | 0.7 | o
44 bottle | bottle | 2e5c38 5c3a22 8ea6a0 a83232 | smooth 12 0.3 | 0.3 | t
46 wine glass | glass | b8c4c8 a8b8bc c8d0d0 | smooth 8 0.3 | 0.22 | t
47 cup | cup | e0dcd4 3c6c9c b04838 4c4c50 | smooth 10 0.3 | 0.13 | t
48 fork | fork | a8acb0 9098a0 | flat 6 1 | 0.22 | t
49 knife | stick | b0b4b8 989ca0 | flat 5 1 | 0.12 | t
50 spoon | racket | a0a4a8 b4b4b0 | smooth 9 0.3 | 0.2 | t
51 bowl | bowl | d8d4cc 4878a0 a85838 88a070 | smooth 9 0.3 | 0.13 | t
52 banana | banana | e0c440 d0b030 a8b838 | grain 8 1 | 0.12 | t
53 apple | fruit | b02c28 88a838 c84830 | smooth 14 0.3 | 0.1 | t
54 sandwich | roll | c89858 b08040 d8b478 | grain 14 1 | 0.12 | t
55 orange | fruit | e08828 d87820 | grain 9 0.5 | 0.1 | t
56 broccoli | tree | 3c7c34 4c8c3c 2c6430 | wool 20 0.4 | 0.14 | t
57 carrot | stick | e07828 d86820 | bar 9 0.5 | 0.12 | t
58 hot dog | roll | d0a060 c89050 | smooth 10 0.3 | 0.1 | t
59 pizza | dish | d09040 c87830 d8a850 | blotch 26 0.3 | 0.16 | t
60 donut | ring | c08048 e8a0b0 5c3420 | spot 16 0.3 | 0.1 | t
61 cake | cake | f0e4d0 5a3420 e8b8c0 | board 12 0.5 | 0.18 | t
62 chair | chair | 8a5a34 b04038 3c3a44 c8b48c | board 12 0.4 | 1.0 | i
63 couch | sofa | 7a4a3a 4c5c6e b8a684 5a3e5a | check 9 1 | 0.95 | i
64 potted plant | plant | 3c6e34 557f3a 2e5638 | leaf 24 0.6 | 0.8 | i
65 bed | bed | c8b8a8 7c8cac a05858 e0dcd4 | fold 12 0.8 | 0.9 | i
67 dining table | table | 8c6440 a8804e d6cab6 | wood 14 0.6 | 0.8 | i
70 toilet | toilet | e4e2dc d8d4cc e8e8e8 | flat 3 1 | 0.8 | i
72 tv | tv | 20242c 2c4468 46586c | smooth 18 0.4 | 0.7 | ia
73 laptop | laptop | 30405c 4c7ca8 a8b8c8 | text 12 0.5 | 0.28 | t
74 mouse | roll | 2c2c30 c8c8c8 | flat 3 1 | 0.06 | t
75 remote | flat | 2c2c30 4c4c50 | spot 20 0.3 | 0.06 | t
76 keyboard | flat | 2c2c30 d0d0cc | tile 26 0.35 | 0.12 | t
77 cell phone | phone | 2c3444 5c8cb0 | text 12 0.3 | 0.15 | t
78 microwave | plate | c8c8c8 34363a | panel 7 0.5 | 0.32 | t
79 oven | box | b8bcc0 2c2e32 d8d8d4 | panel 7 0.5 | 0.95 | i
80 toaster | plate | c0c4c8 b03838 | smooth 12 0.3 | 0.22 | t
81 sink | sink | c8ccd0 e0e0dc | smooth 8 0.3 | 0.25 | t
82 refrigerator | box | d8dadc b8bcc0 3c3e42 | panel 6 1 | 1.7 | i
84 book | plate | a03838 3c5c8c 4c7c4c c8a850 | text 14 0.4 | 0.22 | t
85 clock | disk | e4e0d4 c8b888 34363a | spot 8 0.3 | 0.4 | a
86 vase | vase | 4870a0 a85838 d8d0c0 508068 | spot 18 0.4 | 0.32 | t
87 scissors | scissors | c83838 303034 3868b0 | flat 4 1 | 0.18 | t
88 teddy bear | teddy | a8743c c89c68 7c5434 | wool 16 0.4 | 0.4 | it
89 hair drier | dryer | 303034 b04878 c8c8c8 | smooth 9 0.3 | 0.22 | t
90 toothbrush | stick | 38a0c8 d84878 48b068 | flat 4 1 | 0.08 | t
"""

_STUFF = """
157 sky-other | sky | 8cb4e0 a4c4e8 7ca4d8 c8d8e8 | smooth 6 1.5
106 clouds | sky | d8dce0 c8ccd4 e4e4e4 | cloud 20 1
120 fog | sky | c8ccc8 bcc4c4 | smooth 4 1.5
169 tree | back | 3e5c30 4f6a38 2f4a2c 5c7038 | leaf 22 1
96 building-other | back | b49c84 c8c0b0 8c8a88 a08878 | window 20 0.8
97 bush | back | 4c6c34 5c7c3c 3c5c34 | leaf 18 0.5
135 mountain | back | 7c8898 8c94a0 6c7c8c | cloud 14 0.6
127 hill | back | 7c8a58 8c8c5c 6c7c4c | grass 9 0.6
128 house | back | c8a888 d8c8b0 a87860 | board 14 0.5
158 skyscraper | back | 7c94ac 8ca4b4 647c94 | tile 20 0.8
113 fence | back | 8c7860 6c6c6c a89880 | bar 28 0.8
146 railing | back | 4c4c50 7c7c80 | bar 26 0.5
164 structural-other | back | 8c8478 7c8488 | panel 14 0.6
95 bridge | back | 8c8478 9c948c | ashlar 14 1
151 roof | back | 94503c 7c4838 6c6460 | blind 16 0.8
150 rock | back | 8c8478 7c746c a0988c | stone 20 1
142 plant-other | back | 5c8c40 4c7c48 6c9448 | fold 22 0.4
94 branch | back | 5c4a38 6c5844 | wood 22 0.5
124 grass | ground | 6c8a3c 5a7a34 90904a 7a9c50 | grass 16 1
149 road | ground | 74747a 86827c 66666c | grain 7 1
140 pavement | ground | a8a29a 98908a b0a8a4 | slab 10 1
155 sea | ground | 48708c 3c6484 5c8ca4 | wave 13 1
111 dirt | ground | 9c7c58 8c6c48 a88860 | grain 12 1
154 sand | ground | d8c498 c8b488 e0d0a8 | grain 6 0.5
159 snow | ground | e4e8ec d8dce4 ececec | smooth 8 0.6
126 ground-other | ground | 8c8068 7c7460 | cloud 14 0.4
145 playingfield | ground | 5c9444 b07048 6ca04c | stripe 9 2
148 river | ground | 5c7c74 648480 547068 | wave 10 1.4
178 water-other | ground | 5c8494 708c98 | wave 9 0.6
125 gravel | ground | 8c8880 9c948c | pebble 16 1
144 platform | ground | a09890 b0a898 | panel 12 1
147 railroad | ground | 746860 847468 | bar 24 1
136 mud | ground | 64503c 58442f | cloud 16 0.3
129 leaves | ground | a87c38 98682c 7c7c34 | blotch 20 0.2
134 moss | ground | 7c9430 6c8828 | wool 12 0.3
163 straw | ground | d0b468 c0a458 | fur 18 0.6
172 wall-concrete | wall | a8a49c b8b4ac 98948c | cloud 8 0.6
173 wall-other | wall | d8cdb8 c8b8a8 e0d8cc | smooth 4 1
171 wall-brick | wall | a06048 b07858 8c5444 | brick 16 1
177 wall-wood | wall | 9c7048 b08458 805838 | plank 12 1
176 wall-tile | wall | d8dcd8 a8c4c8 e0e0dc | tile 14 1
174 wall-panel | wall | c8c4b8 b4b8bc | panel 14 1
175 wall-stone | wall | 9c9080 8c8474 | stone 20 1
102 ceiling-other | ceiling | e0dcd4 d0ccc8 | smooth 4 1
103 ceiling-tile | ceiling | d8d8d4 ccccc8 | tile 10 2
118 floor-wood | floor | a87c50 8a6038 c09c70 | board 14 1
117 floor-tile | floor | c8c0b0 b0a898 d8d4cc | tile 13 1.5
101 carpet | floor | 8c5a50 5c6a7c 9c8c78 | grain 12 0.5
115 floor-other | floor | 8c8884 a09c94 | cloud 8 0.5
116 floor-stone | floor | 94908c a8a098 | stone 14 1.2
114 floor-marble | floor | d8d0c8 c8c4c0 | cloud 16 0.3
152 rug | floor | a84c3c 4c5c8c b89458 | check 22 1.4
131 mat | floor | 5c6c50 6c5c4c | net 18 0.5
161 stairs | floor | a8a098 8c7c68 | blind 26 1.6
98 cabinet | furniture | 8c6440 d8d0c0 6c4c34 | panel 16 0.8
107 counter | furniture | c8bca8 5c5854 b0a090 | cloud 14 0.3
109 curtain | furniture | a88c78 788ca0 8c5c5c d8d0c4 | fold 20 0.8
181 window-other | furniture | a8c8e0 c8dcec 90b0cc | panel 18 0.8
123 furniture-other | furniture | 7c5c40 9c7c5c 58483c | board 14 0.8
156 shelf | furniture | 8c6848 a88460 | blind 28 1.4
112 door-stuff | furniture | 9c7450 e0dcd4 6c7c84 | panel 14 1.6
108 cupboard | furniture | a07850 c8a878 | plank 16 1.2
165 table | furniture | 8c6440 a8804e c8b090 | wood 16 0.6
110 desk-stuff | furniture | 7c5434 a07c58 | wood 12 1
133 mirror-stuff | furniture | b8c4c8 a4b4bc | smooth 18 0.4
180 window-blind | furniture | d8d4c4 c4c0b4 | blind 18 0.7
130 light | furniture | f4ecd0 f0f0e4 fce8b0 | flat 2 1
153 salad | patch | 6c9c3c 84ac48 | blotch 26 0.2
122 fruit | patch | c84838 d89038 a8b040 | stone 30 0.4
170 vegetable | patch | 4c8c3c c86030 88a848 | stone 22 0.3
121 food-other | patch | b88448 a06c3c d0a868 | wool 20 0.5
139 paper | patch | ecece4 e0e0d8 | text 18 0.6
105 clothes | patch | 4c5c8c a04848 6c6c70 c8c0b4 | fold 20 0.5
93 blanket | patch | a86c6c 6c84a0 c8b898 | check 18 1.4
141 pillow | patch | d8d0c4 a0a8b8 b88080 | smooth 14 0.3
104 cloth | patch | b8a898 8c98a8 | fold 12 0.4
167 textile-other | patch | 8c5c7c 5c7c7c | net 16 0.6
168 towel | patch | e0d8d0 88a8c0 c89090 | wool 12 0.3
137 napkin | patch | e8e8e4 d84848 | check 14 0.4
119 flower | patch | d85878 e0c040 c878c8 e8e0e0 | spot 34 0.5
92 banner | patch | b83838 3858a0 d8c040 | text 26 1.2
132 metal | patch | 9ca0a4 84888c | bar 10 0.6
143 plastic | patch | c8d0d8 4878b0 d85050 | smooth 20 0.3
182 wood | patch | 9c7448 7c5834 | wood 20 0.8
100 cardboard | patch | b08c5c a07c4c | plank 7 0.6
160 solid-other | patch | 7c7c80 8c7c6c | panel 12 0.4
162 stone | patch | 8c8880 a09890 | pebble 20 0.8
99 cage | patch | 5c5c60 8c8c90 | net 36 1
138 net | patch | c8c8c0 6c6c68 | net 40 0.6
166 tent | patch | c86838 4878a0 58785c | stripe 16 1.6
179 waterdrops | patch | b8d0dc a4c0d0 | spot 24 0.25
"""


@dataclass(frozen=True)
class Thing:
    """A class of things: label value, name, outlines, surface, height in metres, places where it is met."""

    label: int
    name: str
    shapes: tuple[str, ...]
    look: Look
    height_m: float
    places: str


@dataclass(frozen=True)
class Stuff:
    """A class of stuff: label value, name, the part of a scene that it fills, surface."""

    label: int
    name: str
    slot: str
    look: Look


def _fields(line: str) -> tuple[int, str, list[str]]:
    first, *others = (field.strip() for field in line.split("|"))
    number, _, name = first.partition(" ")
    return int(number) - 1, name, others


def _surface(colours: str, texture: str) -> Look:
    kind, contrast, scale = texture.split()
    return look(colours, kind, float(contrast), float(scale))


def _thing(line: str) -> Thing:
    label, name, (shapes, colours, texture, height, places) = _fields(line)
    return Thing(label, name, tuple(shapes.split()), _surface(colours, texture), float(height), places)


def _stuff(line: str) -> Stuff:
    label, name, (slot, colours, texture) = _fields(line)
    return Stuff(label, name, slot, _surface(colours, texture))


THINGS = tuple(_thing(line) for line in _THINGS.strip().splitlines())
STUFF = tuple(_stuff(line) for line in _STUFF.strip().splitlines())
SLOTS = {slot: [entry for entry in STUFF if entry.slot == slot] for slot in {entry.slot for entry in STUFF}}
