// Elements, times and lengths as a person reads them. Every word from outside goes in as text, never as markup.
// Shared with the tracking page: says nothing that only dispatch may know.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const make = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
export const draw = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
export const by = (id) => document.getElementById(id);

// Only where it differs: an equal text set again would still make the browser lay out anew.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function put(element, name, value) {
  if (value === null || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export function hide(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

// Without seconds from a minute on: for what is glanced at, and need not change every second.
export function roughly(ms) {
  if (ms < 60_000) return span(ms);
  return ms < 3_600_000 ? `${Math.floor(ms / 60_000)} min` : span(ms);
}

export const time = (text) => (text ? Date.parse(text) : null);
export const clock = (text) => (text ? `${text.slice(11, 19)} UTC` : "–");
export const clockOf = (ms) => new Date(ms).toISOString().slice(11, 19);
export const dayOf = (ms) => new Date(ms).toISOString().slice(0, 10);

const OLD_MS = 20_000; // a stream comes every 5 to 20 s; later than that is old
const STALE_MS = 60_000;

// How old the last position is, in words that stand without their colour.
export function age(callout, now) {
  const last = callout?.positions.at(-1);
  if (!last) return { level: "none", text: "none yet", words: "No position yet" };
  if (callout.closed) return { level: "closed", text: clock(last.received), words: `Last position at ${clock(last.received)}` };
  const ms = Math.max(0, now - time(last.received));
  const level = ms > STALE_MS ? "stale" : ms > OLD_MS ? "old" : "fresh";
  const words = { fresh: "Live", old: "Late", stale: "Lost" }[level];
  return { level, text: span(ms), words: `${words}: ${span(ms)} ago` };
}

// A sign that is told by its shape. Takes the colour of the words beside it.
const SIGNS = {
  warning: "M8 1.5 15 14.5H1Z M8 6v4.2 M8 11.8v1.2",
  talk: "M2 3h12v8H8l-4 3v-3H2Z",
  fault: "M9 1 3 9h4l-1 6 7-9H9Z",
};

export function sign(name) {
  return draw("svg", { class: "sign", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, draw("path", { d: SIGNS[name] }));
}
