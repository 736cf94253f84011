// Where a run comes from: the server (HttpSource) or the files of a bundle (BundleSource), with the same methods.
//
// A bundle is window.RECGPT_BUNDLE = {
//   run: as GET /api/runs/{id}, series: as /series, frames: [Frame by step], moments: {step: Moment},
//   graphs: {step: Graph}, agents: [Found], cards: {agent: AgentCard}, log: [LogLine in order],
//   town: {} or {map: {all}, blocks: {block: movements}, heat: {block}, facts: {tick}, residents: {tick: {agent}}} }.

const RETRY_MS = 2000;
const LASTING_STREAMS = 3; // of a browser, which opens six connections to a host; one more is for turns
const TURN_MS = 1500;

/** A request that the server refused, with its one-line reason. */
export class RequestFailed extends Error {}

async function answerOf(response) {
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new RequestFailed(answer.error || `the server answered ${response.status}`);
  return answer;
}

/** GET JSON of the server. */
export function getJson(path, signal) {
  return fetch(path, { signal, headers: { Accept: "application/json" } }).then(answerOf);
}

/** POST JSON to the server, with the page's token against requests of other sites. */
export function postJson(path, body) {
  const token = document.querySelector('meta[name="csrf-token"]').content;
  const headers = { "Content-Type": "application/json", "X-RecGPT-CSRF": token };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) }).then(answerOf);
}

function queryOf(values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  return query.toString();
}

function withQuery(path, values) {
  const query = queryOf(values);
  return query ? `${path}?${query}` : path;
}

/** A run of the server. */
export class HttpSource {
  constructor(run) {
    this.id = run;
    this.base = `/api/runs/${encodeURIComponent(run)}`;
    this.writable = true;
  }

  run() {
    return getJson(this.base);
  }

  series(signal) {
    return getJson(`${this.base}/series`, signal);
  }

  frame(step, signal) {
    return getJson(`${this.base}/frames/${step}`, signal);
  }

  /** Panels after a step; with `live` after the latest, which is no earlier. */
  moment(step, live, signal) {
    return getJson(withQuery(`${this.base}/steps/${step}`, { live: live || null }), signal);
  }

  /** Social graph, or of the agent `ego` and its friends. */
  graph(step, ego, live, signal) {
    return getJson(withQuery(`${this.base}/steps/${step}/graph`, { ego, live: live || null }), signal);
  }

  agent(step, agent, live, signal) {
    return getJson(withQuery(`${this.base}/steps/${step}/agents/${agent}`, { live: live || null }), signal);
  }

  find(query, limit, signal) {
    return getJson(withQuery(`${this.base}/agents`, { query, limit }), signal);
  }

  log(step, filters, limit, signal) {
    return getJson(withQuery(`${this.base}/log`, { step, ...filters, limit }), signal);
  }

  /** Static map of a town. */
  townMap(signal) {
    return getJson(`${this.base}/town/map`, signal);
  }

  townBlock(block, signal) {
    return getJson(`${this.base}/town/blocks/${block}`, signal);
  }

  /** A resident at a tick. */
  townPerson(tick, agent, signal) {
    return getJson(`${this.base}/town/ticks/${tick}/residents/${agent}`, signal);
  }

  townFacts(tick, signal) {
    return getJson(`${this.base}/town/ticks/${tick}/facts`, signal);
  }

  townHeat(first, last, signal) {
    return getJson(withQuery(`${this.base}/town/heat`, { first, last }), signal);
  }

  /** POST an action of the run: control, fork, edit, take, give, answer, interview. */
  post(action, body) {
    return postJson(`${this.base}/${action}`, body);
  }

  /** Follow the run after a step: `listener` has frame, status, reading, reset, prompt and connected. */
  follow(after, listener) {
    return new Follower(this.base, after, listener);
  }
}

/** Stream of a run that reconnects, rests while the tab is hidden, and takes turns where the browser has many tabs. */
class Follower {
  constructor(base, after, listener) {
    Object.assign(this, { base, after, listener, events: null, timer: 0, number: 0, release: () => {} });
    this.onVisible = () => (document.hidden ? this.rest() : this.open());
    document.addEventListener("visibilitychange", this.onVisible);
    this.onVisible(); // a tab that was opened behind another waits
  }

  async open() {
    this.rest();
    const { number } = this;
    const place = await streamPlace();
    if (number !== this.number) return place.release(); // at rest again meanwhile
    this.release = place.release;
    this.listen();
    if (place.isTurn) this.timer = setTimeout(() => this.open(), TURN_MS);
  }

  listen() {
    const events = new EventSource(`${this.base}/stream?after=${this.after}`);
    const receive = (name, handle) => events.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    receive("frame", (frame) => {
      this.after = Math.max(this.after, frame.step);
      this.listener.frame(frame);
    });
    receive("reset", () => {
      this.after = -1;
      this.listener.reset();
    });
    for (const name of ["status", "reading", "prompt"]) receive(name, (value) => this.listener[name](value));
    events.addEventListener("open", () => this.listener.connected(true));
    events.addEventListener("error", () => {
      this.listener.connected(false);
      if (events.readyState === EventSource.CLOSED) this.timer = setTimeout(() => this.open(), RETRY_MS);
    });
    this.events = events;
  }

  rest() {
    this.number += 1;
    clearTimeout(this.timer);
    if (this.events) this.events.close();
    this.events = null;
    this.release();
    this.release = () => {};
  }

  close() {
    document.removeEventListener("visibilitychange", this.onVisible);
    this.rest();
  }
}

/** A place for a stream: one of a few for good, or else a turn at the last one. */
export function streamPlace() {
  return navigator.locks ? lockedPlace() : Promise.resolve({ release() {}, isTurn: false }); // no secure context
}

async function lockedPlace() {
  for (let number = 0; number < LASTING_STREAMS; number++) {
    const release = await heldLock(`recgpt-stream-${number}`, { ifAvailable: true });
    if (release) return { release, isTurn: false };
  }
  return { release: await heldLock("recgpt-stream-turn", {}), isTurn: true };
}

/** Function that frees a lock of this browser; null where it is not available. */
function heldLock(name, options) {
  return new Promise((resolve) => {
    navigator.locks.request(name, options, (lock) => (lock ? new Promise((free) => resolve(free)) : resolve(null)));
  });
}

/** A run in the files beside the page. */
export class BundleSource {
  constructor(bundle) {
    this.bundle = bundle;
    this.id = bundle.run.about.run;
    this.writable = false;
  }

  async run() {
    return this.bundle.run;
  }

  async series() {
    return this.bundle.series;
  }

  async frame(step) {
    return this.bundle.frames[step];
  }

  async moment(step) {
    return storedBefore(this.bundle.moments, step);
  }

  async graph(step) {
    return storedBefore(this.bundle.graphs, step);
  }

  async agent(step, agent) {
    const card = this.bundle.cards[agent];
    if (!card) throw new RequestFailed(`agent ${agent} is not in this bundle: it holds ${Object.keys(this.bundle.cards).length} agents`);
    return card;
  }

  async find(query, limit) {
    const wanted = query.trim().toLowerCase();
    return this.bundle.agents.filter((agent) => String(agent.id).startsWith(wanted) || agent.name.toLowerCase().includes(wanted)).slice(0, limit);
  }

  async log(step, { agent, kind, text }, limit) {
    const wanted = (text || "").toLowerCase();
    const matches = (line) =>
      line.step <= step && (agent === null || agent === undefined || line.agent === agent) && (!kind || line.kind === kind) && line.text.toLowerCase().includes(wanted);
    const found = [];
    for (let index = this.bundle.log.length - 1; index >= 0 && found.length < limit; index--) {
      if (matches(this.bundle.log[index])) found.push(this.bundle.log[index]);
    }
    return found;
  }

  async townMap() {
    return this.bundle.town.map.all;
  }

  async townBlock(block) {
    const { blocks } = this.bundle.town;
    if (!blocks[block]) throw new RequestFailed(`this bundle holds the map from block ${Math.min(...Object.keys(blocks))} on`);
    return blocks[block];
  }

  async townPerson(tick, agent) {
    const found = storedBefore(this.bundle.town.residents, tick);
    if (!found[agent]) throw new RequestFailed(`resident ${agent} is not in this bundle: it holds ${Object.keys(found).length} residents`);
    return found[agent];
  }

  async townFacts(tick) {
    return storedBefore(this.bundle.town.facts, tick);
  }

  /** Tiles on which residents stood from one block to another: the sum over its blocks. */
  async townHeat(first, last) {
    const total = new Map();
    for (let block = first; block <= last; block++) {
      const { tiles, counts } = this.bundle.town.heat[block] || { tiles: [], counts: [] };
      tiles.forEach((tile, index) => total.set(tile, (total.get(tile) || 0) + counts[index]));
    }
    const counts = [...total.values()];
    return { first, last, tiles: [...total.keys()], counts, most: counts.reduce((one, other) => Math.max(one, other), 0) };
  }

  follow(after, listener) {
    listener.connected(true);
    return { close() {} };
  }
}

/** Value of the latest stored step that is not after a step. */
function storedBefore(values, step) {
  const steps = Object.keys(values).map(Number).filter((stored) => stored <= step);
  return steps.length ? values[Math.max(...steps)] : null;
}
