// The page of one run: agent and chat on the left, the picture with time in the middle, figures and log on the right.

import { AgentSearch } from "./search.js";
import { AgentView } from "./card.js";
import { ChartGrid } from "./charts.js";
import { ChatView } from "./chat.js";
import { LogView } from "./log.js";
import { PanelList, Tabs } from "./panels.js";
import { RunModel } from "./run_model.js";
import { RunStatus, buildHeader } from "./header.js";
import { Stage } from "./stage.js";
import { TownPage } from "./town_page.js";
import { TownRun } from "./town_stage.js";
import { Transport } from "./transport.js";
import { debounced, el, iconLink, setAttribute, setText } from "./dom.js";
import { placeOfAddress, writePlace } from "./links.js";
import { startKeys } from "./keys.js";
import { switchTheme } from "./theme.js";

const LOG_TAB = "log";
const VIEWS = [["scene", "Scene"], ["charts", "Charts"], ["agent", "Agent"], ["numbers", "Numbers"]];

/** Page of a run. */
class RunPage {
  constructor(model, main, townRun) {
    this.model = model;
    this.main = main;
    this.search = new AgentSearch(model, () => this.showView("agent"));
    this.town = townRun ? new TownPage(model, townRun) : null;
    this.stage = this.town ? this.town.stage : new Stage(model);
    this.transport = this.town ? this.town.transport : new Transport(model);
    this.card = this.town ? this.town.person : new AgentView(model);
    this.chat = new ChatView(model);
    this.log = new LogView(model);
    this.charts = el("section", { class: "charts", "aria-label": "Charts" });
    this.failure = el("p", { class: "failure", role: "alert", hidden: true });
    this.build();
    this.listen();
  }

  build() {
    const { model } = this;
    const { about } = model;
    const status = new RunStatus(model);
    const onHelp = startKeys(this.keys());
    const name = encodeURIComponent(about.run);
    const links = [iconLink("edit", "Settings of this run, for a new one", `/new?from=${name}`), iconLink("compare", "Compare with another run", `/compare?left=${name}`)];
    const parts = [status.world, status.badge, status.clock, this.search.node];
    buildHeader({ title: about.run, parts, buttons: model.source.writable ? links : [], onHelp, linked: model.source.writable });
    this.grid = new ChartGrid(this.charts, about.figures, about.step_name, { onHover: (step) => model.setHover(step), onPick: (step) => model.goTo(step) });
    const left = el("div", { class: "column left", "data-view": "agent" }, this.card.node, this.chat.node);
    const scene = el("div", { class: "scene", "data-view": "scene" }, this.stage.node);
    const chartBox = el("div", { class: "chart-column", "data-view": "charts" }, this.charts);
    this.middle = el("div", { class: "column middle" }, this.failure, scene, this.transport.node, chartBox);
    if (this.town) this.middle.prepend(this.town.tabsOver((view) => this.showView(view)));
    this.main.className = this.town ? "run-page town-page" : "run-page";
    this.main.replaceChildren(left, this.middle, this.right(), this.viewTabs());
    this.showView("scene");
    this.stage.start(placeOfAddress());
  }

  right() {
    this.tabs = new Tabs("Figures", (name) => this.model.selectTab(name));
    this.panelBox = el("div", { class: "panels" });
    this.panels = new PanelList(this.panelBox, (agent) => this.model.select(agent));
    this.tabPanel = el("div", { id: "figures", role: "tabpanel", class: "tab-panel", tabindex: 0 }, this.panelBox, this.log.node);
    if (this.town) this.tabPanel.prepend(this.town.panel.node);
    return el("div", { class: "column right", "data-view": "numbers" }, this.tabs.list, this.tabPanel);
  }

  /** Tabs at the foot of narrow screens, where one part is shown at a time. */
  viewTabs() {
    const words = this.town ? { scene: "Map", agent: "Resident" } : {};
    const buttons = VIEWS.map(([view, label]) => [view, words[view] || label]).map(([view, label]) => el("button", { type: "button", "data-to": view, click: () => this.showView(view) }, label));
    this.viewBar = el("nav", { class: "view-bar", "aria-label": "Parts of the page" }, ...buttons);
    return this.viewBar;
  }

  showView(view) {
    this.main.dataset.view = view;
    if (this.town) this.town.showView(view);
    for (const button of this.viewBar.children) setAttribute(button, "aria-current", button.dataset.to === view ? "true" : null);
  }

  listen() {
    const { model } = this;
    model.on("series step hover", () => this.updateCharts());
    model.on("moment tab", () => this.updateTabs());
    model.on("run", () => this.updateFailure());
    model.on("prompt", () => model.prompt && this.showView("agent"));
    const write = debounced(250, () => writePlace(this.place()));
    model.on("step agent tab", write);
    if (this.town) this.town.clock.on(write);
    window.addEventListener("hashchange", () => this.readPlace());
    this.updateCharts();
    this.updateTabs();
    this.updateFailure();
  }

  place() {
    const { step, following, agent, tab } = this.model;
    if (this.town) return { tick: this.town.clock.live ? null : this.town.clock.whole, agent, tab: tab === this.firstTab ? null : tab };
    return { step: following ? null : step, agent, tab: tab === this.firstTab ? null : tab };
  }

  readPlace() {
    const { step, agent, tab, tick } = placeOfAddress();
    if (this.town && tick !== null) this.town.clock.seek(tick);
    else if (step === null) this.model.goLive();
    else this.model.goTo(step, false);
    this.model.select(agent);
    this.model.selectTab(tab);
  }

  updateCharts() {
    const { model } = this;
    this.grid.update({ series: [{ values: model.values }], step: model.step, hover: model.hover, last: model.last, marks: model.marks });
  }

  updateTabs() {
    const { model } = this;
    const panels = model.moment ? model.moment.panels : [];
    const names = [...new Set([...(this.town ? this.town.tabs : []), ...panels.map((panel) => panel.tab)]), LOG_TAB];
    this.firstTab = names[0];
    const chosen = names.includes(model.tab) ? model.tab : names[0];
    this.tabs.setNames(names, "figures");
    this.tabs.choose(chosen);
    setAttribute(this.tabPanel, "aria-labelledby", `figures-tab-${names.indexOf(chosen)}`);
    const showsLog = chosen === LOG_TAB;
    const appeared = showsLog && this.log.node.hidden;
    this.log.node.hidden = !showsLog;
    if (this.town) this.town.panel.show(chosen);
    this.panelBox.hidden = showsLog || (this.town !== null && this.town.panel.owns(chosen));
    if (appeared) this.log.refresh();
    if (!showsLog) this.panels.update(panels.filter((panel) => panel.tab === chosen));
  }

  updateFailure() {
    const { run } = this.model;
    this.failure.hidden = !run.error;
    setText(this.failure, run.error || "");
  }

  keys() {
    const { model } = this;
    const toMark = (direction) => () => model.nearMark(direction) !== null && model.goTo(model.nearMark(direction), false);
    return [
      { key: " ", label: "Play or pause", run: () => this.transport.toggle() },
      { key: "n", label: `Play one ${model.about.step_name}`, run: () => !this.transport.stepButton.disabled && this.transport.control("step") },
      { key: "ArrowLeft", label: "Step back", run: () => model.goTo(model.step - 1, false) },
      { key: "ArrowRight", label: "Step forward", run: () => model.goTo(model.step + 1) },
      { key: "Home", label: "First step", run: () => model.goTo(0, false) },
      { key: "End", label: "Newest step", run: () => model.goLive() },
      { key: "l", label: "Follow the newest step", run: () => model.goLive() },
      { key: "[", label: "Mark before", run: toMark(-1) },
      { key: "]", label: "Mark after", run: toMark(1) },
      { key: "/", label: "Find by name or number", run: () => this.search.input.focus() },
      { key: "g", label: "Graph or grid", run: () => this.stage.toggle && this.stage.showGraph(this.stage.graphBox.hidden) },
      { key: "f", label: "Fork from this step", run: () => this.transport.fork() },
      { key: "t", label: "Light or dark", run: switchTheme },
      { key: "Escape", label: "Deselect", run: () => model.select(null) },
      ...(this.town ? this.town.keys() : []),
    ];
  }
}

/** Show the page of a run. */
export function showRunPage(source, main) {
  const model = new RunModel(source);
  const place = placeOfAddress();
  return model
    .open(place)
    .then(() => (model.about.has_map ? TownRun.open(model) : null))
    .then((townRun) => new RunPage(model, main, townRun));
}
