// Changes of a town: whispers, moves, relations, plans and events, each in a fork from the shown block on.

import { el, icon, setText, showDialog } from "./dom.js";
import { openRun } from "./links.js";

const TEXTS = ["innate", "learned", "currently", "lifestyle", "daily_plan_req"];

const OF_TOWN = "event"; // the kind of change that needs no resident

/** Buttons for changes of the selected resident, or of the whole town, and the dialogs behind them. */
export class TownEdits {
  constructor(model, run, ofTown = false) {
    Object.assign(this, { model, run, ofTown });
    const button = (label, kind) => el("button", { type: "button", class: "button small", click: () => this.open(kind) }, label);
    const ofResident = () => [button("Whisper", "whisper"), button("Edit", "traits"), button("More …", "move"), el("p", { class: "panel-help" }, "A person cannot play a resident: whisper, or change its plan.")];
    this.node = el("div", { class: "card-buttons" }, ...(ofTown ? [button("Let something happen …", OF_TOWN)] : ofResident()));
    this.node.hidden = !model.source.writable;
  }

  /** Kinds of changes that are offered: a label, and the fields of the entry. */
  kinds() {
    const all = this.allKinds();
    return this.ofTown ? { [OF_TOWN]: all[OF_TOWN] } : all;
  }

  allKinds() {
    const { map } = this.run;
    const places = map.places.map((place, number) => [map.addressOf(number), map.nameOf(number)]);
    const residents = map.residents.map((name, number) => [String(number), name]);
    const facts = [["", "a thought in your own words"], ...map.facts.map((fact, number) => [String(number), fact.text])];
    return {
      whisper: ["Whisper a thought", () => [field("fact", "A fact", choice(facts)), field("text", "Or a thought", input("text"))]],
      traits: ["Change the profile", () => [field("name", "Which text", choice(TEXTS.map((name) => [name, name.replaceAll("_", " ")]))), field("text", "New text", el("textarea", { rows: 4 }))]],
      move: ["Put at another place", () => [field("place", "Place", choice(places))]],
      relation: ["Change a relation", () => [field("other", "To", choice(residents)), field("affinity", "Affinity, -1 to 1", input("number", { min: -1, max: 1, step: 0.1, value: 0.5 }))]],
      plan: ["Put into the plan of the day", () => [field("start", "At", input("time", { value: "14:00" })), field("minutes", "Minutes", input("number", { min: 10, max: 1440, value: 60 })), field("text", "Activity", input("text")), field("place", "Place", choice([["", "where it is done best"], ...places]))]],
      event: ["Let something happen", () => [field("place", "Place", choice(places)), field("text", "State", input("text", { placeholder: "is on fire" })), field("minutes", "Minutes", input("number", { min: 10, value: 30 }))]],
    };
  }

  async open(first) {
    const { model, run } = this;
    const kinds = this.kinds();
    const agent = model.agent;
    const at = Math.max(0, run.clock.block - (run.clock.whole >= run.clock.last ? 0 : 1));
    const fields = el("div", { class: "edit-fields" });
    const kind = choice(Object.entries(kinds).map(([name, [label]]) => [name, label]));
    const fill = () => fields.replaceChildren(...kinds[kind.value][1]());
    kind.addEventListener("change", fill);
    kind.value = first;
    fill();
    const error = el("p", { class: "field-error", role: "alert" });
    const when = run.map.clockOf(at * run.clock.ticksPerBlock);
    const label = this.ofTown ? "Change of the town" : `Change for ${run.map.residents[agent]}`;
    const content = el("div", {}, el("label", { class: "field" }, el("span", {}, label), kind), fields,
      el("p", { class: "panel-help" }, `A new run shares all until ${when}, and goes on from there with the change; this run stays as it is.`), error);
    const buttons = [el("button", { value: "", class: "button", formnovalidate: true }, "Cancel"), el("button", { value: "yes", class: "button primary" }, icon("fork"), "Change in a fork")];
    while ((await showDialog("Change the town", content, buttons)) === "yes") {
      try {
        const { run: forked } = await model.source.post("town/edit", { at, entry: this.entry(kind.value, fields, agent) });
        return openRun(forked, { agent, tick: run.clock.whole });
      } catch (failure) {
        setText(error, failure.message); // and what was typed is shown again
      }
    }
  }

  entry(kind, fields, agent) {
    const given = Object.fromEntries([...fields.querySelectorAll("[name]")].map((one) => [one.name, one.type === "number" ? Number(one.value) : one.value]));
    if (kind === "event") return { kind, ...given };
    if (kind === "whisper") return { kind, agent, text: given.text, fact: given.fact === "" ? null : Number(given.fact) };
    if (kind === "traits") return { kind, agent, changes: { [given.name]: given.text } };
    if (kind === "relation") return { kind, agent, other: Number(given.other), affinity: given.affinity };
    return { kind, agent, ...given };
  }
}

function field(name, label, node) {
  node.name = name;
  return el("label", { class: "field" }, el("span", {}, label), node);
}

function input(type, attributes = {}) {
  return el("input", { type, maxlength: type === "text" ? 400 : null, ...attributes });
}

function choice(options) {
  return el("select", {}, ...options.map(([value, label]) => el("option", { value }, label)));
}
