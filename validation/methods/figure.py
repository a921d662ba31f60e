"""Points with their names over logarithmic time, a panel for each mask, as SVG."""
import math

WIDTH, HEIGHT, LEFT, TOP, GAP = 380, 330, 60, 36, 60


class Panel:
    def __init__(self, left, title, points, x_range, y_range):
        self.left, self.x_range, self.y_range, self.parts = left, x_range, y_range, []
        self.parts.append(f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#888"/>')
        self.text(left + WIDTH / 2, TOP - 12, title, "middle", 14)
        self.ticks()
        self.points(points)

    def x(self, seconds):
        a, b = (math.log(v) for v in self.x_range)
        return self.left + WIDTH * (math.log(seconds) - a) / (b - a)

    def y(self, psnr):
        a, b = self.y_range
        return TOP + HEIGHT * (b - psnr) / (b - a)

    def text(self, x, y, words, anchor="start", size=11):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{words}</text>')

    def ticks(self):
        for decade in range(-2, 5):
            for step in (1, 3):
                value = step * 10.0**decade
                if self.x_range[0] <= value <= self.x_range[1]:
                    self.parts.append(f'<path d="M{self.x(value):.1f} {TOP + HEIGHT}v5" stroke="#888"/>')
                    self.text(self.x(value), TOP + HEIGHT + 18, f"{value:g}", "middle")
        step = 2 if self.y_range[1] - self.y_range[0] > 9 else 1
        for value in range(math.ceil(self.y_range[0] / step) * step, math.floor(self.y_range[1]) + 1, step):
            self.parts.append(f'<path d="M{self.left} {self.y(value):.1f}h{WIDTH}" stroke="#eee"/>')
            self.text(self.left - 6, self.y(value) + 4, str(value), "end")

    def points(self, points):
        taken = []  # boxes of names, so that no name lies on another
        for name, seconds, psnr in sorted(points, key=lambda p: -p[2]):
            x, y = self.x(seconds), self.y(psnr)
            left = x > self.left + 0.62 * WIDTH
            width, at = 5.8 * len(name), y + 4
            start = x - 8 - width if left else x + 8
            while any(start < e and s < start + width and abs(at - v) < 12 for s, e, v in taken):
                at += 3
            taken.append((start, start + width, at))
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1f77b4"/>')
            self.text(x - 8 if left else x + 8, at, name, "end" if left else "start")


def draw(path, panels, x_label, y_label):
    """panels: (title, [(name, x, y)])."""
    every = [p for _, points in panels for p in points]
    x_range = min(p[1] for p in every) / 1.6, max(p[1] for p in every) * 1.6
    y_range = min(p[2] for p in every) - 0.8, max(p[2] for p in every) + 0.8
    width = LEFT + len(panels) * (WIDTH + GAP)
    parts = []
    for i, (title, points) in enumerate(panels):
        left = LEFT + i * (WIDTH + GAP)
        panel = Panel(left, title, points, x_range, y_range)
        panel.text(left + WIDTH / 2, TOP + HEIGHT + 38, x_label, "middle", 12)
        parts += panel.parts
    parts.append(f'<text transform="translate(16 {TOP + HEIGHT / 2}) rotate(-90)" text-anchor="middle" '
                 f'font-size="12">{y_label}</text>')
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{TOP + HEIGHT + 50}" '
                   f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")
