"""Horizontal bars with their intervals, as SVG. No library: the pictures are rectangles and words."""

from html import escape

COLOURS = {"bare C": "#8a8f98", "Pando": "#2f7d4f"}


def bars(title, unit, groups):
    """`groups`: [(name, [(program, median, low, high)])]; the axis is logarithmic."""
    values = [value for _, rows in groups for _, *numbers in rows for value in numbers if value > 0]
    if not values:
        return ""
    low, high = min(values) / 1.3, max(values) * 1.3
    left, width, line = 130, 560, 18

    from math import log

    def place(value):
        return left + width * log(max(value, low) / low) / log(high / low)

    y, parts = 50, []
    for name, rows in groups:
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{escape(name)}</text>')
        y += line
        for program, median, first, last in rows:
            colour = COLOURS.get(program, "#c98a3c")
            parts.append(f'<text x="{left - 8}" y="{y}" text-anchor="end">{escape(program)}</text>')
            parts.append(f'<rect x="{left}" y="{y - 11}" width="{place(median) - left:.1f}" height="13" fill="{colour}"/>')
            parts.append(
                f'<path d="M{place(first):.1f} {y - 4.5}H{place(last):.1f}" stroke="#222" stroke-width="1.5"/>')
            parts.append(f'<text x="{place(last) + 6:.1f}" y="{y}">{number(median)}</text>')
            y += line
        y += line / 2
    head = f'<text x="10" y="22" font-size="15" font-weight="bold">{escape(title)} ({escape(unit)}, logarithmic)</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{y + 10:.0f}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        f'{head}{"".join(parts)}</svg>\n')


def number(value):
    """Three digits, as people write them."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else f"{value:.1e}"
