// Switches for what goes wrong: which fault, on what, for how long; what is on, with what is left of it. What there is to choose
// comes from the simulator (/sim/faults/kinds), so that a new fault needs no new page; without an answer there are the oldest seven.

import { by, make, put, say, sign, span } from "./words.js";

const OLDEST = ["status", "latency", "lost", "reset", "drip", "portal", "odd"];
const PLAIN = {
  actions: OLDEST.map((action) => ({ action, title: action, words: "", keys: ["action", "on", "status", "delay_s", "count", "for_s", "share"], needs: [] })),
  keys: [
    { key: "on", type: "array" }, { key: "status", type: "integer", words: "HTTP status", default: 503, minimum: 200, maximum: 599 },
    { key: "delay_s", type: "number", words: "seconds before", default: 0, minimum: 0 }, { key: "count", type: "integer", words: "ends after so many hits", minimum: 0 },
    { key: "for_s", type: "number", words: "ends after so many seconds", minimum: 0 }, { key: "share", type: "number", words: "share of the requests", default: 1, minimum: 0, maximum: 1 },
  ],
  operations: ["*", "raise", "locate", "read", "list_customer", "list_events", "send_event", "cancel", "mint"],
};
const LABELS = {
  for_s: "For seconds", count: "For hits", share: "Share of requests", delay_s: "Delay, seconds", after: "After requests", interval_s: "Seconds a byte",
  retry_after: "Retry-After", processed: "Carried out all the same", status: "Status",
};
const LIMITS = ["for_s", "count", "share"];
const ASK_MS = 2_000;
const NEVER = new Set(["action", "on", "method"]);

export class Faults {
  // send: (method, path, body) -> whether it was taken.
  constructor(send) {
    this.send = send;
    this.kinds = PLAIN;
    this.since = new Map();
    this.faults = [];
    this.asked = 0;
    this.form = by("fault");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      send("POST", "/sim/faults", this.rule());
    });
    this.form.addEventListener("change", (event) => event.target.name === "action" && this.drawKeys());
    by("running").addEventListener("click", (event) => {
      const button = event.target.closest("[data-off]");
      if (button) send("DELETE", `/sim/faults/${button.dataset.off === "all" ? "" : button.dataset.off}`.replace(/\/$/, ""));
    });
  }

  async learn() {
    try {
      const reply = await fetch("/sim/faults/kinds");
      const told = reply.ok ? await reply.json() : null;
      if (Array.isArray(told?.actions) && Array.isArray(told?.keys)) this.kinds = told;
    } catch {
      // the plain ones remain
    }
    this.drawForm();
  }

  // --- choosing ---

  drawForm() {
    const { actions, operations } = this.kinds;
    const choose = make("select", { name: "action" }, ...actions.map(({ action, title }) => make("option", { value: action }, title ?? action)));
    const boxes = (operations ?? []).map((name) => make("label", { class: "tick" }, make("input", { type: "checkbox", name: "on", value: name, checked: name === "*" }), name === "*" ? "everything" : name));
    this.words = make("p", { class: "wide hint" });
    this.own = make("div", { class: "wide form" });
    this.on = make("details", { class: "wide on" }, make("summary", {}, "On which requests"), make("div", { class: "ticks" }, ...boxes));
    this.form.replaceChildren(make("label", { class: "wide" }, "What goes wrong ", choose), this.words, this.own, this.on, make("button", { class: "wide" }, "Switch on"));
    // One box that means all, and the others: ticking one clears the other.
    this.on.addEventListener("change", ({ target }) => {
      for (const box of this.on.querySelectorAll("input")) if (target.checked && (box.value === "*") !== (target.value === "*")) box.checked = false;
    });
    this.drawKeys();
  }

  get action() {
    return this.kinds.actions.find(({ action }) => action === this.form.elements.action.value) ?? this.kinds.actions[0];
  }

  drawKeys() {
    const { keys, words, example, needs } = this.action;
    const needed = new Set((needs ?? []).flat());
    const known = new Map(this.kinds.keys.map((key) => [key.key ?? key.name, key]));
    const shown = keys.filter((name) => known.has(name) && !NEVER.has(name));
    const early = shown.filter((name) => LIMITS.includes(name) || needed.has(name) || name in (example ?? {}));
    const field = (name) => this.field(name, known.get(name), example?.[name]);
    say(this.words, (words ?? "").replaceAll("`", ""));
    const late = shown.filter((name) => !early.includes(name)).map(field);
    this.own.replaceChildren(...early.map(field), ...(late.length ? [make("details", { class: "wide" }, make("summary", {}, "More"), make("div", { class: "form" }, ...late))] : []));
    this.on.hidden = !keys.includes("on");
  }

  field(name, key, suggested) {
    const label = LABELS[name] ?? name.replace(/_/g, " ").replace(/^./, (letter) => letter.toUpperCase());
    const { type, words, choices, minimum, maximum } = key;
    const title = words ?? "";
    if (type === "boolean") return make("label", { class: "tick wide", title }, make("input", { type: "checkbox", name, checked: suggested === true }), label);
    if (choices?.length) {
      return make("label", { title }, `${label} `, make("select", { name }, ...choices.map((choice) => make("option", { value: choice, selected: choice === (suggested ?? key.default) }, choice.replace(/_/g, " ")))));
    }
    const number = type === "integer" || type === "number";
    const limits = number ? { min: minimum ?? key.min, max: maximum ?? key.max, step: type === "integer" ? 1 : "any", inputmode: "decimal" } : { maxlength: 2000 };
    const placeholder = { for_s: "no limit", count: "no limit" }[name] ?? key.default ?? "";
    return make("label", { title }, `${label} `, make("input", { name, type: number ? "number" : "text", placeholder, value: suggested ?? null, autocomplete: "off", ...limits }));
  }

  // The rule as the form says it. What is left empty is left to the simulator.
  rule() {
    const rule = { action: this.action.action };
    for (const element of this.own.querySelectorAll("[name]")) {
      if (element.type === "checkbox") {
        if (element.checked) rule[element.name] = true;
      } else if (element.value !== "") {
        rule[element.name] = element.type === "number" ? Number(element.value) : element.value;
      }
    }
    const on = [...this.on.querySelectorAll("input:checked")].map((box) => box.value);
    if (!this.on.hidden && on.length && !on.includes("*")) rule.on = on;
    return rule;
  }

  // --- what is on ---

  // first: the page has only begun to listen, and cannot know how long these have been on.
  hear(faults, now, first = false) {
    this.faults = faults;
    for (const { id } of faults) if (!this.since.has(id)) this.since.set(id, first ? null : now);
    this.show(now);
  }

  // A rule that ends by the clock ends without a word. Of one whose beginning is not known, the simulator is asked now and then.
  async tick(now) {
    this.show(now);
    const unsure = this.faults.some((fault) => !fault.spent && fault.for_s !== null && fault.for_s !== undefined && this.leftMs(fault, now) === null);
    if (!unsure || now - this.asked < ASK_MS) return;
    this.asked = now;
    try {
      this.hear(await (await fetch("/sim/faults")).json(), now);
    } catch {
      // next time
    }
  }

  over(fault, now) {
    if (fault.spent || fault.for_s === null || fault.for_s === undefined) return fault.spent;
    return (this.leftMs(fault, now) ?? 1) <= 0;
  }

  // What is left of its time, where the page heard it begin; null where it did not.
  leftMs(fault, now) {
    const since = this.since.get(fault.id) ?? null;
    return since === null ? null : since + fault.for_s * 1000 - now;
  }

  row(fault, now) {
    const title = this.kinds.actions.find(({ action }) => action === fault.action)?.title ?? fault.action;
    const detail = fault.status && fault.action === "status" ? ` ${fault.status}` : "";
    const on = !fault.on?.length || fault.on.includes("*") ? "everything" : fault.on.join(", ");
    const left = [];
    if (this.over(fault, now)) left.push("over");
    else {
      if (fault.for_s !== null && fault.for_s !== undefined) {
        const ms = this.leftMs(fault, now);
        left.push(ms === null ? `for ${span(fault.for_s * 1000)} in all` : `${span(ms)} left`);
      }
      if (fault.count !== null && fault.count !== undefined) left.push(`${Math.max(0, fault.count - fault.hits)} hits left`);
    }
    const hits = `${fault.hits} ${fault.hits === 1 ? "hit" : "hits"}`;
    const share = fault.share < 1 ? `, ${Math.round(fault.share * 100)} %` : "";
    return [fault.name ?? `${title}${detail}`, `on ${on}${share} · ${[hits, ...left].join(" · ")}`];
  }

  show(now) {
    const on = this.faults.filter((fault) => !this.over(fault, now));
    const rows = this.faults.map((fault) => [fault.id, ...this.row(fault, now)]);
    const key = JSON.stringify(rows);
    if (this.key === key) return;
    this.key = key;
    const focused = document.activeElement?.dataset.off;
    const off = (id, label) => make("button", { type: "button", "data-off": id, "aria-label": label }, "Off");
    const items = rows.map(([id, name, words]) => make("li", {}, make("b", {}, name), off(id, `Switch off: ${name}`), make("span", { class: "hint" }, words)));
    if (rows.length > 1) items.push(make("li", {}, make("b", {}, "All of them"), off("all", "Switch off all faults")));
    by("running").replaceChildren(...items);
    if (focused) by("running").querySelector(`[data-off="${CSS.escape(focused)}"]`)?.focus();
    say(by("faultcount"), on.length ? String(on.length) : "none on");
    by("faultcount").classList.toggle("on", on.length > 0);
    put(by("faultsign"), "hidden", on.length ? null : "");
    by("faultsign").replaceChildren(sign("fault"), on.length === 1 ? "1 fault on" : `${on.length} faults on`);
  }
}
