// Two runs side by side with one slider: their lines in the same charts, their figures in one table.

import { AgentGrid } from "./agent_grid.js";
import { ChartGrid } from "./charts.js";
import { HttpSource, getJson } from "./source.js";
import { PanelList, Tabs } from "./panels.js";
import { RunModel } from "./run_model.js";
import { TimeSlider } from "./slider.js";
import { TownPair } from "./town_compare.js";
import { buildHeader, stateOf } from "./header.js";
import { debounced, el, setText } from "./dom.js";
import { numberText } from "./format.js";
import { placeOfAddress, runAddress, writePlace } from "./links.js";
import { startKeys } from "./keys.js";
import { switchTheme } from "./theme.js";

/** Comparison of two runs. */
class ComparePage {
  constructor(main, models, pickers, place, maps) {
    this.models = models;
    this.step = place.step ?? this.last;
    this.following = place.step === null;
    this.tab = place.tab;
    this.hover = null;
    const noun = models[0].about.step_name;
    this.slider = new TimeSlider({ noun, onStep: (step) => this.goTo(step) });
    this.place = el("span", { class: "place" });
    this.charts = el("section", { class: "charts", "aria-label": "Charts" });
    this.grid = new ChartGrid(this.charts, this.figures(), noun, { onHover: (step) => this.setHover(step), onPick: (step) => this.goTo(step), byRun: true });
    this.tabs = new Tabs("Figures", (name) => this.showTab(name));
    this.sides = models.map((model) => new Side(model));
    this.table = new PanelList(el("div", { class: "panels compare-figures" }));
    const legend = el("p", { class: "compare-legend" }, el("span", { class: "swatch c0" }), models[0].about.run, el("span", { class: "swatch c1" }), models[1].about.run);
    const bar = el("section", { class: "transport", "aria-label": "Time" }, this.slider.node, el("div", { class: "transport-row" }, this.place, legend));
    this.tabPanel = el("div", { id: "compared", role: "tabpanel", class: "compare-sides" }, ...this.sides.map((side) => side.node));
    this.pair = maps ? new TownPair(models, maps, (block) => this.goTo(block)) : null;
    if (this.pair) this.slider.node.hidden = true;
    main.className = "compare-page";
    main.replaceChildren(pickers, ...(this.pair ? [this.pair.node] : []), bar, this.charts, el("h2", { class: "hidden-text" }, "Figures"), this.table.node, this.tabs.list, this.tabPanel);
    for (const model of models) model.on("run series step frame moment connection", () => this.update());
    this.update();
    if (this.pair) this.pair.clock.seek(place.tick ?? Math.max(0, this.step - 1) * this.pair.clock.ticksPerBlock);
  }

  get last() {
    return Math.max(...this.models.map((model) => model.last));
  }

  figures() {
    const figures = new Map();
    for (const model of this.models) for (const figure of model.about.figures) figures.set(figure.name, figures.get(figure.name) || figure);
    return [...figures.values()];
  }

  goTo(step) {
    this.step = Math.max(0, Math.min(step, this.last));
    this.following = this.step === this.last;
    if (this.pair && this.pair.clock.block !== this.step) this.pair.clock.seek(Math.max(0, this.step - 1) * this.pair.clock.ticksPerBlock);
    for (const model of this.models) model.goTo(Math.min(this.step, model.last), this.step >= model.last);
    this.update();
    this.writePlace();
  }

  setHover(step) {
    this.hover = step;
    this.update();
  }

  showTab(name) {
    this.tab = name;
    this.update();
    this.writePlace();
  }

  writePlace() {
    this.write = this.write || debounced(250, () => writePlace({ step: this.following || this.pair ? null : this.step, tick: this.pair ? this.pair.clock.whole : null, tab: this.tab }));
    this.write();
  }

  update() {
    const { models, last } = this;
    if (this.following) this.step = last;
    const marks = models.flatMap((model) => model.marks);
    const text = `${models[0].about.step_name} ${numberText(this.step)} / ${numberText(last)}`;
    this.slider.update({ step: this.step, last, marks, text });
    setText(this.place, text);
    this.grid.update({ series: models.map((model) => ({ values: model.values })), step: this.step, hover: this.hover, last, marks });
    this.table.update([this.figurePanel()]);
    const names = [...new Set(models.flatMap((model) => (model.moment ? model.moment.panels.map((panel) => panel.tab) : [])))];
    this.tabs.setNames(names, "compared");
    const chosen = names.includes(this.tab) ? this.tab : names[0];
    this.tabs.choose(chosen);
    for (const side of this.sides) side.update(chosen);
  }

  figurePanel() {
    const [left, right] = this.models;
    const rows = this.figures().map((figure) => {
      const [one, other] = [left, right].map((model) => model.values[figure.name]?.[Math.min(this.step, model.last)] ?? null);
      return [figure.label, one, other, one === null || other === null ? null : Number((other - one).toPrecision(12))];
    });
    return { tab: "", title: "Figures at this step", kind: "table", columns: ["figure", left.about.run, right.about.run, "difference"], rows };
  }
}

/** One of the two runs. */
class Side {
  constructor(model) {
    this.model = model;
    const { about } = model;
    this.state = el("span", {});
    this.badge = el("span", { class: "badge" }, el("span", { class: "dot" }), this.state);
    this.grid = new AgentGrid({ people: about.people, nAgents: about.n_agents, activities: about.activities, onSelect: () => {}, onHover: () => {} });
    this.panels = new PanelList(el("div", { class: "panels" }));
    const title = el("h2", { class: "words" }, el("a", { href: runAddress(about.run) }, about.run));
    this.node = el("section", { class: "side", "aria-label": about.run }, el("div", { class: "side-head" }, title, this.badge), this.grid.node, this.panels.node);
  }

  update(tab) {
    const { model } = this;
    const [text, kind] = stateOf(model);
    setText(this.state, text);
    this.badge.dataset.kind = kind;
    if (model.frame) this.grid.setActivity(model.frame.activity);
    this.panels.update(model.moment ? model.moment.panels.filter((panel) => panel.tab === tab) : []);
  }
}

function makePickers(runs, names) {
  const go = () => location.assign(`/compare?left=${encodeURIComponent(selects[0].value)}&right=${encodeURIComponent(selects[1].value)}`);
  const selects = names.map((name, index) => {
    const options = [el("option", { value: "" }, "Choose a run"), ...runs.map((run) => el("option", { value: run.run }, `${run.run} (${run.world})`))];
    const select = el("select", { "aria-label": index ? "Right run" : "Left run", change: () => selects.every((one) => one.value) && go() }, ...options);
    select.value = name || "";
    return select;
  });
  return el("div", { class: "pickers" }, selects[0], el("span", {}, "and"), selects[1]);
}

/** Show the comparison of `?left=` and `?right=`. */
export function showComparePage(main) {
  const query = new URLSearchParams(location.search);
  const names = [query.get("left"), query.get("right")];
  return getJson("/api/runs").then((runs) => {
    const pickers = makePickers(runs, names);
    if (!names.every(Boolean)) {
      buildHeader({ title: "Two runs", onHelp: startKeys([{ key: "t", label: "Light or dark", run: switchTheme }]) });
      main.className = "compare-page";
      main.replaceChildren(pickers, el("p", { class: "empty" }, "Choose two runs to see them side by side, with one time slider."));
      return null;
    }
    return openBoth(main, names, pickers);
  });
}

function openBoth(main, names, pickers) {
  const models = names.map((name) => new RunModel(new HttpSource(name)));
  const place = placeOfAddress();
  const opened = Promise.all(models.map((model) => model.open(place)));
  return opened.then(() => (models.every((model) => model.about.has_map) ? TownPair.open(models) : null)).then((maps) => {
    const page = new ComparePage(main, models, pickers, place, sameTown(maps) ? maps : null);
    const keys = [
      { key: "ArrowLeft", label: "Step back", run: () => page.goTo(page.step - 1) },
      { key: "ArrowRight", label: "Step forward", run: () => page.goTo(page.step + 1) },
      { key: "Home", label: "First step", run: () => page.goTo(0) },
      { key: "End", label: "Newest step", run: () => page.goTo(page.last) },
      { key: "t", label: "Light or dark", run: switchTheme },
    ];
    if (page.pair) keys.push({ key: " ", label: "Play or pause", run: () => page.pair.clock.toggle() });
    buildHeader({ title: "Two runs", onHelp: startKeys(keys) });
    return page;
  });
}

/** Whether two maps can be shown with one camera and one clock. */
function sameTown(maps) {
  if (!maps) return false;
  const [left, right] = maps;
  return ["width", "height", "seconds_per_tick", "ticks_per_block"].every((name) => left[name] === right[name]) && left.residents.length === right.residents.length;
}
