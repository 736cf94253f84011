// The list of runs of all worlds, live ones first.

import { buildHeader } from "./header.js";
import { el, icon, setText } from "./dom.js";
import { getJson } from "./source.js";
import { numberText } from "./format.js";
import { runAddress } from "./links.js";
import { startKeys } from "./keys.js";
import { switchTheme } from "./theme.js";

const LIST_PAUSE_MS = 3000;
const STATUS_TEXTS = { starting: "Starting", playing: "Live", paused: "Paused", stopped: "Stopped", finished: "Finished", failed: "Failed", unreadable: "Unreadable" };
const STATUS_ORDER = ["starting", "playing", "paused", "failed", "stopped", "finished", "unreadable"];

/** Page of all runs. */
class RunsPage {
  constructor(main) {
    this.filter = el("input", { type: "search", placeholder: "Filter by name or world", "aria-label": "Filter runs", input: () => this.draw() });
    this.compare = el("button", { type: "button", class: "button", disabled: true, click: () => this.openCompare() }, icon("compare"), "Compare two");
    const create = el("a", { class: "button primary", href: "/new" }, icon("plus"), "New run");
    this.body = el("tbody");
    const names = ["", "Run", "World", "State", "Steps"];
    const head = el("tr", {}, ...names.map((name) => el("th", { scope: "col", class: name === "Steps" ? "number" : null }, name || el("span", { class: "hidden-text" }, "Compare"))));
    this.table = el("div", { class: "table-box runs-table", hidden: true }, el("table", {}, el("thead", {}, head), this.body));
    this.note = el("p", { class: "empty", role: "status" }, "Loading …");
    this.chosen = new Set();
    this.runs = [];
    this.drawn = "";
    const bar = el("div", { class: "list-bar" }, this.filter, this.compare, create);
    main.className = "list-page";
    main.replaceChildren(bar, this.note, this.table);
    this.load();
  }

  async load() {
    try {
      if (!document.hidden) this.runs = await getJson("/api/runs");
      this.draw();
    } catch (error) {
      setText(this.note, `The list cannot be loaded: ${error.message}`);
    }
    setTimeout(() => this.load(), LIST_PAUSE_MS);
  }

  draw() {
    const wanted = this.filter.value.trim().toLowerCase();
    const shown = this.runs.filter((run) => `${run.run} ${run.world || ""}`.toLowerCase().includes(wanted));
    shown.sort((one, other) => STATUS_ORDER.indexOf(one.status) - STATUS_ORDER.indexOf(other.status) || one.run.localeCompare(other.run));
    const empty = this.runs.length ? "No run matches." : "There is no run yet. Begin one here, or with recgpt simulate.";
    setText(this.note, shown.length ? `${numberText(shown.length)} of ${numberText(this.runs.length)} runs` : empty);
    this.table.hidden = !shown.length;
    const key = JSON.stringify(shown);
    if (key === this.drawn) return;
    this.drawn = key;
    this.body.replaceChildren(...shown.map((run) => this.row(run)));
  }

  row(run) {
    const box = el("input", { type: "checkbox", "aria-label": `Compare ${run.run}`, change: (event) => this.choose(run.run, event.target.checked) });
    box.checked = this.chosen.has(run.run);
    const state = el("span", { class: "badge", "data-kind": run.status, title: run.error }, el("span", { class: "dot" }), STATUS_TEXTS[run.status] || run.status);
    const link = el("a", { href: runAddress(run.run), class: "words run-link" }, run.run);
    const fork = run.forked_from ? el("span", { class: "fork-of" }, icon("fork"), run.forked_from) : null;
    const steps = run.n_steps === null || run.n_steps === undefined ? "–" : numberText(run.n_steps);
    return el("tr", {}, el("td", {}, box), el("td", {}, link, fork), el("td", {}, run.world || "–"), el("td", {}, state), el("td", { class: "number" }, steps));
  }

  choose(run, chosen) {
    if (chosen) this.chosen.add(run);
    else this.chosen.delete(run);
    this.compare.disabled = this.chosen.size !== 2;
  }

  openCompare() {
    const [left, right] = [...this.chosen].map(encodeURIComponent);
    location.assign(`/compare?left=${left}&right=${right}`);
  }
}

/** Show the list of runs. */
export function showRunsPage(main) {
  const page = new RunsPage(main);
  const keys = [
    { key: "/", label: "Filter", run: () => page.filter.focus() },
    { key: "n", label: "New run", run: () => location.assign("/new") },
    { key: "t", label: "Light or dark", run: switchTheme },
  ];
  buildHeader({ title: "Runs", onHelp: startKeys(keys) });
}
