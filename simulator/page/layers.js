// The layers of the map: each draws one thing into its group. Decides how positions look, not which piece of the world is seen.

import { compass, lengthText, motion, niceLength, project } from "./geometry.js";
import { clockOf, draw, put } from "./words.js";

const GAP_MS = 30_000; // a longer silence is drawn dotted: nobody knows the way in between
const MOST_DOTS = 250; // more would be a thick line
const SLOWEST_MPS = 1; // what a standing receiver seems to move at has no direction
const at = ({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`;

export function grid(layer, view) {
  view.step = niceLength(80 / view.scale);
  const lines = [];
  const first = (middle, half) => Math.ceil((middle - half) / view.step) * view.step;
  const [halfX, halfY] = [view.width / 2 / view.scale, view.height / 2 / view.scale];
  for (let x = first(view.x, halfX); x <= view.x + halfX; x += view.step) lines.push(`M${view.place({ x, y: 0 }).x.toFixed(1)} 0V${view.height}`);
  for (let y = first(view.y, halfY); y <= view.y + halfY; y += view.step) lines.push(`M0 ${view.place({ x: 0, y }).y.toFixed(1)}H${view.width}`);
  layer.replaceChildren(draw("path", { class: "grid", d: lines.join("") || "M0 0" }));
}

export function scaleBar(layer, view) {
  const [long, low] = [view.step * view.scale, view.height - 14];
  layer.replaceChildren(
    draw("path", { class: "rule", d: `M14 ${low - 6}v6h${long.toFixed(1)}v-6` }),
    draw("text", { class: "ink", x: 18, y: low - 6 }, lengthText(view.step)),
    draw("path", { class: "rule", d: `M${view.width - 22} 46v-28m-6 9l6-10l6 10` }),
    draw("text", { class: "ink strong", x: view.width - 27, y: 62 }, "N"),
  );
}

// Points that fall on the same pixel as the one before say nothing new.
function polyline(points, view, kind) {
  const shown = [];
  let before = null;
  points.forEach((point, index) => {
    const place = view.place(point);
    if (before && index < points.length - 1 && Math.abs(place.x - before.x) < 0.8 && Math.abs(place.y - before.y) < 0.8) return;
    shown.push(at(place));
    before = place;
  });
  return draw("polyline", { class: kind, points: shown.join(" ") });
}

export function track(layer, view, points) {
  const drawn = [];
  let line = points.slice(0, 1);
  for (let index = 1; index < points.length; index += 1) {
    if (points[index].at - points[index - 1].at > GAP_MS) {
      drawn.push(polyline(line, view, "track"), polyline([points[index - 1], points[index]], view, "track gap"));
      line = [];
    }
    line.push(points[index]);
  }
  if (points.length > 1) drawn.push(polyline(line, view, "track"));
  if (points.length > 2 && points.length <= MOST_DOTS) {
    drawn.push(draw("path", { class: "dots", d: points.slice(1, -1).map((point) => `M${at(view.place(point))}h0`).join("") }));
  }
  if (points.length > 1) {
    const { x, y } = view.place(points[0]);
    drawn.push(draw("rect", { class: "start", x: x - 5, y: y - 5, width: 10, height: 10 }));
    // So near to the end it would lie on the words there.
    if (far(view, points[0], points.at(-1), 60)) drawn.push(beside("ink", view, x, y - 8, 10, "raised here"));
  }
  layer.replaceChildren(...drawn);
}

const DIAMOND = "m0-5l5 5l-5 5l-5-5z";
const diamonds = (places, view) => places.map((place) => `M${at(view.place(place))}${DIAMOND}`).join("");

const LETTER = 7; // px, a little more than any letter of these words has

// Words to the right of a mark, or to its left where they would be cut off.
function beside(kind, view, x, y, away, text) {
  const cut = x + away + LETTER * text.length > view.width;
  return draw("text", { class: kind, x: cut ? x - away : x + away, y, "text-anchor": cut ? "end" : "start" }, text);
}

function toldWords(point, view, text) {
  const { x, y } = view.place(point);
  return beside("ink violet", view, x, y + 14, 9, text);
}

// told: lines of points and stops, in metres. What the device told afterwards: dashed, diamonds, its times beside it.
export function toldWay(layer, view, { lines, stops }) {
  const drawn = lines.filter((line) => line.length > 1).map((line) => polyline(line, view, "told"));
  const marks = draw("path", { class: "toldmark", d: lines.map((line) => diamonds(line, view)).join("") || "M0 0" });
  const words = [];
  for (const line of lines) {
    const [first, last] = [line[0], line.at(-1)];
    if (first.time !== null) words.push(toldWords(first, view, `${clockOf(first.time)} told later`));
    if (last !== first && last.time !== null && far(view, first, last)) words.push(toldWords(last, view, clockOf(last.time)));
  }
  const stood = stops.map((stop) => {
    const { x, y } = view.place(stop);
    return draw("rect", { class: "stop", x: x - 6, y: y - 6, width: 12, height: 12 });
  });
  const lengths = stops.filter((stop) => stop.length).map((stop) => toldWords(stop, view, `stood ${stop.length}`));
  layer.replaceChildren(...drawn, marks, ...stood, ...lengths, ...apart(words, lengths));
}

const far = (view, one, other, px = 90) => Math.hypot(one.x - other.x, one.y - other.y) * view.scale > px;

// Words that would lie on words already there are left out: the list of the timeline has them.
function apart(words, taken) {
  const boxes = taken.map(spot);
  return words.filter((word) => {
    const own = spot(word);
    const free = boxes.every((box) => Math.abs(box.x - own.x) > 110 || Math.abs(box.y - own.y) > 15);
    if (free) boxes.push(own);
    return free;
  });
}

const spot = (word) => ({ x: Number(word.getAttribute("x")), y: Number(word.getAttribute("y")) });

export function here(layer, view, positions, point) {
  const position = positions.at(-1);
  const { x, y } = view.place(point);
  const drawn = [];
  if (position.accuracy) drawn.push(draw("circle", { class: "circle", cx: x, cy: y, r: Math.min(position.accuracy * view.scale, 1e5) }));
  const moving = motion(positions);
  if (moving && moving.speed > SLOWEST_MPS) {
    drawn.push(draw("path", { class: "here", d: "M0-16 11 12 0 6-11 12Z", transform: `translate(${x} ${y}) rotate(${moving.course.toFixed(0)})` }));
  } else {
    drawn.push(draw("circle", { class: "here", cx: x, cy: y, r: 8 }));
  }
  const words = draw("text", { class: "ink strong", x: x + 16, y: y - 12, "data-x": x });
  layer.replaceChildren(...drawn, words);
  return words;
}

// Words beside the last position: to the right of it; where they do not fit there, to the left; and on a narrow map wherever they can be read.
export function fit(words, width) {
  const [x, length] = [Number(words.dataset.x), words.getComputedTextLength()];
  put(words, "x", x + 16 + length <= width ? x + 16 : Math.max(4, Math.min(x - 16 - length, width - length - 4)));
}

// How fast and which way, in words.
export function motionWords(positions) {
  const moving = motion(positions);
  if (!moving) return "not known";
  if (moving.speed < SLOWEST_MPS) return "standing";
  return `${Math.round(moving.speed * 3.6)} km/h ${compass(moving.course)}, ${Math.round(moving.course)}°`;
}

// Other open callouts as marks that are moved and not drawn anew: there may be hundreds, and each moves every second.
export class Others {
  constructor(layer) {
    this.layer = layer;
    this.marks = new Map();
  }

  update(view, origin, others) {
    const gone = new Set(this.marks.keys());
    for (const { id, position, alarm, name } of others) {
      gone.delete(id);
      const mark = this.marks.get(id) ?? this.enter(id);
      const { x, y } = view.place(project(origin, position));
      const turn = `translate(${x.toFixed(1)} ${y.toFixed(1)})`;
      if (mark.turn !== turn) mark.element.setAttribute("transform", (mark.turn = turn));
      if (mark.alarm !== alarm) this.look(mark, (mark.alarm = alarm));
      if (mark.name !== name) mark.title.textContent = mark.name = name;
    }
    for (const id of gone) {
      this.marks.get(id).element.remove();
      this.marks.delete(id);
    }
  }

  enter(id) {
    const title = draw("title");
    const element = draw("path", { "data-other": id }, title);
    const mark = { element, title };
    this.layer.append(element);
    this.marks.set(id, mark);
    return mark;
  }

  look({ element }, alarm) {
    element.setAttribute("class", alarm ? "other alarm" : "other");
    element.setAttribute("d", alarm ? "M0-9 9 7H-9Z" : "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0");
  }
}
