// What the page knows: callouts with their positions, events and told ways, what was read, and which callouts are looked at.
// Knows no document and draws nothing. Positions, events and notes come once each and are appended.

import { when } from "./geometry.js";
import { ToldTrail } from "./told.js";

const READ_KEY = "read";
const MOST_READ = 300; // callouts whose last read message is remembered

// How far a callout is, in a dispatcher's words; the service's own status text may say anything.
export function stage(callout) {
  if (callout.closed) return { name: "closed", words: "Closed" };
  if (callout.completed) return { name: "done", words: "Responder done" };
  if (callout.arrived) return { name: "there", words: "Responder on scene" };
  if (callout.dispatched) return { name: "coming", words: "Responder on the way" };
  return { name: "waiting", words: /cancel/i.test(callout.status) ? "Responder stood down" : "Needs a responder" };
}

export const FILTERS = {
  open: ["Open", (callout) => !callout.closed],
  alarm: ["Duress", (callout) => callout.duress && !callout.closed],
  closed: ["Closed", (callout) => callout.closed],
  all: ["All", () => true],
};

const last = (callout) => callout.positions.at(-1)?.received ?? "";
export const ORDERS = {
  newest: ["Newest first", (one, other) => other.id - one.id],
  oldest: ["Waiting longest", (one, other) => one.id - other.id],
  silent: ["Silent longest", (one, other) => last(one).localeCompare(last(other)) || other.id - one.id],
  name: ["By name", (one, other) => one.customerName.localeCompare(other.customerName) || other.id - one.id],
};

// Hours of a position a second would fill the browser: of the older half, those are kept that are this far apart, so that neither a
// hole nor a corner of a street appears on the map that was not there.
const MOST_POSITIONS = 3_000;
const APART_MS = 5_000;

function thinned(positions) {
  const half = positions.length >> 1;
  const kept = [positions[0]];
  for (let index = 1; index < half; index += 1) {
    if (when(positions[index + 1]) - when(kept.at(-1)) > APART_MS) kept.push(positions[index]);
  }
  return [...kept, ...positions.slice(half)];
}

export class Room {
  constructor(memory) {
    this.callouts = new Map();
    this.versions = 0; // of all callouts, and never again: what is drawn is told by it to be old
    this.memory = memory;
    this.read = recall(memory);
  }

  clear() {
    this.callouts.clear();
  }

  get(id) {
    return this.callouts.get(id);
  }

  // Takes what was told of one callout; whether it is new, and whether duress is. A stream that begins anew is preceded by `clear`.
  keep(told) {
    let callout = this.callouts.get(told.id);
    const fresh = !callout;
    const before = callout?.duress ?? false;
    callout ??= { positions: [], events: [], notes: [], told: new ToldTrail(), room: MOST_POSITIONS };
    const { positions, events, notes, ...rest } = told;
    for (const [kept, news] of [[callout.positions, positions], [callout.events, events], [callout.notes, notes]]) kept.push(...news);
    for (const event of events) callout.told.hear(event);
    this.versions += 1;
    Object.assign(callout, rest, { version: this.versions, heard: told.positionsFrom + positions.length });
    if (callout.positions.length > callout.room) {
      callout.positions = thinned(callout.positions);
      callout.room = Math.max(MOST_POSITIONS, callout.positions.length + 1_000);
    }
    this.callouts.set(told.id, callout);
    return { callout, fresh, alarm: callout.duress && !before };
  }

  get open() {
    return [...this.callouts.values()].filter((callout) => !callout.closed);
  }

  // Open before closed and duress on top, whatever else is asked for.
  listed({ filter = "all", order = "newest", search = "" } = {}) {
    const wanted = search.trim().toLowerCase();
    const kept = [...this.callouts.values()].filter((callout) => FILTERS[filter][1](callout) && (!wanted || matches(callout, wanted)));
    const alarm = (callout) => Number(callout.duress && !callout.closed);
    return kept.sort((one, other) => alarm(other) - alarm(one) || one.closed - other.closed || ORDERS[order][1](one, other));
  }

  unread(callout) {
    const read = this.read.get(callout.id) ?? 0;
    let count = 0;
    for (let index = callout.events.length - 1; index >= 0 && callout.events[index].id > read; index -= 1) count += fromWearer(callout.events[index]);
    return count;
  }

  lastRead(callout) {
    return this.read.get(callout.id) ?? 0;
  }

  markRead(callout) {
    const newest = callout.events.at(-1)?.id ?? 0;
    if (newest <= this.lastRead(callout)) return false;
    this.read.delete(callout.id);
    this.read.set(callout.id, newest);
    remember(this.memory, this.read);
    return true;
  }
}

export const fromWearer = (event) => event.kind !== "lifecycle" && event.source !== "dispatch";

function matches(callout, wanted) {
  const digits = wanted.replace(/[\s+#]/g, "");
  const numbers = [String(callout.id), String(callout.customerId), callout.customerMobile.replace(/\D/g, "")];
  return callout.customerName.toLowerCase().includes(wanted) || (digits !== "" && numbers.some((number) => number.includes(digits)));
}

// A browser may forbid to keep anything; then a reload makes messages new again, which is the safe side.
function recall(memory) {
  try {
    return new Map(JSON.parse(memory.getItem(READ_KEY) ?? "[]"));
  } catch {
    return new Map();
  }
}

function remember(memory, read) {
  try {
    memory.setItem(READ_KEY, JSON.stringify([...read].slice(-MOST_READ)));
  } catch {
    // as above
  }
}
