// What a responder or dispatcher can do now. Offers only what the service says is possible, and asks before what cannot be undone.

import { by, make, span, time } from "./words.js";

const STEPS = {
  dispatch: ["Dispatch", "Dispatched", "dispatched"],
  arrive: ["On scene", "On scene", "arrived"],
  complete: ["Done", "Done", "completed"],
  stand_down: ["Stand down", null, null],
  close: ["Close …", "Closed", "closedAt"],
};
const ETAS_MIN = [5, 10, 20];

// Beside the next step: when the responder should be there, and how long that is from now or ago.
export function etaWords(callout, now) {
  const eta = time(callout.eta);
  if (eta === null || callout.arrived || callout.closed) return null;
  const at = `ETA ${callout.eta.slice(11, 16)} UTC`;
  return eta >= now ? `${at}, in ${span(eta - now)}` : `${at}, ${span(now - eta)} overdue`;
}

export class Acts {
  // onAct: gets the callout's id, the act and its body. The id is that of the callout whose buttons were pressed, whatever is shown by then.
  constructor(onAct) {
    this.onAct = onAct;
    this.form = by("acts");
    this.form.addEventListener("submit", (event) => {  // Enter in the one field that there is, which tells when a responder is expected
      event.preventDefault();
      this.dispatch();
    });
    this.form.addEventListener("keydown", (event) => event.repeat && event.key === "Enter" && event.preventDefault());
    this.form.addEventListener("click", (event) => this.click(event));
    by("sure").addEventListener("close", () => by("sure").returnValue === "yes" && this.onAct(this.asked, "close"));
  }

  show(callout) {
    this.callout = callout;
    const key = JSON.stringify([callout?.id, callout?.possible, callout?.dispatched, callout?.arrived, callout?.completed]);
    if (this.key === key) return;
    const focused = this.form.contains(document.activeElement) ? document.activeElement.dataset.act : null;
    this.key = key;
    this.form.replaceChildren(...(callout ? this.build(callout) : []));
    if (!focused) return;
    const places = [`[data-act="${focused}"]:enabled`, ":enabled.next", ":enabled"].map((each) => this.form.querySelector(each));
    (places.find(Boolean) ?? by("about").querySelector("summary")).focus();
  }

  build(callout) {
    const next = callout.possible[0];
    const buttons = Object.entries(STEPS).map(([act, [label, past, stamp]]) => {
      const done = Boolean(stamp && callout[stamp]);
      const kind = done ? "done" : act === next && act !== "close" ? "next" : "";
      return make("button", { type: "button", "data-act": act, class: kind, disabled: !callout.possible.includes(act) }, done ? `✓ ${past}` : label);
    });
    const shown = buttons.filter((button) => button.dataset.act !== "stand_down" || !button.disabled);
    return callout.possible.includes("dispatch") ? [this.eta(), ...shown] : shown;
  }

  eta() {
    const field = make("input", { name: "eta", type: "number", min: 0, max: 600, step: 1, inputmode: "numeric", placeholder: "none" });
    const quick = ETAS_MIN.map((minutes) => make("button", { type: "button", "data-eta": minutes, "aria-label": `${minutes} minutes` }, `${minutes}`));
    return make("div", { class: "eta" }, make("label", {}, "ETA, minutes ", field), ...quick);
  }

  // One press, one act: after it another button lies under the hand, and a key held down or a second click would tell what is not so.
  click(event) {
    if (event.detail > 1) return;
    const { act, eta } = event.target.closest("button")?.dataset ?? {};
    if (eta) this.form.elements.eta.value = eta;
    else if (act === "close") this.ask();
    else if (act === "dispatch") this.dispatch();
    else if (act) this.onAct(this.callout.id, act);
  }

  dispatch() {
    const field = this.form.elements.eta;
    if (!field.reportValidity()) return;
    this.onAct(this.callout.id, "dispatch", field.value === "" ? {} : { eta_s: Number(field.value) * 60 });
  }

  ask() {
    const { callout } = this;
    this.asked = callout.id;
    const alarm = callout.duress ? "DURESS is flagged: the customer may still be in danger. " : "";
    by("suretext").textContent = `${callout.customerName}, #${callout.id}. ${alarm}The device stops sending positions, and this cannot be undone.`;
    by("sure").returnValue = "no";
    by("sure").showModal();
  }
}
