// The middle: social graph or grid of agents, with the legend of activities and a tooltip.

import { AgentGrid } from "./agent_grid.js";
import { NewestRequest } from "./requests.js";
import { SocialGraph } from "./graph.js";
import { el, setAttribute, setText } from "./dom.js";
import { numberText } from "./format.js";

const GRAPH_PAUSE_MS = 2000;

/** Picture of all agents at the shown step. */
export class Stage {
  constructor(model) {
    this.model = model;
    const { about } = model;
    this.graph = null;
    this.hasData = false;
    this.shown = this.wanted = null; // graph on the canvas; agent whose friends are to be shown once they are there
    this.tip = el("div", { class: "stage-tip words", hidden: true });
    const handlers = { onSelect: (agent) => model.select(agent), onHover: (agent, event) => this.showTip(agent, event) };
    this.handlers = handlers;
    this.grid = new AgentGrid({ people: about.people, nAgents: about.n_agents, activities: about.activities, ...handlers });
    this.graphCanvas = el("canvas", { class: "graph", tabindex: 0, role: "img", "aria-label": `Social graph of ${about.n_agents} ${about.people || "agents"}` });
    this.graphBox = el("div", { class: "graph-box", hidden: true }, this.graphCanvas);
    this.legend = el("div", { class: "activities", role: "group", "aria-label": "Activities" });
    this.entries = about.activities.map((activity, index) => this.legendEntry(activity, index));
    this.toggle = about.has_graph ? el("button", { type: "button", class: "button small", click: () => this.showGraph(this.graphBox.hidden) }, "Grid") : null;
    this.rule = el("span", { class: "stage-rule" });
    this.head = el("div", { class: "stage-head" }, this.legend, this.rule, this.toggle);
    this.node = el("section", { class: "stage", "aria-label": wordsOfStage(about) }, this.head, this.grid.node, this.graphBox, this.tip);
    this.graphRequest = new NewestRequest((key, signal) => this.loadGraph(key, signal), (key, graph, error) => this.takeGraph(graph, error), GRAPH_PAUSE_MS);
    model.on("frame", () => this.update());
    model.on("agent", () => this.select());
    new ResizeObserver(() => this.graph && this.graph.resize()).observe(this.graphBox);
  }

  start() {
    this.showGraph(this.model.about.has_graph);
    this.update();
    this.select();
  }

  legendEntry(activity, index) {
    const count = el("span", { class: "activity-count" });
    const swatch = el("span", { class: "swatch" });
    swatch.style.background = activity.color;
    const button = el("button", { type: "button", "aria-pressed": "false", title: `Show only: ${activity.label}`, click: () => this.highlight(index) }, swatch, el("span", { class: "activity-label" }, activity.label), count);
    this.legend.append(button);
    return { button, count };
  }

  highlight(index) {
    this.only = this.only === index ? null : index;
    this.entries.forEach((entry, one) => setAttribute(entry.button, "aria-pressed", one === this.only));
    this.grid.highlight(this.only);
    this.update();
  }

  /** Show the social graph, or the grid. */
  showGraph(shown) {
    if (!this.model.about.has_graph) return;
    this.graphBox.hidden = !shown;
    this.grid.node.hidden = shown;
    setText(this.toggle, shown ? "Show as grid" : "Show as graph");
    if (shown && !this.graph) {
      this.graph = new SocialGraph(this.graphCanvas, { ...this.handlers, activities: this.model.about.activities });
      this.graph.resize();
    }
    setText(this.rule, "");
    this.update();
    this.select();
  }

  update() {
    const { frame, following, playing } = this.model;
    if (!frame) return;
    this.countActivities(frame);
    if (this.graphBox.hidden) {
      this.grid.setActivity(frame.activity);
      return;
    }
    this.askGraph(following && playing);
    if (frame.activity && this.hasData) this.graph.setActivity(frame.activity);
  }

  askGraph(patient) {
    this.graphRequest.ask([this.model.step, this.model.agent], patient);
  }

  /** Graph of a step; a selected agent that a large graph leaves out comes with its friends. */
  async loadGraph([step, agent], signal) {
    const { source, following } = this.model;
    const graph = await source.graph(step, null, following, signal);
    if (!graph || agent === null || !leavesOut(graph, agent)) return graph;
    return withEgo(graph, await source.graph(step, agent, following, signal), agent);
  }

  countActivities({ activity }) {
    const counts = new Array(this.entries.length).fill(0);
    if (activity) for (const one of activity) counts[one] += 1;
    this.entries.forEach((entry, index) => setText(entry.count, activity ? numberText(counts[index]) : ""));
  }

  takeGraph(graph, error) {
    if (error || !graph || !this.graph) return;
    this.graph.setGraph(graph);
    this.shown = graph;
    this.hasData = true;
    setText(this.rule, graph.nodes.length < graph.n_agents ? graph.rule : "");
    this.rule.title = graph.rule;
    if (this.model.frame && this.model.frame.activity) this.graph.setActivity(this.model.frame.activity);
    this.graph.select(this.model.agent);
    if (this.wanted !== null && graph.ego === this.wanted) this.graph.setEgo(graph.ego);
    this.wanted = null;
  }

  select() {
    const { agent, source } = this.model;
    this.grid.select(agent);
    if (!this.hasData || this.graphBox.hidden) return;
    this.graph.select(agent);
    this.wanted = agent !== null && source.writable && leavesOut(this.shown, agent) ? agent : null;
    if (this.wanted !== null) this.askGraph(false);
  }

  showTip(agent, event) {
    this.tip.hidden = agent === null || !event;
    if (this.tip.hidden) return;
    const { frame, about, names } = this.model;
    const activity = frame && frame.activity ? about.activities[frame.activity[agent]] : null;
    setText(this.tip, `${names.get(agent) || "Number"} ${agent}${activity ? ` · ${activity.label}` : ""}`);
    const box = this.node.getBoundingClientRect();
    this.tip.style.left = `${Math.min(box.width - 150, event.clientX - box.left + 12)}px`;
    this.tip.style.top = `${event.clientY - box.top + 14}px`;
  }
}

/** Whether a graph of some of the agents is without an agent. */
function leavesOut(graph, agent) {
  return graph.nodes.length < graph.n_agents && !graph.nodes.some((node) => node.id === agent);
}

/** A graph with the nodes and links of an agent and its friends added. */
function withEgo(graph, around, ego) {
  const nodes = new Map([...graph.nodes, ...around.nodes].map((node) => [node.id, node]));
  const links = new Map([...graph.links, ...around.links].map((link) => [`${link.source} ${link.target}`, link]));
  return { ...graph, nodes: [...nodes.values()], links: [...links.values()], ego };
}

function wordsOfStage(about) {
  const people = about.people || "agents";
  return about.has_graph ? `Social graph of ${people}` : `Activity of ${people}`;
}
