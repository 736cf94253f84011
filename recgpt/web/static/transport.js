// Controls under the picture: play, pause, step, stop, reset, fork, speed, and the time slider.

import { TimeSlider } from "./slider.js";
import { confirmed, el, icon, iconButton, notify, setAttribute, setIcon, setText, showDialog } from "./dom.js";
import { numberText, valueOfText, wordsOf } from "./format.js";
import { openRun } from "./links.js";

/** Steps a second with their labels; empty: as many as possible. */
export const SPEEDS = [[0.5, "0.5 / s"], [1, "1 / s"], [2, "2 / s"], [5, "5 / s"], [10, "10 / s"], ["", "fastest"]];

/** Bar of controls of one run. */
export class Transport {
  constructor(model) {
    this.model = model;
    this.slider = new TimeSlider({ noun: model.about.step_name, onStep: (step) => model.goTo(step) });
    this.place = el("span", { class: "place" });
    this.live = el("button", { type: "button", class: "button small live-button", title: "Follow the newest step (l)", click: () => model.goLive() }, "Live");
    const marks = el("div", { class: "mark-buttons", role: "group", "aria-label": "Move in time" }, ...this.timeButtons());
    const row = el("div", { class: "transport-row" }, this.controls(), marks, this.place, this.live);
    this.node = el("section", { class: "transport", "aria-label": "Time and controls" }, this.slider.node, row);
    model.on("run series step connection", () => this.update());
    this.update();
  }

  timeButtons() {
    const { model } = this;
    const to = (step) => step !== null && model.goTo(step);
    return [
      iconButton("first", "First step (Home)", () => to(0)),
      iconButton("back", "Step back (←)", () => to(model.step - 1)),
      iconButton("next", "Step forward (→)", () => to(model.step + 1)),
      iconButton("last", "Last step (End)", () => model.goLive()),
    ];
  }

  controls() {
    const send = (action) => () => this.control(action);
    this.playButton = iconButton("play", "Play (space)", () => this.toggle(), { class: "icon-button primary" });
    this.stepButton = iconButton("step", `Play one ${this.model.about.step_name} (n)`, send("step"));
    this.stopButton = iconButton("stop", "Stop: end the run here; it can be resumed", send("stop"));
    this.resetButton = iconButton("reset", "Reset: begin the run anew", () => this.reset());
    this.forkButton = iconButton("fork", "Fork: a new run from this step (f)", () => this.fork());
    this.speed = el("select", { "aria-label": "Speed", title: `${wordsOf(this.model.about.step_name)}s a second`, change: () => this.setSpeed() }, ...SPEEDS.map(([value, label]) => el("option", { value }, label)));
    this.speed.value = this.model.run.speed ?? "";
    const parts = [this.playButton, this.stepButton, this.stopButton, this.speed, this.resetButton, this.forkButton];
    this.controlBox = el("div", { class: "controls", role: "group", "aria-label": "Run" }, ...parts);
    if (!this.model.source.writable) this.controlBox.hidden = true;
    return this.controlBox;
  }

  update() {
    const { model } = this;
    const { run, about, step, last } = model;
    const finished = run.status === "finished";
    const locked = !run.controllable && !finished;
    setIcon(this.playButton, model.playing ? "pause" : "play");
    const label = model.playing ? "Pause (space)" : "Play (space)";
    setAttribute(this.playButton, "aria-label", label);
    setAttribute(this.playButton, "title", locked ? "This run is played elsewhere: it is only watched here" : label);
    for (const button of [this.playButton, this.stepButton, this.speed]) setAttribute(button, "disabled", locked || finished ? "" : null);
    setAttribute(this.stopButton, "disabled", locked || !["playing", "paused"].includes(run.status) ? "" : null);
    setAttribute(this.resetButton, "disabled", locked ? "" : null);
    if (document.activeElement !== this.speed && this.isPlayed) this.speed.value = run.speed ?? "";
    const most = about.n_steps > last && !finished ? ` of at most ${numberText(about.n_steps)}` : "";
    const text = `${about.step_name} ${numberText(step)} / ${numberText(last)}`;
    setText(this.place, text);
    this.place.title = `${numberText(last)} stored${most}`;
    setAttribute(this.live, "aria-pressed", model.following);
    setText(this.live, ["playing", "paused", "starting"].includes(run.status) ? "Live" : "Latest");
    this.slider.update({ step, last, marks: model.marks, text });
  }

  toggle() {
    if (this.playButton.disabled || this.controlBox.hidden) return;
    if (!this.model.playing) this.model.goLive();
    this.control(this.model.playing ? "pause" : "play", this.model.playing || this.isPlayed ? {} : { speed: this.chosenSpeed });
  }

  /** Whether a process holds the run and knows its speed; else the chosen speed goes with the next play. */
  get isPlayed() {
    return ["playing", "paused", "starting"].includes(this.model.run.status);
  }

  get chosenSpeed() {
    return this.speed.value === "" ? null : Number(this.speed.value);
  }

  async control(action, values = {}) {
    if (this.controlBox.hidden) return;
    if (action === "step") this.model.goLive();
    try {
      await this.model.source.post("control", { action, ...values });
    } catch (error) {
      notify(error.message, "error");
    }
  }

  setSpeed() {
    return this.isPlayed ? this.control("speed", { speed: this.chosenSpeed }) : null;
  }

  async reset() {
    const { about, last } = this.model;
    const text = `All ${numberText(last)} ${about.step_name}s of ${about.run} are deleted, and it begins anew. A fork keeps them.`;
    if (await confirmed("Begin the run anew?", text, "Delete and begin anew")) await this.control("reset");
  }

  async fork() {
    if (this.controlBox.hidden) return;
    const { model } = this;
    const name = el("input", { type: "text", value: `${model.about.run}-fork`, required: true, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*" });
    const changes = el("textarea", { rows: 4, spellcheck: "false", "aria-describedby": "changeable", placeholder: (model.run.changeable || []).length ? "name: value" : "" });
    const error = el("p", { class: "field-error", role: "alert" });
    const content = el("div", {},
      el("p", {}, `The new run shares all until ${model.about.step_name} ${model.step}, and goes on from there on its own.`),
      el("label", { class: "field" }, el("span", {}, "Name"), name),
      el("label", { class: "field" }, el("span", {}, "Changed settings, one a line as name: value (may be empty)"), changes),
      el("p", { class: "panel-help", id: "changeable" }, changeableText(model.run.changeable || [])), error);
    const buttons = [el("button", { value: "", class: "button", formnovalidate: true }, "Cancel"), el("button", { value: "yes", class: "button primary" }, icon("fork"), "Fork")];
    const at = model.step;
    while ((await showDialog("Fork the run", content, buttons)) === "yes") {
      try {
        const answer = await model.source.post("fork", { run: name.value, at, set: settingsOf(changes.value) });
        return openRun(answer.run || name.value, { agent: model.agent });
      } catch (failure) {
        setText(error, failure.message); // and what was typed is shown again
      }
    }
  }
}

function changeableText(names) {
  return names.length ? `Can be changed: ${names.join(", ")}.` : "No setting of this world can be changed in a fork.";
}

/** Settings of lines "key: value"; values are JSON where they can be read as such, else texts. */
export function settingsOf(text) {
  const settings = {};
  for (const line of text.split("\n")) {
    const colon = line.search(/[:=]/);
    if (colon < 1) continue;
    settings[line.slice(0, colon).trim()] = valueOfText(line.slice(colon + 1).trim());
  }
  return settings;
}
