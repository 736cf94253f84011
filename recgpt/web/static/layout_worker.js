// Force-directed layout of a graph: Barnes-Hut repulsion (Barnes and Hut 1986), springs along links, a pull to the
// middle and, near the end, no overlaps. The same positions for the same graph and start: no random numbers.
//
//   const layout = new ForceLayout({x, y, radius, fixed, pairs, heat: 1});   // typed arrays; pairs: [a0, b0, a1, b1, …]
//   while (layout.tick()) { }                                                // layout.x and layout.y move in place
//
// As a worker it answers {job, problem, everyMs} with {job, x, y, done}; in a page the same file is a plain module.

const LAYOUT_TICKS = 300;
const COLDEST = 0.001;
const RESTS = 3; // rest after a turn, in turns
const THETA_SQUARED = 0.81; // a cell looks like one point from further off than its width / 0.9
const DEEPEST = 28; // closer points than the root's width / 2^28 share a leaf

/** Cells of a square cut into four again and again; a child is 0 for none, k > 0 for cell k, ~i < 0 for point i. */
class QuadTree {
  constructor(n) {
    this.size = 8 * n + 64;
    this.children = new Int32Array(4 * this.size);
    this.mass = new Float32Array(this.size);
    this.x = new Float32Array(this.size);
    this.y = new Float32Array(this.size);
    this.width = new Float32Array(this.size);
    this.next = new Int32Array(n); // further points of a deepest leaf
  }

  build(x, y) {
    let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
    for (let i = 0; i < x.length; i++) {
      left = Math.min(left, x[i]);
      right = Math.max(right, x[i]);
      top = Math.min(top, y[i]);
      bottom = Math.max(bottom, y[i]);
    }
    this.used = 1;
    this.children.fill(0, 0, 4);
    this.width[0] = Math.max(right - left, bottom - top, 1) * 1.001;
    this.next.fill(-1);
    for (let i = 0; i < x.length; i++) this.insert(i, x, y, left, top);
    this.weigh(x, y);
  }

  insert(point, x, y, left, top) {
    let cell = 0;
    for (let depth = 0; ; depth++) {
      const half = this.width[cell] / 2;
      const east = x[point] >= left + half, south = y[point] >= top + half;
      const slot = 4 * cell + (south ? 2 : 0) + (east ? 1 : 0);
      const child = this.children[slot];
      if (child === 0) {
        this.children[slot] = ~point;
        return;
      }
      if (east) left += half;
      if (south) top += half;
      if (child > 0) {
        cell = child;
      } else if (depth >= DEEPEST || this.used >= this.size) {
        this.next[point] = this.next[~child];
        this.next[~child] = point;
        return;
      } else {
        cell = this.split(slot, ~child, half, x, y, left, top);
      }
    }
  }

  split(slot, point, width, x, y, left, top) {
    const cell = this.used++;
    this.children.fill(0, 4 * cell, 4 * cell + 4);
    this.width[cell] = width;
    const inner = 4 * cell + (y[point] >= top + width / 2 ? 2 : 0) + (x[point] >= left + width / 2 ? 1 : 0);
    this.children[inner] = ~point;
    this.children[slot] = cell;
    return cell;
  }

  weigh(x, y) {
    for (let cell = this.used - 1; cell >= 0; cell--) {
      let mass = 0, sumX = 0, sumY = 0;
      for (let slot = 4 * cell; slot < 4 * cell + 4; slot++) {
        const child = this.children[slot];
        if (child > 0) {
          mass += this.mass[child];
          sumX += this.mass[child] * this.x[child];
          sumY += this.mass[child] * this.y[child];
        }
        for (let point = child < 0 ? ~child : -1; point >= 0; point = this.next[point]) {
          mass += 1;
          sumX += x[point];
          sumY += y[point];
        }
      }
      this.mass[cell] = mass;
      this.x[cell] = sumX / mass;
      this.y[cell] = sumY / mass;
    }
  }
}

export class ForceLayout {
  constructor({ x, y, radius, fixed, pairs, heat }) {
    Object.assign(this, { x, y, radius, fixed, pairs, heat });
    const n = x.length;
    this.speedX = new Float32Array(n);
    this.speedY = new Float32Array(n);
    this.tree = new QuadTree(n);
    this.stack = new Int32Array(4 * DEEPEST + 8);
    this.cooling = Math.pow(COLDEST, 1 / LAYOUT_TICKS);
    this.degree = new Uint32Array(n);
    for (const node of pairs) this.degree[node]++;
    let largest = 1;
    for (const size of radius) largest = Math.max(largest, size);
    this.reach = 2 * largest + 2;
    this.charge = 1.2 * largest * largest + 30; // larger nodes want more room
  }

  /** One small movement of all nodes; false once the layout has cooled. */
  tick() {
    if (this.heat <= COLDEST || this.x.length === 0) return false;
    this.heat *= this.cooling;
    this.pullTogether();
    this.pushApart();
    this.move();
    if (this.heat < 0.3) this.separate();
    return true;
  }

  pullTogether() {
    const { x, y, radius, pairs, degree, speedX, speedY, heat } = this;
    for (let at = 0; at < pairs.length; at += 2) {
      const a = pairs[at], b = pairs[at + 1];
      const dx = x[b] - x[a] || 1e-3, dy = y[b] - y[a];
      const length = Math.sqrt(dx * dx + dy * dy);
      const wanted = 24 + radius[a] + radius[b];
      const pull = ((length - wanted) / length) * heat / Math.min(degree[a], degree[b]);
      const share = degree[a] / (degree[a] + degree[b]); // the one with fewer links moves more
      speedX[b] -= dx * pull * share;
      speedY[b] -= dy * pull * share;
      speedX[a] += dx * pull * (1 - share);
      speedY[a] += dy * pull * (1 - share);
    }
  }

  pushApart() {
    const { x, y, speedX, speedY, heat } = this;
    this.tree.build(x, y);
    for (let i = 0; i < x.length; i++) {
      this.pushOne(i);
      const pull = (this.degree[i] ? 0.07 : 0.35) * heat; // nothing else holds a node without links
      speedX[i] -= pull * x[i];
      speedY[i] -= pull * y[i];
    }
  }

  pushOne(i) {
    const { tree, stack, x, y } = this;
    let forceX = 0, forceY = 0, depth = 1;
    stack[0] = 0;
    const push = (dx, dy, mass) => {
      const squared = Math.max(dx * dx + dy * dy, 4);
      forceX += (dx / squared) * mass;
      forceY += (dy / squared) * mass;
    };
    while (depth > 0) {
      const cell = stack[--depth];
      const dx = x[i] - tree.x[cell], dy = y[i] - tree.y[cell];
      if (tree.width[cell] * tree.width[cell] < THETA_SQUARED * (dx * dx + dy * dy)) {
        push(dx, dy, tree.mass[cell]);
        continue;
      }
      for (let slot = 4 * cell; slot < 4 * cell + 4; slot++) {
        const child = tree.children[slot];
        if (child > 0) stack[depth++] = child;
        for (let point = child < 0 ? ~child : -1; point >= 0; point = tree.next[point]) {
          // points in one place part along directions that follow from their numbers
          if (point !== i) push(x[i] - x[point] || (i - point) * 1e-3, y[i] - y[point] || (i % 2 ? 1e-3 : -1e-3), 1);
        }
      }
    }
    this.speedX[i] += forceX * this.charge * this.heat;
    this.speedY[i] += forceY * this.charge * this.heat;
  }

  move() {
    const { x, y, fixed, speedX, speedY } = this;
    for (let i = 0; i < x.length; i++) {
      speedX[i] *= 0.6;
      speedY[i] *= 0.6;
      if (fixed[i]) continue;
      x[i] += Math.max(-100, Math.min(100, speedX[i]));
      y[i] += Math.max(-100, Math.min(100, speedY[i]));
    }
  }

  /** Nodes that overlap move half-way apart; only nodes of the same and of the next squares of a grid are compared. */
  separate() {
    const squares = new Map();
    const { x, y, reach } = this;
    for (let i = 0; i < x.length; i++) {
      const column = Math.floor(x[i] / reach), row = Math.floor(y[i] / reach);
      for (let down = -1; down <= 1; down++) {
        for (let across = -1; across <= 1; across++) {
          for (const j of squares.get((row + down) * 65536 + column + across) || []) this.part(i, j);
        }
      }
      const square = row * 65536 + column;
      if (squares.has(square)) squares.get(square).push(i);
      else squares.set(square, [i]);
    }
  }

  part(i, j) {
    const { x, y, radius, fixed } = this;
    const wanted = radius[i] + radius[j] + 2;
    const dx = x[i] - x[j] || 1e-3, dy = y[i] - y[j];
    const squared = dx * dx + dy * dy;
    if (squared >= wanted * wanted) return;
    const distance = Math.sqrt(squared);
    const step = (wanted - distance) / distance / 4;
    if (!fixed[i]) {
      x[i] += dx * step;
      y[i] += dy * step;
    }
    if (!fixed[j]) {
      x[j] -= dx * step;
      y[j] -= dy * step;
    }
  }
}

/**
 * Ticks in turns of `everyMs`, each followed by `report(done)`, until cool or until the returned function is called.
 * A layout that begins warm, after a change of a graph that was laid out, rests between its turns: in a live run there
 * is always one, and it would take a core from the rest of the page.
 */
export function layoutInTurns(layout, everyMs, report) {
  const restMs = layout.heat < 1 ? RESTS * everyMs : 0;
  let timer = null;
  const turn = () => {
    const until = performance.now() + everyMs;
    let goesOn = true;
    while (goesOn && performance.now() < until) goesOn = layout.tick();
    timer = goesOn ? setTimeout(turn, restMs) : null;
    report(!goesOn);
  };
  timer = setTimeout(turn, 0);
  return () => clearTimeout(timer);
}

if (typeof WorkerGlobalScope !== "undefined" && self instanceof WorkerGlobalScope) {
  let stopLayout = () => {};
  self.onmessage = ({ data: { job, problem, everyMs } }) => {
    stopLayout();
    const layout = new ForceLayout(problem);
    stopLayout = layoutInTurns(layout, everyMs, (done) => {
      self.postMessage({ job, x: layout.x, y: layout.y, done });
    });
  };
}
