// Hands on the map: drag, wheel, two fingers, keys, buttons. Moves the view and nothing else.

const CLOSER = 1.6;
const STEP = 80; // px for an arrow key
const CLICK = 5; // px that a hand may slip while it points

export class Gestures {
  // map: a TrackMap. onPick: gets the id of another callout that was pointed at.
  constructor(map, buttons, onPick = () => {}) {
    this.map = map;
    this.onPick = onPick;
    this.fingers = new Map();
    const svg = map.svg;
    svg.addEventListener("pointerdown", (event) => this.down(event));
    svg.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, (event) => this.up(event));
    svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    svg.addEventListener("keydown", (event) => this.key(event));
    for (const button of buttons) button.addEventListener("click", () => this.act(button.dataset.view));
  }

  act(name) {
    const { map } = this;
    if (name === "in" || name === "out") {
      map.view.zoom(name === "in" ? CLOSER : 1 / CLOSER);
      map.moved();
    } else {
      map.mode(name);
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
    const act = { "+": "in", "=": "in", "-": "out", 0: "fit", f: "follow", F: "follow", a: "all", A: "all" }[event.key];
    if (move) {
      this.map.view.move(...move);
      this.map.moved();
    } else if (act) {
      this.act(act);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  spot(event) {
    const box = this.map.svg.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  down(event) {
    this.map.svg.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, this.spot(event));
    if (this.fingers.size === 1) this.slipped = 0;
    this.picked = event.target.closest("[data-other]")?.dataset.other;
  }

  drag(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const now = this.spot(event);
    const pinched = this.pinch();
    this.fingers.set(event.pointerId, now);
    this.slipped += Math.hypot(now.x - before.x, now.y - before.y);
    if (this.slipped < CLICK) return;
    if (pinched) {
      const wider = this.pinch();
      this.map.view.move(wider.x - pinched.x, wider.y - pinched.y);
      this.map.view.zoom(wider.apart / pinched.apart, wider.x, wider.y);
    } else {
      this.map.view.move(now.x - before.x, now.y - before.y);
    }
    this.map.moved();
  }

  // The middle of two fingers and how far they are apart; null with another number of them.
  pinch() {
    if (this.fingers.size !== 2) return null;
    const [one, other] = this.fingers.values();
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, apart: Math.max(10, Math.hypot(one.x - other.x, one.y - other.y)) };
  }

  up(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    if (event.type === "pointerup" && this.slipped < CLICK && this.picked) this.onPick(Number(this.picked));
  }

  wheel(event) {
    event.preventDefault();
    const { x, y } = this.spot(event);
    this.map.view.zoom(Math.exp(-Math.max(-200, Math.min(200, event.deltaY)) / 300), x, y);
    this.map.moved();
  }
}
