// The map of a run's page: its data, its clock, and how both follow the run and the page.

import { TownBlocks } from "./town_blocks.js";
import { TownClock } from "./town_clock.js";
import { TownMap } from "./town_map.js";
import { TownView } from "./town_view.js";
import { el } from "./dom.js";

const AHEAD_S = 4; // seconds of play for which blocks are loaded in advance
const MORNING_HOUR = 7.5; // where a stored run opens without a place in its address

/** Data and clock of a run with a map; `clock` is shared where two runs are compared. */
export class TownRun {
  constructor(model, map, clock = null) {
    Object.assign(this, { model, map });
    this.blocks = new TownBlocks(model.source, map.residents.length, () => this.loaded());
    this.listeners = [];
    this.clock = clock || new TownClock({ secondsPerTick: map.seconds_per_tick, ticksPerBlock: map.ticks_per_block, ready: (block) => this.isReady(block) });
    model.on("series run", () => this.follow());
    this.clock.on(() => this.load());
    this.shares = this.begun = clock !== null; // before, it is not known which block is wanted
    this.follow();
  }

  static open(model) {
    return model.source.townMap().then((data) => new TownRun(model, new TownMap(data)));
  }

  isReady(block) {
    return Boolean(this.blocks.get(Math.min(block, Math.max(1, this.model.last))));
  }

  redraw() {
    if (this.view) this.view.redraw();
  }

  /** Call a listener whenever a block was loaded. */
  onLoaded(listener) {
    this.listeners.push(listener);
  }

  loaded() {
    this.redraw();
    for (const listener of this.listeners) listener();
  }

  /** Take over the length of the run; a run that begins anew forgets its blocks. */
  follow() {
    const { model, clock } = this;
    if (model.last < (this.seen || 0)) this.blocks.clear();
    this.seen = model.last;
    if (!this.shares) clock.setLast(model.last * clock.ticksPerBlock);
    this.load();
  }

  load() {
    const { clock, model } = this;
    if (!model.last || !this.begun) return;
    const pace = clock.speed / clock.secondsPerTick / clock.ticksPerBlock; // blocks a second
    const ahead = clock.playing || clock.live ? Math.min(24, Math.ceil(pace * AHEAD_S)) : 1;
    this.blocks.want(Math.min(clock.block, model.last), ahead + 1, model.last);
  }

  /** Tick at which a stored run opens: the first morning. */
  get opening() {
    const { map, clock } = this;
    const hour = map.hourOf(0);
    const wait = (MORNING_HOUR - hour + 24) % 24;
    return Math.min(Math.round((wait * 3600) / map.seconds_per_tick), clock.last);
  }
}

/** Picture of a town in the place of `Stage`. */
export class TownStage {
  constructor(model, run) {
    Object.assign(this, { model, run, clock: run.clock });
    this.view = new TownView({ map: run.map, blocks: run.blocks, clock: run.clock, last: () => model.last, label: `Map of ${run.map.name}`, onSelect: (agent) => model.select(agent) });
    run.view = this.view;
    this.view.onTick = (seconds) => run.clock.advance(seconds);
    this.node = el("section", { class: "town-stage", "aria-label": `Map of ${run.map.name}` }, this.view.node);
    model.on("agent", () => this.select());
    model.on("step", () => this.toStep());
    run.clock.on(() => this.toBlock());
  }

  /** Show the tick of the address, else the newest of a run that is played, else the first morning. */
  start({ tick, play, name }) {
    const { clock, model, run } = this;
    run.begun = true;
    if (tick !== null) clock.seek(tick);
    else if (model.run.status === "playing") clock.goLive();
    else clock.seek(run.opening);
    if (name !== null) this.selectNamed(name);
    if (play !== null) {
      clock.setSpeed(play);
      if (!clock.playing) clock.toggle();
    }
    this.select();
    run.load();
  }

  selectNamed(name) {
    const wanted = name.toLowerCase();
    const agent = this.run.map.residents.findIndex((one) => one.toLowerCase() === wanted);
    if (agent >= 0) this.model.select(agent);
  }

  /** The page went to another step: go to its block, unless the clock is in it. */
  toStep() {
    const { clock, model } = this;
    if (model.step === clock.block || this.isMoving) return;
    if (model.following) clock.goLive();
    else clock.seek(Math.max(0, model.step - 1) * clock.ticksPerBlock);
  }

  /** The clock went into another block: the page follows. */
  toBlock() {
    const { clock, model } = this;
    if (clock.block === model.step && clock.live === model.following) return;
    this.isMoving = true;
    if (model.last) model.goTo(clock.block, clock.live);
    this.isMoving = false;
  }

  select() {
    this.view.select(this.model.agent);
  }
}
