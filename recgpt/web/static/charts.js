// Charts of figures over steps, drawn on canvas: one chart for each `chart` of About, hover in all at once.

import { countText, numberText, tickText, wordsOf } from "./format.js";
import { cssColor, onTheme } from "./theme.js";
import { el, fittedContext, nextFrame, setAttribute, setText } from "./dom.js";

const CHART_COLORS = 8;
const MOST_ENTRIES = 6;
const MOST_MARKS = 60; // more would hide the lines
const PAD = { left: 44, right: 10, top: 8, bottom: 16 };

/** Round numbers that span a range: at most five. */
export function niceTicks(low, high) {
  const rough = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const ticks = [];
  for (let tick = Math.ceil(low / unit - 1e-9) * unit; tick <= high + unit * 1e-9; tick += unit) ticks.push(Number(tick.toPrecision(12)));
  return ticks;
}

/** Lowest and highest value of lines, with room; counts and shares begin at 0. */
function rangeOf(lines) {
  let low = Infinity;
  let high = -Infinity;
  for (const line of lines) {
    for (const value of line.values) {
      if (value === null || value === undefined) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  if (low > high) return [0, 1];
  if (low >= 0 && low < 0.6 * high) low = 0;
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [low === 0 ? 0 : low - room, high + room];
}

/** One chart: lines that share axes. */
class Chart {
  constructor(title, figures, grid) {
    Object.assign(this, { title, figures, grid, hidden: new Set(), width: 0, height: 0, visible: false });
    this.canvas = el("canvas", { class: "chart-canvas", role: "img", "aria-label": wordsOf(title) });
    this.legend = el("div", { class: "chart-legend" });
    this.entries = figures.map((figure, index) => this.legendEntry(figure, index));
    const caption = figures.length === 1 ? null : el("figcaption", {}, wordsOf(title));
    this.node = el("figure", { class: "chart", "aria-label": wordsOf(title) }, caption, this.legend, el("div", { class: "chart-box" }, this.canvas));
    this.canvas.addEventListener("pointermove", (event) => grid.hoverAt(this.stepAt(event)));
    this.canvas.addEventListener("pointerleave", () => grid.hoverAt(null));
    this.canvas.addEventListener("click", (event) => grid.pick(this.stepAt(event)));
  }

  legendEntry(figure, index) {
    const value = el("span", { class: "chart-value" });
    if (this.grid.byRun) {
      const other = el("span", { class: "chart-value" });
      this.legend.append(el("span", { class: "chart-runs", title: figure.help }, el("strong", {}, figure.label), el("span", { class: "swatch c0" }), value, el("span", { class: "swatch c1" }), other));
      return { values: [value, other] };
    }
    const title = figure.help ? `${figure.label}: ${figure.help}` : figure.label;
    const swatch = el("span", { class: `swatch c${index % CHART_COLORS}` });
    const button = el("button", { type: "button", title, "aria-pressed": "true", click: () => this.toggle(figure.name) }, swatch, el("span", { class: "chart-name" }, figure.label), value);
    this.legend.append(button);
    return { button, values: [value] };
  }

  toggle(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this.figures.forEach((figure, index) => setAttribute(this.entries[index].button, "aria-pressed", !this.hidden.has(figure.name)));
    this.draw();
  }

  stepAt(event) {
    const share = (event.offsetX - PAD.left) / Math.max(1, this.width - PAD.left - PAD.right);
    return Math.round(Math.max(0, Math.min(1, share)) * this.grid.last);
  }

  /** Lines to draw: those of each series that are not hidden. */
  lines() {
    const lines = [];
    this.grid.series.forEach((series, which) => {
      this.figures.forEach((figure, index) => {
        const values = series.values[figure.name];
        const color = this.grid.colors[(this.grid.byRun ? which : index) % CHART_COLORS];
        if (values && !this.hidden.has(figure.name)) lines.push({ values, color, wide: this.grid.byRun && which === 0 });
      });
    });
    return lines;
  }

  draw() {
    if (!this.visible || !this.width) return;
    const lines = this.lines();
    const [low, high] = rangeOf(lines);
    const inner = { wide: this.width - PAD.left - PAD.right, high: this.height - PAD.top - PAD.bottom };
    const x = (step) => PAD.left + (step / Math.max(1, this.grid.last)) * inner.wide;
    const y = (value) => PAD.top + (1 - (value - low) / (high - low)) * inner.high;
    const context = fittedContext(this.canvas, this.width, this.height);
    this.drawAxes(context, x, y, low, high);
    for (const line of lines) drawLine(context, line, x, y, inner.wide);
    this.drawSteps(context, x, y, lines);
    this.writeLegend();
  }

  drawAxes(context, x, y, low, high) {
    const { line, muted } = this.grid.ink;
    context.font = "10px system-ui, sans-serif";
    context.fillStyle = muted;
    context.strokeStyle = line;
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const tick of niceTicks(low, high)) {
      const height = Math.round(y(tick)) + 0.5;
      context.beginPath();
      context.moveTo(PAD.left, height);
      context.lineTo(this.width - PAD.right, height);
      context.stroke();
      context.fillText(tickText(tick), PAD.left - 5, height);
    }
    context.textBaseline = "alphabetic";
    context.textAlign = "left";
    context.fillText("0", PAD.left, this.height - 4);
    context.textAlign = "right";
    context.fillText(tickText(this.grid.last), this.width - PAD.right, this.height - 4);
  }

  /** Lines at the shown step and at the pointer, with dots on the values. */
  drawSteps(context, x, y, lines) {
    const { step, hover, ink } = this.grid;
    context.globalAlpha = this.grid.markSteps.length > 12 ? 0.3 : 0.8;
    for (const mark of this.grid.markSteps) drawUpright(context, x(mark), this.height, ink.mark, [2, 3]);
    context.globalAlpha = 1;
    drawUpright(context, x(step), this.height, ink.accent, []);
    if (hover !== null) drawUpright(context, x(hover), this.height, ink.muted, [3, 3]);
    const at = hover === null ? step : hover;
    for (const line of lines) {
      const value = line.values[at];
      if (value === null || value === undefined) continue;
      context.fillStyle = line.color;
      context.beginPath();
      context.arc(x(at), y(value), 2.6, 0, 2 * Math.PI);
      context.fill();
    }
  }

  /** Hide entries that were 0 so far, where a chart has many. */
  hideEmpty() {
    if (this.figures.length <= MOST_ENTRIES) return;
    this.figures.forEach((figure, index) => {
      this.entries[index].button.hidden = !this.grid.series.some((series) => (series.values[figure.name] || []).some(Boolean));
    });
  }

  writeLegend() {
    this.hideEmpty();
    const { step, hover, series, noun } = this.grid;
    const at = hover === null ? step : hover;
    const texts = this.figures.map((figure, index) => {
      const numbers = series.map((one) => numberText(one.values[figure.name]?.[at]));
      numbers.forEach((number, which) => setText(this.entries[index].values[which], number));
      return `${figure.label} ${numbers.join(" and ")}`;
    });
    setAttribute(this.canvas, "aria-label", `${this.title} over ${countText(this.grid.last, noun)}; at ${noun} ${at}: ${texts.join(", ")}`);
  }
}

function drawUpright(context, left, height, color, dash) {
  context.strokeStyle = color;
  context.setLineDash(dash);
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(Math.round(left) + 0.5, PAD.top);
  context.lineTo(Math.round(left) + 0.5, height - PAD.bottom);
  context.stroke();
  context.setLineDash([]);
}

/** Draw a line with gaps where values are missing; of many values in one column of pixels, the extremes. */
function drawLine(context, { values, color, wide: isWide }, x, y, wide) {
  context.strokeStyle = color;
  context.lineWidth = isWide ? 3.5 : 1.5; // the second of two equal lines leaves the first to be seen
  context.lineJoin = "round";
  context.beginPath();
  const stride = Math.max(1, Math.floor(values.length / (2 * Math.max(1, wide))));
  let open = false;
  for (let from = 0; from < values.length; from += stride) {
    const extremes = stride === 1 ? [from] : extremesOf(values, from, Math.min(values.length, from + stride));
    for (const step of extremes) {
      const value = values[step];
      if (value === null || value === undefined) open = false;
      else if (open) context.lineTo(x(step), y(value));
      else {
        context.moveTo(x(step), y(value));
        if (values.length === 1 || values[step + 1] === null) context.lineTo(x(step) + 0.5, y(value));
        open = true;
      }
    }
  }
  context.stroke();
}

function extremesOf(values, from, to) {
  let lowest = from;
  let highest = from;
  for (let step = from; step < to; step++) {
    if (values[step] < values[lowest]) lowest = step;
    if (values[step] > values[highest]) highest = step;
  }
  return lowest < highest ? [lowest, highest] : [highest, lowest];
}

/** All charts of one run; with `byRun` a chart for each figure, with a line for each run. */
export class ChartGrid {
  constructor(node, figures, noun, { onHover, onPick, byRun = false }) {
    Object.assign(this, { node, noun, byRun, onHover, onPick, series: [], step: 0, hover: null, last: 0, markSteps: [] });
    const groups = new Map();
    const groupOf = (figure) => (byRun ? figure.name : figure.chart);
    for (const figure of figures) groups.set(groupOf(figure), [...(groups.get(groupOf(figure)) || []), figure]);
    this.charts = [...groups].map(([title, group]) => new Chart(title, group, this));
    this.redraw = () => this.charts.forEach((chart) => chart.draw());
    this.readColors();
    onTheme(() => this.readColors());
    node.replaceChildren(...this.charts.map((chart) => chart.node));
    this.observeSizes();
  }

  observeSizes() {
    const chartOf = new Map(this.charts.map((chart) => [chart.canvas.parentElement, chart]));
    const sizes = new ResizeObserver((entries) => {
      for (const entry of entries) {
        const chart = chartOf.get(entry.target);
        chart.width = entry.contentRect.width;
        chart.height = entry.contentRect.height;
      }
      nextFrame(this.redraw);
    });
    const views = new IntersectionObserver((entries) => {
      for (const entry of entries) chartOf.get(entry.target).visible = entry.isIntersecting;
      nextFrame(this.redraw);
    });
    for (const box of chartOf.keys()) {
      sizes.observe(box);
      views.observe(box);
    }
  }

  readColors() {
    this.colors = Array.from({ length: CHART_COLORS }, (_, index) => cssColor(`--c${index}`));
    this.ink = { line: cssColor("--grid"), muted: cssColor("--muted"), accent: cssColor("--accent"), mark: cssColor("--mark") };
    nextFrame(this.redraw);
  }

  hoverAt(step) {
    this.onHover(step);
  }

  pick(step) {
    this.onPick(step);
  }

  /** Draw what changed: `series` is a list of {values}, values by figure. */
  update({ series, step, hover, last, marks }) {
    Object.assign(this, { series, step, hover, last, markSteps: marks.length > MOST_MARKS ? [] : [...new Set(marks.map((mark) => mark.step))] });
    nextFrame(this.redraw);
  }
}
