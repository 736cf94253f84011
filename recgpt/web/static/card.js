// The card of the selected agent: what it does, its profile with edit, and its panels.

import { PanelList } from "./panels.js";
import { durationText, initialsOf, numberText } from "./format.js";
import { el, iconButton, notify, setText } from "./dom.js";
import { openRun } from "./links.js";

const LONG_VALUE = 34; // characters that stand beside a label
/** Why there is no "Take over", by world. */
const NO_TAKE_OVER = {
  feed: "No agent can be taken over in a run: in a new run with the mind person, you decide for agent 0.",
  gym: "No user can be taken over in a run: in a new run with the mind person, you give all ratings.",
};

/** Left column: the selected agent after the shown step. */
export class AgentView {
  constructor(model) {
    this.model = model;
    this.editing = false;
    this.profileKey = "";
    this.picture = el("div", { class: "picture", "aria-hidden": "true" });
    this.name = el("h2", { class: "words" });
    this.detail = el("p", { class: "card-detail" });
    this.only = el("p", { class: "panel-help" });
    this.activity = el("p", { class: "card-activity words" });
    this.profile = el("div", { class: "card-profile" });
    this.panelBox = el("div");
    this.panels = new PanelList(this.panelBox, (agent) => model.select(agent));
    this.buttons = this.makeButtons();
    const close = iconButton("close", "Deselect the agent", () => model.select(null));
    const head = el("div", { class: "card-head" }, this.picture, el("div", { class: "card-title" }, this.name, this.detail), close);
    this.body = el("div", { class: "card-body", hidden: true }, head, this.only, this.activity, this.buttons, this.profile, this.panelBox);
    this.hint = el("p", { class: "empty" });
    this.node = el("section", { class: "card", "aria-label": "Selected agent" }, this.hint, this.body);
    model.on("card agent run step", () => this.update());
    this.update();
  }

  makeButtons() {
    const { can } = this.model.about;
    const offered = (name) => this.model.source.writable && can.includes(name);
    this.take = offered("take_over") ? el("button", { type: "button", class: "button", click: () => this.takeOver() }, "Take over") : null;
    this.edit = offered("edit") ? el("button", { type: "button", class: "button", click: () => this.setEditing(!this.editing) }, "Edit profile") : null;
    const note = this.model.source.writable && !this.take ? NO_TAKE_OVER[this.model.about.world] : null;
    return el("div", { class: "card-buttons" }, this.edit, this.take, note ? el("p", { class: "panel-help" }, note) : null);
  }

  update() {
    const { card, agent, about, cardError } = this.model;
    this.hint.hidden = Boolean(card);
    this.body.hidden = !card;
    if (!card) {
      const wanted = `Choose one of the ${about.people || "agents"} in the middle, or search by name or number.`;
      setText(this.hint, cardError || (agent === null ? wanted : "Loading …"));
      return;
    }
    const activity = about.activities[card.event.activity];
    setText(this.picture, initialsOf(card.name));
    this.picture.style.setProperty("--activity", activity ? activity.color : "");
    setText(this.name, card.name);
    setText(this.detail, `Number ${card.id}${card.role === "user" ? " · a person decides" : ""} · after ${about.step_name} ${card.step}`);
    this.only.hidden = this.model.source.writable || card.step === this.model.step;
    setText(this.only, `This recording holds agents only as they were after ${about.step_name} ${numberText(card.step)}.`);
    setText(this.activity, activityText(card.event, activity));
    if (this.take) setText(this.take, card.role === "user" ? "Give back" : "Take over");
    this.updateProfile(card);
    this.panels.update(card.panels);
  }

  updateProfile(card) {
    const key = JSON.stringify([card.id, this.editing, card.profile]);
    if (this.editing && this.editedAgent === card.id) return;
    if (key === this.profileKey) return;
    this.profileKey = key;
    this.editedAgent = card.id;
    this.profile.replaceChildren(this.editing ? this.editForm(card) : profileList(card.profile));
  }

  setEditing(editing) {
    this.editing = editing;
    this.editedAgent = null;
    setText(this.edit, editing ? "Cancel" : "Edit profile");
    this.update();
  }

  editForm(card) {
    const inputs = new Map();
    const rows = card.profile.filter((entry) => entry.name !== null).map((entry) => {
      const input = el("input", { value: entry.value ?? "", type: typeof entry.value === "number" ? "number" : "text", step: "any" });
      inputs.set(entry, input);
      return el("label", { class: "field" }, el("span", {}, entry.label), input);
    });
    const text = `Saved as a new run that goes on from ${this.model.about.step_name} ${card.step} with this change; this run stays as it is.`;
    const error = el("p", { class: "field-error", role: "alert" });
    const save = async (event) => {
      event.preventDefault();
      const changed = [...inputs].filter(([entry, input]) => input.value !== String(entry.value ?? ""));
      if (!changed.length) return setText(error, "Nothing was changed.");
      const values = Object.fromEntries(changed.map(([entry, input]) => [entry.name, input.type === "number" ? Number(input.value) : input.value]));
      await this.branch("edit", card, { values }, error);
    };
    return el("form", { class: "edit-form", submit: save }, ...rows, el("p", { class: "panel-help" }, text), error, el("button", { class: "button primary" }, "Save as a new run"));
  }

  takeOver() {
    const { card } = this.model;
    return this.branch(card.role === "user" ? "give" : "take", card, {}, null);
  }

  /** Start the branch of the run with the change, and go there. */
  async branch(action, card, values, error) {
    try {
      const { run } = await this.model.source.post(action, { at: card.step, agent: card.id, ...values });
      openRun(run, { agent: card.id });
    } catch (failure) {
      if (error) setText(error, failure.message);
      else notify(failure.message, "error");
    }
  }
}

function activityText(event, activity) {
  const lasting = event.start !== null && event.end !== null && event.end > event.start ? ` for ${durationText(event.end - event.start)}` : "";
  return (event.text || (activity ? activity.label : "")) + lasting;
}

function profileList(profile) {
  const isLong = (value) => typeof value === "string" && value.length > LONG_VALUE;
  return el("dl", { class: "figures" }, ...profile.map((entry) => el("div", { class: isLong(entry.value) ? "long" : null }, el("dt", {}, entry.label), el("dd", { class: "words" }, numberText(entry.value)))));
}
