// Search of agents by name or number: a combobox by the ARIA pattern.

import { NewestRequest } from "./requests.js";
import { el, icon } from "./dom.js";

const FOUND_LIMIT = 12;

/** Search field of the header. */
export class AgentSearch {
  constructor(model, onChosen) {
    this.model = model;
    this.onChosen = onChosen;
    this.found = [];
    this.at = -1;
    const word = model.personWord === "agent" ? "an agent" : `a ${model.personWord}`;
    this.list = el("ul", { id: "found-agents", role: "listbox", "aria-label": "Found", class: "found", hidden: true });
    this.input = el("input", { type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", placeholder: "Search", "aria-label": `Find ${word} by name or number (/)`,
      "aria-expanded": "false", "aria-controls": "found-agents", "aria-autocomplete": "list", input: () => this.ask(), focus: () => this.ask(), keydown: (event) => this.onKey(event) });
    this.input.addEventListener("blur", () => setTimeout(() => this.show([]), 150));
    this.node = el("div", { class: "search" }, icon("search"), this.input, this.list);
    this.request = new NewestRequest((query, signal) => model.source.find(query, FOUND_LIMIT, signal), (query, found, error) => this.show(error ? [] : found));
  }

  ask() {
    this.request.ask(this.input.value.trim());
  }

  show(found) {
    this.found = document.activeElement === this.input ? found : [];
    this.at = this.found.length ? 0 : -1;
    this.list.replaceChildren(...this.found.map((agent, index) => this.option(agent, index)));
    this.list.hidden = !this.found.length;
    this.input.setAttribute("aria-expanded", String(this.found.length > 0));
    this.mark();
  }

  option(agent, index) {
    const node = el("li", { role: "option", id: `found-agent-${index}` }, el("span", { class: "words" }, agent.name), el("span", { class: "found-number" }, String(agent.id)));
    node.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      this.choose(index);
    });
    return node;
  }

  mark() {
    [...this.list.children].forEach((node, index) => node.setAttribute("aria-selected", String(index === this.at)));
    if (this.at >= 0) {
      this.input.setAttribute("aria-activedescendant", `found-agent-${this.at}`);
      this.list.children[this.at].scrollIntoView({ block: "nearest" });
    } else this.input.removeAttribute("aria-activedescendant");
  }

  choose(index) {
    const agent = this.found[index];
    if (!agent) return;
    this.input.value = "";
    this.input.blur();
    this.show([]);
    this.model.select(agent.id);
    this.onChosen();
  }

  onKey(event) {
    if (event.key === "Escape") this.input.blur();
    if (event.key === "Enter") this.choose(this.at);
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!move || !this.found.length) return;
    event.preventDefault();
    this.at = (this.at + move + this.found.length) % this.found.length;
    this.mark();
  }
}
