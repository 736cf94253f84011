// The log: latest lines up to the shown step, newest first, by kind, agent and text.

import { NewestRequest } from "./requests.js";
import { countText, wordsOf } from "./format.js";
import { debounced, el, setAttribute, setText } from "./dom.js";

const LOG_LIMIT = 200;
const LOG_PAUSE_MS = 500;

/** Tab of the log. */
export class LogView {
  constructor(model) {
    this.model = model;
    this.request = new NewestRequest((key, signal) => this.load(signal), (key, lines, error) => this.show(lines, error), LOG_PAUSE_MS);
    this.shown = "";
    const kinds = model.about.kinds.map((kind) => el("option", { value: kind }, wordsOf(kind)));
    this.kind = el("select", { "aria-label": "Kind of event", change: () => this.refresh() }, el("option", { value: "" }, "All kinds"), ...kinds);
    this.text = el("input", { type: "search", placeholder: "Text", "aria-label": "Text in the log", input: debounced(150, () => this.refresh()) });
    this.only = el("input", { type: "checkbox", change: () => this.refresh() });
    this.onlyLabel = el("span", {}, `Selected ${model.personWord}`);
    this.onlyBox = el("label", { class: "check" }, this.only, this.onlyLabel);
    this.list = el("ol", { class: "log-lines" });
    this.note = el("p", { class: "empty", role: "status" });
    this.node = el("div", { class: "log", hidden: true }, el("div", { class: "log-filters" }, this.kind, this.text, this.onlyBox), this.note, this.list);
    model.on("step agent", () => this.refresh(true));
  }

  get visible() {
    return this.node.isConnected && !this.node.hidden;
  }

  refresh(patient = false) {
    const { agent } = this.model;
    setAttribute(this.only, "disabled", agent === null ? "" : null);
    if (this.visible) this.request.ask(this.model.step, patient && this.model.following);
  }

  load(signal) {
    const agent = this.only.checked ? this.model.agent : null;
    const filters = { agent, kind: this.kind.value || null, text: this.text.value.trim() };
    return this.model.source.log(this.model.step, filters, LOG_LIMIT, signal);
  }

  show(lines, error) {
    if (error) {
      setText(this.note, error.message);
      return;
    }
    setText(this.note, lines.length ? `${lines.length === LOG_LIMIT ? "Latest " : ""}${countText(lines.length, "line")}, newest first` : "No line matches.");
    const key = JSON.stringify(lines.map((line) => [line.step, line.agent, line.seq]));
    if (key === this.shown) return;
    this.shown = key;
    this.list.replaceChildren(...lines.map((line) => this.line(line)));
  }

  line(line) {
    const step = el("button", { type: "button", class: "link log-step", title: `Show ${this.model.about.step_name} ${line.step}`, click: () => this.model.goTo(line.step, false) }, String(line.step));
    const name = line.agent < 0 ? null : el("button", { type: "button", class: "link words", click: () => this.model.select(line.agent) }, line.name);
    return el("li", {}, step, el("span", { class: "log-kind" }, wordsOf(line.kind)), el("span", { class: "log-text words" }, ...(name ? [name, " "] : []), line.text));
  }
}
