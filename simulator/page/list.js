// The list of callouts. Each callout keeps its card, and a card changes only where what it says has: hundreds of them move every
// second. The browser leaves out what is scrolled away (content-visibility), so that all of them stay in the document for a search
// and for a screen reader.

import { FILTERS, ORDERS, stage } from "./room.js";
import { age, by, hide, make, put, roughly, say, sign, time } from "./words.js";

const CHIPS = { waiting: "chip want", coming: "chip sent", there: "chip sent", done: "chip sent", closed: "chip over" };

class Card {
  constructor(id) {
    this.name = make("span", { class: "name" });
    this.open = make("span", { class: "open" });
    this.alarm = make("span", { class: "chip alarm", hidden: true }, sign("warning"), "DURESS");
    this.stage = make("span");
    this.soft = make("span", { class: "chip warn", hidden: true }, "cancel asked");
    this.test = make("span", { class: "chip warn", hidden: true }, "test");
    this.talk = make("span", { class: "chip talk", hidden: true });
    this.age = make("span", { class: "age" });
    this.what = make("span", { class: "what" });
    const chips = make("span", { class: "chips" }, this.alarm, this.stage, this.soft, this.test, this.talk);
    this.button = make("button", { type: "button", class: "card", "data-id": id, tabindex: -1 }, this.name, this.open, chips, this.what, this.age);
    this.element = make("li", {}, this.button);
  }

  update(callout, unread, selected) {
    const { name, words } = stage(callout);
    say(this.name, callout.customerName);
    put(this.stage, "class", CHIPS[name]);
    say(this.stage, words);
    hide(this.alarm, !callout.duress);
    hide(this.soft, !callout.softCancelled || callout.closed);
    hide(this.test, !callout.test);
    hide(this.talk, !unread);
    if (unread) say(this.talk, `${unread} new`);
    say(this.what, `#${callout.id} · ${callout.responseType.toLowerCase()}`);
    put(this.button, "class", `card${callout.closed ? " closed" : ""}${callout.duress ? " alarm" : ""}`);
    put(this.button, "aria-current", selected ? "true" : "false");
  }

  tick(callout, now) {
    const { level, text } = age(callout, now);
    say(this.open, callout.closed ? "" : `open ${roughly(now - time(callout.raised))}`);
    const told = { fresh: "position live", old: `position late: ${text}`, stale: `position lost: ${roughly(now - time(callout.positions.at(-1)?.received))}` };
    say(this.age, told[level] ?? (level === "none" ? "no position yet" : ""));
    put(this.age, "class", `age ${level}`);
  }
}

export class CalloutList {
  constructor(room, onChoose) {
    this.room = room;
    this.onChoose = onChoose;
    this.cards = new Map();
    this.looks = { filter: "all", order: "newest", search: "" };
    this.list = by("list");
    this.choices();
    this.list.addEventListener("click", (event) => {
      const id = event.target.closest("[data-id]")?.dataset.id;
      if (id) onChoose(Number(id));
    });
    this.list.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("focusin", (event) => this.rove(event.target.closest("[data-id]")));
    by("search").addEventListener("input", (event) => this.look({ search: event.target.value }));
    by("search").addEventListener("keydown", (event) => this.searchKey(event));
  }

  choices() {
    const buttons = Object.entries(FILTERS).map(([name, [words]]) => make("button", { type: "button", "data-filter": name }, words, make("span", { class: "number" })));
    by("filter").replaceChildren(...buttons);
    by("filter").addEventListener("click", (event) => {
      const filter = event.target.closest("[data-filter]")?.dataset.filter;
      if (filter) this.look({ filter });
    });
    by("sort").replaceChildren(...Object.entries(ORDERS).map(([name, [words]]) => make("option", { value: name }, words)));
    by("sort").addEventListener("change", (event) => this.look({ order: event.target.value }));
  }

  look(changed) {
    Object.assign(this.looks, changed);
    this.arrange();
  }

  // What a reset or a new connection brings has nothing to do with the cards before it.
  clear() {
    for (const card of this.cards.values()) card.element.remove();
    this.cards.clear();
  }

  // One callout has news: its own card, and no other.
  update(callout, selected, now) {
    let card = this.cards.get(callout.id);
    if (!card) this.cards.set(callout.id, (card = new Card(callout.id)));
    card.update(callout, this.room.unread(callout), selected);
    card.tick(callout, now);
  }

  // Which cards are shown, in which order. Moves only those that stand elsewhere.
  arrange() {
    const shown = this.room.listed(this.looks).filter((callout) => this.cards.has(callout.id));
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const wanted = new Set(shown.map((callout) => this.cards.get(callout.id).element));
    for (const element of [...this.list.children]) if (!wanted.has(element)) element.remove();
    let place = this.list.firstElementChild;
    for (const element of wanted) {
      if (element === place) place = place.nextElementSibling;
      else this.list.insertBefore(element, place);
    }
    if (focused && document.activeElement.dataset.id !== focused) this.cards.get(Number(focused))?.button.focus();
    this.count(shown.length);
    this.rove(this.list.querySelector('[tabindex="0"]') ?? this.list.querySelector("[aria-current=true]") ?? this.list.querySelector("[data-id]"));
  }

  count(shown) {
    for (const button of by("filter").children) {
      const name = button.dataset.filter;
      say(button.querySelector(".number"), String(this.room.listed({ filter: name }).length));
      put(button, "aria-pressed", String(name === this.looks.filter));
    }
    const { search, filter } = this.looks;
    const none = this.room.callouts.size ? `None ${search ? `for “${search}”` : `is ${FILTERS[filter][0].toLowerCase()}`}.` : "No callouts. All quiet.";
    say(by("found"), shown ? (search ? `${shown} found` : "") : none);
  }

  tick(now) {
    for (const [id, card] of this.cards) {
      const callout = this.room.get(id);
      if (callout && !callout.closed) card.tick(callout, now);
    }
  }

  // One card of the list can be reached by the Tab key; the arrows go on from there.
  rove(button) {
    if (!button || button.tabIndex === 0) return;
    this.list.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    button.tabIndex = 0;
  }

  key(event) {
    const cards = [...this.list.querySelectorAll("[data-id]")];
    const place = cards.indexOf(document.activeElement);
    const target = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: cards.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    cards[target]?.focus();
  }

  searchKey(event) {
    if (event.key === "Escape" && event.target.value) {
      event.preventDefault();
      event.target.value = "";
      this.look({ search: "" });
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      this.enter();
    } else if (event.key === "Enter") {
      const first = this.list.querySelector("[data-id]");
      if (first) this.onChoose(Number(first.dataset.id));
    }
  }

  // Into the list by keyboard, from wherever the focus was.
  enter() {
    (this.list.querySelector('[tabindex="0"]') ?? this.list.querySelector("[data-id]"))?.focus();
  }
}
