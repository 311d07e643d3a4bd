"""Bars as SVG, readable in light and dark: colours come from a style sheet that asks for the reader's scheme."""

from html import escape

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.note { font-size: 11px; fill: #59636e }
.title { font-size: 14px; font-weight: 600 }
.own { fill: #1a7f37 } .other { fill: #8c959f } .axis { stroke: #d1d9e0 } .line { stroke: #1a7f37; fill: none; stroke-width: 2 }
.back { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .note { fill: #9198a1 }
  .own { fill: #3fb950 } .other { fill: #656c76 } .axis { stroke: #3d444d } .line { stroke: #3fb950 }
  .back { fill: #0d1117 }
}
</style>"""

LABEL_PX, BAR_PX, ROW_PX, VALUE_PX, HEAD_PX = 150, 370, 24, 170, 52


def bars(title, unit, values):
    """`values`: (label, number or None, note). None is a tool that cannot or failed; its note says so."""
    values = list(values)
    largest = max((number for _, number, _ in values if number is not None), default=0) or 1
    height, width = HEAD_PX + 12 + ROW_PX * len(values), LABEL_PX + BAR_PX + VALUE_PX
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>{STYLE}",
        f'<rect class="back" width="{width}" height="{height}"/><text class="title" x="12" y="22">{escape(title)}</text>'
        f'<text class="note" x="12" y="40">{escape(unit)}</text>',
    ]
    for index, (label, number, note) in enumerate(values):
        y = HEAD_PX + index * ROW_PX
        parts.append(f'<text x="{LABEL_PX - 8}" y="{y + 15}" text-anchor="end">{escape(label)}</text>')
        if number is None:
            parts.append(f'<text class="note" x="{LABEL_PX}" y="{y + 15}">{escape(note)}</text>')
            continue
        length = max(1, round(BAR_PX * number / largest))
        kind = "own" if label.startswith("brigade") else "other"
        parts.append(f'<rect class="{kind}" x="{LABEL_PX}" y="{y + 3}" width="{length}" height="{ROW_PX - 8}" rx="2"/>')
        parts.append(f'<text x="{LABEL_PX + length + 6}" y="{y + 15}">{figure(number)} {escape(note)}</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)


def figure(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def lines(title, unit, points):
    """`points`: (x label, number); a chart for a few sizes, each a power of ten."""
    width, height, left, bottom = 560, 260, 60, 220
    largest = max(number for _, number in points) or 1
    step = (width - left - 40) / max(1, len(points) - 1)
    place = [(left + index * step, bottom - 160 * number / largest) for index, (_, number) in enumerate(points)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in place)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>{STYLE}",
        f'<rect class="back" width="{width}" height="{height}"/><text class="title" x="12" y="22">{escape(title)}</text>'
        f'<text class="note" x="12" y="40">{escape(unit)}</text>',
        f'<line class="axis" x1="{left}" y1="{bottom}" x2="{width - 20}" y2="{bottom}"/><polyline class="line" points="{path}"/>',
    ]
    for (label, number), (x, y) in zip(points, place):
        parts.append(f'<circle class="own" cx="{x:.1f}" cy="{y:.1f}" r="3"/><text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{escape(label)}</text>')
        parts.append(f'<text class="note" x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{figure(number)}</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)
