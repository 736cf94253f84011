// The header of all pages: where one is, state of the run, its clock, search, dark mode, help.

import { el, iconButton, setAttribute, setText } from "./dom.js";
import { clockText, numberText } from "./format.js";
import { switchTheme } from "./theme.js";

/** Fill the header; `parts` stand between the name of the page and the buttons. */
export function buildHeader({ title, parts = [], buttons = [], onHelp = null, linked = true }) {
  const brand = linked ? el("a", { class: "brand", href: "/", title: "All runs" }, "RecGPT") : el("span", { class: "brand" }, "RecGPT");
  const help = onHelp ? iconButton("help", "Keys (?)", onHelp) : null;
  const tools = el("div", { class: "header-tools" }, ...buttons, iconButton("theme", "Light or dark (t)", switchTheme), help);
  document.getElementById("header").replaceChildren(brand, el("h1", { class: "words" }, title), ...parts, tools);
}

/** State of the run in a few words, and its class. */
export function stateOf(model) {
  const { run, about, following, connected, reading, step, source } = model;
  if (connected === null) return ["Connecting", "reading"]; // its stream waits for a place, see `streamPlace`
  if (!connected) return ["Connection lost, trying again", "lost"];
  if (reading) return [`Reading ${numberText(reading.done)} of ${numberText(reading.total)}`, "reading"];
  if (!following) return [`Replay · ${about.step_name} ${numberText(step)}`, "replay"];
  if (model.prompt) return ["Your turn", "paused"];
  if (!source.writable) return ["Recorded", "finished"];
  const texts = { starting: "Starting", playing: "Live", paused: "Paused", stopped: "Stopped", finished: "Finished", failed: "Failed" };
  return [run.controllable || run.status !== "playing" ? texts[run.status] : "Live, played elsewhere", run.status];
}

/** Badge of the state and clock of a run. */
export class RunStatus {
  constructor(model) {
    this.model = model;
    this.text = el("span", {});
    this.badge = el("span", { class: "badge", role: "status" }, el("span", { class: "dot", "aria-hidden": "true" }), this.text);
    this.world = el("span", { class: "world" }, model.about.world);
    this.round = el("span", { class: "clock-step" });
    this.now = el("span", {});
    this.clock = el("span", { class: "clock" }, this.round, this.now);
    model.on("run step frame connection prompt", () => this.update());
    this.update();
  }

  update() {
    const { about, step, frame, run } = this.model;
    const [text, kind] = stateOf(this.model);
    setText(this.text, text);
    setAttribute(this.badge, "data-kind", kind);
    setText(this.round, `${about.step_name} ${numberText(step)}`);
    setText(this.now, frame && frame.now ? clockText(frame.now) : "");
    const origin = run.forked_from ? ` · fork of ${run.forked_from}` : "";
    this.world.title = `${numberText(about.n_agents)} ${about.people || "agents"} · ${numberText(about.n_items)} items · seed ${about.seed}${origin}`;
  }
}
