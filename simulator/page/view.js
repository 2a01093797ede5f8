// Which piece of the world a map shows: the whole way, the last position, all callouts, or where a hand has moved it.
// Pure: metres in, pixels out. Keeps a view that still serves, so that a moving device does not make the ground swim.

import { boxOf } from "./geometry.js";

const MARGIN = 36; // px around what must be seen
const SMALLEST_M = 60; // a device that stands is not looked at with a microscope
const [FARTHEST, CLOSEST] = [1e-5, 40]; // px per metre

export class View {
  constructor() {
    this.mode = "fit";
    this.width = 0;
    this.height = 0;
    this.forget();
  }

  forget() {
    this.x = 0;
    this.y = 0;
    this.scale = 0;
  }

  get key() {
    return `${this.x.toFixed(2)} ${this.y.toFixed(2)} ${this.scale.toPrecision(6)} ${this.width} ${this.height}`;
  }

  // Another window is fitted anew; what a hand chose stays.
  size(width, height) {
    if (width === this.width && height === this.height) return;
    [this.width, this.height] = [width, height];
    if (this.mode === "fit" || this.mode === "all") this.forget();
  }

  place({ x, y }) {
    return { x: this.width / 2 + (x - this.x) * this.scale, y: this.height / 2 - (y - this.y) * this.scale };
  }

  // scene: points of the way, of all callouts, the last position and the radius of its circle. Metres.
  settle({ points, everything, last, around }) {
    if (this.mode === "fit") this.fit(boxOf(points, around));
    else if (this.mode === "all") this.fit(boxOf(everything));
    else if (this.mode === "follow" && last) this.follow(last);
    if (!this.scale) this.fit(boxOf(points.length ? points : everything, around));
  }

  fit(box) {
    if (!box) return;
    const wide = Math.max(box.right - box.left, SMALLEST_M);
    const tall = Math.max(box.high - box.low, SMALLEST_M);
    const best = Math.min((this.width - 2 * MARGIN) / wide, (this.height - 2 * MARGIN) / tall);
    if (this.serves(box, best)) return;
    this.x = (box.left + box.right) / 2;
    this.y = (box.low + box.high) / 2;
    // A little more than needed, so that the next positions fit as well.
    this.scale = this.bound(best * 0.94);
  }

  // Whether everything lies inside already, and not too small.
  serves(box, best) {
    if (!this.scale || this.scale > best * 1.1 || this.scale < best * 0.7) return false;
    const low = this.place({ x: box.left, y: box.low });
    const high = this.place({ x: box.right, y: box.high });
    const edge = MARGIN / 2;
    return low.x >= edge && high.y >= edge && high.x <= this.width - edge && low.y <= this.height - edge;
  }

  // The last position stays in the middle third.
  follow(last) {
    if (!this.scale) this.scale = Math.min(this.width, this.height) / 500;
    const { x, y } = this.place(last);
    if (Math.abs(x - this.width / 2) > this.width / 6 || Math.abs(y - this.height / 2) > this.height / 6) {
      this.x = last.x;
      this.y = last.y;
    }
  }

  move(dx, dy) {
    if (!this.scale) return;
    this.mode = "free";
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
  }

  // Closer or further, with the place under (x, y), in px, staying where it is. Following goes on.
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    if (!this.scale) return;
    const scale = this.bound(this.scale * factor);
    const keep = 1 / this.scale - 1 / scale;
    if (this.mode !== "follow") {
      this.mode = "free";
      this.x += (x - this.width / 2) * keep;
      this.y -= (y - this.height / 2) * keep;
    }
    this.scale = scale;
  }

  bound(scale) {
    return Math.min(CLOSEST, Math.max(FARTHEST, scale));
  }
}
