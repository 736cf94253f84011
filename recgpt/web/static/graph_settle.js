// Runs the layout of a graph beside the page: in a worker, or in short turns where a page may have none (file://).

import { ForceLayout, layoutInTurns } from "./layout_worker.js";

const LAYOUT_WORKER = "/static/layout_worker.js";
const WORKER_TURN_MS = 60; // time between two positions seen
const PAGE_TURN_MS = 8; // half of a frame

export class GraphSettler {
  /** `onPositions(x, y, done)` is called again and again, then once with `done`. */
  constructor(onPositions) {
    this.onPositions = onPositions;
    this.job = 0;
    this.stopTurns = () => {};
    this.worker = null;
    if (typeof Worker !== "undefined" && location.protocol !== "file:") this.startWorker();
  }

  startWorker() {
    this.worker = new Worker(LAYOUT_WORKER, { type: "module" });
    this.worker.onmessage = ({ data }) => {
      if (data.job === this.job) this.onPositions(data.x, data.y, data.done);
    };
    this.worker.onerror = () => { // no such file beside this page: a bundle behind some web server
      this.worker.terminate();
      this.worker = null;
      if (this.problem) this.inTurns(this.problem);
    };
  }

  /** Starts a layout and gives up the one before; `problem` as of ForceLayout. */
  settle(problem) {
    this.job += 1;
    this.problem = problem;
    this.stopTurns();
    if (this.worker) this.worker.postMessage({ job: this.job, problem, everyMs: WORKER_TURN_MS });
    else this.inTurns(problem);
  }

  inTurns(problem) {
    const layout = new ForceLayout(problem);
    this.stopTurns = layoutInTurns(layout, PAGE_TURN_MS, (done) => this.onPositions(layout.x, layout.y, done));
  }

  destroy() {
    this.job += 1;
    this.stopTurns();
    if (this.worker) this.worker.terminate();
    this.worker = null;
  }
}
