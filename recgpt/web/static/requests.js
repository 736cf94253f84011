// One request at a time for the newest wish: what a page needs while a slider moves or a run goes on.

/** Loads values by key; a newer key cancels the request of an older one, or waits for it if `patient`. */
export class NewestRequest {
  constructor(load, done, pause = 0) {
    Object.assign(this, { load, done, pause, controller: null, wanted: null, timer: 0, startedAt: 0 });
  }

  /** Ask for the value of a key. */
  ask(key, patient = false) {
    this.wanted = { key };
    if (this.controller && !patient) {
      this.controller.abort();
      this.controller = null;
    }
    if (this.controller || (this.timer && patient)) return;
    clearTimeout(this.timer);
    const wait = patient ? Math.max(0, this.startedAt + this.pause - performance.now()) : 0;
    this.timer = setTimeout(() => this.start(), wait);
  }

  async start() {
    this.timer = 0;
    const { key } = this.wanted;
    this.wanted = null;
    const controller = new AbortController();
    this.controller = controller;
    this.startedAt = performance.now();
    let error = null;
    let value = null;
    try {
      value = await this.load(key, controller.signal);
    } catch (failure) {
      error = failure;
    }
    if (this.controller !== controller) return;
    this.controller = null;
    this.done(key, value, error);
    if (this.wanted) this.ask(this.wanted.key, true);
  }

  /** Forget what was asked for. */
  cancel() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.wanted = null;
    if (this.controller) this.controller.abort();
    this.controller = null;
  }
}

/** Values by key, of which the `limit` used last are kept. */
export class RecentValues {
  constructor(limit) {
    this.limit = limit;
    this.values = new Map();
  }

  get(key) {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    this.values.delete(key);
    this.values.set(key, value);
    return value;
  }

  set(key, value) {
    this.values.delete(key);
    this.values.set(key, value);
    if (this.values.size > this.limit) this.values.delete(this.values.keys().next().value);
  }

  clear() {
    this.values.clear();
  }
}
