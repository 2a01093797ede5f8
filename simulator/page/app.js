// The control room page, wired: what is heard goes into the room, what changed is marked, and one frame draws all of it. Decides
// which callout is shown. Asks nothing of any other host.

import { Acts } from "./acts.js";
import { Faults } from "./faults.js";
import { Gestures } from "./gestures.js";
import { ask, Line } from "./line.js";
import { CalloutList } from "./list.js";
import { TrackMap } from "./map.js";
import * as panels from "./panels.js";
import { fromWearer, Room } from "./room.js";
import { ScenarioSteps } from "./scenario.js";
import { Talk } from "./talk.js";
import { Timeline } from "./timeline.js";
import { by, hide, make, put, say, sign } from "./words.js";

const SHOWN_REQUESTS = 40;
const MOST_STRUCK = 500; // requests that a fault hit, for the timelines
const PARTS = ["list", "map", "talk", "tools"];

const room = new Room(storage());
const list = new CalloutList(room, (id) => choose(id, true));
const map = new TrackMap(by("map"), { legend: by("legend"), onMode: markView });
const timeline = new Timeline();
const talk = new Talk(room, (id, text) => send("POST", `/sim/callouts/${id}/say`, { message: text }));
const acts = new Acts((id, act, body) => send("POST", `/sim/callouts/${id}/${act}`, body));
const faults = new Faults((method, path, body) => send(method, path, body, "toolserror"));
const scenario = new ScenarioSteps();
const line = new Line("/sim/live", { hello: hearEverything, reset: hearEverything, callout: hearCallout, request: hearRequest, faults: hearFaults, customers: hearCustomers, beat: () => {} }, showState);
map.now = () => line.now();

let selected = null;
let byHand = false;
let requests = [];
let struck = [];
let total = 0;
const changed = new Set(); // ids of callouts whose card has news
let dirty = { order: false, shown: false, requests: false };
let framed = false;

function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

// --- hearing ---

function hearEverything(told) {
  room.clear();
  list.clear();
  for (const callout of told.callouts) room.keep(callout);
  for (const id of room.callouts.keys()) changed.add(id);
  [requests, struck] = [told.requests, told.struck ?? []];
  total = requests.at(-1)?.number ?? 0;
  hearCustomers(told);
  faults.hear(told.faults, line.now(), true);
  by("raise").elements.responseTypeId.replaceChildren(...told.responseTypes.map((type) => make("option", { value: type.id }, type.value)));
  if (!room.get(selected)) choose(Number(location.hash.slice(1)) || null, false);
  sum();
  later({ order: true, shown: true, requests: true });
}

function hearCallout({ callout: told }) {
  const before = room.get(told.id)?.closed;
  const { callout, fresh, alarm } = room.keep(told);
  if (alarm) tell("alarm", `Duress: ${callout.customerName}, callout ${callout.id}`);
  else if (fresh) tell("announce", `New callout: ${callout.customerName}`);
  else if (told.events.some(fromWearer)) tell("announce", `Message from ${callout.customerName}`);
  changed.add(told.id);
  const order = fresh || alarm || before !== callout.closed || list.looks.order === "silent";
  // At once, not with the next frame: a page in the background gets none.
  if (order) sum();
  later({ order, shown: order || told.id === shown()?.id });
}

function hearRequest({ requests: news }) {
  for (const entry of news) {
    const known = requests.findIndex((each) => each.number === entry.number);
    if (known >= 0) requests[known] = entry;
    else requests.push(entry);
    total = Math.max(total, entry.number);
    if (entry.fault && !struck.some((each) => each.number === entry.number)) struck.push(entry);
  }
  requests = requests.slice(-SHOWN_REQUESTS);
  struck = struck.slice(-MOST_STRUCK);
  later({ requests: true });
}

function hearFaults(told) {
  faults.hear(told.faults, line.now());
}

function hearCustomers({ customers }) {
  const label = (customer) => `${customer.id} ${customer.name}${customer.subscribed ? "" : " (no subscription)"}`;
  by("raise").elements.customerId.replaceChildren(...customers.map((customer) => make("option", { value: customer.id }, label(customer))));
}

// A live region speaks when its text changes; the same words twice would be silent.
function tell(id, text) {
  by(id).textContent = by(id).textContent === text ? `${text} ` : text;
}

function showState(text) {
  say(by("link"), text);
  by("link").classList.toggle("live", text === "Live");
}

// --- drawing ---

function later(what) {
  for (const name of Object.keys(what)) dirty[name] ||= what[name];
  if (framed) return;
  framed = true;
  requestAnimationFrame(frame);
}

function shown() {
  const callout = room.get(selected);
  if (callout && (byHand || !callout.closed)) return callout;
  selected = room.listed()[0]?.id ?? null;
  return room.get(selected);
}

function frame() {
  framed = false;
  const now = line.now();
  const { order, shown: anew, requests: asked } = dirty;
  dirty = { order: false, shown: false, requests: false };
  const callout = shown();
  if (anew) show(callout, now);
  for (const id of changed) if (room.get(id)) list.update(room.get(id), id === selected, now);
  if (changed.size) {
    map.show(scene(callout));
    countUnread();
  }
  changed.clear();
  if (order) list.arrange();
  if (asked) panels.requests(requests, total);
}

function show(callout, now) {
  if (show.last !== callout?.id) for (const id of [show.last, callout?.id]) if (id !== undefined) changed.add(id);
  show.last = callout?.id;
  say(by("nomap"), callout ? (callout.positions.length || callout.told.count ? "" : "No position yet") : "Choose a callout, or wait for one");
  panels.heading(callout);
  panels.facts(callout);
  acts.show(callout);
  if (talk.show(callout, talkSeen())) changed.add(callout.id);
  map.show(scene(callout));
  tickShown(callout, now);
}

function countUnread() {
  const unread = room.open.reduce((sum, each) => sum + room.unread(each), 0);
  hide(by("unread"), !unread);
  say(by("unread"), String(unread));
}

function scene(callout) {
  const others = room.open
    .filter((other) => other !== callout && other.positions.length)
    .map((other) => ({ id: other.id, position: other.positions.at(-1), alarm: other.duress, name: `${other.customerName} #${other.id}${other.duress ? ", DURESS" : ""}` }));
  return callout ? { id: callout.id, positions: callout.positions, told: callout.told, closed: callout.closed, others } : { id: null, positions: [], told: null, others };
}

function tickShown(callout, now) {
  panels.position(callout, now);
  panels.who(callout, now);
  timeline.show(callout, callout ? struck.filter((seen) => concerns(seen, callout)) : [], now);
}

// A raise knows its customer only; everything else names the callout.
function concerns(seen, callout) {
  seen.about ??= seen.path.match(/\/(callouts|customers)\/(\d+)(?:\/|$)/) ?? [];
  const [, what, id] = seen.about;
  return what === "customers" ? id === String(callout.customerId) && seen.received >= callout.raised : id === String(callout.id);
}

function sum() {
  const open = room.open;
  const alarms = open.filter((callout) => callout.duress);
  const waiting = open.filter((callout) => !callout.dispatched).length;
  const words = open.length ? `${open.length} open${waiting ? `, ${waiting} waiting` : ""}` : "Nothing open";
  const jump = alarms.length ? [make("button", { type: "button", class: "jump", "data-jump": alarms[0].id }, sign("warning"), `${alarms.length} duress`)] : [];
  by("summary").replaceChildren(make("span", {}, words), ...jump);
  document.title = `${alarms.length ? "DURESS · " : ""}${open.length ? `(${open.length}) ` : ""}Control room`;
}

// --- doing ---

async function send(method, path, body, place = "error") {
  by(place).textContent = "";
  const refused = await ask(method, path, body);
  if (refused) by(place).textContent = refused;
  return !refused;
}

function choose(id, hand) {
  if (room.get(id)) selected = id;
  byHand = hand || byHand;
  if (hand) history.replaceState(null, "", `#${id}`);
  if (hand && narrow()) {
    part("map");
    // What had the focus is not on the screen any more.
    by("tabs").querySelector('[data-tab="map"]').focus({ preventScroll: true });
  }
  later({ shown: true });
}

const narrow = () => getComputedStyle(document.documentElement).getPropertyValue("--narrow").trim() === "1";
const talkSeen = () => !document.hidden && (!narrow() || document.body.dataset.tab === "talk");

function part(name) {
  document.body.dataset.tab = name;
  for (const button of by("tabs").querySelectorAll("[data-tab]")) put(button, "aria-current", button.dataset.tab === name ? "true" : null);
  if (name === "tools") scenario.look();
  else scenario.rest();
  later({ shown: true });
}

function markView(mode) {
  for (const button of document.querySelectorAll("[data-view]")) if (!["in", "out"].includes(button.dataset.view)) put(button, "aria-pressed", String(button.dataset.view === mode));
}

by("tabs").addEventListener("click", (event) => {
  const name = event.target.closest("[data-tab]")?.dataset.tab;
  if (PARTS.includes(name)) part(name);
});

by("faultsign").addEventListener("click", () => part("tools"));
by("help").addEventListener("click", () => by("keys").showModal());
by("log").addEventListener("toggle", () => later({ requests: true }));

by("summary").addEventListener("click", (event) => {
  const id = event.target.closest("[data-jump]")?.dataset.jump;
  if (id) choose(Number(id), true);
});

by("raise").addEventListener("submit", (event) => {
  event.preventDefault();
  const filled = [...new FormData(event.target)].filter(([, value]) => value !== "");
  send("POST", "/sim/callouts", Object.fromEntries(filled.map(([name, value]) => [name, Number(value)])), "toolserror");
});

// The page's own keys, where nobody is writing and no dialog is open.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, select, textarea, dialog[open]")) return;
  if (event.key === "/") {
    part(narrow() ? "list" : document.body.dataset.tab === "tools" ? "list" : document.body.dataset.tab);
    by("search").focus();
  } else if (event.key === "?") by("keys").showModal();
  else if (event.key.startsWith("Arrow") && event.target === document.body) list.enter();
  else return;
  event.preventDefault();
});

// Whoever works on a callout goes on seeing it, also once it is closed.
for (const name of ["pointerdown", "keydown"]) {
  for (const place of document.querySelectorAll("[data-part=map], [data-part=talk]")) place.addEventListener(name, () => { byHand = true; });
}

window.addEventListener("hashchange", () => choose(Number(location.hash.slice(1)), true));
document.addEventListener("visibilitychange", () => later({ shown: true }));
new Gestures(map, document.querySelectorAll("[data-view]"), (id) => choose(id, true));

function tick() {
  const now = line.now();
  say(by("clock"), `${new Date(now).toISOString().slice(11, 19)} UTC`);
  line.tick();
  faults.tick(now);
  list.tick(now);
  const callout = shown();
  tickShown(callout, now);
  map.tick(now);
}

part("list");
markView("fit");
faults.learn();
setInterval(tick, 1000);
tick();
