// Panels of a moment or of an agent: rows of figures, and tables; changed cells are written in place.

import { el, setText } from "./dom.js";
import { numberText, wordsOf } from "./format.js";

/** Columns of a table whose values are numbers, to be aligned on the right. */
function numericColumns(panel) {
  return panel.columns.map((_, index) => panel.rows.length > 0 && panel.rows.every((row) => row[index] === null || typeof row[index] === "number"));
}

function shapeOf(panel) {
  return JSON.stringify([panel.title, panel.kind, panel.columns, panel.rows.length, numericColumns(panel)]);
}

/** One panel; `update` rewrites only the cells that differ. */
class PanelView {
  constructor(panel) {
    this.shape = shapeOf(panel);
    this.cells = [];
    const heading = el("h3", { title: panel.help }, panel.title);
    const help = panel.help ? el("p", { class: "panel-help" }, panel.help) : null;
    this.node = el("section", { class: "panel" }, heading, help, panel.kind === "figures" ? this.figures(panel) : this.table(panel));
    this.update(panel);
  }

  figures(panel) {
    const list = el("dl", { class: "figures" });
    for (const row of panel.rows) {
      const cells = row.slice(0, 2).map((_, index) => el(index ? "dd" : "dt", { class: "words" }));
      this.cells.push(cells);
      list.append(el("div", {}, ...cells));
    }
    return panel.rows.length ? list : el("p", { class: "empty" }, "Nothing yet.");
  }

  table(panel) {
    if (!panel.rows.length) return el("p", { class: "empty" }, "Nothing yet.");
    const numeric = numericColumns(panel);
    const kind = (index) => (numeric[index] ? "number" : "words");
    const head = el("tr", {}, ...panel.columns.map((name, index) => el("th", { scope: "col", class: kind(index) }, name)));
    const body = el("tbody");
    for (const row of panel.rows) {
      const cells = row.map((_, index) => el("td", { class: kind(index) }));
      this.cells.push(cells);
      body.append(el("tr", {}, ...cells));
    }
    return el("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": panel.title }, el("table", {}, el("thead", {}, head), body));
  }

  update(panel) {
    panel.rows.forEach((row, index) => this.cells[index].forEach((cell, column) => setText(cell, numberText(row[column]))));
  }
}

/** A list of panels, kept in step with the list given. */
export class PanelList {
  constructor(node) {
    this.node = node;
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
    const fresh = new PanelView(panel);
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
