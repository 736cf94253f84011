// Agents as a grid of squares coloured by activity: the picture of worlds without a social graph.

import { cssColor, onTheme } from "./theme.js";
import { el, fittedContext, nextFrame, setAttribute } from "./dom.js";

const LARGEST_CELL = 34;

/** Grid of agents on canvas; arrows move the selection, a click selects. */
export class AgentGrid {
  constructor({ people, nAgents, activities, onSelect, onHover }) {
    Object.assign(this, { people: people || "agents", nAgents, activities, onSelect, onHover, activity: null, selected: null, hovered: null, only: null });
    this.canvas = el("canvas", { class: "agent-grid", tabindex: 0, role: "img", keydown: (event) => this.onKey(event) });
    this.canvas.addEventListener("pointermove", (event) => this.hover(this.agentAt(event), event));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    this.canvas.addEventListener("click", (event) => this.agentAt(event) !== null && this.onSelect(this.agentAt(event)));
    this.node = el("div", { class: "agent-grid-box" }, this.canvas);
    this.draw = () => this.drawCells();
    new ResizeObserver((entries) => {
      this.width = entries[0].contentRect.width;
      this.height = entries[0].contentRect.height;
      this.arrange();
    }).observe(this.node);
    onTheme(this.draw);
  }

  arrange() {
    const { nAgents, width, height } = this;
    let columns = 1;
    while (columns < nAgents && Math.floor(width / columns) * Math.ceil(nAgents / columns) > height) columns++;
    this.cell = Math.max(2, Math.min(LARGEST_CELL, Math.floor(width / columns)));
    this.columns = Math.max(1, Math.floor(width / this.cell));
    const rows = Math.ceil(nAgents / this.columns);
    this.left = Math.floor((width - Math.min(nAgents, this.columns) * this.cell) / 2);
    this.top = Math.max(0, Math.floor((height - rows * this.cell) / 2));
    nextFrame(this.draw);
  }

  setActivity(activity) {
    this.activity = activity;
    nextFrame(this.draw);
  }

  select(agent) {
    this.selected = agent;
    nextFrame(this.draw);
  }

  /** Show one activity in full colour and the others faintly; null for all. */
  highlight(activity) {
    this.only = activity;
    nextFrame(this.draw);
  }

  drawCells() {
    if (!this.width || this.node.hidden) return;
    const context = fittedContext(this.canvas, this.width, this.height);
    const size = this.cell > 4 ? this.cell - Math.max(1, Math.round(this.cell / 8)) : this.cell;
    const idle = cssColor("--idle");
    for (let agent = 0; agent < this.nAgents; agent++) {
      const doing = this.activity ? this.activity[agent] : null;
      const kind = this.activities[doing];
      context.globalAlpha = this.only === null || this.only === doing ? 1 : 0.12;
      context.fillStyle = kind ? kind.color : idle;
      const [left, top] = this.placeOf(agent);
      context.fillRect(left, top, size, size);
    }
    context.globalAlpha = 1;
    this.frameCell(context, this.hovered, cssColor("--muted"), size);
    this.frameCell(context, this.selected, cssColor("--text"), size);
    setAttribute(this.canvas, "aria-label", `${this.nAgents} ${this.people} by activity${this.selected === null ? "" : `, number ${this.selected} selected`}; arrow keys select`);
  }

  frameCell(context, agent, color, size) {
    if (agent === null) return;
    const [left, top] = this.placeOf(agent);
    context.strokeStyle = color;
    context.lineWidth = 2;
    context.strokeRect(left - 1, top - 1, size + 2, size + 2);
  }

  placeOf(agent) {
    return [this.left + (agent % this.columns) * this.cell, this.top + Math.floor(agent / this.columns) * this.cell];
  }

  agentAt(event) {
    const column = Math.floor((event.offsetX - this.left) / this.cell);
    const agent = Math.floor((event.offsetY - this.top) / this.cell) * this.columns + column;
    return column >= 0 && column < this.columns && agent >= 0 && agent < this.nAgents ? agent : null;
  }

  hover(agent, event = null) {
    if (agent !== this.hovered) nextFrame(this.draw);
    this.hovered = agent;
    this.onHover(agent, event);
  }

  onKey(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    if (!(event.key in moves)) return;
    event.preventDefault();
    event.stopPropagation();
    const next = this.selected === null ? 0 : this.selected + moves[event.key];
    if (next >= 0 && next < this.nAgents) this.onSelect(next);
  }
}
