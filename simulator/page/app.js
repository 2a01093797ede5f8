// The page: hears what changed over server-sent events, keeps it, and has the panels drawn. Asks nothing of any other host.

import { TrackMap } from "./map.js";
import * as panels from "./panels.js";

const SHOWN_REQUESTS = 40;
const SILENT_MS = 25_000; // the server says something every 10 s

const FAULTS = {
  "Server error 503": { action: "status", status: 503 },
  "Token refused 401": { action: "status", status: 401 },
  "Slow: 4 s": { action: "latency", delay_s: 4 },
  "Answers get lost": { action: "lost" },
  "Connections reset": { action: "reset" },
  "Captive portal": { action: "portal" },
  "Answers drip": { action: "drip", interval_s: 0.2 },
};

const by = (id) => document.getElementById(id);
const map = new TrackMap(by("map"));
const callouts = new Map();
let faults = [];
let requests = [];
let total = 0;
let selected = null;
let byHand = false;
let offset = 0; // ms that the server's clock is ahead
let heard = 0;

const now = () => Date.now() + offset;
const ordered = () => [...callouts.values()].sort((left, right) => left.closed - right.closed || right.id - left.id);

// --- hearing ---

function keep(callout) {
  const before = callouts.get(callout.id)?.positions.slice(0, callout.positionsFrom) ?? [];
  callouts.set(callout.id, { ...callout, positions: [...before, ...callout.positions] });
}

function hearEverything(told) {
  callouts.clear();
  told.callouts.forEach(keep);
  faults = told.faults;
  requests = told.requests;
  total = requests.at(-1)?.number ?? 0;
  fillChoices(told);
  if (!callouts.has(selected)) choose(Number(location.hash.slice(1)) || null, false);
  drawAll();
}

function hearCallout({ callout }) {
  const before = callouts.get(callout.id);
  keep(callout);
  if (!before) announce(`New callout: ${callout.customerName}`);
  if (callout.duress && !before?.duress) announce(`Duress: ${callout.customerName}`);
  drawAll();
}

function hearRequest({ requests: news }) {
  for (const entry of news) {
    requests = [...requests.filter((known) => known.number !== entry.number), entry].slice(-SHOWN_REQUESTS);
    total = Math.max(total, entry.number);
  }
  drawRequests();
}

function listen() {
  const stream = new EventSource("/sim/live");
  const hears = {
    hello: hearEverything, reset: hearEverything, callout: hearCallout, request: hearRequest,
    faults: (told) => { faults = told.faults; drawFaults(); },
    customers: (told) => fillCustomers(told.customers),
    beat: () => {},
  };
  for (const [name, hear] of Object.entries(hears)) {
    stream.addEventListener(name, (event) => {
      const told = JSON.parse(event.data);
      offset = told.now * 1000 - Date.now();
      heard = Date.now();
      link("Live");
      hear(told);
    });
  }
  stream.onopen = () => link("Live");
  stream.onerror = () => link("Reconnecting");
}

function link(text) {
  by("link").textContent = text;
  by("link").classList.toggle("live", text === "Live");
}

// --- drawing ---

function current() {
  if (!callouts.has(selected) || (!byHand && callouts.get(selected).closed)) selected = ordered()[0]?.id ?? null;
  return callouts.get(selected);
}

function drawAll() {
  const callout = current();
  drawList();
  drawSelected(callout);
  drawFaults();
  drawRequests();
}

// Redraw a container without losing the keyboard's place in it.
function refill(element, children, key) {
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset[key] : null;
  element.replaceChildren(...children);
  if (focused) element.querySelector(`[data-${key}="${CSS.escape(focused)}"]`)?.focus();
}

function drawList() {
  const shown = ordered();
  const cards = shown.map((callout) => panels.card(callout, now(), callout.id === selected));
  refill(by("list"), cards.length ? cards : [panels.make("p", { class: "empty" }, "No callouts. All quiet.")], "id");
  const open = shown.filter((callout) => !callout.closed);
  const duress = open.filter((callout) => callout.duress).length;
  const summary = [open.length ? `${open.length} open` : "Nothing open"];
  if (duress) summary.push(" ", panels.make("b", {}, `${duress} under duress`));
  by("summary").replaceChildren(...summary);
  document.title = `${duress ? "DURESS · " : ""}${open.length ? `(${open.length}) ` : ""}Control room`;
}

function drawSelected(callout) {
  by("nomap").textContent = callout ? (callout.positions.length ? "" : "No position yet") : "Select a callout, or wait for one";
  map.show(callout?.positions ?? []);
  by("heading").replaceChildren(...(callout ? panels.heading(callout) : []));
  by("duress").hidden = !callout?.duress;
  by("duress").textContent = "Duress: a wrong safe code was entered. Whoever typed it saw a normal cancel.";
  by("facts").replaceChildren(...(callout ? panels.facts(callout) : []));
  refill(by("acts"), panels.acts(callout), "act");
  drawEvents(callout);
  for (const field of by("say").elements) field.disabled = !callout || callout.closed;
  drawAges(callout);
}

function drawEvents(callout) {
  const stream = by("events");
  const shown = callout ? panels.events(callout) : [];
  const same = stream.dataset.of === String(callout?.id) && stream.childElementCount === shown.length;
  if (same) return;
  const atEnd = stream.scrollHeight - stream.scrollTop - stream.clientHeight < 40 || stream.dataset.of !== String(callout?.id);
  stream.dataset.of = String(callout?.id);
  stream.replaceChildren(...shown);
  if (atEnd) stream.scrollTop = stream.scrollHeight;
}

function drawAges(callout) {
  by("position").replaceChildren(...(callout ? panels.position(callout, now()) : []));
  map.level(panels.age(callout, now()).level);
  for (const element of by("list").querySelectorAll(".card:not(.closed)")) {
    const each = callouts.get(Number(element.dataset.id));
    element.querySelector(".age").textContent = panels.span(now() - Date.parse(each.raised));
  }
}

function drawFaults() {
  const rows = Object.entries(FAULTS).map(([name, rule]) => {
    const active = faults.find((fault) => matches(fault, rule));
    const hits = active ? panels.make("span", { class: "hits" }, `${active.hits} ${active.hits === 1 ? "hit" : "hits"}`) : null;
    return panels.make("button", { type: "button", class: "switch", role: "switch", "aria-checked": String(Boolean(active)), "data-fault": name }, name, hits);
  });
  const other = faults.filter((fault) => !Object.values(FAULTS).some((rule) => matches(fault, rule)));
  const words = other.length ? [panels.make("p", { class: "empty" }, `and ${other.length} set over the API`)] : [];
  refill(by("faults"), [...rows, ...words], "fault");
  const on = faults.filter((fault) => !fault.spent).length;
  by("faultcount").textContent = on ? String(on) : "off";
  by("faultcount").classList.toggle("on", on > 0);
}

const matches = (fault, rule) => fault.count === null && Object.entries(rule).every(([key, value]) => fault[key] === value);

function drawRequests() {
  by("requests").replaceChildren(...requests.slice(-14).reverse().map(panels.request));
  by("requestcount").textContent = total ? String(total) : "";
}

function fillChoices(told) {
  fillCustomers(told.customers);
  by("raise").elements.responseTypeId.replaceChildren(...told.responseTypes.map((type) => panels.make("option", { value: type.id }, type.value)));
}

function fillCustomers(customers) {
  const label = (customer) => `${customer.id} ${customer.name}${customer.subscribed ? "" : " (no subscription)"}`;
  by("raise").elements.customerId.replaceChildren(...customers.map((customer) => panels.make("option", { value: customer.id }, label(customer))));
}

function announce(text) {
  by("announce").textContent = text;
}

// --- doing ---

async function send(method, path, body) {
  by("error").textContent = "";
  try {
    const options = { method, headers: { "Content-Type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body) };
    const reply = await fetch(path, options);
    if (!reply.ok) throw new Error((await reply.json()).message ?? `Refused: ${reply.status}`);
    return true;
  } catch (error) {
    by("error").textContent = error.message;
    return false;
  }
}

function choose(id, hand) {
  selected = callouts.has(id) ? id : selected;
  byHand = hand || byHand;
  if (hand) history.replaceState(null, "", `#${id}`);
}

by("list").addEventListener("click", (event) => {
  const element = event.target.closest("[data-id]");
  if (!element) return;
  choose(Number(element.dataset.id), true);
  map.scaleBy(0);
  drawAll();
});

by("list").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const cards = [...by("list").querySelectorAll("[data-id]")];
  const target = step && cards[cards.indexOf(document.activeElement) + step];
  if (!target) return;
  event.preventDefault();
  target.focus();
});

by("acts").addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (act) send("POST", `/sim/callouts/${selected}/${act}`);
});

by("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = event.target.elements.message;
  if (field.value.trim() && (await send("POST", `/sim/callouts/${selected}/say`, { message: field.value }))) field.value = "";
});

by("raise").addEventListener("submit", (event) => {
  event.preventDefault();
  const filled = [...new FormData(event.target)].filter(([, value]) => value !== "");
  send("POST", "/sim/callouts", Object.fromEntries(filled.map(([name, value]) => [name, Number(value)])));
});

by("faults").addEventListener("click", (event) => {
  const name = event.target.closest("[data-fault]")?.dataset.fault;
  if (!name) return;
  const active = faults.find((fault) => matches(fault, FAULTS[name]));
  if (active) send("DELETE", `/sim/faults/${active.id}`);
  else send("POST", "/sim/faults", FAULTS[name]);
});

const ZOOM = { "+": 1.6, "=": 1.6, "-": 1 / 1.6, 0: 0 };
by("map").addEventListener("keydown", (event) => event.key in ZOOM && map.scaleBy(ZOOM[event.key]));
by("zoomin").addEventListener("click", () => map.scaleBy(1.6));
by("zoomout").addEventListener("click", () => map.scaleBy(1 / 1.6));
by("zoomfit").addEventListener("click", () => map.scaleBy(0));
window.addEventListener("hashchange", () => { choose(Number(location.hash.slice(1)), true); drawAll(); });

function tick() {
  by("clock").textContent = `${new Date(now()).toISOString().slice(11, 19)} UTC`;
  if (heard && Date.now() - heard > SILENT_MS) link("No word from the server");
  drawAges(current());
}

setInterval(tick, 1000);
tick();
link("Connecting");
listen();
