// What a tab knows of a run and which step, agent and tab it shows; parts of the page listen for changes.
//
// Topics: run (status), series, step, frame, moment, agent (selected), card, tab, connection, prompt, hover.

import { NewestRequest, RecentValues } from "./requests.js";
import { RequestFailed } from "./source.js";
import { nextFrame } from "./dom.js";

const KEPT_FRAMES = 300;
const KEPT_MOMENTS = 60;
const MOMENT_PAUSE_MS = 400;
const CARD_PAUSE_MS = 800;
const SERIES_PAUSE_MS = 1000;
const START_PAUSE_MS = 300;
const AGAIN_PAUSE_MS = 1000;
const GROWTH_PAUSE_MS = 200;

/** One run as one tab sees it. */
export class RunModel {
  constructor(source) {
    this.source = source;
    this.run = null;
    this.about = null;
    this.values = {};
    this.marks = [];
    this.known = -1;
    this.frames = new RecentValues(KEPT_FRAMES);
    this.moments = new RecentValues(KEPT_MOMENTS);
    Object.assign(this, { step: 0, following: true, agent: null, tab: null, hover: null });
    Object.assign(this, { frame: null, moment: null, card: null, connected: null, reading: null, prompt: null, follower: null });
    this.hasCards = true;
    this.growth = 0; // timer
    this.grownAt = -Infinity;
    this.names = new Map();
    this.listeners = new Map();
    this.dirty = new Set();
    this.flush = () => this.tell();
    this.frameRequest = new NewestRequest((step, signal) => source.frame(step, signal), (step, frame, error) => this.takeFrame(step, frame, error));
    this.momentRequest = new NewestRequest((step, signal) => source.moment(step, this.following, signal), (step, moment, error) => this.takeMoment(step, moment, error), MOMENT_PAUSE_MS);
    this.cardRequest = new NewestRequest(([step, agent], signal) => source.agent(step, agent, this.following, signal), (key, card, error) => this.takeCard(key, card, error), CARD_PAUSE_MS);
    this.seriesRequest = new NewestRequest((key, signal) => source.series(signal), (key, series, error) => this.takeSeries(series, error), SERIES_PAUSE_MS);
  }

  /** Load the run, show the step of the link or the latest, and follow what is added. */
  async open({ step = null, agent = null, tab = null } = {}) {
    const early = this.source.series().catch(() => null); // a run that starts has none yet
    this.setRun(await this.started());
    this.setSeries((await early) || (await this.source.series()));
    this.agent = agent;
    this.tab = tab;
    this.following = step === null || step >= this.last;
    this.step = this.following ? this.last : step;
    this.loadStep(false);
    this.followStream();
  }

  /** The run once it can be read: a new one needs a moment to load its data. */
  async started() {
    for (;;) {
      const run = await this.source.run();
      if (run.about) return run;
      if (run.status === "failed" || run.error) throw new RequestFailed(run.error || `run ${run.run} failed before its first step`);
      await new Promise((resolve) => setTimeout(resolve, START_PAUSE_MS));
    }
  }

  followStream() {
    this.follower = this.source.follow(this.known, {
      frame: (frame) => this.addFrame(frame),
      status: (run) => this.setRun({ ...this.run, ...run, about: run.about || this.about }),
      reset: () => this.restart(),
      reading: (reading) => this.set("run", { reading: reading.done < reading.total ? reading : null }),
      prompt: (prompt) => this.set("prompt", { prompt: prompt.text ? prompt : null }),
      connected: (connected) => this.setConnected(connected),
    });
  }

  setConnected(connected) {
    if (connected && !this.connected) this.loadStep(true);
    this.set("connection", { connected });
  }

  /** Ask again in a moment for the shown step, where a request failed. */
  loadAgain() {
    clearTimeout(this.again);
    this.again = setTimeout(() => this.loadStep(true), AGAIN_PAUSE_MS);
  }

  close() {
    clearTimeout(this.again);
    clearTimeout(this.growth);
    if (this.follower) this.follower.close();
    for (const request of [this.frameRequest, this.momentRequest, this.cardRequest, this.seriesRequest]) request.cancel();
  }

  /** Latest step that can be shown. */
  get last() {
    return Math.max(this.known, this.run ? this.run.n_steps : 0, 0);
  }

  /** Word for one of the people. */
  get personWord() {
    return this.about.has_map ? "resident" : "agent";
  }

  get playing() {
    return this.run.status === "playing";
  }

  on(topics, listener) {
    for (const topic of topics.split(" ")) {
      if (!this.listeners.has(topic)) this.listeners.set(topic, []);
      this.listeners.get(topic).push(listener);
    }
  }

  changed(...topics) {
    for (const topic of topics) this.dirty.add(topic);
    nextFrame(this.flush);
  }

  tell() {
    const called = new Set();
    const topics = [...this.dirty];
    this.dirty.clear();
    for (const topic of topics) for (const listener of this.listeners.get(topic) || []) called.add(listener);
    for (const listener of called) listener(topics);
  }

  set(topic, values) {
    Object.assign(this, values);
    this.changed(topic);
  }

  setRun(run) {
    this.run = run;
    this.about = run.about;
    if (this.about && this.about.has_map) this.hasCards = false; // `TownPerson` shows residents by the tick
    this.changed("run");
  }

  /** Forget the steps of a run that begins anew. */
  restart() {
    this.frames.clear();
    this.moments.clear();
    Object.assign(this, { known: -1, values: {}, marks: [], frame: null, moment: null, card: null, prompt: null, following: true, step: 0 });
    this.run.n_steps = 0;
    this.frameRequest.cancel();
    this.momentRequest.cancel();
    this.seriesRequest.ask(0, true);
    this.changed("series", "step", "frame", "moment", "card", "prompt");
  }

  setSeries(series) {
    const steps = series.steps.length;
    this.values = series.values;
    this.marks = series.marks;
    this.known = steps - 1;
    this.changed("series");
  }

  takeSeries(series, error) {
    if (error) return;
    this.setSeries(series);
    if (this.following) this.goTo(this.last, true);
  }

  /** Keep a frame, and the names that its log tells. */
  keepFrame(frame) {
    this.frames.set(frame.step, frame);
    for (const line of frame.log) if (line.agent >= 0) this.names.set(line.agent, line.name);
  }

  addFrame(frame) {
    if (frame.step > this.known + 1) this.seriesRequest.ask(0, true);
    else this.appendValues(frame);
    this.keepFrame(frame);
    if (frame.step === this.step && !this.frame) this.set("frame", { frame });
    if (!this.growth) this.growth = setTimeout(() => this.showGrowth(), Math.max(0, this.grownAt + GROWTH_PAUSE_MS - performance.now()));
  }

  /** Show what was added: a fast run a few times a second, so that everything else on the page stays smooth. */
  showGrowth() {
    this.growth = 0;
    this.grownAt = performance.now();
    this.changed("series");
    if (this.following && this.known >= this.step) this.goTo(this.known, true);
  }

  appendValues(frame) {
    for (const { name } of this.about.figures) {
      if (!this.values[name]) this.values[name] = [];
      this.values[name][frame.step] = frame.values[name] ?? null;
    }
    if (frame.step > this.known) this.marks.push(...frame.marks);
    this.known = Math.max(this.known, frame.step);
  }

  /** Show a step; with `following` the newest as they come. */
  goTo(step, following = null) {
    this.step = Math.max(0, Math.min(step, this.last));
    this.following = following === null ? step >= this.last : following;
    this.changed("step");
    this.loadStep(this.following);
  }

  /** Show the newest step and those to come. */
  goLive() {
    this.goTo(this.last, true);
  }

  loadStep(patient) {
    const frame = this.frames.get(this.step);
    if (frame) this.set("frame", { frame });
    else this.frameRequest.ask(this.step, patient);
    const moment = this.moments.get(this.step);
    if (moment) this.set("moment", { moment });
    else this.momentRequest.ask(this.step, patient);
    this.loadCard(patient);
  }

  loadCard(patient) {
    if (this.agent !== null && this.hasCards) this.cardRequest.ask([this.step, this.agent], patient);
  }

  takeFrame(step, frame, error) {
    if (error) return this.loadAgain();
    this.keepFrame(frame);
    if (step === this.step) this.set("frame", { frame });
  }

  takeMoment(step, moment, error) {
    if (error) return this.loadAgain();
    this.moments.set(moment && moment.step > step ? moment.step : step, moment);
    if (step === this.step || this.following) this.set("moment", { moment });
  }

  takeCard([step, agent], card, error) {
    if (agent !== this.agent) return;
    this.set("card", { card: card || null, cardError: error ? error.message : null });
  }

  /** Select an agent, or none with null. */
  select(agent) {
    if (agent === this.agent) return;
    Object.assign(this, { agent, card: null, cardError: null });
    this.changed("agent", "card");
    if (agent !== null && this.hasCards) this.cardRequest.ask([this.step, agent]);
  }

  selectTab(tab) {
    if (tab !== this.tab) this.set("tab", { tab });
  }

  setHover(step) {
    if (step !== this.hover) this.set("hover", { hover: step });
  }

  /** Step of the nearest mark before (-1) or after (1) the shown step; null without one. */
  nearMark(direction) {
    const steps = this.marks.map((mark) => mark.step).filter((step) => (direction < 0 ? step < this.step : step > this.step));
    if (!steps.length) return null;
    return direction < 0 ? Math.max(...steps) : Math.min(...steps);
  }
}
