// Social graph on a canvas: a force layout, nodes by activity; large societies by clusters and by an agent's friends.
//
//   const graph = new SocialGraph(canvas, {activities, onSelect: (id) => …, onHover: (id) => …});
//   graph.setGraph(view.graph);        // the layout goes on from the last positions
//   graph.setActivity(frame.activity); // by agent, as often as wanted
//   graph.select(7); graph.setEgo(7);  // null: none; all agents

import { DrawnGraph, GraphIndex, drawnAgents, drawnClusters } from "./graph_model.js";
import { GraphInput } from "./graph_input.js";
import { GraphOverlay } from "./graph_overlay.js";
import { GraphPainter, nodeZoom } from "./graph_draw.js";
import { GraphSettler } from "./graph_settle.js";

const CLUSTERS_ABOVE = 2000; // agents of a society that is shown by clusters at first
const GRAPH_MARGIN = 18;
const GRAPH_BAR = 40; // height of the buttons above
const GLIDE_MS = 220;
const GRAPH_HELP =
  "Arrow keys go to the next agent, with Shift they move the view; plus and minus zoom, 0 fits, Enter opens, Escape goes back.";

export class SocialGraph {
  constructor(canvas, { onSelect = () => {}, onHover = () => {}, activities }) {
    Object.assign(this, { canvas, onSelect, onHover, activities });
    this.codes = new Map(activities.map(({ name }, code) => [name, code]));
    this.mode = { kind: "agents" };
    this.view = { scale: 1, x: 0, y: 0, movedAt: 0 };
    this.positions = new Map();
    this.drawn = new DrawnGraph([], [], [], []);
    this.activityByAgent = null;
    this.selectedId = this.hovered = null;
    this.isAuto = true; // the view follows the layout until somebody moves it
    this.frame = this.glide = 0;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label", `Social graph. ${GRAPH_HELP}`);
    this.overlay = new GraphOverlay(canvas, {
      back: () => this.back(), zoomIn: () => this.zoomAt(null, null, 1.4), zoomOut: () => this.zoomAt(null, null, 1 / 1.4),
      fit: () => this.fit(), toggle: () => this.toggle(), choose: (id) => this.choose(id),
    });
    this.painter = new GraphPainter(canvas, activities);
    this.overlay.setPaper(this.painter.paper);
    this.overlay.setWhere({ text: "Loading …", canGoBack: false, toggle: "" });
    this.settler = new GraphSettler((x, y, done) => this.settled(x, y, done));
    this.input = new GraphInput(canvas, this);
    this.watchSurroundings();
    this.resize();
  }

  watchSurroundings() {
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(this.canvas);
    this.repaint = () => {
      this.painter.readColors();
      this.overlay.setPaper(this.painter.paper);
      this.draw();
    };
    this.themes = new MutationObserver(this.repaint);
    this.themes.observe(document.documentElement, { attributes: true });
    this.darkness = matchMedia("(prefers-color-scheme: dark)");
    this.darkness.addEventListener("change", this.repaint);
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.glide);
    clearTimeout(this.sharpen);
    this.sizes.disconnect();
    this.themes.disconnect();
    this.darkness.removeEventListener("change", this.repaint);
    this.input.destroy();
    this.settler.destroy();
    this.overlay.destroy(this.canvas);
  }

  // ---- what is shown ----

  setGraph(graph) {
    const before = this.index;
    this.index = new GraphIndex(graph);
    if (!before) this.mode = this.wholeMode();
    const isSame = before && before.signature === this.index.signature;
    this.rebuild({ isSame });
    if (!before) this.find(this.selectedId);
  }

  /** Activities by agent, indexes of `activities`; null leaves those of the graph. */
  setActivity(activityByAgent) {
    this.activityByAgent = activityByAgent;
    this.shares = null;
    this.draw();
  }

  select(id) {
    if (id === this.selectedId) return;
    this.selectedId = id;
    if (!this.index) return;
    this.find(id);
    this.describe();
    this.keepInView(this.selected);
    this.draw();
  }

  /** An agent that is not drawn, as in a view of clusters, is shown with its friends. */
  find(id) {
    const isDrawn = !this.showsClusters && this.drawn.at.has(id);
    if (id !== null && !isDrawn && this.index.nodes.has(id)) this.setMode({ kind: "ego", id });
  }

  wholeMode() {
    return { kind: this.index.graph.n_agents > CLUSTERS_ABOVE ? "clusters" : "agents" };
  }

  /** Only an agent, its friends and theirs; null: everything again. */
  setEgo(id) {
    if (id === null) this.back();
    else if (this.index && this.index.nodes.has(id)) this.setMode({ kind: "ego", id });
  }

  openCluster(id) {
    this.setMode({ kind: "cluster", id });
  }

  back() {
    if (this.mode.kind === "ego" || this.mode.kind === "cluster") this.setMode(this.wholeMode());
    else this.choose(null);
  }

  toggle() {
    this.setMode({ kind: this.mode.kind === "clusters" ? "agents" : "clusters" });
  }

  setMode(mode) {
    this.mode = mode;
    this.isAuto = true;
    if (this.index) this.rebuild({ isSame: false });
  }

  get showsClusters() {
    return this.mode.kind === "clusters";
  }

  get selected() {
    const index = this.drawn.at.get(this.showsClusters ? this.selectedCluster : this.selectedId);
    return index === undefined ? null : index;
  }

  rebuild({ isSame }) {
    const { index, mode } = this;
    if ((mode.kind === "ego" && !index.nodes.has(mode.id)) || (mode.kind === "cluster" && !index.clusters.has(mode.id))) {
      this.mode = this.wholeMode();
    }
    this.drawn.remember(this.positions);
    const members = {
      agents: () => index.graph.nodes, cluster: () => index.membersOf(mode.id), ego: () => index.ego(mode.id),
    }[this.mode.kind];
    this.drawn = members ? drawnAgents(index, members()) : drawnClusters(index);
    this.byFriends = this.drawn.nodes.map((_, number) => number).sort((a, b) => this.drawn.radius[b] - this.drawn.radius[a]);
    this.hovered = this.shares = null;
    this.overlay.hideTooltip();
    const heat = this.drawn.place(this.positions);
    this.painter.forgetLinks();
    this.describe();
    if (!isSame) this.settle(heat);
    this.draw();
  }

  settle(heat) {
    const { x, y, radius, fixed, pairs } = this.drawn;
    const zoom = 1.25; // room around nodes for labels and rings
    this.isSettled = false;
    if (this.isAuto) this.fit({ glides: false });
    this.settler.settle({ x: x.slice(), y: y.slice(), radius: radius.map((size) => size * zoom), fixed, pairs, heat });
  }

  settled(x, y, done) {
    if (x.length !== this.drawn.nodes.length) return;
    this.isSettled = done;
    if (this.still.matches && !done) return;
    const held = this.input.pressed && this.input.pressed.moved ? this.input.pressed.node : null;
    for (let index = 0; index < x.length; index++) {
      if (index === held || this.drawn.fixed[index]) continue;
      this.drawn.x[index] = x[index];
      this.drawn.y[index] = y[index];
    }
    this.painter.forgetLinks();
    if (this.isAuto) this.fit({ glides: false });
    this.draw();
  }

  // ---- texts ----

  activityOf(node) {
    const given = this.activityByAgent ? this.activityByAgent[node.id] : undefined;
    return given === undefined ? this.codes.get(node.activity) || 0 : given;
  }

  textOf(index) {
    const node = this.drawn.nodes[index];
    if (this.showsClusters) return `${node.name}\n${graphCount(node.agents, "agent")}`;
    const { label } = this.activities[this.activityOf(node)] || { label: node.activity };
    const cluster = this.index.clusters.get(node.cluster);
    const lines = [node.name, `${label} · ${graphCount(node.friends, "friend")}`];
    const tie = this.selectedId !== null && this.index.friends.get(node.id).get(this.selectedId);
    if (tie) lines.push(`${tie.label || "friend"} of ${this.index.nodes.get(this.selectedId).name}`);
    return [...lines, ...(cluster ? [cluster.name] : [])].join("\n");
  }

  describe() {
    const { index, mode, drawn, overlay } = this;
    if (!index) return;
    const { n_agents, n_links, nodes, clusters } = index.graph;
    const name = mode.kind === "ego" ? index.nodes.get(mode.id).name : "";
    const where = {
      agents: () => `${graphShownOf(drawn.nodes.length, n_agents)}, ${graphCount(n_links, "tie")}`,
      clusters: () => `${graphCount(n_agents, "agent")} in ${graphCount(drawn.nodes.length, "cluster")}`,
      cluster: () => `${index.clusters.get(mode.id).name}: ${graphShownOf(drawn.nodes.length, index.clusters.get(mode.id).agents)}`,
      ego: () => `${name}, friends and theirs: ${graphCount(drawn.nodes.length, "agent")}`,
    };
    const isWhole = mode.kind === "agents" || mode.kind === "clusters";
    const toggles = { clusters: nodes.length < n_agents ? `Show ${graphCount(nodes.length, "agent")}` : "Show all agents" };
    const toggle = !isWhole || clusters.length < 2 ? "" : toggles[mode.kind] || "Show clusters";
    overlay.setWhere({ text: where[this.mode.kind](), canGoBack: !isWhole, toggle });
    this.list();
  }

  list() {
    const { index, overlay, selectedId } = this;
    if (this.showsClusters) {
      const entries = this.drawn.nodes.map((cluster) => [cluster.id, `${cluster.name}, ${graphCount(cluster.agents, "agent")}`]);
      overlay.setList(`Clusters (${entries.length})`, entries);
    } else if (selectedId !== null && index.nodes.has(selectedId)) {
      const { name } = index.nodes.get(selectedId);
      const friends = index.friendsOf(selectedId);
      overlay.setList(
        `Friends of ${name} in the graph (${friends.length})`,
        friends.map(([id, { label }]) => [id, label ? `${index.nodes.get(id).name}, ${label}` : index.nodes.get(id).name]),
      );
      overlay.announce(`${name} selected, ${graphCount(friends.length, "friend")} in the graph`);
    } else {
      if (selectedId !== null) overlay.announce("The selected agent is not among the agents of the graph");
      const first = this.byFriends.slice(0, 50).map((at) => this.drawn.nodes[at]);
      overlay.setList(
        `Agents with the most friends (${first.length})`,
        first.map(({ id, name, friends }) => [id, `${name}, ${graphCount(friends, "friend")}`]),
      );
    }
  }

  // ---- drawing ----

  draw() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = 0;
    const { drawn, view, selected, hovered, showsClusters } = this;
    const center = hovered === null ? selected : hovered;
    const highlighted = hovered === null ? null : new Set([hovered, ...drawn.neighbours[hovered]]);
    const isSharp = this.painter.paint({
      drawn, view, selected, hovered, center, highlighted, showsClusters, labelled: this.labelled(center, selected),
      activity: (node) => this.activityOf(node), shares: (cluster) => this.sharesOf(cluster),
    });
    clearTimeout(this.sharpen);
    if (!isSharp) this.sharpen = setTimeout(() => this.draw(), 100);
  }

  /** Nodes with names: always the hovered and the selected; the ones with the most friends when zoomed in. */
  labelled(center, selected) {
    const must = [...new Set([center, selected])].filter((index) => index !== null);
    const isNear = this.showsClusters || this.drawn.nodes.length <= 40 || this.view.scale > 1.6;
    const near = center !== null && this.drawn.neighbours[center].length <= 25 ? this.drawn.neighbours[center] : [];
    const others = [...near, ...(isNear ? this.byFriends : [])].filter((index) => !must.includes(index));
    return [...must.map((index) => ({ index, isMust: true })), ...others.map((index) => ({ index, isMust: false }))];
  }

  /** Shares of activities in a cluster, among its agents in the graph. */
  sharesOf(cluster) {
    if (!this.shares) {
      this.shares = new Map(this.index.graph.clusters.map(({ id }) => [id, this.activities.map(() => 0)]));
      for (const node of this.index.graph.nodes) this.shares.get(node.cluster)[this.activityOf(node)] += 1;
    }
    const counts = this.shares.get(cluster.id);
    const total = counts.reduce((sum, one) => sum + one, 0);
    return counts.map((one) => (total ? one / total : 0));
  }

  // ---- view ----

  resize() {
    const width = this.canvas.clientWidth || 1, height = this.canvas.clientHeight || 1;
    this.painter.resize(width, height, window.devicePixelRatio || 1);
    if (this.isAuto) this.fit({ glides: false });
    else this.draw();
  }

  fit({ glides = true } = {}) {
    this.isAuto = true;
    const { x, y, radius } = this.drawn;
    if (x.length === 0) return;
    let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
    for (let index = 0; index < x.length; index++) {
      left = Math.min(left, x[index] - radius[index]);
      right = Math.max(right, x[index] + radius[index]);
      top = Math.min(top, y[index] - radius[index]);
      bottom = Math.max(bottom, y[index] + radius[index]);
    }
    const { width, height } = this.painter;
    const scale = Math.min((width - 2 * GRAPH_MARGIN) / (right - left), (height - GRAPH_BAR - GRAPH_MARGIN) / (bottom - top), 3);
    const wanted = Math.max(scale, 0.02);
    const middle = (GRAPH_BAR + height - GRAPH_MARGIN) / 2;
    this.moveTo(
      { scale: wanted, x: width / 2 - ((left + right) / 2) * wanted, y: middle - ((top + bottom) / 2) * wanted }, glides,
    );
  }

  moveTo(wanted, glides) {
    cancelAnimationFrame(this.glide);
    if (!glides || this.still.matches) {
      Object.assign(this.view, wanted);
      this.draw();
      return;
    }
    const from = { ...this.view }, start = performance.now();
    const move = (now) => {
      const share = Math.min(1, Math.max(0, (now - start) / GLIDE_MS)), eased = 1 - (1 - share) ** 3;
      for (const key of ["scale", "x", "y"]) this.view[key] = from[key] + (wanted[key] - from[key]) * eased;
      this.view.movedAt = performance.now();
      this.draw();
      if (share < 1) this.glide = requestAnimationFrame(move);
    };
    this.glide = requestAnimationFrame(move);
  }

  movedByHand() {
    cancelAnimationFrame(this.glide);
    this.isAuto = false;
    this.view.movedAt = performance.now();
    this.overlay.hideTooltip();
    this.draw();
  }

  panBy(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.movedByHand();
  }

  zoomAt(x, y, factor) {
    const { view, painter } = this;
    const atX = x === null ? painter.width / 2 : x, atY = y === null ? painter.height / 2 : y;
    const scale = Math.max(0.02, Math.min(20, view.scale * factor));
    view.x = atX - ((atX - view.x) * scale) / view.scale;
    view.y = atY - ((atY - view.y) * scale) / view.scale;
    view.scale = scale;
    this.movedByHand();
  }

  keepInView(index) {
    if (index === null) return;
    const { width, height } = this.painter;
    const { x, y } = this.screen(index);
    if (x > GRAPH_MARGIN && y > GRAPH_MARGIN && x < width - GRAPH_MARGIN && y < height - GRAPH_MARGIN) return;
    this.isAuto = false;
    this.moveTo({ scale: this.view.scale, x: this.view.x + width / 2 - x, y: this.view.y + height / 2 - y }, true);
  }

  screen(index) {
    const { drawn, view } = this;
    return { x: drawn.x[index] * view.scale + view.x, y: drawn.y[index] * view.scale + view.y };
  }

  // ---- hands and keys (GraphInput) ----

  nodeAt(x, y) {
    const zoom = nodeZoom(this.view);
    let found = null, nearest = Infinity;
    for (let index = 0; index < this.drawn.nodes.length; index++) {
      const at = this.screen(index);
      const distance = Math.hypot(at.x - x, at.y - y);
      if (distance < nearest && distance < this.drawn.radius[index] * zoom + 5) {
        found = index;
        nearest = distance;
      }
    }
    return found;
  }

  hover(index, x = 0, y = 0) {
    if (index === null) this.overlay.hideTooltip();
    else this.overlay.showTooltip(this.textOf(index), x, y, this.painter);
    this.canvas.style.cursor = index === null ? "grab" : "pointer";
    if (index === this.hovered) return;
    this.hovered = index;
    this.onHover(index === null || this.showsClusters ? null : this.drawn.nodes[index].id);
    this.draw();
  }

  click(index) {
    if (index !== null) this.choose(this.drawn.nodes[index].id);
    else this.choose(null);
  }

  /** Selects an agent, or opens a cluster. */
  choose(id) {
    if (this.showsClusters && id !== null) {
      this.openCluster(id);
      return;
    }
    this.select(id);
    this.onSelect(id);
  }

  dragNode(index, x, y) {
    const { drawn, view } = this;
    drawn.x[index] = (x - view.x) / view.scale;
    drawn.y[index] = (y - view.y) / view.scale;
    drawn.fixed[index] = 1;
    this.isAuto = false;
    this.painter.forgetLinks();
    this.overlay.hideTooltip();
    this.draw();
  }

  dropNode() {
    this.settle(0.1);
  }

  /** The next node in a direction: near, and not far aside. */
  go(dx, dy) {
    const from = this.selected;
    const start = from === null ? { x: this.painter.width / 2, y: this.painter.height / 2 } : this.screen(from);
    let found = null, best = Infinity;
    for (let index = 0; index < this.drawn.nodes.length; index++) {
      const { x, y } = this.screen(index);
      const ahead = (x - start.x) * dx + (y - start.y) * dy, aside = Math.abs((x - start.x) * dy + (y - start.y) * dx);
      const cost = from === null ? Math.hypot(x - start.x, y - start.y) : ahead + 2 * aside;
      if (index !== from && (from === null || ahead > 0) && cost < best) {
        found = index;
        best = cost;
      }
    }
    if (found === null) return;
    if (this.showsClusters) this.selectCluster(found);
    else this.choose(this.drawn.nodes[found].id);
  }

  selectCluster(index) {
    const { id, name, agents } = this.drawn.nodes[index];
    this.selectedCluster = id;
    this.overlay.announce(`Cluster ${name}, ${graphCount(agents, "agent")}; Enter opens it`);
    this.draw();
  }

  /** The selected cluster's agents, or the selected agent's friends. */
  open() {
    if (this.showsClusters && this.selected !== null) this.openCluster(this.selectedCluster);
    else if (this.selectedId !== null) this.setEgo(this.selectedId);
  }
}

function graphCount(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}

function graphShownOf(n, total) {
  return n < total ? `${n.toLocaleString("en")} of ${graphCount(total, "agent")}` : graphCount(total, "agent");
}
