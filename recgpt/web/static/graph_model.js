// What a graph's canvas draws: agents, one cluster's agents, an agent with its friends, or a bubble for each cluster.

export const MOST_DRAWN = 1500; // agents at once
export const MOST_OF_EGO = 300; // an agent, its friends and theirs
const SPIRAL_STEP = 14;
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));

/** A graph as it comes from the server, indexed: friends of each agent, agents of each cluster. */
export class GraphIndex {
  constructor(graph) {
    this.graph = graph;
    this.nodes = new Map(graph.nodes.map((node) => [node.id, node]));
    this.clusters = new Map(graph.clusters.map((cluster) => [cluster.id, cluster]));
    this.friends = new Map(graph.nodes.map((node) => [node.id, new Map()]));
    for (const { source, target, label, closeness } of graph.links) {
      if (source === target || !this.nodes.has(source) || !this.nodes.has(target)) continue;
      this.friends.get(source).set(target, { label, closeness });
      if (!this.friends.get(target).has(source)) this.friends.get(target).set(source, { label, closeness });
    }
    this.signature = graphSignature(graph);
  }

  /** Friends of an agent in the graph, the closest first. */
  friendsOf(id) {
    const found = [...(this.friends.get(id) || new Map())];
    return found.sort((a, b) => b[1].closeness - a[1].closeness || a[0] - b[0]);
  }

  /** An agent, its friends and their friends, up to a limit. */
  ego(id) {
    const found = new Set([id]);
    let ring = [id];
    for (let distance = 0; distance < 2; distance++) {
      const next = [];
      for (const agent of ring) {
        for (const [friend] of this.friendsOf(agent)) {
          if (found.has(friend) || found.size >= MOST_OF_EGO) continue;
          found.add(friend);
          next.push(friend);
        }
      }
      ring = next;
    }
    return [...found].map((agent) => this.nodes.get(agent));
  }

  membersOf(cluster) {
    return mostFriends(this.graph.nodes.filter((node) => node.cluster === cluster));
  }
}

/** Nodes and links of one view, in arrays: the same layout for the same graph. */
export class DrawnGraph {
  constructor(keys, nodes, pairs, radius) {
    this.keys = keys; // of remembered positions
    this.nodes = nodes;
    this.pairs = pairs;
    this.radius = radius;
    this.x = new Float32Array(nodes.length);
    this.y = new Float32Array(nodes.length);
    this.fixed = new Uint8Array(nodes.length);
    this.at = new Map(nodes.map((node, index) => [node.id, index]));
    this.neighbours = nodes.map(() => []);
    for (let at = 0; at < pairs.length; at += 2) {
      this.neighbours[pairs[at]].push(pairs[at + 1]);
      this.neighbours[pairs[at + 1]].push(pairs[at]);
    }
  }

  /** Positions remembered from before, or beside a friend's, or on a spiral; returns the heat that the layout needs. */
  place(positions) {
    let n_new = 0;
    this.keys.forEach((key, index) => {
      const before = positions.get(key) || this.besideFriend(index, positions);
      const turn = index * GOLDEN_ANGLE, distance = SPIRAL_STEP * Math.sqrt(index + 0.5);
      this.x[index] = before ? before.x : distance * Math.cos(turn);
      this.y[index] = before ? before.y : distance * Math.sin(turn);
      this.fixed[index] = before && before.fixed ? 1 : 0;
      n_new += before ? 0 : 1;
    });
    return n_new > this.nodes.length / 4 ? 1 : 0.2;
  }

  besideFriend(index, positions) {
    for (const friend of this.neighbours[index]) {
      const known = positions.get(this.keys[friend]);
      if (known) {
        const turn = index * GOLDEN_ANGLE;
        return { x: known.x + 10 * Math.cos(turn), y: known.y + 10 * Math.sin(turn), fixed: false };
      }
    }
    return null;
  }

  remember(positions) {
    this.keys.forEach((key, index) => {
      positions.set(key, { x: this.x[index], y: this.y[index], fixed: this.fixed[index] === 1 });
    });
  }
}

/** Agents as nodes: more friends, larger. */
export function drawnAgents(index, members) {
  const nodes = mostFriends(members).sort((a, b) => a.cluster - b.cluster || a.id - b.id);
  const at = new Map(nodes.map((node, number) => [node.id, number]));
  const most = nodes.reduce((largest, node) => Math.max(largest, node.friends), 1);
  const pairs = [];
  for (const node of nodes) {
    for (const friend of index.friends.get(node.id).keys()) {
      if (at.has(friend) && node.id < friend) pairs.push(at.get(node.id), at.get(friend));
    }
  }
  const radius = Float32Array.from(nodes, (node) => 4 + 4 * Math.sqrt(node.friends / most));
  return new DrawnGraph(nodes.map((node) => `agent ${node.id}`), nodes, Uint32Array.from(pairs), radius);
}

/** Clusters as bubbles, their area by the number of agents; `n_OF` counts of links between two of them. */
export function drawnClusters(index) {
  const nodes = index.graph.clusters.filter((cluster) => cluster.agents > 0);
  const at = new Map(nodes.map((node, number) => [node.id, number]));
  const most = nodes.reduce((largest, node) => Math.max(largest, node.agents), 1);
  const counts = new Map();
  for (const { source, target, n } of index.graph.cluster_links) {
    if (source === target || !at.has(source) || !at.has(target)) continue;
    const key = `${Math.min(source, target)} ${Math.max(source, target)}`;
    counts.set(key, (counts.get(key) || 0) + n);
  }
  const pairs = [...counts.keys()].flatMap((key) => key.split(" ").map((id) => at.get(Number(id))));
  const radius = Float32Array.from(nodes, (node) => 16 + 34 * Math.sqrt(node.agents / most));
  const drawn = new DrawnGraph(nodes.map((node) => `cluster ${node.id}`), nodes, Uint32Array.from(pairs), radius);
  drawn.counts = [...counts.values()];
  return drawn;
}

function mostFriends(nodes) {
  if (nodes.length <= MOST_DRAWN) return [...nodes];
  return [...nodes].sort((a, b) => b.friends - a.friends || a.id - b.id).slice(0, MOST_DRAWN);
}

/** Equal for graphs of equal nodes and links, whatever the agents do (FNV-1a). */
function graphSignature(graph) {
  let hash = 2166136261;
  const mix = (number) => {
    hash = Math.imul(hash ^ number, 16777619);
  };
  for (const node of graph.nodes) {
    mix(node.id);
    mix(node.cluster);
  }
  for (const link of graph.links) {
    mix(link.source);
    mix(link.target);
  }
  for (const cluster of graph.clusters) mix(cluster.agents);
  for (const { n } of graph.cluster_links) mix(n);
  return `${graph.nodes.length} ${graph.links.length} ${hash}`;
}
