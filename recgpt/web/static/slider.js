// The time line: a range input over all stored steps, with marks above its track.

import { cssColor, onTheme } from "./theme.js";
import { el, fittedContext, nextFrame, setAttribute, setText } from "./dom.js";

/** Time slider of one model, or of two with one slider. */
export class TimeSlider {
  constructor({ noun, onStep }) {
    this.noun = noun;
    this.state = { step: 0, last: 0, marks: [], text: "" };
    this.input = el("input", { type: "range", class: "slider", min: 0, max: 0, step: 1, value: 0, "aria-label": "Time", input: () => onStep(this.chosenStep) });
    this.canvas = el("canvas", { class: "slider-marks", "aria-hidden": "true" });
    this.tip = el("div", { class: "slider-tip", hidden: true });
    this.node = el("div", { class: "slider-box" }, this.canvas, this.input, this.tip);
    this.node.addEventListener("pointermove", (event) => this.showTip(event));
    this.node.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.draw = () => this.drawMarks();
    new ResizeObserver((entries) => {
      this.width = entries[0].contentRect.width;
      nextFrame(this.draw);
    }).observe(this.node);
    onTheme(this.draw);
  }

  /** Step of the handle; at the right end the newest step, though more came since the range was drawn. */
  get chosenStep() {
    const step = Number(this.input.value);
    return step < this.state.last ? step : Infinity;
  }

  update(state) {
    const marked = state.marks.length !== this.state.marks.length || state.last !== this.state.last;
    this.state = { ...state };
    setAttribute(this.input, "max", state.last);
    if (Number(this.input.value) !== state.step) this.input.value = state.step;
    this.input.style.setProperty("--done", `${state.last ? (100 * state.step) / state.last : 100}%`);
    setAttribute(this.input, "aria-valuetext", state.text);
    if (marked) nextFrame(this.draw);
  }

  drawMarks() {
    if (!this.width) return;
    const context = fittedContext(this.canvas, this.width, 10);
    context.fillStyle = cssColor("--mark");
    for (const mark of this.state.marks) context.fillRect(Math.round(this.leftOf(mark.step)) - 1, 0, 2, 8);
  }

  leftOf(step) {
    return 8 + (step / Math.max(1, this.state.last)) * (this.width - 16);
  }

  showTip(event) {
    const left = event.clientX - this.node.getBoundingClientRect().left;
    const near = this.state.marks.filter((mark) => Math.abs(this.leftOf(mark.step) - left) < 5);
    const step = Math.max(0, Math.min(this.state.last, Math.round(((left - 8) / Math.max(1, this.width - 16)) * this.state.last)));
    const labels = near.slice(0, 3).map((mark) => `${this.noun} ${mark.step}: ${mark.label}`);
    setText(this.tip, labels.join("\n") || `${this.noun} ${step}`);
    this.tip.hidden = false;
    this.tip.style.left = `${Math.max(40, Math.min(this.width - 40, left))}px`;
  }
}
