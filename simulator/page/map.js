// The map: drawn from the way itself, without tiles. Draws a layer anew only where something in it or the view has changed.
// Fetches and stores nothing. `layers` decides how things look, `view` what is seen, `gestures` moves it.

import { motion, project, when } from "./geometry.js";
import * as layers from "./layers.js";
import { age, draw, put, say } from "./words.js";
import { View } from "./view.js";

const LAYERS = ["grid", "others", "told", "track", "here", "scale"];
const FAR_M = 200_000; // metres are measured from a place not farther than this, or they would be off by more than a few per mille
const NOBODY = { id: null, positions: [], told: null, others: [] };

const LEGEND = {
  live: ["live", "M2 8h30", "track"],
  gap: ["way unknown", "M2 8h30", "track gap"],
  told: ["told later", "M2 8h30", "told"],
  stop: ["place told later", "M12 3h10v10h-10z", "stop"],
  others: ["other callout", "M12 8a5 5 0 1 0 10 0a5 5 0 1 0-10 0", "other"],
};

export class TrackMap {
  constructor(svg, { legend, onMode = () => {} }) {
    this.svg = svg;
    this.legend = legend;
    this.onMode = onMode;
    this.view = new View();
    this.scene = NOBODY;
    this.points = [];
    this.drawn = {};
    this.layer = Object.fromEntries(LAYERS.map((name) => [name, draw("g", { "data-layer": name })]));
    svg.replaceChildren(...LAYERS.map((name) => this.layer[name]));
    this.others = new layers.Others(this.layer.others);
    new ResizeObserver(() => this.later()).observe(svg);
  }

  // scene: {id, positions (grows at its end, or is another array), told (a ToldTrail or null), others: [{id, position, alarm, name}], closed}.
  show(scene) {
    if (scene.id !== this.scene.id) this.start();
    this.scene = scene;
    this.later();
  }

  start() {
    this.points = [];
    this.origin = null;
    this.drawn = {};
    if (this.view.mode !== "all" && this.view.mode !== "follow") this.mode("fit");
    if (this.view.mode !== "all") this.view.forget();
  }

  mode(name) {
    this.view.mode = name;
    if (name === "fit" || name === "all") this.view.forget();
    this.onMode(name);
    this.later();
  }

  // After a gesture.
  moved() {
    this.onMode(this.view.mode);
    this.later();
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
    const { scene, view } = this;
    if (!this.svg.clientWidth || !this.svg.clientHeight) return;
    view.size(this.svg.clientWidth, this.svg.clientHeight);
    put(this.svg, "viewBox", `0 0 ${view.width} ${view.height}`);
    if (!this.measure()) {
      for (const name of LAYERS) if (name !== "others") this.layer[name].replaceChildren();
      this.others.update(view, { latitude: 0, longitude: 0 }, []);
      this.drawn = {};
      return;
    }
    const last = this.points.at(-1);
    view.settle({ points: [...this.toldPoints(), ...this.points], everything: this.everything(), last, around: (scene.positions.at(-1)?.accuracy ?? 0) * 1.3 });
    this.redraw();
  }

  redraw() {
    const { scene, view } = this;
    const key = view.key;
    this.once("grid", key, (layer) => layers.grid(layer, view));
    this.once("scale", key, (layer) => layers.scaleBar(layer, view));
    this.once("track", `${key} ${this.points.length}`, (layer) => layers.track(layer, view, this.points));
    this.once("told", `${key} ${scene.told?.count ?? 0}`, (layer) => layers.toldWay(layer, view, this.told));
    this.others.update(view, this.origin, scene.others);
    this.once("here", `${key} ${this.points.length}`, (layer) => {
      this.words = this.points.length ? layers.here(layer, view, scene.positions, this.points.at(-1)) : layer.replaceChildren();
    });
    this.explain();
    this.tick(this.now?.() ?? Date.now());
  }

  once(name, key, paint) {
    if (this.drawn[name] === key) return;
    this.drawn[name] = key;
    paint(this.layer[name]);
  }

  // Metres from an origin that stays while it is near. False while there is nothing to see.
  measure() {
    const { positions, told, others } = this.scene;
    const last = positions.at(-1) ?? told?.places.at(-1) ?? told?.stops.at(-1) ?? others[0]?.position;
    if (!last) return false;
    const step = this.origin && project(this.origin, last);
    if (!step || Math.hypot(step.x, step.y) > FAR_M) {
      this.origin = last;
      this.points = [];
      this.drawn = {};
      this.measured = null;
      this.view.forget();
    }
    if (positions !== this.seen) {
      this.seen = positions;
      this.points = [];
      this.drawn.track = null;
    }
    for (const position of positions.slice(this.points.length)) this.points.push({ ...project(this.origin, position), at: when(position) });
    const count = told?.count ?? 0;
    if (this.measured !== count) {
      this.measured = count;
      const point = (place) => ({ ...project(this.origin, place), time: place.at, length: place.length });
      this.told = { lines: (told?.lines ?? []).map((line) => line.map(point)), stops: (told?.stops ?? []).map(point) };
    }
    return true;
  }

  toldPoints() {
    return [...this.told.lines.flat(), ...this.told.stops];
  }

  everything() {
    return [...this.scene.others.map((other) => project(this.origin, other.position)), ...this.points.slice(-1)];
  }

  // Every second: how old the last position is, beside it and as the colour of its mark.
  tick(now) {
    const { level, words } = age(this.scene, now);
    put(this.svg, "class", `map ${level}`);
    if (this.words) {
      say(this.words, words);
      layers.fit(this.words, this.view.width);
    }
    const moving = motion(this.scene.positions);
    put(this.svg, "aria-label", this.scene.id === null ? "Map" : `Map of callout ${this.scene.id}. ${words}${moving ? `, ${layers.motionWords(this.scene.positions)}` : ""}.`);
  }

  // Only what is on the map is explained.
  explain() {
    const shown = {
      live: this.points.length > 1, gap: this.layer.track.querySelector(".gap"), told: this.told.lines.length, stop: this.told.stops.length,
      others: this.scene.others.length,
    };
    const kinds = Object.keys(LEGEND).filter((kind) => shown[kind]);
    if (this.explained === kinds.join()) return;
    this.explained = kinds.join();
    this.legend.hidden = !kinds.length;
    const row = ([words, d, kind]) => {
      const item = document.createElement("li");
      item.append(draw("svg", { width: 34, height: 16, viewBox: "0 0 34 16", "aria-hidden": "true" }, draw("path", { d, class: kind })), words);
      return item;
    };
    this.legend.replaceChildren(...kinds.map((kind) => row(LEGEND[kind])));
  }
}
