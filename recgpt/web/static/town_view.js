// The map of a town on the page: canvases, camera, pointer and keys, mini-map, and the loop that draws.

import { TownCamera } from "./town_camera.js";
import { TownScene } from "./town_scene.js";
import { el, iconButton, nextFrame, setAttribute, setText } from "./dom.js";
import { onTheme } from "./theme.js";
import { personColor } from "./town_figures.js";

const MINI_WIDTH = 150;
const CLICK_PIXELS = 5;
const PAN_PIXELS = 70;
const WHEEL_FACTOR = 1.0016;
const FOLLOW_ZOOM = 16;
const MINI_FROM = 1.25; // times the zoom at which all is seen
const PANS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1], a: [1, 0], d: [-1, 0], w: [0, 1], s: [0, -1] };
const KEYS_HELP = "Arrows or W, A, S, D move, plus and minus zoom, 0 shows all, Enter selects the resident nearest to the middle.";

/** A map that is watched. `onSelect` is called with a resident, or null. */
export class TownView {
  constructor({ map, blocks, clock, label, last, onSelect }) {
    Object.assign(this, { map, blocks, clock, last, onSelect, following: false, dirty: true, pointers: new Map(), twin: null });
    this.camera = new TownCamera();
    this.groundCanvas = el("canvas", { class: "town-layer", "aria-hidden": "true" });
    this.canvas = el("canvas", { class: "town-layer town-people", tabindex: 0, role: "application", "aria-roledescription": "map", "aria-label": `${label}. ${KEYS_HELP}` });
    this.mini = el("canvas", { class: "town-mini", hidden: true, "aria-hidden": "true", title: "Mini-map: click to go there" });
    this.tip = el("div", { class: "stage-tip words", hidden: true });
    this.note = el("p", { class: "town-note", role: "status", hidden: true });
    this.scene = new TownScene(map, this.groundCanvas, this.canvas);
    this.node = el("div", { class: "town-view" }, this.groundCanvas, this.canvas, this.mini, this.makeTools(), this.note, this.tip);
    this.listen();
    onTheme(() => {
      this.scene.recolor();
      this.miniGround = null;
      this.redraw();
    });
    new ResizeObserver((entries) => this.resize(entries[0].contentRect)).observe(this.node);
    clock.on(() => this.redraw());
    this.frame = (now) => this.tick(now);
    requestAnimationFrame(this.frame);
  }

  makeTools() {
    this.followButton = el("button", { type: "button", class: "button small", "aria-pressed": "false", title: "Keep the selected resident in the middle (c)", click: () => this.follow(!this.following) }, "Follow");
    this.namesButton = el("button", { type: "button", class: "button small", "aria-pressed": "true", title: "Names on or off (m)", click: () => this.toggleNames() }, "Names");
    const zooms = [
      iconButton("plus", "Zoom in (+)", () => this.zoom(1.4)),
      iconButton("minus", "Zoom out (-)", () => this.zoom(1 / 1.4)),
      iconButton("fit", "Show the whole town (0)", () => this.fit()),
    ];
    return el("div", { class: "town-tools", role: "group", "aria-label": "View of the map" }, this.followButton, this.namesButton, ...zooms);
  }

  listen() {
    const { canvas, mini } = this;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.release(event));
    canvas.addEventListener("pointerleave", () => (this.tip.hidden = true));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["pointerdown", "pointermove"]) mini.addEventListener(name, (event) => event.buttons && this.goMini(event));
  }

  resize({ width, height }) {
    if (width < 2 || height < 2) return;
    Object.assign(this.camera, { width, height });
    this.scene.resize(width, height, window.devicePixelRatio || 1);
    if (this.camera.fits) this.camera.fit(this.map.width, this.map.height);
    this.redraw();
  }

  redraw() {
    this.dirty = true;
    if (this.twin) this.twin.dirty = true;
  }

  /** Share the camera with another view of the same town. */
  link(view) {
    view.camera = this.camera;
    Object.assign(this, { twin: view });
    view.twin = this;
  }

  /** Block that is shown; undefined until it is loaded. */
  get block() {
    return this.blocks.get(Math.min(this.clock.block, Math.max(1, this.last())));
  }

  /** Draw a ring around some residents. */
  mark(agents) {
    this.scene.marked = agents;
    this.redraw();
  }

  /** One turn of the loop: let time pass, and draw where something has changed. */
  tick(now) {
    requestAnimationFrame(this.frame);
    const seconds = Math.min(0.25, (now - (this.before || now)) / 1000);
    this.before = now;
    if (this.onTick) this.onTick(seconds);
    if (!this.dirty || !this.node.offsetParent || !this.scene.width) return;
    const { block, clock } = this;
    this.dirty = false;
    if (this.following) this.centre(block);
    this.scene.draw(this.camera, block, clock.tick);
    this.drawMini(block);
    this.showNote(block);
  }

  showNote(block) {
    const text = block ? "" : this.blocks.failure || (this.clock.last ? "Loading …" : "Nothing has been played yet.");
    this.note.hidden = !text;
    setText(this.note, text);
  }

  // --- the camera ---

  fit() {
    this.follow(false);
    this.camera.fit(this.map.width, this.map.height);
    this.redraw();
  }

  zoom(factor, x, y) {
    this.camera.zoomAt(factor, x, y);
    this.camera.keepOn(this.map.width, this.map.height);
    this.redraw();
  }

  pan(dx, dy) {
    this.follow(false);
    this.camera.pan(dx, dy);
    this.camera.keepOn(this.map.width, this.map.height);
    this.redraw();
  }

  /** Look at a tile from near. */
  lookAt(tile) {
    if (this.camera.zoom < FOLLOW_ZOOM) this.camera.zoom = FOLLOW_ZOOM;
    this.camera.fits = false;
    this.camera.x = (tile % this.map.width) + 0.5;
    this.camera.y = Math.floor(tile / this.map.width) + 0.5;
    this.redraw();
  }

  follow(following) {
    this.following = following && this.scene.selected !== null;
    setAttribute(this.followButton, "aria-pressed", this.following);
    if (this.following && this.camera.zoom < FOLLOW_ZOOM) this.camera.zoomAt(FOLLOW_ZOOM / this.camera.zoom);
    this.redraw();
  }

  centre(block) {
    if (!block || this.scene.selected === null) return;
    this.scene.locate(this.camera, block, this.clock.tick);
    const place = this.scene.places[this.scene.selected];
    this.camera.x += (place.tileX - this.camera.x) * 0.35;
    this.camera.y += (place.tileY - this.camera.y) * 0.35;
    this.camera.fits = false;
    if (Math.hypot(place.tileX - this.camera.x, place.tileY - this.camera.y) > 0.02) this.dirty = true;
  }

  select(agent) {
    this.scene.selected = agent;
    if (agent === null) this.follow(false);
    setAttribute(this.followButton, "disabled", agent === null ? "" : null);
    this.redraw();
  }

  toggleNames() {
    this.scene.names = !this.scene.names;
    setAttribute(this.namesButton, "aria-pressed", this.scene.names);
    this.redraw();
  }

  // --- pointer and keys ---

  pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.pointOf(event));
    this.pressedAt = this.pointers.size === 1 ? this.pointOf(event) : null;
    this.tip.hidden = true;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    const [x, y] = this.pointOf(event);
    if (!before) return this.showTip(x, y);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId);
    this.pointers.set(event.pointerId, [x, y]);
    if (others.length) this.pinch(before, [x, y], others[0][1]);
    else if (!this.pressedAt || Math.hypot(x - this.pressedAt[0], y - this.pressedAt[1]) > CLICK_PIXELS) {
      this.pressedAt = null;
      this.pan(x - before[0], y - before[1]);
    }
  }

  pinch(before, now, other) {
    const size = (point) => Math.max(10, Math.hypot(point[0] - other[0], point[1] - other[1]));
    this.pressedAt = null;
    this.zoom(size(now) / size(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    this.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  }

  release(event) {
    this.pointers.delete(event.pointerId);
    if (this.pressedAt && event.type === "pointerup") this.onSelect(this.scene.residentAt(...this.pressedAt));
    this.pressedAt = null;
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    this.zoom(WHEEL_FACTOR ** (-event.deltaY * lines), ...this.pointOf(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const run = this.keys()[event.key];
    if (!run) return;
    event.preventDefault();
    run();
  }

  /** What the map does with keys: where it has the focus all, elsewhere on the page without arrows. */
  keys() {
    const pans = Object.entries(PANS).map(([key, [x, y]]) => [key, () => this.pan(x * PAN_PIXELS, y * PAN_PIXELS)]);
    return {
      ...Object.fromEntries(pans),
      "+": () => this.zoom(1.4),
      "=": () => this.zoom(1.4),
      "-": () => this.zoom(1 / 1.4),
      0: () => this.fit(),
      Enter: () => this.onSelect(this.scene.residentAt(this.camera.width / 2, this.camera.height / 2) ?? this.nearest()),
    };
  }

  /** Resident nearest to the middle of the view. */
  nearest() {
    const middle = (place) => Math.hypot(place.x - this.camera.width / 2, place.y - this.camera.height / 2);
    const [first] = [...this.scene.places].sort((one, other) => middle(one) - middle(other));
    return first ? first.agent : null;
  }

  showTip(x, y) {
    const agent = this.scene.residentAt(x, y);
    const text = agent === null ? this.placeText(x, y) : this.residentText(agent);
    this.tip.hidden = !text;
    this.canvas.classList.toggle("pointing", agent !== null);
    setText(this.tip, text);
    this.tip.style.left = `${Math.max(4, Math.min(this.camera.width - 220, x + 12))}px`;
    this.tip.style.top = `${Math.min(this.camera.height - 44, y + 14)}px`;
  }

  placeText(x, y) {
    const [column, row] = this.camera.tileAt(x, y).map(Math.floor);
    if (column < 0 || row < 0 || column >= this.map.width || row >= this.map.height) return "";
    const place = this.map.finestAt(row * this.map.width + column);
    return place < 0 ? "" : this.map.nameOf(place);
  }

  residentText(agent) {
    const { block } = this;
    if (!block) return this.map.residents[agent];
    const { text, place } = block.actionAt(agent, this.clock.tick);
    return `${this.map.residents[agent]}\n${text}${place < 0 ? "" : `\n${this.map.nameOf(place)}`}`;
  }

  // --- the mini-map ---

  drawMini(block) {
    const { map, mini, camera } = this;
    const scale = MINI_WIDTH / Math.max(map.width, map.height * 1.2);
    mini.hidden = camera.width < 500 || camera.zoom < MINI_FROM * Math.min(camera.width / map.width, camera.height / map.height);
    if (mini.hidden) return;
    if (!this.miniGround) this.miniGround = this.drawnMini(scale);
    const pen = mini.getContext("2d");
    pen.drawImage(this.miniGround, 0, 0);
    if (block) for (const { agent, tileX, tileY } of this.scene.places) {
      pen.fillStyle = agent === this.scene.selected ? "#fff" : personColor(agent);
      pen.fillRect(tileX * scale - 1.5, tileY * scale - 1.5, 3, 3);
    }
    const [left, top] = camera.tileAt(0, 0);
    pen.strokeStyle = "#fff";
    pen.lineWidth = 1.5;
    pen.strokeRect(left * scale, top * scale, (camera.width / camera.zoom) * scale, (camera.height / camera.zoom) * scale);
  }

  drawnMini(scale) {
    const { map, mini } = this;
    mini.width = Math.ceil(map.width * scale);
    mini.height = Math.ceil(map.height * scale);
    const ground = document.createElement("canvas");
    ground.width = mini.width;
    ground.height = mini.height;
    const camera = new TownCamera();
    Object.assign(camera, { x: map.width / 2, y: map.height / 2, zoom: scale, width: mini.width, height: mini.height });
    this.scene.ground.draw(ground.getContext("2d"), camera, mini.width, mini.height, 1);
    return ground;
  }

  goMini(event) {
    const box = this.mini.getBoundingClientRect();
    this.follow(false);
    this.camera.x = ((event.clientX - box.left) / box.width) * this.map.width;
    this.camera.y = ((event.clientY - box.top) / box.height) * this.map.height;
    this.camera.fits = false;
    nextFrame(() => this.redraw());
  }
}
