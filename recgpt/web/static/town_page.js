// What a town adds to the page of a run: map, person, town panel, time, and their keys.

import { Tabs } from "./panels.js";
import { TownPanel } from "./town_panel.js";
import { TownPerson } from "./town_person.js";
import { TownStage } from "./town_stage.js";
import { TownTransport, laneLegend } from "./town_time.js";
import { el, setAttribute } from "./dom.js";

const MIDDLE = [["Map", "scene"], ["Charts", "charts"]];

/** Parts of a town for `RunPage`. */
export class TownPage {
  constructor(model, run) {
    Object.assign(this, { model, run, clock: run.clock });
    model.tickShown = () => run.clock.whole;
    this.stage = new TownStage(model, run);
    this.transport = new TownTransport(model, run.map, run.clock);
    this.person = new TownPerson(model, run);
    this.panel = new TownPanel(model, run);
    this.tabs = this.panel.names;
  }

  /** Tabs over the middle of wide screens: the map is the first. */
  tabsOver(onChoose) {
    this.over = new Tabs("Views", (name) => onChoose(MIDDLE.find(([one]) => one === name)[1]));
    this.over.list.classList.add("middle-tabs");
    this.over.setNames(MIDDLE.map(([name]) => name), "middle");
    for (const button of this.over.buttons.values()) button.removeAttribute("aria-controls");
    return el("div", { class: "middle-head" }, this.over.list, laneLegend());
  }

  showView(view) {
    const found = MIDDLE.find(([, one]) => one === view);
    if (found) this.over.choose(found[0]);
    setAttribute(this.stage.node.parentElement.parentElement, "data-middle", found ? view : null);
    this.run.redraw();
  }

  keys() {
    const { clock, stage: { view } } = this;
    const map = view.keys();
    const labels = { "+": "Zoom in", "-": "Zoom out", 0: "Show the whole town", w: "Move the map: w, a, s, d" };
    const ofMap = Object.entries(map).filter(([key]) => !key.startsWith("Arrow") && key !== "Enter").map(([key, run]) => ({ key, label: labels[key] || "", run }));
    return [
      ...ofMap,
      { key: ".", label: "One tick on", run: () => clock.step(1) },
      { key: ",", label: "One tick back", run: () => clock.step(-1) },
      { key: ">", label: "Faster", run: () => clock.shiftSpeed(1) },
      { key: "<", label: "Slower", run: () => clock.shiftSpeed(-1) },
      { key: "c", label: "Follow the selected resident", run: () => view.follow(!view.following) },
      { key: "m", label: "Names on or off", run: () => view.toggleNames() },
    ];
  }
}
