// The strip of time below the map, and the same as a list in words. Decides how moments look, not which there are (`happenings`).

import { gaps, moments, runs, toldSpans } from "./happenings.js";
import { by, clockOf, draw, make, put, span, time } from "./words.js";

const ROWS = { help: ["Help", 15], positions: ["Positions", 42], talk: ["Talk", 66], trouble: ["Trouble", 88] };
const [LEFT, RIGHT, HEIGHT, AXIS] = [66, 14, 122, 103];
const BIN = 4; // px of one bar of positions
const STEPS_S = [5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400];
const MOST_LETTERS = 160; // of one line of the list; the conversation has the whole
const SHORTEST_MS = 60_000;
// Each kind by its shape: a colour alone would not do.
const MARKS = {
  press: "M0-7 7 6H-7Z", act: "M-6-6h12v12h-12z", dispatch: "M-6-5h12v8h-6l-4 4v-4h-2z", customer: "M0-6a6 6 0 1 0 .1 0z",
  cancel: "M-5-5 5 5M-5 5 5-5", alarm: "M0-8 8 7H-8Z", fault: "M2-8-5 2h4l-2 6 8-9H1z",
};

export class Timeline {
  constructor() {
    this.svg = by("strip");
    new ResizeObserver(() => this.again?.()).observe(this.svg);
    by("happenings").addEventListener("toggle", () => this.again?.());
  }

  // struck: requests about this callout that a fault hit.
  show(callout, struck, now) {
    this.again = () => {
      this.key = null;
      this.show(callout, struck, now);
    };
    const width = this.svg.clientWidth;
    if (!width) return;
    if (!callout) {
      this.key = null;
      this.svg.replaceChildren();
      by("striplist").replaceChildren();
      put(this.svg, "aria-label", "Timeline");
      return;
    }
    const from = time(callout.raised);
    const end = Math.max(time(callout.closedAt) ?? now, time(callout.positions.at(-1)?.received) ?? 0);
    const length = Math.max(SHORTEST_MS, end - from);
    // Two pixels of time are worth a new picture, and so is anything that happened.
    const key = [callout.id, callout.version, struck.length, width, Math.floor(((end - from) / length) * 1e4), Math.floor(length / ((length / width) * 2) + length / 10_000)].join();
    if (this.key === key) return;
    this.key = key;
    this.scale = { from, length, width, x: (at) => LEFT + ((at - from) / length) * (width - LEFT - RIGHT) };
    const found = moments(callout, struck, end);
    this.paint(callout, found, end);
    this.list(found);
  }

  paint(callout, found, end) {
    const { width } = this.scale;
    put(this.svg, "viewBox", `0 0 ${width} ${HEIGHT}`);
    put(this.svg, "aria-label", `Timeline of callout ${callout.id}, ${span(end - this.scale.from)}; the list below has the same in words.`);
    const rows = Object.values(ROWS).map(([words, y]) => draw("text", { class: "rowname", x: 2, y: y + 4 }, words));
    const lines = Object.values(ROWS).map(([, y]) => draw("path", { class: "rowline", d: `M${LEFT} ${y}H${width - RIGHT}` }));
    this.svg.replaceChildren(...rows, ...lines, ...this.axis(), ...this.positions(callout, end), ...found.filter((each) => MARKS[each.kind]).map((each) => this.mark(each)));
  }

  axis() {
    const { from, length, width, x } = this.scale;
    const least = (length / (width - LEFT - RIGHT)) * 78;
    const step = (STEPS_S.find((seconds) => seconds * 1000 >= least) ?? STEPS_S.at(-1)) * 1000;
    const drawn = [draw("path", { class: "axis", d: `M${LEFT} ${AXIS}H${width - RIGHT}` })];
    for (let at = Math.ceil(from / step) * step; at <= from + length; at += step) {
      const place = x(at).toFixed(1);
      drawn.push(draw("path", { class: "axis", d: `M${place} ${AXIS}v4` }));
      if (place < width - 28) drawn.push(draw("text", { class: "tick", x: place, y: AXIS + 16 }, clockOf(at).slice(0, step < 60_000 ? 8 : 5)));
    }
    return drawn;
  }

  // How many came in, as bars; times without are hatched and named; what was told of them later lies over that.
  positions(callout, end) {
    const { x } = this.scale;
    const [, y] = ROWS.positions;
    const bins = new Map();
    for (const { received } of callout.positions) {
      const bin = Math.floor(x(time(received)) / BIN);
      bins.set(bin, (bins.get(bin) ?? 0) + 1);
    }
    const most = Math.max(1, ...bins.values());
    const bars = [...bins].map(([bin, count]) => `M${bin * BIN + BIN / 2} ${y + 8}v-${(4 + (12 * count) / most).toFixed(1)}`).join("");
    const silent = gaps(runs(callout.positions), end).flatMap(({ from, to }) => {
      const [left, wide] = [x(from) + 2, x(to) - x(from) - 4];
      if (wide < 3) return [];
      const words = wide > 120 ? [draw("text", { class: "gapwords", x: left + wide / 2, y: y + 4 }, `no position ${span(to - from)}`)] : [];
      return [draw("rect", { class: "silence", x: left, y: y - 8, width: wide, height: 16 }), ...words];
    });
    const told = toldSpans(callout.told).map(({ from, to }) => [Math.max(LEFT, x(from)), x(to)]).filter(([left, right]) => right >= LEFT && right >= left);
    const lines = told.map(([left, right]) => draw("path", { class: "toldspan", d: `M${left.toFixed(1)} ${y + 10}H${Math.max(left + 3, right).toFixed(1)}` }));
    return [...silent, draw("path", { class: "bars", d: bars || "M0 0" }), ...lines];
  }

  mark({ at, row, kind, words }) {
    const turn = `translate(${this.scale.x(at).toFixed(1)} ${ROWS[row][1]})`;
    return draw("path", { class: `mark ${kind}`, d: MARKS[kind], transform: turn }, draw("title", {}, `${clockOf(at)} ${words}`));
  }

  // Newest first, as in the control room's log; only while it is open, or it would be built every second for nobody.
  list(found) {
    if (!by("happenings").open) return;
    const rows = [...found].reverse().map(({ at, kind, words }) => make("li", { class: kind }, make("time", {}, `${clockOf(at)} `), words.length > MOST_LETTERS ? `${words.slice(0, MOST_LETTERS)} …` : words));
    by("striplist").replaceChildren(...rows);
  }
}
