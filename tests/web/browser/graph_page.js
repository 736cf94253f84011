// A made-up society: `makeGraph(n)` has n nodes in 12 clusters, most links within a cluster.
import { SocialGraph } from "/static/graph.js";

const ACTIVITIES = [
  { name: "idle", label: "Idle", color: "#8a8f98" },
  { name: "watching", label: "Watching", color: "#2f8f5b" },
  { name: "chatting", label: "Chatting", color: "#d98324" },
  { name: "posting", label: "Posting", color: "#7b52c7" },
];
const TOPICS = ["Drama", "Comedy", "Action", "Horror", "Sci-Fi", "War", "Noir", "Musical", "Western", "Crime", "Romance", "Children"];

function numbers(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
}

window.makeGraph = (n, n_agents = n, n_links = 5 * n) => {
  const draw = numbers(7);
  const friends = Array(n).fill(0), links = [];
  for (let k = 0; k < n_links / 2; k++) {
    const source = draw(n), cluster = source % 12;
    const target = draw(5) ? Math.min(n - 1, draw(Math.ceil(n / 12)) * 12 + cluster) : Math.floor(draw(n) * draw(n) / n);
    if (source === target) continue;
    links.push({ source, target, label: "friend", closeness: 0.5 }, { source: target, target: source, label: "friend", closeness: 0.5 });
    friends[source]++;
    friends[target]++;
  }
  const nodes = friends.map((count, id) => ({
    id, name: id === 3 ? "<img src=x onerror=alert(1)>" : `Agent ${id}`, activity: "idle", size: 1, friends: count, cluster: id % 12,
  }));
  const clusters = TOPICS.map((name, id) => ({ id, name, agents: Math.round((n_agents / 12) * (0.4 + id / 9)) }));
  const cluster_links = TOPICS.flatMap((_, source) => TOPICS.map((_, target) => ({ source, target, n: 1 + draw(400) })));
  return { n_agents, n_links, nodes, links, clusters, cluster_links, rule: "made up" };
};

window.makeActivity = (n, step) => Array.from({ length: n }, (_, id) => ((id * 7919 + step * 104729) % 10 > 6 ? 1 + ((id + step) % 3) : 0));

window.selected = [];
window.graph = new SocialGraph(document.querySelector("#graph"), {
  activities: ACTIVITIES, onSelect: (id) => window.selected.push(id),
});

/** Frames of the browser in so many seconds while activity changes 10 times a second. */
window.framesPerSecond = (seconds, n) => new Promise((resolve) => {
  let frames = 0, step = 0;
  const timer = setInterval(() => window.graph.setActivity(window.makeActivity(n, step++)), 100);
  const start = performance.now();
  const count = () => {
    frames += 1;
    if (performance.now() - start < 1000 * seconds) return requestAnimationFrame(count);
    clearInterval(timer);
    return resolve((1000 * frames) / (performance.now() - start));
  };
  requestAnimationFrame(count);
});
