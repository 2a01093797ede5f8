// What the panels say about a callout. Every word from outside goes in as text, never as markup.

import { lengthText, motion, when } from "./map.js";

const OLD_MS = 20_000; // a stream comes every 5 to 20 s; later than that is old
const STALE_MS = 60_000;

export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

export const clock = (text) => (text ? `${text.slice(11, 19)} UTC` : "–");

export function statusChip(callout) {
  const kind = callout.closed ? "closed" : callout.dispatched ? "sent" : "";
  return make("span", { class: `chip ${kind}` }, callout.status);
}

function progress(callout) {
  if (callout.completed) return "Responder done";
  return callout.arrived ? "On scene" : null;
}

export function card(callout, now, selected) {
  const age = callout.closed ? "closed" : span(now - Date.parse(callout.raised));
  const soft = callout.softCancelled && !callout.closed;
  return make(
    "button",
    {
      type: "button",
      class: `card ${callout.closed ? "closed" : ""} ${callout.duress ? "alarm" : ""}`,
      "aria-current": selected ? "true" : "false",
      "data-id": callout.id,
    },
    make("span", { class: "name" }, callout.customerName),
    make("span", { class: "age" }, age),
    make(
      "span",
      { class: "what" },
      callout.duress && make("span", { class: "chip alarm" }, "DURESS"),
      statusChip(callout),
      progress(callout) && make("span", { class: "chip sent" }, progress(callout)),
      soft && make("span", { class: "chip warn" }, "cancel asked"),
      `#${callout.id} · ${callout.responseType}`,
    ),
  );
}

export function heading(callout) {
  return [
    make("span", { class: "who" }, callout.customerName),
    make("span", {}, `#${callout.id}`),
    statusChip(callout),
    ...(progress(callout) ? [make("span", { class: "chip sent" }, progress(callout))] : []),
    ...(callout.internalTest ? [make("span", { class: "chip warn" }, "test")] : []),
  ];
}

export function age(callout, now) {
  const last = callout?.positions.at(-1);
  if (!last) return { text: "none yet", level: "none" };
  const ms = now - when(last);
  if (callout.closed) return { text: clock(last.received), level: "closed" };
  return { text: span(ms), level: ms > STALE_MS ? "stale" : ms > OLD_MS ? "old" : "fresh" };
}

function speedText(positions) {
  const moving = motion(positions);
  if (!moving) return "–";
  return moving.speed < 0.4 ? "standing" : `${Math.round(moving.speed * 3.6)} km/h`;
}

export function position(callout, now) {
  const last = callout.positions.at(-1);
  const { text, level } = age(callout, now);
  const accuracy = last?.accuracy;
  const rows = [
    [callout.closed ? "Last position at" : "Age of position", text, level],
    ["Accuracy", accuracy === null || accuracy === undefined ? "not told" : `± ${lengthText(accuracy)}`, ""],
    [level === "fresh" || level === "old" ? "Speed" : "Last known speed", last ? speedText(callout.positions) : "–", ""],
    ["Position", last ? `${last.latitude.toFixed(5)}, ${last.longitude.toFixed(5)}` : "–", ""],
  ];
  return rows.map(([name, value, kind]) => make("div", { class: kind, "data-row": name }, make("dt", {}, name), make("dd", {}, value)));
}

const ORIGINS = { device: "device", site: "fixed location", elsewhere: "elsewhere (phone)" };
const VERDICTS = { right: "right code", wrong: "WRONG CODE", unconditional: "no code" };

function cancels(callout) {
  return callout.cancels.map((cancel) => `${VERDICTS[cancel.verdict]} ${clock(cancel.received)}`).join(", ");
}

export function facts(callout) {
  const rows = [
    ["Customer", `${callout.customerName} (${callout.customerId})`],
    ["Mobile", callout.customerMobile],
    ["Response", callout.responseType],
    ["Raised", `${clock(callout.raised)}, from ${ORIGINS[callout.origin] ?? callout.origin}`],
    ["Presses", String(callout.presses)],
    ["Positions", String(callout.positions.length)],
  ];
  if (callout.classificationId) rows.push(["Classification", String(callout.classificationId)]);
  if (callout.closedAt) rows.push(["Closed", clock(callout.closedAt)]);
  const alarm = callout.duress ? "alarm" : "";
  const shown = rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  if (callout.cancels.length) shown.push(make("dt", {}, "Cancels"), make("dd", { class: alarm }, cancels(callout)));
  return shown;
}

const STEPS = {
  dispatch: ["Dispatch", "Dispatched", "dispatched"],
  arrive: ["Arrive", "Arrived", "arrived"],
  complete: ["Complete", "Completed", "completed"],
  close: ["Close", "Closed", "closedAt"],
};

export function acts(callout) {
  const next = callout?.possible[0];
  return Object.entries(STEPS).map(([act, [label, past, stamp]]) => {
    const done = Boolean(callout?.[stamp]);
    const kind = done ? "done" : act === next ? "next" : "";
    const disabled = !callout?.possible.includes(act);
    return make("button", { type: "button", "data-act": act, class: kind, disabled }, done ? past : label);
  });
}

export function events(callout) {
  const said = callout.events.map((event) => ({ ...event, kind: event.kind === "lifecycle" ? "system" : event.source === "dispatch" ? "dispatch" : "customer" }));
  const notes = callout.notes.map((note) => ({ ...note, kind: note.alarming ? "note alarm" : "note", source: "dispatcher only" }));
  const all = [...said, ...notes].sort((left, right) => left.received.localeCompare(right.received));
  return all.map((event) =>
    make("li", { class: `event ${event.kind}` }, make("span", { class: "meta" }, `${clock(event.received)} · ${event.source}`), event.text),
  );
}

// The operation and the end of the id it is about: what differs must be readable in a narrow column.
function shortly(entry) {
  const path = entry.path.replace("/panic-api/v2", "");
  if (!entry.operation) return `${entry.method} ${path}`;
  const id = path.match(/\/(\d+)(?:\/|$)/)?.[1] ?? "";
  return `${entry.operation} ${id.length > 5 ? `…${id.slice(-4)}` : id}`;
}

export function request(entry) {
  const status = entry.status ?? "–";
  const kind = entry.fault ? "odd" : entry.status >= 400 || entry.status === null ? "bad" : entry.status === 285 ? "odd" : "ok";
  return make(
    "li",
    { title: `${entry.method} ${entry.path}${entry.fault ? ` (fault: ${entry.fault})` : ""}` },
    make("span", { class: "time" }, entry.received.slice(11, 19)),
    make("span", { class: "path" }, shortly(entry)),
    make("span", { class: `status ${kind}` }, String(status)),
  );
}
