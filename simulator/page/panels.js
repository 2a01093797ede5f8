// What the panels say about the callout that is shown. Rewrites a panel only where its words have changed.

import { lengthText } from "./geometry.js";
import { etaWords } from "./acts.js";
import { motionWords } from "./layers.js";
import { stage } from "./room.js";
import { age, by, clock, hide, make, put, say, sign, span, time } from "./words.js";

const ORIGINS = { device: "device", site: "fixed location", elsewhere: "phone" };
const VERDICTS = { right: "right code", wrong: "WRONG CODE", unconditional: "no code" };

const drawn = new Map();

// Fills an element where its key differs from the last time.
function once(id, key, build) {
  const text = JSON.stringify(key);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  by(id).replaceChildren(...build());
}

export function heading(callout) {
  once("heading", callout && [callout.id, callout.customerName, callout.test], () =>
    callout ? [make("span", { class: "who-name" }, callout.customerName), make("span", { class: "id" }, `#${callout.id}`), callout.test && make("span", { class: "chip warn" }, "test")].filter(Boolean) : []);
  hide(by("duress"), !callout?.duress);
  once("duress", callout?.duress, () => [sign("warning"), make("b", {}, "DURESS"), " A wrong safe code was entered: treat as a person under threat. Whoever typed it saw a normal cancel."]);
}

export function who(callout, now) {
  const eta = callout && etaWords(callout, now);
  once("who", callout && [callout.id, callout.customerName, callout.customerMobile, stage(callout), callout.duress, eta], () => {
    if (!callout) return [];
    const { name, words } = stage(callout);
    const chip = make("span", { class: `chip ${name === "waiting" ? "want" : name === "closed" ? "over" : "sent"}` }, words);
    return [make("b", {}, callout.customerName), callout.duress && make("span", { class: "chip alarm" }, sign("warning"), "DURESS"), chip, eta && make("span", { class: "expected" }, eta)].filter(Boolean);
  });
}

function rows(callout, now) {
  const last = callout.positions.at(-1);
  const { level, text } = age(callout, now);
  const judged = { fresh: "live", old: "late", stale: "LOST" }[level];
  const accuracy = last?.accuracy ?? null;
  return [
    [callout.closed ? "Last position at" : "Position", level === "none" || callout.closed ? text : `${judged}, ${text} ago`, level],
    [level === "stale" || level === "closed" ? "Was moving" : "Moving", last ? motionWords(callout.positions) : "not known", ""],
    ["Accuracy", accuracy === null ? (last ? "not told" : "–") : `within ${lengthText(accuracy)}`, ""],
    ["Latitude, longitude", last ? `${last.latitude.toFixed(5)}, ${last.longitude.toFixed(5)}` : "–", ""],
  ];
}

// Four cells that stay; only their words change.
export function position(callout, now) {
  const list = by("position");
  if (!list.children.length) list.append(...[0, 1, 2, 3].map(() => make("div", {}, make("dt"), make("dd"))));
  hide(list, !callout);
  if (!callout) return;
  rows(callout, now).forEach(([name, value, kind], index) => {
    const cell = list.children[index];
    put(cell, "class", kind);
    say(cell.firstChild, name);
    say(cell.lastChild, value);
  });
}

function cancels(callout) {
  return callout.cancels.map((cancel) => `${VERDICTS[cancel.verdict] ?? cancel.verdict} ${clock(cancel.received)}`).join(", ");
}

export function facts(callout) {
  once("facts", callout && [callout.id, callout.version], () => {
    if (!callout) return [];
    const told = [
      ["Customer", `${callout.customerName} (${callout.customerId})`],
      ["Mobile", callout.customerMobile],
      ["Response", callout.responseType.toLowerCase()],
      ["Raised", `${clock(callout.raised)}, from ${ORIGINS[callout.origin] ?? callout.origin}`],
      ["Presses", String(callout.presses)],
      ["Positions", `${callout.heard} live${callout.told.count ? `, ${callout.told.count} told later` : ""}`],
      ["Status sent", callout.status],
    ];
    if (callout.classificationId) told.push(["Classification", `${callout.classification} (${callout.classificationId})`]);
    if (callout.stoodDown) told.push(["Stood down", clock(callout.stoodDown)]);
    if (callout.closedAt) told.push(["Closed", `${clock(callout.closedAt)}, after ${span(time(callout.closedAt) - time(callout.raised))}`]);
    const shown = told.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
    if (callout.cancels.length) shown.push(make("dt", {}, "Cancels"), make("dd", { class: callout.duress ? "alarm" : "" }, cancels(callout)));
    return shown;
  });
}

// The operation and the end of the id it is about: what differs must be readable in a narrow column.
function shortly(entry) {
  const path = entry.path.replace("/panic-api/v2", "");
  if (!entry.operation) return `${entry.method} ${path}`;
  const id = path.match(/\/(\d+)(?:\/|$)/)?.[1] ?? "";
  return `${entry.operation} ${id.length > 5 ? `…${id.slice(-4)}` : id}`;
}

function request(entry) {
  const kind = entry.fault ? "odd" : entry.status >= 400 || entry.status === null ? "bad" : entry.status === 285 ? "odd" : "ok";
  const fault = entry.fault && make("span", { class: "chip warn" }, entry.fault);
  return make(
    "li",
    { title: `${entry.method} ${entry.path}${entry.fault ? ` (fault: ${entry.fault})` : ""}` },
    make("span", { class: "time" }, entry.received.slice(11, 19)),
    make("span", { class: "path" }, shortly(entry)),
    fault,
    make("span", { class: `status ${kind}` }, String(entry.status ?? "none")),
  );
}

export function requests(entries, total) {
  say(by("requestcount"), total ? String(total) : "");
  if (by("log").open) by("requests").replaceChildren(...entries.slice(-30).reverse().map(request));
}
