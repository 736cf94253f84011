// The town as a whole at the shown tick: how facts spread, acquaintances as a graph, where people were.

import { NewestRequest } from "./requests.js";
import { SocialGraph } from "./graph.js";
import { TownEdits } from "./town_edit.js";
import { countText, numberText } from "./format.js";
import { el, setText } from "./dom.js";

const TOWN_PAUSE_MS = 1200;
const SPANS = [["hour", "last hour"], ["day", "this day"], ["all", "all so far"]];
const MOST_OPEN = 3;

/** Tabs of the right column that a town has of its own. */
export class TownPanel {
  constructor(model, run) {
    Object.assign(this, { model, run, chosen: null });
    this.names = ["facts", "ties", "heat map"];
    this.facts = new FactsPart(model, run);
    this.graph = new GraphPart(model, run);
    this.heat = new HeatPart(model, run);
    this.parts = new Map([["facts", this.facts], ["ties", this.graph], ["heat map", this.heat]]);
    this.edits = new TownEdits(model, run, true);
    this.node = el("div", { class: "town-panel" }, this.edits.node, ...[...this.parts.values()].map((part) => part.node));
    run.clock.on(() => this.update(run.clock.playing || run.clock.live));
  }

  owns(tab) {
    return this.parts.has(tab);
  }

  show(tab) {
    if (tab !== this.chosen && this.chosen === "heat map") this.heat.leave();
    this.chosen = tab;
    this.node.hidden = !this.owns(tab);
    for (const [name, part] of this.parts) part.node.hidden = name !== tab;
    this.update(false);
  }

  update(patient) {
    const part = this.parts.get(this.chosen);
    if (part && this.run.clock.last) part.update(patient);
  }
}

/** Who knows what, and from whom: each fact as a tree. */
class FactsPart {
  constructor(model, run) {
    Object.assign(this, { model, run, key: "", open: new Set() });
    this.summary = el("p", { class: "panel-help" });
    this.list = el("div", { class: "facts" });
    this.node = el("section", { "aria-label": "Who knows what", hidden: true }, el("h3", {}, "Who knows what, and from whom"), this.summary, this.list);
    this.request = new NewestRequest((tick, signal) => model.source.townFacts(tick, signal), (tick, data, error) => this.take(data, error), TOWN_PAUSE_MS);
  }

  update(patient) {
    if (this.run.clock.whole === this.asked) return;
    this.asked = this.run.clock.whole;
    this.request.ask(this.asked, patient);
  }

  take(data, error) {
    if (error) return setText(this.summary, error.message);
    const residents = this.run.map.residents.length;
    setText(this.summary, `${this.run.map.clockOf(data.tick)}. Density of acquaintances ${numberText(data.density)}: share of all pairs that know each other.`);
    const key = JSON.stringify(data.facts);
    if (key === this.key) return;
    if (!this.key) data.facts.slice(0, MOST_OPEN).forEach(({ fact }) => this.open.add(fact));
    this.key = key;
    this.list.replaceChildren(...data.facts.map((fact) => this.fact(fact, residents)));
  }

  fact({ fact, kind, text, known }, residents) {
    const share = known.length / Math.max(1, residents);
    const fill = el("span", { class: "bar-fill" });
    fill.style.width = `${100 * share}%`;
    const summary = el("summary", {}, el("span", { class: "words" }, text), el("span", { class: "fact-count" }, el("span", { class: "bar", "aria-hidden": "true" }, fill), `${kind}, ${known.length} of ${residents}`));
    const node = el("details", { toggle: () => (node.open ? this.open.add(fact) : this.open.delete(fact)) }, summary, this.tree(known));
    node.open = this.open.has(fact);
    return node;
  }

  /** Residents under the one that told them. */
  tree(known) {
    const told = new Map();
    for (const row of known) {
      if (!told.has(row[1])) told.set(row[1], []);
      told.get(row[1]).push(row);
    }
    const knows = new Set(known.map(([agent]) => agent));
    const seen = new Set();
    const branch = (rows) => el("ul", {}, ...rows.sort((one, other) => one[2] - other[2]).map(([agent, source, tick, trust]) => {
      seen.add(agent);
      const from = source < 0 ? "from the start" : `${this.run.map.clockOf(tick).slice(0, -3)}, trust ${numberText(trust)}`;
      const below = (told.get(agent) || []).filter(([one]) => !seen.has(one));
      return el("li", {}, this.person(agent), el("span", { class: "panel-help" }, ` ${from}`), below.length ? branch(below) : null);
    }));
    return known.length ? branch(known.filter(([, source]) => !knows.has(source))) : el("p", { class: "empty" }, "No resident knows it.");
  }

  person(agent) {
    return el("button", { type: "button", class: "link words", title: "Show this resident", click: () => this.model.select(agent) }, this.run.map.residents[agent]);
  }
}

/** Acquaintances after the shown block. */
class GraphPart {
  constructor(model, run) {
    Object.assign(this, { model, run, graph: null });
    this.note = el("p", { class: "panel-help" });
    this.canvas = el("canvas", { class: "graph", tabindex: 0, role: "img", "aria-label": "Graph of acquaintances" });
    this.box = el("div", { class: "graph-box town-graph" }, this.canvas);
    this.node = el("section", { "aria-label": "Acquaintances", hidden: true }, el("h3", {}, "Acquaintances"), this.note, this.box);
    this.request = new NewestRequest((step, signal) => model.source.graph(step, null, model.following, signal), (step, graph, error) => this.take(graph, error), 2 * TOWN_PAUSE_MS);
    model.on("agent", () => this.graph && this.graph.select(model.agent));
    new ResizeObserver(() => this.graph && this.graph.resize()).observe(this.box);
  }

  update(patient) {
    const step = Math.max(0, this.run.clock.block - 1);
    if (step === this.asked) return;
    this.asked = step;
    this.request.ask(step, patient);
  }

  take(graph, error) {
    if (error) return setText(this.note, error.message);
    if (!this.graph) {
      const { model } = this;
      this.graph = new SocialGraph(this.canvas, { activities: model.about.activities, onSelect: (agent) => model.select(agent), onHover: () => {} });
      this.graph.resize();
    }
    setText(this.note, `${countText(graph.n_links, "tie")} of ${countText(graph.n_agents, "resident")}; a tie is what one knows of another.`);
    this.graph.setGraph(graph);
    this.graph.select(this.model.agent);
  }
}

/** Where people were, over the map. */
class HeatPart {
  constructor(model, run) {
    Object.assign(this, { model, run });
    this.span = el("select", { "aria-label": "Time of the heat map", change: () => this.refresh() }, ...SPANS.map(([value, label]) => el("option", { value }, label)));
    this.span.value = "day";
    this.note = el("p", { class: "panel-help" });
    this.places = el("ol", { class: "plain" });
    this.node = el("section", { "aria-label": "Heat map", hidden: true }, el("h3", {}, "Where people were"), this.span, this.note, this.places);
    this.request = new NewestRequest(([first, last], signal) => model.source.townHeat(first, last, signal), (key, heat, error) => this.take(heat, error), TOWN_PAUSE_MS);
  }

  refresh() {
    this.asked = null;
    this.update(false);
  }

  update(patient) {
    const { clock, map } = this.run;
    const last = clock.block;
    const spans = { hour: Math.round(3600 / map.seconds_per_tick / clock.ticksPerBlock), day: Math.max(1, last - Math.floor((last - 1) % (86400 / map.seconds_per_tick / clock.ticksPerBlock))), all: 1 };
    const first = this.span.value === "hour" ? Math.max(1, last - spans.hour + 1) : spans[this.span.value];
    const key = `${first} ${last}`;
    if (key === this.asked) return;
    this.asked = key;
    this.request.ask([first, last], patient);
  }

  take(heat, error) {
    if (error) return setText(this.note, error.message);
    const { map, clock } = this.run;
    if (this.node.hidden) return;
    this.run.view.scene.setHeat(heat);
    this.run.redraw();
    setText(this.note, `From ${map.clockOf((heat.first - 1) * clock.ticksPerBlock).slice(0, -3)} to ${map.clockOf(heat.last * clock.ticksPerBlock).slice(0, -3)}, on the map: the darker, the longer.`);
    this.places.replaceChildren(...this.busiest(heat).map(([name, hours]) => el("li", { class: "words" }, `${name}: ${hours.toFixed(1)} h`)));
  }

  /** Houses by the hours that people spent there. */
  busiest(heat) {
    const { map } = this.run;
    const hours = new Map();
    heat.tiles.forEach((tile, index) => {
      const sector = map.sectorOf[tile];
      const name = sector < 0 ? "outdoors" : map.places[sector].name;
      hours.set(name, (hours.get(name) || 0) + (heat.counts[index] * map.seconds_per_tick) / 3600);
    });
    return [...hours].sort((one, other) => other[1] - one[1]).slice(0, 20).map(([name, value]) => [name, Math.round(value * 10) / 10]);
  }

  leave() {
    this.asked = null;
    this.run.view.scene.setHeat(null);
    this.run.redraw();
  }
}
