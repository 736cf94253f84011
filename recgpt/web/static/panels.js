// Panels of a moment or of an agent: rows of figures, and tables; changed cells are written in place.

import { el } from "./dom.js";
import { numberText, wordsOf } from "./format.js";

/** Columns of a table whose values are numbers, to be aligned on the right. */
function numericColumns(panel) {
  return panel.columns.map((_, index) => panel.rows.length > 0 && panel.rows.every((row) => row[index] === null || typeof row[index] === "number"));
}

function shapeOf(panel) {
  return JSON.stringify([panel.title, panel.kind, panel.columns, panel.rows.length, numericColumns(panel)]);
}

/** Number of the agent that a cell names, as "Ada (#7)" or in a column of agents; null if none. */
function agentOfCell(value, column) {
  if (column === "agent" && Number.isInteger(value)) return value;
  const named = typeof value === "string" ? /\(#(\d+)\)$/.exec(value) : null;
  return named ? Number(named[1]) : null;
}

/** One panel; `update` rewrites only the cells that differ. */
class PanelView {
  constructor(panel, onAgent) {
    this.onAgent = onAgent;
    this.shape = shapeOf(panel);
    this.cells = [];
    const empty = panel.rows.length === 0;
    const heading = el("h3", { title: panel.help }, panel.title, empty ? el("span", { class: "panel-none" }, " none yet") : null);
    const help = panel.help && !empty ? el("p", { class: "panel-help" }, panel.help) : null;
    const content = panel.kind === "figures" ? this.figures(panel) : this.table(panel);
    this.node = el("section", { class: "panel" }, heading, help, empty ? null : content);
    this.update(panel);
  }

  figures(panel) {
    const list = el("dl", { class: "figures" });
    for (const row of panel.rows) {
      const cells = row.slice(0, 2).map((_, index) => el(index ? "dd" : "dt", { class: "words" }));
      this.cells.push(cells);
      list.append(el("div", {}, ...cells));
    }
    return list;
  }

  table(panel) {
    const numeric = numericColumns(panel);
    const kind = (index) => (numeric[index] ? "number" : "words");
    const head = el("tr", {}, ...panel.columns.map((name, index) => el("th", { scope: "col", class: kind(index) }, name)));
    const body = el("tbody");
    for (const row of panel.rows) {
      const cells = row.map((_, index) => el("td", { class: kind(index) }));
      this.cells.push(cells);
      body.append(el("tr", {}, ...cells));
    }
    return el("div", { class: "table-box", tabindex: 0, role: "group", "aria-label": panel.title }, el("table", {}, el("thead", {}, head), body));
  }

  update(panel) {
    panel.rows.forEach((row, index) => this.cells[index].forEach((cell, column) => this.write(cell, row[column], panel.columns[column])));
  }

  write(cell, value, column) {
    const text = numberText(value);
    if (cell.textContent === text) return;
    const agent = this.onAgent ? agentOfCell(value, column) : null;
    if (agent === null) cell.textContent = text;
    else cell.replaceChildren(el("button", { type: "button", class: "link", title: "Show this agent", click: () => this.onAgent(agent) }, text));
  }
}

/** A list of panels, kept in step with the list given; `onAgent` is called where a cell that names an agent is chosen. */
export class PanelList {
  constructor(node, onAgent = null) {
    this.node = node;
    this.onAgent = onAgent;
    this.views = [];
  }

  update(panels) {
    panels.forEach((panel, index) => this.updateOne(panel, index));
    for (const view of this.views.splice(panels.length)) view.node.remove();
  }

  updateOne(panel, index) {
    const view = this.views[index];
    if (view && view.shape === shapeOf(panel)) {
      view.update(panel);
      return;
    }
    const fresh = new PanelView(panel, this.onAgent);
    if (view) view.node.replaceWith(fresh.node);
    else this.node.append(fresh.node);
    this.views[index] = fresh;
  }
}

/** Tabs by the ARIA pattern: arrows move between them, one is in the order of Tab. */
export class Tabs {
  constructor(label, onChoose) {
    this.onChoose = onChoose;
    this.names = [];
    this.chosen = null;
    this.list = el("div", { role: "tablist", class: "tabs", "aria-label": label, keydown: (event) => this.onKey(event) });
    this.buttons = new Map();
  }

  /** Show these tabs; `panelId` is the id of the panel that all of them control. */
  setNames(names, panelId) {
    if (names.join("\n") === this.names.join("\n")) return;
    this.names = names;
    this.buttons = new Map(names.map((name, index) => [name, this.button(name, `${panelId}-tab-${index}`, panelId)]));
    this.list.replaceChildren(...this.buttons.values());
    this.choose(this.chosen);
  }

  button(name, id, panelId) {
    return el("button", { type: "button", role: "tab", id, "aria-controls": panelId, click: () => this.onChoose(name) }, wordsOf(name));
  }

  choose(name) {
    this.chosen = name;
    for (const [one, button] of this.buttons) {
      button.setAttribute("aria-selected", String(one === name));
      button.tabIndex = one === name ? 0 : -1;
    }
  }

  onKey(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    event.stopPropagation();
    const next = this.names[(this.names.indexOf(this.chosen) + moves[event.key] + this.names.length) % this.names.length];
    this.onChoose(next);
    this.buttons.get(next).focus();
  }
}
