// Time lines: a range input with marks on a canvas behind it and a tip; and the line over all stored steps.

import { cssColor, onTheme } from "./theme.js";
import { el, fittedContext, nextFrame, setAttribute, setText } from "./dom.js";

const EDGE = 8; // pixels of the handle at both ends

/** Range from 0 to `last`; a class of its own draws the marks (`drawMarks`) and words the tip (`tipText`). */
export class RangeLine {
  constructor({ classes, tipEdge, onInput }) {
    Object.assign(this, { last: 0, width: 0, tipEdge });
    this.input = el("input", { type: "range", class: `slider ${classes.input || ""}`, min: 0, max: 0, step: 1, value: 0, "aria-label": "Time", input: onInput });
    this.canvas = el("canvas", { class: classes.marks, "aria-hidden": "true" });
    this.tip = el("div", { class: "slider-tip", hidden: true });
    this.node = el("div", { class: `slider-box ${classes.box || ""}` }, this.canvas, this.input, this.tip);
    this.node.addEventListener("pointermove", (event) => this.showTip(event));
    this.node.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.draw = () => this.width && this.drawMarks();
    new ResizeObserver((entries) => {
      this.width = entries[0].contentRect.width;
      nextFrame(this.draw);
    }).observe(this.node);
    onTheme(this.draw);
  }

  /** Show a value and its words; `share` is where the handle is between two values. */
  show(value, last, words, share = value) {
    const { input } = this;
    if (last !== this.last) nextFrame(this.draw);
    this.last = last;
    setAttribute(input, "max", last);
    if (Number(input.value) !== value) input.value = value;
    input.style.setProperty("--done", `${last ? (100 * share) / last : 100}%`);
    setAttribute(input, "aria-valuetext", words);
  }

  leftOf(value) {
    return EDGE + (value / Math.max(1, this.last)) * (this.width - 2 * EDGE);
  }

  showTip(event) {
    const left = event.clientX - this.node.getBoundingClientRect().left;
    const share = (left - EDGE) / Math.max(1, this.width - 2 * EDGE);
    setText(this.tip, this.tipText(Math.max(0, Math.min(this.last, Math.round(share * this.last))), left));
    this.tip.hidden = false;
    this.tip.style.left = `${Math.max(this.tipEdge, Math.min(this.width - this.tipEdge, left))}px`;
  }
}

/** Time slider of one model, or of two with one slider. */
export class TimeSlider extends RangeLine {
  constructor({ noun, onStep }) {
    super({ classes: { marks: "slider-marks" }, tipEdge: 40, onInput: () => onStep(this.chosenStep) });
    Object.assign(this, { noun, marks: [] });
  }

  /** Step of the handle; at the right end the newest step, though more came since the range was drawn. */
  get chosenStep() {
    const step = Number(this.input.value);
    return step < this.last ? step : Infinity;
  }

  update({ step, last, marks, text }) {
    if (marks.length !== this.marks.length) nextFrame(this.draw);
    this.marks = [...marks];
    this.show(step, last, text);
  }

  drawMarks() {
    const context = fittedContext(this.canvas, this.width, 10);
    context.fillStyle = cssColor("--mark");
    for (const mark of this.marks) context.fillRect(Math.round(this.leftOf(mark.step)) - 1, 0, 2, 8);
  }

  tipText(step, left) {
    const near = this.marks.filter((mark) => Math.abs(this.leftOf(mark.step) - left) < 5);
    const labels = near.slice(0, 3).map((mark) => `${this.noun} ${mark.step}: ${mark.label}`);
    return labels.join("\n") || `${this.noun} ${step}`;
  }
}
