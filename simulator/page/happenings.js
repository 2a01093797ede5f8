// What happened in a callout, as moments in order: presses, responder acts, talk, cancels, faults, positions and the times without.
// Pure: no document, no clock.

import { clockOf, span, time } from "./words.js";

const GAP_MS = 30_000; // as on the map
const ORIGINS = { device: "by the device", site: "for a fixed location", elsewhere: "from a phone" };
const VERDICTS = { right: "Cancel asked, right code", wrong: "DURESS: cancel with a wrong code", unconditional: "Cancelled without a code" };

// Runs of positions that came in without a gap between them: {from, to, count}.
export function runs(positions) {
  const found = [];
  for (const { received } of positions) {
    const at = time(received);
    const last = found.at(-1);
    if (last && at - last.to <= GAP_MS) {
      last.to = at;
      last.count += 1;
    } else {
      found.push({ from: at, to: at, count: 1 });
    }
  }
  return found;
}

// Times without a position, up to `end` where that is longer: {from, to}.
export function gaps(found, end) {
  const ends = [...found.slice(1).map((run) => run.from), end];
  return found.map((run, index) => ({ from: run.to, to: ends[index] })).filter((gap) => gap.to - gap.from > GAP_MS);
}

function fromEvent(event) {
  const at = time(event.received);
  if (event.kind === "lifecycle") return { at, row: "help", kind: "act", words: event.text };
  if (event.source === "dispatch") return { at, row: "talk", kind: "dispatch", words: `Dispatch: ${event.text}` };
  const pressed = /^Pressed (again|first)\b/.test(event.text);
  return { at, row: pressed ? "help" : "talk", kind: pressed ? "press" : "customer", words: pressed ? event.text : `Customer: ${event.text}` };
}

// struck: requests about this callout that a fault hit. end: ms, until when the callout is looked at.
export function moments(callout, struck, end) {
  const raised = { at: time(callout.raised), row: "help", kind: "press", words: `Raised ${ORIGINS[callout.origin] ?? `by ${callout.origin}`}` };
  const again = callout.notes.filter((note) => note.text.startsWith("Raised again"));
  const found = runs(callout.positions);
  return [
    raised,
    ...again.map((note) => ({ at: time(note.received), row: "help", kind: "press", words: note.text })),
    ...callout.events.map(fromEvent),
    ...callout.cancels.map(({ received, verdict }) => ({ at: time(received), row: "trouble", kind: verdict === "wrong" ? "alarm" : "cancel", words: VERDICTS[verdict] ?? verdict })),
    ...struck.map((seen) => ({ at: time(seen.received), row: "trouble", kind: "fault", words: `Fault “${seen.fault}” hit ${seen.operation ?? seen.path}` })),
    ...found.map(({ from, to, count }) => ({ at: from, row: "positions", kind: "run", words: count === 1 ? "One position" : `${count} positions until ${clockOf(to)}` })),
    ...gaps(found, end).map(({ from, to }) => ({ at: from, row: "positions", kind: "gap", words: `No position for ${span(to - from)}` })),
  ].sort((one, other) => one.at - other.at);
}

// When the device says that it was where, of what did not come in live: {from, to} in ms.
export function toldSpans(told) {
  return told.lines
    .map((line) => line.map((place) => place.at).filter((at) => at !== null))
    .filter((times) => times.length)
    .map((times) => ({ from: Math.min(...times), to: Math.max(...times) }));
}
