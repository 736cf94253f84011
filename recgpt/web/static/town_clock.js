// Time on the map: the tick that is shown, its speed, and the newest tick of the log.

/** Simulated seconds a second, by label. */
export const TOWN_SPEEDS = [[1, "1×"], [10, "10×"], [60, "60×"], [600, "600×"], [3600, "3,600×"]];
const LIVE_CATCH_UP_S = 2; // seconds in which a live view reaches the newest tick

/** Clock of one map, or of two side by side. `ready` says whether a block can be drawn; without it time waits. */
export class TownClock {
  constructor({ secondsPerTick, ticksPerBlock, ready }) {
    Object.assign(this, { secondsPerTick, ticksPerBlock, ready });
    Object.assign(this, { tick: 0, last: 0, speed: 60, playing: false, live: false, listeners: [] });
  }

  on(listener) {
    this.listeners.push(listener);
  }

  changed() {
    for (const listener of this.listeners) listener();
  }

  /** Block that holds the shown tick; the end of the log belongs to its last block. */
  get block() {
    return this.blockOf(this.tick);
  }

  blockOf(tick) {
    return Math.max(1, Math.min(Math.floor(tick / this.ticksPerBlock) + 1, Math.floor(this.last / this.ticksPerBlock)));
  }

  /** Whole tick that is shown. */
  get whole() {
    return Math.floor(this.tick + 1e-6);
  }

  setLast(last) {
    if (last === this.last) return;
    this.last = last;
    if (this.tick > last) this.tick = last;
    this.changed();
  }

  /** Show a tick. */
  seek(tick) {
    this.tick = Math.max(0, Math.min(tick, this.last));
    this.live = false;
    this.changed();
  }

  /** Show the newest tick, and go on with those to come. */
  goLive() {
    Object.assign(this, { tick: this.last, live: true, playing: false });
    this.changed();
  }

  step(ticks) {
    this.playing = false;
    this.seek(this.whole + ticks);
  }

  toggle() {
    if (!this.playing && this.tick >= this.last && !this.live) this.tick = 0;
    this.playing = !this.playing;
    this.live = false;
    this.changed();
  }

  setSpeed(speed) {
    this.speed = speed;
    this.changed();
  }

  /** Next or earlier speed of the list. */
  shiftSpeed(by) {
    const at = TOWN_SPEEDS.findIndex(([speed]) => speed === this.speed);
    this.setSpeed(TOWN_SPEEDS[Math.max(0, Math.min(at + by, TOWN_SPEEDS.length - 1))][0]);
  }

  /** Let some seconds pass; true where the picture changes. */
  advance(seconds) {
    if (!(this.playing || this.live) || this.tick >= this.last) {
      if (this.playing && !this.live && this.tick >= this.last && this.last > 0) this.end();
      return false;
    }
    const behind = this.last - this.tick;
    const pace = this.live ? Math.max(this.speed / this.secondsPerTick, behind / LIVE_CATCH_UP_S) : this.speed / this.secondsPerTick;
    const wanted = Math.min(this.tick + pace * seconds, this.last);
    if (!this.ready(this.blockOf(wanted))) return false;
    this.tick = wanted;
    this.changed();
    return true;
  }

  end() {
    this.playing = false;
    this.changed();
  }
}
