// What residents do, block by block: where each one stands at any tick, what it does, and what is said.
//
// A block has texts once and rows by number: actions [agent, tick, text, activity, place, end, other, emoji], walks
// [agent, tick, tile, delta, count, delta, count, ...] and talks {start, end, pair, summary, lines: [[agent, text], ...]}.
// The first row of a resident is how the block finds it.

import { RecentValues } from "./requests.js";

const KEPT_BLOCKS = 400;
const MOST_LOADING = 4;

/** Rows of a block by resident. */
export class TownBlock {
  constructor(data, nResidents) {
    this.first = data.first;
    this.texts = data.texts;
    this.talks = data.talks;
    this.states = data.states;
    this.actions = Array.from({ length: nResidents }, () => []);
    this.walks = Array.from({ length: nResidents }, () => []);
    for (const row of data.actions) this.actions[row[0]].push(row);
    for (const row of data.walks) this.walks[row[0]].push({ tick: row[1], path: pathOf(row) });
  }

  actionAt(agent, tick) {
    const rows = this.actions[agent];
    let found = rows.length - 1;
    while (found > 0 && rows[found][1] > tick) found -= 1;
    const [, start, text, activity, place, end, other, emoji] = rows[found];
    return { start, text: this.texts[text], activity, place, end, other, emoji: emoji < 0 ? null : this.texts[emoji] };
  }

  walkAt(agent, tick) {
    const walks = this.walks[agent];
    let found = walks.length - 1;
    while (found > 0 && walks[found].tick > tick) found -= 1;
    return walks[found];
  }

  tileAt(agent, tick) {
    const { path, tick: left } = this.walkAt(agent, tick);
    return path[Math.min(Math.max(Math.floor(tick) - left, 0), path.length - 1)];
  }

  /** Talks at a tick, each with the line that is being said. */
  talksAt(tick) {
    const found = [];
    for (const talk of this.talks) {
      if (talk.start > tick || tick >= talk.end) continue;
      const share = (tick - talk.start) / Math.max(1, talk.end - talk.start);
      const at = Math.min(Math.floor(share * talk.lines.length), talk.lines.length - 1);
      found.push({ ...talk, at, line: at < 0 ? null : talk.lines[at] });
    }
    return found;
  }
}

/** Tiles of a walk, its start first. */
function pathOf(row) {
  const path = [row[2]];
  for (let index = 3; index < row.length; index += 2) {
    for (let left = row[index + 1]; left > 0; left--) path.push(path[path.length - 1] + row[index]);
  }
  return path;
}

/** Blocks of one run, loaded when they are wanted and a few ahead. */
export class TownBlocks {
  constructor(source, nResidents, onLoaded) {
    Object.assign(this, { source, nResidents, onLoaded });
    this.kept = new RecentValues(KEPT_BLOCKS);
    this.loading = new Map();
    this.wanted = [];
    this.failure = null;
  }

  get(block) {
    return this.kept.get(block);
  }

  /** Load a block, and then those ahead of it. */
  want(block, ahead, last) {
    const numbers = [];
    for (let number = block; number <= Math.min(block + ahead, last); number++) numbers.push(number);
    if (block > 1) numbers.push(block - 1);
    this.wanted = numbers.filter((number) => number > 0 && !this.kept.get(number) && !this.loading.has(number));
    this.loadNext();
  }

  loadNext() {
    while (this.loading.size < MOST_LOADING && this.wanted.length) this.load(this.wanted.shift());
  }

  load(number) {
    const controller = new AbortController();
    this.loading.set(number, controller);
    const take = (data) => {
      this.kept.set(number, new TownBlock(data, this.nResidents));
      this.failure = null;
    };
    this.source.townBlock(number, controller.signal).then(take, (error) => (this.failure = error.message)).finally(() => {
      if (this.loading.get(number) !== controller) return;
      this.loading.delete(number);
      this.onLoaded(number);
      this.loadNext();
    });
  }

  /** Forget all: the run begins anew. */
  clear() {
    for (const controller of this.loading.values()) controller.abort();
    this.loading.clear();
    this.kept.clear();
    this.wanted = [];
  }
}
