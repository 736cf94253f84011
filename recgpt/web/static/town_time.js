// Time of a town: the line with its marks, play, single ticks, speeds, and beside them the controls of the run.

import { RangeLine } from "./slider.js";
import { TOWN_SPEEDS } from "./town_clock.js";
import { Transport } from "./transport.js";
import { cssColor } from "./theme.js";
import { darknessAt } from "./town_light.js";
import { el, fittedContext, iconButton, nextFrame, setAttribute, setIcon, setText } from "./dom.js";

/** Lanes of marks: figures of a block, a label, and the variable of a colour. */
const LANES = [
  [["talks"], "talks", "--town-talk"],
  [["reflections"], "reflections", "--town-thought"],
  [["mentioned", "wished", "adopted"], "recommendations", "--town-pick"],
];
const LINE_HEIGHT = 34;

/** The line over ticks, with night, figures of blocks and gatherings behind it. */
export class TownLine extends RangeLine {
  constructor(map, clock, models) {
    super({ classes: { input: "town-slider", marks: "town-marks", box: "town-line" }, tipEdge: 70, onInput: () => clock.seek(Number(this.input.value)) });
    Object.assign(this, { map, clock, models });
    clock.on(() => this.update());
    for (const model of models) model.on("series run", () => nextFrame(this.draw));
    this.update();
  }

  update() {
    const { clock } = this;
    this.show(clock.whole, clock.last, this.map.clockOf(clock.whole), clock.tick);
  }

  drawMarks() {
    const pen = fittedContext(this.canvas, this.width, LINE_HEIGHT);
    const per = this.clock.ticksPerBlock;
    const blocks = Math.round(this.clock.last / per);
    const wide = Math.max(1, (this.leftOf(this.clock.last) - this.leftOf(0)) / Math.max(1, blocks));
    pen.fillStyle = cssColor("--town-night");
    for (let block = 1; block <= blocks; block++) {
      const dark = darknessAt(this.map.hourOf((block - 0.5) * per));
      if (!dark) continue;
      pen.globalAlpha = dark;
      pen.fillRect(this.leftOf((block - 1) * per), 0, wide + 0.5, LINE_HEIGHT);
    }
    pen.globalAlpha = 1;
    LANES.forEach(([names, , color], lane) => this.drawLane(pen, names, color, lane, per, blocks, wide));
    pen.fillStyle = cssColor("--town-meet");
    for (const model of this.models) for (const mark of model.marks) pen.fillRect(Math.round(this.leftOf((mark.step - 1) * per)) - 1, 0, 2, LINE_HEIGHT);
  }

  drawLane(pen, names, color, lane, per, blocks, wide) {
    const counts = [];
    for (let block = 1; block <= blocks; block++) counts.push(this.countOf(names, block));
    const most = Math.max(1, ...counts);
    const high = LINE_HEIGHT / LANES.length - 2;
    pen.fillStyle = cssColor(color);
    counts.forEach((count, index) => {
      const size = count ? Math.max(2, high * Math.sqrt(count / most)) : 0;
      pen.fillRect(this.leftOf(index * per), (lane + 1) * (high + 2) - size, Math.max(1, wide - 0.5), size);
    });
  }

  countOf(names, block) {
    return names.reduce((sum, name) => sum + this.models.reduce((all, model) => all + (model.values[name]?.[block] || 0), 0), 0);
  }

  tipText(tick, left) {
    const block = this.clock.blockOf(tick);
    const counts = LANES.map(([names, label]) => [this.countOf(names, block), label]).filter(([count]) => count).map(([count, label]) => `${count} ${label}`);
    const near = this.models.flatMap((model) => model.marks).filter((mark) => Math.abs(this.leftOf((mark.step - 1) * this.clock.ticksPerBlock) - left) < 5);
    return [this.map.clockOf(tick), ...near.slice(0, 3).map((mark) => mark.label), counts.join(", ")].filter(Boolean).join("\n");
  }
}

/** Legend of the lanes. */
export function laneLegend() {
  const entries = [...LANES.map(([, label, color]) => [label, color]), ["gatherings and edits", "--town-meet"]];
  return el("div", { class: "town-legend", "aria-hidden": "true" }, ...entries.map(([label, color]) => el("span", {}, el("span", { class: `swatch ${color.slice(2)}` }), label)));
}

/** Buttons of the clock: play, single ticks, speeds, and where one is. */
export class TownPlay {
  constructor(map, clock) {
    Object.assign(this, { map, clock });
    this.playButton = iconButton("play", "Play time (space)", () => clock.toggle(), { class: "icon-button primary" });
    this.speed = el("select", { "aria-label": "Speed of time", title: "Simulated seconds a second (< and >)", change: () => clock.setSpeed(Number(this.speed.value)) }, ...TOWN_SPEEDS.map(([value, label]) => el("option", { value }, label)));
    this.place = el("span", { class: "place town-clock" });
    const buttons = [
      iconButton("first", "To the start (Home)", () => clock.seek(0)),
      iconButton("back", "One tick back (,)", () => clock.step(-1)),
      this.playButton,
      iconButton("next", "One tick on (.)", () => clock.step(1)),
      iconButton("last", "To the end (End)", () => clock.goLive()),
    ];
    this.buttons = el("div", { class: "controls", role: "group", "aria-label": "Time on the map" }, ...buttons, this.speed);
    clock.on(() => this.update());
    this.update();
  }

  update() {
    const { clock } = this;
    setIcon(this.playButton, clock.playing ? "pause" : "play");
    const label = clock.playing ? "Pause time (space)" : "Play time (space)";
    setAttribute(this.playButton, "aria-label", label);
    setAttribute(this.playButton, "title", label);
    if (Number(this.speed.value) !== clock.speed) this.speed.value = clock.speed;
    setText(this.place, this.map.clockOf(clock.whole));
    this.place.title = `tick ${clock.whole} of ${clock.last}`;
  }
}

/** Time and controls of a town's run, in the place of `Transport`. */
export class TownTransport {
  constructor(model, map, clock) {
    Object.assign(this, { model, clock });
    this.run = new Transport(model);
    this.line = new TownLine(map, clock, [model]);
    this.play = new TownPlay(map, clock);
    this.stepButton = this.run.stepButton;
    this.live = el("button", { type: "button", class: "button small live-button", title: "Follow the newest tick (l)", click: () => clock.goLive() }, "Live");
    const toRun = el("div", { class: "town-run", role: "group", "aria-label": "The run" }, el("span", { class: "panel-help" }, "Run"), this.run.controlBox);
    toRun.hidden = this.run.controlBox.hidden;
    const row = el("div", { class: "transport-row" }, this.play.buttons, this.play.place, this.live, toRun);
    this.node = el("section", { class: "transport town-transport", "aria-label": "Time and controls" }, this.line.node, row);
    model.on("run", () => this.update());
    clock.on(() => this.update());
    this.update();
  }

  update() {
    setAttribute(this.live, "aria-pressed", this.clock.live);
    setText(this.live, ["playing", "paused", "starting"].includes(this.model.run.status) ? "Live" : "Latest");
  }

  toggle() {
    this.clock.toggle();
  }

  control(action) {
    return this.run.control(action);
  }

  fork() {
    return this.run.fork();
  }
}
