// The map: drawn from the track itself, without tiles. Decides how positions look; fetches and stores nothing.
// Lengths in metres, times in ms since 1970, angles in degrees; y grows to the north until it is drawn.

const SVG = "http://www.w3.org/2000/svg";
const METRES_PER_DEGREE = 111_320;
const GAP_MS = 30_000; // a longer silence is drawn dashed: nobody knows the way in between
const MARGIN = 44; // px around what must be seen

export const when = (position) => Date.parse(position.received);

// Metres east and north of an origin. Good to a few per mille over the tens of kilometres that a track spans.
export function project(origin, point) {
  const turn = ((point.longitude - origin.longitude + 540) % 360) - 180;
  return {
    x: turn * METRES_PER_DEGREE * Math.cos((origin.latitude * Math.PI) / 180),
    y: (point.latitude - origin.latitude) * METRES_PER_DEGREE,
  };
}

// Metres per second and course between the last position and one at least 3 s before it; null while there is none.
export function motion(positions) {
  const last = positions.at(-1);
  for (let index = positions.length - 2; index >= 0; index -= 1) {
    const seconds = (when(last) - when(positions[index])) / 1000;
    if (seconds < 3) continue;
    const step = project(positions[index], last);
    return { speed: Math.hypot(step.x, step.y) / seconds, course: (Math.atan2(step.x, step.y) * 180) / Math.PI };
  }
  return null;
}

// 1, 2 or 5 times a power of ten, at least `least`.
export function niceLength(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((length) => length >= least * 0.999);
}

export const lengthText = (metres) => (metres >= 1000 ? `${+(metres / 1000).toPrecision(3)} km` : `${+metres.toPrecision(3)} m`);

function node(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

export class TrackMap {
  constructor(svg) {
    this.svg = svg;
    this.positions = [];
    this.zoom = 1;
    this.pending = false;
    new ResizeObserver(() => this.later()).observe(svg);
  }

  show(positions) {
    this.positions = positions;
    this.later();
  }

  scaleBy(factor) {
    this.zoom = factor === 0 ? 1 : Math.min(400, Math.max(0.05, this.zoom * factor));
    this.later();
  }

  // "fresh", "old", "stale" or "closed": the colour of the last position.
  level(name) {
    this.svg.setAttribute("class", `map ${name}`);
  }

  later() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
    });
  }

  draw() {
    const width = this.svg.clientWidth;
    const height = this.svg.clientHeight;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren();
    if (!this.positions.length || !width || !height) return;
    const origin = this.positions.at(-1);
    const points = this.positions.map((position) => ({ ...project(origin, position), at: when(position) }));
    const view = this.fit(points, origin.accuracy ?? 0, width, height);
    this.drawGrid(view, width, height);
    this.drawTrack(points, view);
    this.drawHere(points.at(-1), origin, view);
    this.drawScale(view, width, height);
  }

  // The whole track and its last circle, or around the last position once zoomed. A hopeless accuracy does not hide the track.
  fit(points, accuracy, width, height) {
    const last = points.at(-1);
    const xs = points.map((point) => point.x);
    const ys = points.map((point) => point.y);
    const span = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
    const around = Math.min(accuracy * 1.4, Math.max(500, 2 * span));
    const box = {
      left: Math.min(...xs, last.x - around), right: Math.max(...xs, last.x + around),
      low: Math.min(...ys, last.y - around), high: Math.max(...ys, last.y + around),
    };
    const wide = Math.max(box.right - box.left, 60);
    const tall = Math.max(box.high - box.low, 60);
    const scale = Math.min((width - 2 * MARGIN) / wide, (height - 2 * MARGIN) / tall) * this.zoom;
    const middle = this.zoom === 1 ? { x: (box.left + box.right) / 2, y: (box.low + box.high) / 2 } : last;
    const place = (point) => ({ x: width / 2 + (point.x - middle.x) * scale, y: height / 2 - (point.y - middle.y) * scale });
    return { scale, place, middle };
  }

  drawGrid(view, width, height) {
    view.step = niceLength(70 / view.scale);
    const reach = { x: width / 2 / view.scale, y: height / 2 / view.scale };
    const first = (middle, half) => Math.ceil((middle - half) / view.step) * view.step;
    for (let x = first(view.middle.x, reach.x); x <= view.middle.x + reach.x; x += view.step) {
      const at = view.place({ x, y: 0 }).x;
      this.svg.append(node("line", { class: "grid", x1: at, x2: at, y1: 0, y2: height }));
    }
    for (let y = first(view.middle.y, reach.y); y <= view.middle.y + reach.y; y += view.step) {
      const at = view.place({ x: 0, y }).y;
      this.svg.append(node("line", { class: "grid", x1: 0, x2: width, y1: at, y2: at }));
    }
  }

  drawTrack(points, view) {
    const lines = [[points[0]]];
    for (let index = 1; index < points.length; index += 1) {
      if (points[index].at - points[index - 1].at > GAP_MS) {
        this.drawLine([points[index - 1], points[index]], view, "track gap");
        lines.push([]);
      }
      lines.at(-1).push(points[index]);
    }
    for (const line of lines) this.drawLine(line, view, "track");
    if (points.length <= 250) {
      for (const point of points.slice(1, -1)) {
        const { x, y } = view.place(point);
        this.svg.append(node("circle", { class: "dot", cx: x, cy: y, r: 3 }));
      }
    }
    if (points.length > 1) {
      const { x, y } = view.place(points[0]);
      this.svg.append(node("rect", { class: "start", x: x - 5, y: y - 5, width: 10, height: 10 }));
      this.svg.append(node("text", { class: "ink", x: x + 10, y: y - 8 }, "raised here"));
    }
  }

  drawLine(points, view, kind) {
    const text = points.map((point) => view.place(point)).map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
    this.svg.append(node("polyline", { class: kind, points: text }));
  }

  drawHere(point, position, view) {
    const { x, y } = view.place(point);
    if (position.accuracy) this.svg.append(node("circle", { class: "circle", cx: x, cy: y, r: Math.min(position.accuracy * view.scale, 1e5) }));
    const moving = motion(this.positions);
    if (moving && moving.speed > 1) {
      const turn = `translate(${x} ${y}) rotate(${moving.course})`;
      this.svg.append(node("path", { class: "here", d: "M0 -15 L10 11 L0 5 L-10 11 Z", transform: turn }));
    } else {
      this.svg.append(node("circle", { class: "here", cx: x, cy: y, r: 8 }));
    }
  }

  drawScale(view, width, height) {
    const long = view.step * view.scale;
    const low = height - 16;
    this.svg.append(node("path", { class: "rule", d: `M16 ${low - 6} v6 h${long} v-6` }));
    this.svg.append(node("text", { class: "ink", x: 20, y: low - 8 }, lengthText(view.step)));
    this.svg.append(node("path", { class: "rule", d: `M${width - 22} 44 v-26 m-6 8 l6 -9 l6 9` }));
    this.svg.append(node("text", { class: "ink", x: width - 26, y: 60 }, "N"));
  }
}
