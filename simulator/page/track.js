// The page behind a tracking link: where the device is and how far help is, for whoever holds the link. Hears of one callout, and of
// that only what its stream tells.

import { lengthText } from "./geometry.js";
import { Gestures } from "./gestures.js";
import { motionWords } from "./layers.js";
import { Line } from "./line.js";
import { TrackMap } from "./map.js";
import { age, by, clock, make, put, say, span, time } from "./words.js";

const map = new TrackMap(by("map"), { legend: by("legend") });
let callout = null;
let gone = false;

function hear(told) {
  if (told.gone) {
    gone = true;
    line.close();
  } else if (told.callout) {
    const { positions, positionsFrom, ...rest } = told.callout;
    const known = callout && positionsFrom > 0 ? callout.positions : [];
    known.push(...positions);
    callout = { ...rest, positions: known, told: null, others: [] };
  }
  show();
}

function stage() {
  if (gone) return ["This link has ended", ""];
  if (!callout) return ["Loading", ""];
  const eta = time(callout.eta);
  if (callout.closed) return ["Closed", `The control room closed this at ${clock(callout.closedAt)}.`];
  if (callout.completed) return ["The responder is done", `Since ${clock(callout.completed)}.`];
  if (callout.arrived) return ["A responder is there", `Since ${clock(callout.arrived)}.`];
  if (callout.dispatched) return ["A responder is on the way", expected(eta)];
  return ["Help was called", `At ${clock(callout.raised)}. The control room is looking for a responder.`];
}

function expected(eta) {
  if (eta === null) return `Since ${clock(callout.dispatched)}.`;
  const left = eta - line.now();
  return left > 0 ? `Expected in ${span(left)}, at ${clock(callout.eta)}.` : `Was expected at ${clock(callout.eta)}.`;
}

function show() {
  const [status, detail] = stage();
  say(by("status"), status);
  say(by("detail"), detail);
  document.title = status;
  if (gone || !callout) {
    for (const id of ["place", "which"]) by(id).replaceChildren();
    map.show({ id: null, positions: [], told: null, others: [] });
    return;
  }
  say(by("which"), `Callout ${callout.id} · ${callout.responseType.toLowerCase()}`);
  say(by("nomap"), callout.positions.length ? "" : "No position yet");
  showPlace();
  map.show(callout);
}

function showPlace() {
  const now = line.now();
  const last = callout.positions.at(-1);
  const { level, words } = age(callout, now);
  const rows = [["Position", words, level]];
  if (last) rows.push(["Moving", motionWords(callout.positions), ""]);
  if (last?.accuracy) rows.push(["Accuracy", `within ${lengthText(last.accuracy)}`, ""]);
  if (last) rows.push(["Latitude, longitude", `${last.latitude.toFixed(5)}, ${last.longitude.toFixed(5)}`, ""]);
  const list = by("place");
  while (list.children.length > rows.length) list.lastChild.remove();
  while (list.children.length < rows.length) list.append(make("div", {}, make("dt"), make("dd")));
  rows.forEach(([name, value, kind], index) => {
    put(list.children[index], "class", kind);
    say(list.children[index].firstChild, name);
    say(list.children[index].lastChild, value);
  });
}

const line = new Line(`${location.pathname.replace(/\/$/, "")}/live`, { hello: hear, callout: hear, reset: hear, beat: hear }, (state) => say(by("link"), state));
map.now = () => line.now();
new Gestures(map, document.querySelectorAll("[data-view]"));
setInterval(() => {
  line.tick();
  show();
  map.tick(line.now());
}, 1000);
