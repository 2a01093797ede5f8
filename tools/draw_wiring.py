"""Draws the wiring diagrams of docs/INSTALL.md: the header of a Raspberry Pi, and what is wired to which of its pins.

Usage: python tools/draw_wiring.py [FOLDER]; without FOLDER docs/wiring. Same files every time. Nothing in them comes from outside, the
ground is white and every wire is told apart by its dashes and its words too, so that they can be printed without colours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

# Physical pin -> its name. From the documentation of the Raspberry Pi's 40-pin header; the same on every model that has 40 pins.
NAMES = """
    3.3 V,  5 V,    GPIO2 SDA, 5 V,   GPIO3 SCL, GND,    GPIO4,  GPIO14 TXD, GND,    GPIO15 RXD,
    GPIO17, GPIO18, GPIO27,    GND,   GPIO22,    GPIO23, 3.3 V,  GPIO24,     GPIO10, GND,
    GPIO9,  GPIO25, GPIO11,    GPIO8, GND,       GPIO7,  GPIO0,  GPIO1,      GPIO5,  GND,
    GPIO6,  GPIO12, GPIO13,    GND,   GPIO19,    GPIO16, GPIO26, GPIO20,     GND,    GPIO21
"""
HEADER: Mapping[int, str] = {pin: name.strip() for pin, name in enumerate(NAMES.split(","), 1)}

Point = tuple[float, float]
WIDTH, TOP, PITCH = 1000, 96, 27
BODY_LEFT, BODY_RIGHT = 350, 650  # the header's frame; wires end at it
ODD_X, EVEN_X, RADIUS = 474, 526, 11
BOTTOM = TOP + 20 * PITCH
GROUND_WIRE, WATTS_5, WATTS_3 = "black: ground", "red: 5 V", "orange: 3.3 V"


@dataclass(frozen=True, slots=True)
class Wire:
    """How a wire looks: its colour, and the dashes that tell it apart without colours."""

    colour: str
    dash: str = ""


LOOKS: Mapping[str, Wire] = {
    "black": Wire("#000000"),
    "red": Wire("#c62828", "14 4"),
    "orange": Wire("#c75300", "14 4 3 4"),
    "blue": Wire("#0b57a4", "7 4"),
    "green": Wire("#1b7a2f", "3 3"),
    "violet": Wire("#6a1b9a", "18 3 3 3 3 3"),
    "grey": Wire("#555555", "2 5"),
}


@dataclass(slots=True)
class Sheet:
    """One drawing, as it grows. said: what it shows, for those who do not see it."""

    title: str
    said: str
    height: float = BOTTOM + 64
    parts: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, words: str, *, anchor: str = "start", size: int = 15, bold: bool = False, colour: str = "#000"
    ) -> None:
        """One line of words."""
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}>{escape(words)}</text>'
        )

    def lines(self, x: float, y: float, words: Iterable[str], *, anchor: str = "start", size: int = 14) -> None:
        """Several lines of words."""
        for number, line in enumerate(words):
            self.text(x, y + number * (size + 5), line, anchor=anchor, size=size)

    def box(self, x: float, y: float, w: float, h: float, *, fill: str = "#fff", stroke: float = 2, round_: float = 4) -> None:
        """A rectangle."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="{round_:g}" '
            f'fill="{fill}" stroke="#000" stroke-width="{stroke:g}"/>'
        )

    def disc(self, x: float, y: float, r: float, *, fill: str = "#fff", stroke: float = 2) -> None:
        """A circle."""
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="{r:g}" fill="{fill}" stroke="#000" stroke-width="{stroke:g}"/>')

    def path(self, points: Iterable[Point], *, width: float = 2, fill: str = "none", closed: bool = False) -> None:
        """A black line through these points."""
        way = " ".join(f"{x:g},{y:g}" for x, y in points)
        kind = "polygon" if closed else "polyline"
        self.parts.append(f'<{kind} points="{way}" fill="{fill}" stroke="#000" stroke-width="{width:g}" stroke-linejoin="round"/>')

    def wire(self, colour: str, *points: Point) -> None:
        """A wire through these points, with a dot at both ends. An earlier one that it crosses is interrupted: they do not touch."""
        look = LOOKS[colour]
        way = " ".join(f"{x:g},{y:g}" for x, y in points)
        dash = f' stroke-dasharray="{look.dash}"' if look.dash else ""
        self.parts.append(f'<polyline points="{way}" fill="none" stroke="#fff" stroke-width="9"/>')
        self.parts.append(f'<polyline points="{way}" fill="none" stroke="{look.colour}" stroke-width="3.5" stroke-linejoin="round"{dash}/>')
        for x, y in (points[0], points[-1]):
            self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="5" fill="{look.colour}"/>')

    def whole(self) -> str:
        """The file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height:g}" width="{WIDTH}" height="{self.height:g}" '
            'role="img" aria-labelledby="title said" font-family="DejaVu Sans, Verdana, Arial, sans-serif">'
        )
        about = f'<title id="title">{escape(self.title)}</title>\n<desc id="said">{escape(self.said)}</desc>'
        ground = f'<rect width="{WIDTH}" height="{self.height:g}" fill="#fff"/>'
        return "\n".join([head, about, ground, *self.parts, "</svg>"]) + "\n"


def row_y(pin: int) -> float:
    """The height of a pin's middle."""
    return TOP + ((pin - 1) // 2) * PITCH + PITCH / 2


def edge(pin: int) -> Point:
    """Where the wire of a pin ends, at the header's frame."""
    return (BODY_LEFT if pin % 2 else BODY_RIGHT), row_y(pin)


def draw_header(sheet: Sheet, used: Iterable[int]) -> None:
    """All 40 pins with their names, those that are used in black."""
    used = set(used)
    sheet.text(WIDTH / 2, 34, sheet.title, anchor="middle", size=21, bold=True)
    sheet.text(WIDTH / 2, TOP - 14, "microSD card at this end", anchor="middle", size=13)
    sheet.box(BODY_LEFT, TOP - 4, BODY_RIGHT - BODY_LEFT, 20 * PITCH + 8, fill="#f4f4f4")
    for pin, name in HEADER.items():
        _draw_pin(sheet, pin, name, used=pin in used)
    sheet.text(WIDTH / 2, BOTTOM + 24, "USB sockets at this end", anchor="middle", size=13)


def _draw_pin(sheet: Sheet, pin: int, name: str, *, used: bool) -> None:
    odd = pin % 2 == 1
    x, y = (ODD_X if odd else EVEN_X), row_y(pin)
    if used:
        left = BODY_LEFT + 3 if odd else WIDTH / 2 + 2
        sheet.box(left, y - PITCH / 2 + 2, (BODY_RIGHT - BODY_LEFT) / 2 - 5, PITCH - 4, fill="#fff", stroke=1.5, round_=6)
    fill = "#000" if used else "#fff"
    if name == "GND":
        sheet.box(x - RADIUS, y - RADIUS, 2 * RADIUS, 2 * RADIUS, fill=fill, stroke=1.5, round_=1)
    else:
        sheet.disc(x, y, RADIUS, fill=fill, stroke=1.5)
    sheet.text(x, y + 4, str(pin), anchor="middle", size=11, bold=used, colour="#fff" if used else "#444")
    sheet.text(
        x - 18 if odd else x + 18, y + 5, name, anchor="end" if odd else "start", size=13, bold=used, colour="#000" if used else "#555"
    )


def say_wire(sheet: Sheet, pin: int, words: str) -> None:
    """What a wire is, above it, where it leaves the header."""
    x, y = edge(pin)
    sheet.text(x - 12 if pin % 2 else x + 12, y - 7, words, anchor="end" if pin % 2 else "start", size=12)


# --- what is wired to it ------------------------------------------------------------------------------------------------------


def draw_push_button(sheet: Sheet, x: float, y: float) -> None:
    """A push button that closes, its two contacts 60 apart, one above the other, at x."""
    sheet.box(x - 74, y - 18, 74, 96, round_=8)
    sheet.disc(x - 16, y, 5, fill="#000")
    sheet.disc(x - 16, y + 60, 5, fill="#000")
    sheet.path([(x, y), (x - 16, y)])
    sheet.path([(x, y + 60), (x - 16, y + 60)])
    sheet.path([(x - 28, y + 4), (x - 28, y + 56)], width=4)
    sheet.path([(x - 28, y + 30), (x - 54, y + 30)], width=3)
    sheet.path([(x - 54, y + 12), (x - 54, y + 48)], width=6)


def draw_resistor(sheet: Sheet, x: float, y: float, value: str, *, wide: float = 70) -> None:
    """A resistor that lies, its left end at x."""
    sheet.box(x, y - 10, wide, 20, round_=1)
    sheet.text(x + wide / 2, y + 5, value, anchor="middle", size=13, bold=True)


def draw_led(sheet: Sheet, x: float, y: float, *, below: float) -> None:
    """An LED that stands: its anode above at y, its cathode below."""
    middle = (y + below) / 2
    sheet.path([(x, y), (x, middle - 14)])
    sheet.path([(x - 16, middle - 14), (x + 16, middle - 14), (x, middle + 12)], closed=True, fill="#ddd")
    sheet.path([(x - 16, middle + 12), (x + 16, middle + 12)], width=4)
    sheet.path([(x, middle + 12), (x, below)])
    for up in (0, 12):
        sheet.path([(x - 22, middle - 6 + up), (x - 38, middle - 16 + up)], width=1.5)
        sheet.path([(x - 31, middle - 17 + up), (x - 38, middle - 16 + up), (x - 35, middle - 9 + up)], width=1.5)


def draw_buzzer(sheet: Sheet, x: float, y: float) -> None:
    """An active buzzer: plus above at (x, y), minus 70 below."""
    sheet.disc(x - 50, y + 35, 42)
    sheet.disc(x - 50, y + 35, 5, fill="#000")
    sheet.text(x - 24, y + 22, "+", anchor="middle", size=20, bold=True)
    sheet.text(x - 24, y + 62, "\u2212", anchor="middle", size=20, bold=True)
    sheet.path([(x - 25, y), (x, y)])
    sheet.path([(x - 25, y + 70), (x, y + 70)])


def draw_transistor(sheet: Sheet, x: float, y: float) -> None:
    """An NPN transistor: base at the right (x, y), collector above and emitter below its middle at x - 40."""
    sheet.disc(x - 34, y, 28)
    sheet.path([(x, y), (x - 26, y)])
    sheet.path([(x - 26, y - 16), (x - 26, y + 16)], width=5)
    sheet.path([(x - 26, y - 7), (x - 46, y - 18), (x - 46, y - 34)])
    sheet.path([(x - 26, y + 7), (x - 46, y + 18), (x - 46, y + 34)])
    sheet.path([(x - 46, y + 18), (x - 37, y + 18), (x - 42, y + 10)], closed=True, fill="#000", width=1)


def draw_diode(sheet: Sheet, x: float, y: float, below: float) -> None:
    """A diode that stands, its ring (the cathode) above."""
    middle = (y + below) / 2
    sheet.path([(x, y), (x, below)])
    sheet.path([(x - 10, middle + 10), (x + 10, middle + 10), (x, middle - 8)], closed=True, fill="#000")
    sheet.path([(x - 11, middle - 9), (x + 11, middle - 9)], width=4)


# --- the drawings ---------------------------------------------------------------------------------------------------------------


def header() -> Sheet:
    """The header and where it is on the board."""
    sheet = Sheet(
        "The 40-pin header of a Raspberry Pi",
        "All 40 pins with their names, and a board lying so that its header is at the right edge and its USB sockets point down: "
        "pin 1 is then at the upper left end of the header, pin 2 beside it at the edge of the board, pin 40 at the lower right end.",
    )
    draw_header(sheet, ())
    sheet.text(20, 92, "Hold the board so:", bold=True)
    sheet.lines(20, 116, ("USB sockets towards you,", "header at the right edge.", "Pin 1 is then at the top left."))
    sheet.box(60, 190, 190, 290, fill="#eee", round_=12)
    sheet.box(206, 206, 32, 190, fill="#fff")
    sheet.disc(215, 215, 5, fill="#000")
    sheet.path([(214, 208), (196, 180), (150, 180)], width=1.5)
    sheet.text(146, 184, "pin 1", anchor="end", size=14, bold=True)
    sheet.text(130, 212, "microSD", anchor="middle", size=13)
    for left in (74, 134, 194):
        sheet.box(left, 440, 46, 56)
    sheet.text(155, 520, "USB, network", anchor="middle", size=13)
    sheet.text(20, 560, "Square: ground (GND).", size=14)
    sheet.lines(20, 584, ("Never connect 5 V to any", "other pin: it destroys the board."))
    sheet.text(690, 92, "What is used here", bold=True)
    for number, (pin, use) in enumerate(USES.items()):
        y = 122 + number * 27
        sheet.text(690, y, f"pin {pin}", size=13, bold=True)
        sheet.text(746, y, f"{HEADER[pin].split(' ', maxsplit=1)[0] if 'GPIO' in HEADER[pin] else HEADER[pin]}: {use}", size=13)
    return sheet


USES: Mapping[int, str] = {
    1: "receiver's supply",
    2: "buzzer's supply",
    6: "receiver's ground",
    8: "to the receiver's RX",
    10: "from the receiver's TX",
    9: "button's ground",
    11: "BUTTON",
    13: "LAMP",
    15: "BUZZER",
    18: "ARMED LAMP (if wanted)",
    20: "armed lamp's ground",
    25: "lamp's ground",
    39: "buzzer's ground",
}
CONFIGURED: Mapping[int, str] = {11: "button.line", 13: "indicator.lamp_line", 15: "indicator.buzzer_line", 18: "indicator.armed_line"}


def button() -> Sheet:
    """The button."""
    sheet = Sheet(
        "Panic button: pins 11 and 9",
        "A push button that closes when pressed. One contact goes to pin 11, GPIO17, by a blue wire. The other goes to pin 9, ground, by a "
        "black wire. Nothing else is needed: the resistor to 3.3 V is inside the computer.",
    )
    draw_header(sheet, (9, 11))
    draw_push_button(sheet, 150, 201)
    sheet.wire("black", edge(9), (250, row_y(9)), (250, 201), (150, 201))
    sheet.wire("blue", edge(11), (250, row_y(11)), (250, 261), (150, 261))
    say_wire(sheet, 9, "black")
    sheet.text(338, row_y(11) + 18, "blue", anchor="end", size=12)
    sheet.text(76, 168, "Push button, normally open", bold=True)
    sheet.lines(76, 310, ("It closes when pressed.", "Its two wires may be swapped."))
    sheet.text(690, 110, "A cable longer than 1 m,", bold=True)
    sheet.lines(
        690,
        134,
        ("or one that runs beside an engine or a", "radio, needs three more parts: see the", "drawing of a button on a long cable."),
    )
    sheet.text(690, 220, "A button that opens when pressed", bold=True)
    sheet.lines(
        690,
        244,
        (
            "(normally closed) works, too: setup",
            "finds it out. A wire that falls off",
            "then feels like a press; with the",
            "usual kind it feels like nothing:",
            "so try the button every month.",
        ),
    )
    return sheet


def long_cable() -> Sheet:
    """The button at the end of a cable that picks up noise."""
    sheet = Sheet(
        "A button on a long cable: pins 11, 9 and 1",
        "Close to the board, the blue wire of the cable is held at 3.3 volt by a resistor of 2.2 kiloohm from pin 1, and goes through one "
        "of 1 kiloohm to pin 11; from pin 11 a capacitor of 100 nanofarad goes to ground, pin 9. The two wires of the cable are twisted.",
    )
    draw_header(sheet, (1, 9, 11))
    line_y = row_y(11)
    sheet.wire("orange", edge(1), (110, row_y(1)), (110, 140))
    sheet.box(99, 140, 22, 56)
    sheet.lines(24, 164, ("2.2 k\u03a9",), size=13)
    sheet.wire("blue", (110, 196), (110, line_y), (110, 430))
    sheet.wire("blue", (110, line_y), (150, line_y))
    draw_resistor(sheet, 150, line_y, "1 k\u03a9")
    sheet.wire("blue", (220, line_y), (270, line_y), edge(11))
    sheet.wire("black", edge(9), (334, row_y(9)), (334, 372), (160, 372), (160, 430))
    _draw_capacitor(sheet, 270, line_y, 372)
    sheet.disc(110, line_y, 6, fill="#000")
    return _finish_long_cable(sheet)


def _draw_capacitor(sheet: Sheet, x: float, y: float, below: float) -> None:
    middle = (y + below) / 2
    sheet.path([(x, y), (x, middle - 5)])
    sheet.path([(x - 16, middle - 5), (x + 16, middle - 5)], width=4)
    sheet.path([(x - 16, middle + 5), (x + 16, middle + 5)], width=4)
    sheet.path([(x, middle + 5), (x, below)])
    sheet.disc(x, y, 6, fill="#000")
    sheet.disc(x, below, 6, fill="#000")
    sheet.text(x - 22, middle + 5, "100 nF", anchor="end", size=13, bold=True)


def _finish_long_cable(sheet: Sheet) -> Sheet:
    for step in range(4):
        y = 434 + step * 20
        sheet.path([(110, y), (160, y + 20)], width=2.5)
        sheet.path([(160, y), (110, y + 20)], width=2.5)
    sheet.lines(178, 466, ("cable: twisted pair", "to the button"), size=13)
    sheet.path([(110, 514), (110, 546), (92, 546)])
    sheet.path([(160, 514), (160, 606), (92, 606)])
    draw_push_button(sheet, 92, 546)
    sheet.text(690, 110, "All three close to the board", bold=True)
    words = (
        "2.2 k\u03a9 (red, red, red) holds the wire",
        "up against noise: the resistor inside",
        "the board (some 50 k\u03a9) is too weak.",
        "",
        "1 k\u03a9 (brown, black, red) and 100 nF",
        "keep sparks and radio out of the pin.",
        "Mind their order: 2.2 k\u03a9 on the",
        "cable's side, 100 nF at the pin.",
        "",
        "Where the receiver has pin 1 already,",
        "pin 17 gives 3.3 V as well.",
        "",
        "The agent itself ignores what is",
        "shorter than 20 ms, and the finger",
        "has to hold the button for 1.5 s.",
    )
    sheet.lines(690, 134, words)
    return sheet


def lamp() -> Sheet:
    """Lamp and armed lamp."""
    sheet = Sheet(
        "Lamp: pins 13 and 25. Armed lamp: pins 18 and 20",
        "A light-emitting diode: pin 13, GPIO27, goes by a green wire through a resistor of 330 ohm to its longer leg, its shorter leg "
        "goes by a black wire to pin 25, ground. The armed lamp, if wanted, is wired alike to pin 18, GPIO24, and pin 20, ground.",
    )
    draw_header(sheet, (13, 18, 20, 25))
    sheet.wire("green", edge(13), (262, row_y(13)), (230, row_y(13)))
    draw_resistor(sheet, 160, row_y(13), "330 \u03a9")
    sheet.wire("green", (160, row_y(13)), (110, row_y(13)), (110, 300))
    draw_led(sheet, 110, 300, below=390)
    sheet.wire("black", edge(25), (110, row_y(25)), (110, 390))
    say_wire(sheet, 13, "green")
    say_wire(sheet, 25, "black")
    sheet.text(24, 210, "The lamp: an LED", bold=True)
    sheet.text(130, 312, "longer leg", size=13)
    sheet.text(130, 386, "shorter leg, flat side", size=13)
    sheet.wire("grey", edge(18), (760, row_y(18)))
    draw_resistor(sheet, 760, row_y(18), "330 \u03a9")
    sheet.wire("grey", (830, row_y(18)), (890, row_y(18)), (890, 380))
    draw_led(sheet, 890, 380, below=470)
    sheet.wire("black", edge(20), (720, row_y(20)), (720, 500), (890, 500), (890, 470))
    say_wire(sheet, 18, "grey")
    sheet.text(664, row_y(20) + 18, "black", size=12)
    sheet.text(690, 254, "The armed lamp, if you want one", bold=True)
    sheet.lines(690, 274, ("(armed_line = 24): lit while a", "press would reach dispatch"), size=13)
    sheet.text(870, 392, "longer leg", size=13, anchor="end")
    sheet.lines(
        24,
        520,
        (
            "Without the resistor the LED and",
            "the pin break. 330 \u03a9: orange,",
            "orange, brown. 12 V lamps and",
            "strips: never on these pins.",
        ),
        size=13,
    )
    return sheet


def buzzer() -> Sheet:
    """The buzzer."""
    sheet = Sheet(
        "Buzzer with a transistor: pins 15, 2 and 39",
        "An active buzzer for 5 volts. Its plus goes by a red wire to pin 2, 5 V. Its minus goes to the collector of an NPN transistor. "
        "The transistor's base goes through a resistor of 1 kiloohm by a violet wire to pin 15, GPIO22; its emitter by a black wire to "
        "pin 39, ground. A diode lies across the buzzer, its ring at the plus.",
    )
    draw_header(sheet, (2, 15, 39))
    plus, minus = 150.0, 220.0
    sheet.wire("red", edge(2), (680, row_y(2)), (680, 62), (330, 62), (330, plus), (120, plus))
    draw_buzzer(sheet, 120, plus)
    draw_diode(sheet, 190, plus, minus)
    sheet.disc(190, plus, 5, fill="#000")
    sheet.disc(190, minus, 5, fill="#000")
    sheet.path([(120, minus), (214, minus), (214, row_y(15) + 10)])
    base_y = row_y(15) + 44
    draw_transistor(sheet, 260, base_y)
    sheet.wire("violet", edge(15), (338, row_y(15)), (338, base_y), (334, base_y))
    draw_resistor(sheet, 264, base_y, "1 k\u03a9")
    sheet.path([(260, base_y), (264, base_y)])
    sheet.wire("black", edge(39), (214, row_y(39)), (214, base_y + 34))
    sheet.text(346, 78, "red", anchor="start", size=12)
    say_wire(sheet, 39, "black")
    sheet.text(338, row_y(15) - 7, "violet", anchor="end", size=12)
    return _explain_buzzer(sheet, base_y)


def _explain_buzzer(sheet: Sheet, base_y: float) -> Sheet:
    sheet.text(24, 128, "Active buzzer, 5 V", bold=True)
    sheet.lines(204, 180, ("diode", "1N4148,", "ring up"), size=12)
    sheet.text(30, base_y - 24, "collector", size=12)
    sheet.path([(88, base_y - 28), (206, base_y - 28)], width=1)
    sheet.text(30, base_y + 40, "emitter", size=12)
    sheet.path([(80, base_y + 36), (206, base_y + 36)], width=1)
    sheet.text(30, base_y + 8, "transistor BC337", size=14, bold=True)
    sheet.lines(
        24,
        470,
        ("BC337, its flat side", "towards you, legs down:", "collector, base, emitter.", "Resistor 1 k\u03a9: brown,", "black, red."),
        size=13,
    )
    x, y = 60, 572
    sheet.path([(x, y + 40), (x, y), (x + 60, y), (x + 60, y + 40)], closed=True, fill="#ddd")
    for number, name in enumerate(("C", "B", "E")):
        sheet.path([(x + 12 + number * 18, y + 40), (x + 12 + number * 18, y + 66)], width=3)
        sheet.text(x + 12 + number * 18, y + 84, name, anchor="middle", size=13, bold=True)
    sheet.text(690, 150, "Simpler", bold=True)
    sheet.lines(
        690,
        174,
        (
            "A buzzer module with its own",
            "transistor (three pins, active",
            "HIGH): its VCC to pin 2, its GND",
            "to pin 39, its I/O or S to pin 15.",
            "",
            "Never a bare buzzer on pin 15:",
            "it draws more than a pin can give.",
        ),
    )
    return sheet


def receiver() -> Sheet:
    """The receiver on the serial pins."""
    sheet = Sheet(
        "Receiver on the serial pins: 1, 6, 8 and 10",
        "A satellite receiver module with 3.3 volt signals. Its VCC goes by an orange wire to pin 1, 3.3 V; its GND by a black wire to pin "
        "6; its TX by a blue wire to pin 10, RXD; its RX by a green wire to pin 8, TXD. Its antenna must see the sky.",
    )
    draw_header(sheet, (1, 6, 8, 10))
    ports = {"VCC": ("orange", 150.0), "GND": ("black", 200.0), "RX": ("green", 250.0), "TX": ("blue", 300.0)}
    sheet.box(790, 84, 190, 350, fill="#eee", round_=8)
    sheet.text(885, 112, "Receiver (GNSS, GPS)", anchor="middle", bold=True, size=14)
    for name, (colour, y) in ports.items():
        sheet.text(806, y + 5, f"{name}   {colour} wire", size=14, bold=True)
    heights = [y for _, y in ports.values()]
    sheet.wire("orange", edge(1), (330, row_y(1)), (330, 62), (765, 62), (765, heights[0]), (790, heights[0]))
    sheet.wire("black", edge(6), (740, row_y(6)), (740, heights[1]), (790, heights[1]))
    sheet.wire("green", edge(8), (715, row_y(8)), (715, heights[2]), (790, heights[2]))
    sheet.wire("blue", edge(10), (690, row_y(10)), (690, heights[3]), (790, heights[3]))
    sheet.text(346, 78, "orange", size=12)
    sheet.box(830, 330, 110, 84)
    sheet.text(885, 377, "antenna", anchor="middle", size=13)
    sheet.lines(
        690,
        468,
        (
            "TX and RX cross: what the receiver",
            "sends (TX) comes in at pin 10 (RXD).",
            "3.3 V signals only. A module whose",
            "TX gives 5 V breaks pin 10.",
        ),
    )
    sheet.lines(
        690, 584, ("Its antenna must see the sky: under", "glass or plastic, flat side up, not", "under metal, not below the board.")
    )
    sheet.text(20, 130, "Instead: a USB receiver", bold=True)
    sheet.lines(20, 154, ("needs no wires: plug it into any", "USB socket, and leave pins", "1, 6, 8 and 10 alone."))
    return sheet


def everything() -> Sheet:
    """All of it on one header."""
    sheet = Sheet(
        "Everything at once",
        "Button on pins 11 and 9; lamp with its resistor on pins 13 and 25; buzzer with its transistor on pins 15, 2 and 39; receiver on "
        "pins 1, 6, 8 and 10; armed lamp with its resistor on pins 18 and 20.",
    )
    draw_header(sheet, USES)
    _draw_block(sheet, (20, 110), "BUTTON", ("", ""), {9: "black", 11: "blue"})
    _draw_block(sheet, (20, 290), "LAMP + 330 \u03a9", ("", ""), {13: "green", 25: "black"})
    _draw_block(sheet, (20, 450), "BUZZER + transistor", ("", ""), {15: "violet", 39: "black"}, skip=1)
    sheet.wire("red", edge(2), (672, row_y(2)), (672, 50), (8, 50), (8, 508), (20, 508))
    sheet.text(32, 513, "+ pin 2 (5 V), red", size=13)
    _draw_block(sheet, (800, 110), "RECEIVER", ("GND", "RX", "TX"), {6: "black", 8: "green", 10: "blue"}, skip=1)
    sheet.wire("orange", edge(1), (338, row_y(1)), (338, 64), (780, 64), (780, 168), (800, 168))
    sheet.text(812, 173, "VCC pin 1 (3.3 V), orange", size=13)
    _draw_block(sheet, (800, 340), "ARMED LAMP + 330 \u03a9", ("", ""), {18: "grey", 20: "black"})
    sheet.lines(
        700,
        510,
        (
            "Check every wire against the table",
            "before you give it power: first the",
            "pin's number, then the other end.",
            "No wire may be loose.",
        ),
    )
    return sheet


# Where the wire of a pin turns off in the drawing of everything, so that as few as can be cross.
KNEES: Mapping[int, float] = {9: 290, 11: 250, 13: 250, 15: 316, 25: 283, 39: 316, 6: 740, 8: 715, 10: 690, 18: 730, 20: 700}


def _draw_block(sheet: Sheet, at: Point, title: str, names: tuple[str, ...], wires: Mapping[int, str], *, skip: int = 0) -> None:
    """A box with a wire to each of these pins. skip: rows that are left free above them."""
    (x, y), wide = at, 184
    left = x < WIDTH / 2
    sheet.box(x, y, wide, 50 + 30 * (len(wires) + skip), fill="#eee", round_=8)
    sheet.text(x + wide / 2, y + 22, title, anchor="middle", bold=True, size=14)
    for number, (pin, colour) in enumerate(wires.items()):
        port = (x + wide if left else x), y + 58 + 30 * (number + skip)
        sheet.wire(colour, edge(pin), (KNEES[pin], row_y(pin)), (KNEES[pin], port[1]), port)
        words = f"{names[number]} pin {pin}, {colour}".strip()
        sheet.text(port[0] - 12 if left else port[0] + 12, port[1] + 5, words, anchor="end" if left else "start", size=13)


def power() -> Sheet:
    """Supply in a vehicle."""
    sheet = Sheet(
        "Power in a vehicle",
        "From the battery's plus through a fuse of 3 ampere close to the battery to a converter from 12 or 24 volt to 5 volt, 3 ampere, "
        "and from there by a USB cable to the board's own power socket; from the battery's minus, or the chassis, to the converter. An "
        "uninterruptible supply between converter and board keeps it alive when the cable is cut.",
        height=430,
    )
    sheet.text(WIDTH / 2, 34, sheet.title, anchor="middle", size=21, bold=True)
    sheet.box(20, 110, 150, 130, round_=8)
    sheet.lines(40, 160, ("Battery", "12 or 24 V"), size=15)
    sheet.text(158, 146, "+", anchor="end", size=20, bold=True)
    sheet.text(158, 222, "\u2212", anchor="end", size=20, bold=True)
    sheet.wire("red", (170, 140), (220, 140))
    sheet.box(220, 128, 80, 24)
    sheet.text(260, 145, "fuse 3 A", anchor="middle", size=13, bold=True)
    sheet.wire("red", (300, 140), (390, 140))
    sheet.wire("black", (170, 215), (390, 215))
    for x, wide, words in (
        (390, 160, ("Converter", "9 to 36 V in,", "5 V 3 A out,", "for vehicles")),
        (620, 150, ("Buffer (UPS)", "if cut wires", "must not end it")),
        (840, 140, ("Raspberry Pi", "its own power", "socket (USB)")),
    ):
        sheet.box(x, 110, wide, 130, fill="#eee", round_=8)
        sheet.lines(x + 14, 140, words, size=15)
    sheet.wire("red", (550, 175), (620, 175))
    sheet.wire("red", (770, 175), (840, 175))
    sheet.text(585, 166, "5 V", anchor="middle", size=13)
    sheet.text(805, 166, "5 V", anchor="middle", size=13)
    sheet.text(24, 92, "fuse close to the battery, on PERMANENT plus (not behind the ignition)", size=14)
    sheet.lines(
        24,
        285,
        (
            "Behind the ignition the device is dead whenever the engine is off. On permanent plus it takes 3 to 6 W, day and night: half",
            "of a car's battery of 60 Ah in some three days. Where cars stand for longer, take a converter that cuts off at a set voltage",
            "(11.8 V), and know that the device is off from then on.",
            "",
            "Never the 12 V of a vehicle to the board or its pins. No plug for the cigarette lighter: it falls out, and seldom gives 3 A.",
        ),
        size=14,
    )
    return sheet


DRAWINGS: Mapping[str, Callable[[], Sheet]] = {
    "header": header,
    "button": button,
    "button-long-cable": long_cable,
    "lamp": lamp,
    "buzzer": buzzer,
    "receiver": receiver,
    "everything": everything,
    "power": power,
}


def main(folder: Path) -> None:
    """Write them all."""
    folder.mkdir(exist_ok=True)
    for name, drawing in DRAWINGS.items():
        folder.joinpath(f"{name}.svg").write_text(drawing().whole(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "wiring")
