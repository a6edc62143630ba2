"""Line charts as inline SVG: no library, no script, readable in any browser."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 800, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 260, 40, 50
COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#b9770e", "#7d3c98", "#117a65", "#5d6d7e", "#d35400", "#2e4053", "#a93226")
_DASHES = ("", "6 3", "2 3")
STYLE = (
    "text{font:12px system-ui,sans-serif}.title{font-size:15px;font-weight:600}.tick{font-size:11px}.grid{stroke:#ddd}"
)
"""The style sheet of a page with charts. A chart in its own file contains it."""


@dataclass
class Line:
    """A named line. Points are in units of the axes."""

    name: str
    points: list[tuple[float, float]]


@dataclass
class Chart:
    """Lines over one pair of axes. If there are `categories`, x is an index into them."""

    title: str
    x_name: str
    y_name: str
    lines: list[Line] = field(default_factory=list)
    log_x: bool = False
    log_y: bool = False
    categories: Sequence[str] = ()

    def svg_file(self) -> str:
        """Return the chart as a file of its own, with a white background for pages in dark colours."""
        drawn, _, rest = self.svg().partition(">")
        return f'{drawn} xmlns="http://www.w3.org/2000/svg"><style>{STYLE}svg{{background:#fff}}</style>{rest}\n'

    def svg(self) -> str:
        """Return the chart as an SVG element, "" if it has no point."""
        lines = [line for line in self.lines if line.points]
        if not lines:
            return ""
        xs = [x for line in lines for x, _ in line.points]
        ys = [y for line in lines for _, y in line.points]
        across = _Axis(xs, LEFT, WIDTH - RIGHT, self.log_x, from_zero=False)
        up = _Axis(ys, HEIGHT - BOTTOM, TOP, self.log_y, from_zero=True)
        parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.title)}">',
            f'<text x="{LEFT}" y="22" class="title">{escape(self.title)}</text>',
            *self._grid(across, up),
        ]
        for index, line in enumerate(lines):
            parts += self._line(line, index, across, up)
        return "\n".join([*parts, "</svg>"])

    def _grid(self, across: "_Axis", up: "_Axis") -> list[str]:
        parts = []
        for value in up.ticks():
            y = up.at(value)
            parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="tick" text-anchor="end">{value:g}</text>')
        named = [(float(index), name) for index, name in enumerate(self.categories)]
        marks = named or [(x, f"{x:g}") for x in across.values()]
        for x, name in marks:
            place = across.at(x)
            parts.append(
                f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 18}" class="tick" text-anchor="middle">'
                f"{escape(name)}</text>"
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(self.x_name)}</text>')
        parts.append(
            f'<text transform="translate(16 {(HEIGHT + TOP - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
            f"{escape(self.y_name)}</text>"
        )
        return parts

    def _line(self, line: Line, index: int, across: "_Axis", up: "_Axis") -> list[str]:
        colour, dash = COLOURS[index % len(COLOURS)], _DASHES[index // len(COLOURS) % len(_DASHES)]
        points = [(across.at(x), up.at(y)) for x, y in sorted(line.points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        label_y = TOP + 14 + index * 17
        return [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points),
            (
                f'<line x1="{WIDTH - RIGHT + 14}" x2="{WIDTH - RIGHT + 36}" y1="{label_y - 4}" y2="{label_y - 4}" '
                f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
            ),
            f'<text x="{WIDTH - RIGHT + 42}" y="{label_y}" class="tick">{escape(line.name)}</text>',
        ]


class _Axis:
    """Maps values to coordinates of the picture."""

    def __init__(self, values: Sequence[float], start: float, end: float, log: bool, from_zero: bool):
        self._values, self._start, self._end = sorted(set(values)), start, end
        positive = [value for value in values if value > 0] or [1.0]
        self._log = log
        if log:
            self._low, self._high = min(positive), max(positive)
            if from_zero:
                self._low = 10 ** math.floor(math.log10(self._low))
                self._high = 10 ** math.ceil(math.log10(self._high) + 1e-9)
        else:
            self._low, self._high = (0.0 if from_zero else min(values)), max(max(values), 1e-9)
        if self._low == self._high:
            self._low, self._high = self._low * 0.5, self._high * 1.5 or 1.0

    def at(self, value: float) -> float:
        """Return the coordinate of a value."""
        if self._log:
            low, high, value = math.log(self._low), math.log(self._high), math.log(max(value, self._low))
        else:
            low, high = self._low, self._high
        return self._start + (value - low) / (high - low) * (self._end - self._start)

    def values(self) -> list[float]:
        """Return at most ten of the values."""
        step = -(-len(self._values) // 10)
        return self._values[::step]

    def ticks(self) -> list[float]:
        """Return round values for grid lines."""
        if self._log:
            first, last = math.floor(math.log10(self._low)), math.ceil(math.log10(self._high))
            steps = (1, 2, 5) if last - first <= 3 else (1,)
            values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
            return [value for value in values if self._low <= value <= self._high]
        rough = (self._high - self._low) / 6
        power = 10 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        return [step * number for number in range(math.ceil(self._low / step), int(self._high / step) + 1)]
