// The conversation with the wearer, both sides told apart by place, colour and name; and what only dispatch sees between them.
// Appends what is new instead of writing everything anew, so that reading and selecting are not disturbed.

import { fromWearer } from "./room.js";
import { readTold } from "./told.js";
import { by, clock, clockOf, hide, make, put, say, sign } from "./words.js";

// What stands on the button, what is sent, and when it is true.
const QUICK = [
  ["Got your call", "We have your call. Help is being arranged.", () => true],
  ["On the way", "A responder is on the way.", (callout) => callout.dispatched && !callout.arrived],
  ["Has arrived", "The responder has arrived.", (callout) => callout.arrived],
  ["Stay if safe", "Stay where you are if it is safe there.", () => true],
  ["What is happening?", "Can you tell us what is happening?", () => true],
];
const MANY_PLACES = 3;
const LIST = /(Positions )?\(UTC; latitude,longitude/;
const NEAR_END = 60; // px: whoever has scrolled up further is reading and stays there

function speaker(event, callout) {
  if (event.kind === "lifecycle") return "";
  if (event.source === "dispatch") return "Dispatch (you)";
  return event.source === "customer" ? callout.customerName : `${callout.customerName}, as “${event.source}”`;
}

function item(event, callout, fresh) {
  const kind = event.kind === "lifecycle" ? "system" : event.source === "dispatch" ? "dispatch" : "customer";
  const who = speaker(event, callout);
  const meta = make("span", { class: "meta" }, who && make("b", {}, who), who && " ", make("time", {}, clock(event.received)));
  return make("li", { class: `event ${kind}` }, fresh && make("span", { class: "fresh" }, "new"), meta, body(event));
}

// A list of places is drawn on the map and need not be read out; folded, it does not push away what was said.
function body(event) {
  const places = fromWearer(event) ? readTold(event).places : [];
  if (places.length < MANY_PLACES) return make("span", { class: "text" }, event.text);
  const times = places.map((place) => place.at).filter((at) => at !== null);
  const when = times.length ? `, ${clockOf(times[0])} to ${clockOf(times.at(-1))} UTC` : "";
  const start = Math.max(0, event.text.search(LIST));
  const folded = make("details", { class: "trailtext" }, make("summary", {}, `Told later: ${places.length} places${when}. Dashed on the map.`), event.text.slice(start));
  return make("span", { class: "text" }, event.text.slice(0, start), folded);
}

function note({ received, text, alarming }) {
  const meta = make("span", { class: "meta" }, make("b", {}, "Only dispatch sees this"), " ", make("time", {}, clock(received)));
  return make("li", { class: `event note${alarming ? " alarm" : ""}` }, meta, make("span", { class: "text" }, alarming && sign("warning"), text));
}

export class Talk {
  // room: says what was read. onSay: gets a callout's id and a text to be sent; whether it was.
  constructor(room, onSay) {
    this.room = room;
    this.stream = by("events");
    this.id = undefined;
    this.atEnd = true;
    this.drafts = new Map();
    this.stream.addEventListener("scroll", () => { this.atEnd = this.stream.scrollHeight - this.stream.scrollTop - this.stream.clientHeight < NEAR_END; });
    // Another size, or on the screen again: whoever read the end goes on reading it.
    new ResizeObserver(() => this.toEnd()).observe(this.stream);
    by("quick").addEventListener("click", (event) => {
      const text = event.target.closest("[data-quick]")?.dataset.quick;
      if (text) onSay(this.id, text);
    });
    by("say").addEventListener("submit", async (event) => {
      event.preventDefault();
      const field = event.target.elements.message;
      const [id, text] = [this.id, field.value];
      if (!text.trim() || !(await onSay(id, text))) return;
      this.drafts.delete(id);
      if (this.id === id && field.value === text) field.value = "";
    });
  }

  // seen: whether the conversation is on the screen now, so that what comes in counts as read. Whether something was read.
  show(callout, seen) {
    if (this.id !== callout?.id) this.begin(callout);
    const silent = !callout || callout.closed;
    for (const field of by("say").elements) field.disabled = silent;
    this.drawQuick(callout, silent);
    hide(by("overheard"), silent || !callout.duress);
    if (!by("overheard").hidden) say(by("overheard"), "Duress: whoever is with the customer may read what you send.");
    if (!callout) return false;
    this.append(callout);
    return seen && this.room.markRead(callout);
  }

  // What was begun for one callout stays with it, and is never sent to another.
  begin(callout) {
    const field = by("say").elements.message;
    if (this.id !== undefined) this.drafts.set(this.id, field.value);
    this.id = callout?.id;
    field.value = this.drafts.get(this.id) ?? "";
    [this.events, this.notes, this.atEnd] = [0, 0, true];
    this.read = callout ? this.room.lastRead(callout) : 0;
    this.quick = null;
    this.stream.replaceChildren(...(callout ? [] : [make("li", { class: "empty" }, "No callout is shown.")]));
  }

  append(callout) {
    const news = [
      ...callout.events.slice(this.events).map((event) => [event.received, () => item(event, callout, fromWearer(event) && event.id > this.read)]),
      ...callout.notes.slice(this.notes).map((each) => [each.received, () => note(each)]),
    ];
    if (!news.length) {
      if (!this.stream.children.length) this.stream.append(make("li", { class: "empty" }, "Nobody has said anything yet."));
      return;
    }
    this.stream.querySelector(".empty")?.remove();
    [this.events, this.notes] = [callout.events.length, callout.notes.length];
    this.stream.append(...news.sort(([one], [other]) => one.localeCompare(other)).map(([, build]) => build()));
    this.toEnd();
  }

  toEnd() {
    if (this.atEnd) this.stream.scrollTop = this.stream.scrollHeight;
  }

  drawQuick(callout, silent) {
    const fit = silent ? [] : QUICK.filter(([, , fits]) => fits(callout));
    const key = fit.map(([label]) => label).join();
    if (this.quick === key) return;
    this.quick = key;
    by("quick").replaceChildren(...fit.map(([label, text]) => make("button", { type: "button", "data-quick": text, title: `Send: ${text}` }, label)));
    hide(by("quick"), !fit.length);
  }
}
