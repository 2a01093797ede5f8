// The scenario that plays: what has been, what it waits for, what is to be done at the device. Starts a shipped one and stops it.
// Looked at only while the tools are: it costs a question every two seconds.

import { ask } from "./line.js";
import { by, make, put, say } from "./words.js";

const EVERY_MS = 2_000;
const STATES = { done: "✓ done", now: "▶ now", waiting: "waiting", failed: "✗ failed" };
const WHOLE = { playing: "playing", ended: "ended well", failed: "failed", stopped: "stopped" };

export class ScenarioSteps {
  constructor() {
    this.watching = false;
    by("scenario").addEventListener("click", (event) => {
      const act = event.target.closest("[data-scenario]")?.dataset.scenario;
      if (act === "start") this.send("POST", { name: by("shipped").value });
      else if (act === "stop") this.send("DELETE");
    });
  }

  // The tools are looked at.
  async look() {
    if (this.watching) return;
    this.watching = true;
    const shipped = await this.get("/sim/scenarios");
    put(by("scenario"), "hidden", shipped?.length ? null : "");
    if (!shipped?.length) return;
    by("shipped").replaceChildren(...shipped.map(({ name, title, description }) => make("option", { value: name, title: description }, title)));
    await this.watch();
  }

  rest() {
    this.watching = false;
    clearTimeout(this.timer);
  }

  async watch() {
    clearTimeout(this.timer);
    const told = await this.get("/sim/scenario");
    this.show(told);
    // None was started: it is asked for again when the tools are looked at again, or one is started here.
    if (this.watching && told) this.timer = setTimeout(() => this.watch(), EVERY_MS);
  }

  async send(method, body) {
    say(by("toolserror"), (await ask(method, "/sim/scenario", body)) ?? "");
    await this.watch();
  }

  async get(path) {
    try {
      const reply = await fetch(path);
      return reply.ok ? await reply.json() : null;
    } catch {
      return null;
    }
  }

  show(told) {
    const playing = told?.state === "playing";
    say(by("scenariotitle"), told ? `${WHOLE[told.state] ?? told.state ?? ""}` : "none");
    by("scenariotitle").classList.toggle("on", playing);
    say(by("scenariowords"), told ? [told.title, told.why].filter(Boolean).join(": ") : "");
    put(by("scenario").querySelector('[data-scenario="stop"]'), "disabled", playing ? null : "");
    const key = JSON.stringify(told?.steps);
    if (this.key === key) return;
    this.key = key;
    const row = ({ text, words, state }) => make("li", { class: state }, make("span", { class: "state" }, STATES[state] ?? state), " ", text ?? words ?? "");
    by("steps").replaceChildren(...(told?.steps ?? []).map(row));
    by("steps").querySelector(".now, .failed")?.scrollIntoView({ block: "nearest" });
  }
}
