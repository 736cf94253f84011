// Two branches of a town side by side: one clock, one camera, and marks around those that differ.

import { TownClock } from "./town_clock.js";
import { TownLine, TownPlay } from "./town_time.js";
import { TownMap } from "./town_map.js";
import { TownRun } from "./town_stage.js";
import { TownView } from "./town_view.js";
import { el, setText } from "./dom.js";

const MOST_DIFFERING = 12;

/** Maps of two runs of one town. `onBlock` is called with the block when it changes. */
export class TownPair {
  constructor(models, maps, onBlock) {
    Object.assign(this, { models, onBlock, map: maps[0], block: 0 });
    const [map] = maps;
    this.clock = new TownClock({ secondsPerTick: map.seconds_per_tick, ticksPerBlock: map.ticks_per_block, ready: (block) => this.runs.every((run) => run.isReady(block)) });
    this.runs = models.map((model, index) => new TownRun(model, maps[index], this.clock));
    this.views = this.runs.map((run, index) => this.viewOf(run, models[index]));
    this.views[0].link(this.views[1]);
    this.views[0].onTick = (seconds) => this.clock.advance(seconds);
    this.play = new TownPlay(map, this.clock);
    this.line = new TownLine(map, this.clock, models);
    this.count = el("p", { class: "panel-help", role: "status" });
    this.rows = el("tbody");
    const head = ["resident", ...models.map((model) => model.about.run)].map((name) => el("th", { scope: "col", class: "words" }, name));
    this.table = el("table", { class: "town-differences" }, el("thead", {}, el("tr", {}, ...head)), this.rows);
    const boxes = this.views.map((view, index) => el("figure", { class: "town-side" }, el("figcaption", { class: "words" }, el("span", { class: `swatch c${index}` }), ` ${models[index].about.run}`), view.node));
    const bar = el("div", { class: "transport town-transport" }, this.line.node, el("div", { class: "transport-row" }, this.play.buttons, this.play.place));
    this.node = el("section", { class: "town-pair", "aria-label": "Maps of both runs" }, el("div", { class: "town-sides" }, ...boxes), bar, this.count, el("div", { class: "table-box", tabindex: 0, role: "group", "aria-label": "Residents that differ" }, this.table));
    this.clock.on(() => this.update());
    for (const model of models) model.on("series run", () => this.setLast());
    this.setLast();
  }

  static open(models) {
    return Promise.all(models.map((model) => model.source.townMap())).then((maps) => maps.map((data) => new TownMap(data)));
  }

  viewOf(run, model) {
    const view = new TownView({ map: run.map, blocks: run.blocks, clock: this.clock, last: () => model.last, label: `Map of ${model.about.run}`, onSelect: (agent) => this.select(agent) });
    run.view = view;
    return view;
  }

  setLast() {
    this.clock.setLast(Math.max(...this.models.map((model) => model.last)) * this.clock.ticksPerBlock);
  }

  select(agent) {
    for (const view of this.views) view.select(agent);
  }

  update() {
    const { clock } = this;
    if (clock.block !== this.block) {
      this.block = clock.block;
      this.onBlock(clock.block);
    }
    const now = Math.floor(performance.now() / 250);
    if (clock.playing && now === this.comparedAt) return;
    this.comparedAt = now;
    this.compare();
  }

  /** Mark those that are elsewhere or do something else, and list the first of them. */
  compare() {
    const blocks = this.views.map((view) => view.block);
    if (blocks.some((block) => !block)) {
      setTimeout(() => this.compare(), 300);
      return;
    }
    const { whole } = this.clock;
    const found = [];
    for (let agent = 0; agent < this.map.residents.length; agent++) {
      const [left, right] = blocks.map((block) => block.actionAt(agent, whole));
      const [one, other] = blocks.map((block) => block.tileAt(agent, whole));
      if (left.text !== right.text || left.place !== right.place || one !== other) found.push([agent, left, right]);
    }
    const marked = new Set(found.map(([agent]) => agent));
    for (const view of this.views) view.mark(marked);
    const all = this.map.residents.length;
    setText(this.count, found.length ? `${found.length} of ${all} residents differ at this tick, with a ring around each.` : `All ${all} residents do the same at this tick.`);
    this.rows.replaceChildren(...found.slice(0, MOST_DIFFERING).map((row) => this.row(row)));
    this.table.hidden = !found.length;
  }

  row([agent, ...actions]) {
    const place = (action) => (action.place < 0 ? "" : `, ${this.map.nameOf(action.place)}`);
    const cells = actions.map((action) => el("td", { class: "words" }, `${action.text}${place(action)}`));
    return el("tr", {}, el("td", { class: "words" }, el("button", { type: "button", class: "link", click: () => this.select(agent) }, this.map.residents[agent])), ...cells);
  }
}
