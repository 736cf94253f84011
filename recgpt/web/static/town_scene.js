// Draws one moment of a town: the ground under its light, residents, their emojis, names and words.

import { TownFigures } from "./town_figures.js";
import { TownGround } from "./town_ground.js";
import { cssColor } from "./theme.js";
import { darknessAt, tintAt } from "./town_light.js";

const CROWD = 200; // residents from which figures are small
const MOST_NAMED = 70;
const NAMED_FROM = 4; // pixels of a tile from which residents are named
const MOST_EMOJIS = 150;
const MOST_SAID = 10;
const SLEEPING = 0;
const SPREAD = [[0, 0], [0.42, 0.12], [-0.42, 0.12], [0.2, -0.34], [-0.2, -0.34], [0.2, 0.46], [-0.2, 0.46], [0.6, -0.2], [-0.6, -0.2]];

/** Painter of the ground and the residents on two canvases of the same place. */
export class TownScene {
  constructor(map, groundCanvas, canvas) {
    Object.assign(this, { map, groundCanvas, canvas });
    this.ground = new TownGround(map);
    this.figures = new TownFigures(map.residents);
    this.groundKey = "";
    this.heat = null;
    this.places = [];
    Object.assign(this, { names: true, selected: null, marked: null });
  }

  resize(width, height, ratio) {
    Object.assign(this, { width, height, ratio, groundKey: "" });
    for (const canvas of [this.groundCanvas, this.canvas]) {
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    }
  }

  /** Colours have changed. */
  recolor() {
    this.ground.clear();
    this.figures.clear();
    this.groundKey = "";
  }

  /** Tiles and counts of a heat map, or null. */
  setHeat(heat) {
    this.heat = heat;
    this.groundKey = "";
  }

  draw(camera, block, tick) {
    const hour = this.map.hourOf(tick);
    this.drawGround(camera, hour);
    const pen = this.canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    if (!block) return;
    this.tick = tick;
    this.zoom = camera.zoom;
    this.locate(camera, block, tick);
    if (darknessAt(hour) > 0.3) this.drawLights(pen, camera, block);
    this.drawResidents(pen, camera, block, tick);
  }

  drawGround(camera, hour) {
    const key = `${camera.key} ${darknessAt(hour)}`;
    if (key === this.groundKey) return;
    this.groundKey = key;
    const pen = this.groundCanvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.ground.draw(pen, camera, this.width, this.height, this.ratio);
    const tint = tintAt(hour);
    if (tint && !this.heat) {
      pen.fillStyle = tint;
      pen.fillRect(0, 0, this.width, this.height);
    }
    if (this.heat) this.drawHeat(pen, camera);
  }

  /** Tiles where people were: the more often, the more opaque. */
  drawHeat(pen, camera) {
    const most = Math.log1p(Math.max(1, this.heat.most));
    const side = Math.max(1, Math.ceil(camera.zoom));
    pen.fillStyle = cssColor("--town-heat");
    for (let index = 0; index < this.heat.tiles.length; index++) {
      const tile = this.heat.tiles[index];
      const [x, y] = camera.pointOf(tile % this.map.width, Math.floor(tile / this.map.width));
      pen.globalAlpha = 0.12 + 0.78 * (Math.log1p(this.heat.counts[index]) / most);
      pen.fillRect(Math.floor(x), Math.floor(y), side, side);
    }
    pen.globalAlpha = 1;
  }

  /** Find where each resident stands: {agent, x, y in pixels, walks, action}, from the back to the front. */
  locate(camera, block, tick) {
    const { map } = this;
    const crowds = new Map();
    const found = [];
    for (let agent = 0; agent < map.residents.length; agent++) {
      const { path, tick: left } = block.walkAt(agent, tick);
      const passed = Math.max(0, tick - left);
      const at = Math.min(Math.floor(passed), path.length - 1);
      const walks = at < path.length - 1;
      const share = walks ? passed - at : 0;
      const next = path[walks ? at + 1 : at];
      let x = (path[at] % map.width) * (1 - share) + (next % map.width) * share + 0.5;
      let y = Math.floor(path[at] / map.width) * (1 - share) + Math.floor(next / map.width) * share + 0.5;
      if (!walks) {
        const before = crowds.get(path[at]) || 0;
        crowds.set(path[at], before + 1);
        x += SPREAD[before % SPREAD.length][0];
        y += SPREAD[before % SPREAD.length][1];
      }
      const [px, py] = camera.pointOf(x, y);
      found.push({ agent, x: px, y: py, tileX: x, tileY: y, tile: path[at], walks, stride: Math.floor(passed * 2) % 2 });
    }
    this.places = found;
    this.shown = found.filter(({ x, y }) => x > -40 && y > -10 && x < this.width + 40 && y < this.height + 60).sort((one, other) => one.y - other.y);
  }

  /** Lamps in the rooms of those who are awake. */
  drawLights(pen, camera, block) {
    const lit = new Set();
    for (const { agent, tile } of this.shown) {
      if (block.actionAt(agent, this.tick).activity !== SLEEPING) lit.add(this.map.arenaOf[tile]);
    }
    pen.fillStyle = "rgb(255 214 128 / 26%)";
    for (const arena of lit) {
      if (arena < 0 || !this.map.boxes[arena] || this.map.kindOf(arena) === "park") continue;
      const [left, top, right, bottom] = this.map.boxes[arena];
      const [x, y] = camera.pointOf(left, top);
      pen.fillRect(x, y, (right - left) * camera.zoom, (bottom - top) * camera.zoom);
    }
  }

  get figureSize() {
    const least = this.map.residents.length > CROWD ? 11 : 20;
    return Math.max(least, Math.min(44, 2 * Math.round(this.zoom * 0.8)));
  }

  drawResidents(pen, camera, block, tick) {
    const size = this.figureSize;
    this.figures.setSize(size, this.ratio);
    const withEmojis = size >= 13 && this.shown.length <= MOST_EMOJIS;
    const talks = this.talksShown(block, tick);
    for (const place of this.shown) {
      const action = block.actionAt(place.agent, tick);
      place.action = action;
      const asleep = action.activity === SLEEPING && !place.walks;
      const frame = asleep ? 3 : place.walks ? 1 + place.stride : 0;
      if (place.agent === this.selected) this.drawRing(pen, place, size, "--accent");
      else if (this.marked && this.marked.has(place.agent)) this.drawRing(pen, place, size, "--mark");
      pen.drawImage(this.figures.spriteOf(place.agent, frame), place.x - size / 2, place.y - size * 0.82, size, size);
    }
    const named = this.names && camera.zoom >= NAMED_FROM && (this.shown.length <= MOST_NAMED || camera.zoom >= 14);
    const first = this.shown.filter(({ agent }) => agent === this.selected);
    const others = this.shown.filter(({ agent }) => agent !== this.selected).sort((one, other) => one.agent - other.agent);
    const emojis = [];
    if (withEmojis) for (const place of [...first, ...others]) if (!talks.speakers.has(place.agent)) this.drawEmoji(pen, place, size, emojis);
    const names = [...this.ground.names];
    for (const place of named ? [...first, ...others] : first) this.drawName(pen, place, names);
    for (const [place, text] of talks.lines) this.drawSaid(pen, place, text, size);
    this.drawStates(pen, camera, block, tick);
  }

  /** Lines that are said now, at most so many; and who speaks them. */
  talksShown(block, tick) {
    const of = new Map(this.shown.map((place) => [place.agent, place]));
    const lines = [];
    const speakers = new Set();
    for (const { line } of block.talksAt(tick)) {
      const place = line && of.get(line[0]);
      if (!place || lines.length >= MOST_SAID) continue;
      lines.push([place, line[1]]);
      speakers.add(place.agent);
    }
    return { lines, speakers };
  }

  drawRing(pen, place, size, color) {
    pen.strokeStyle = cssColor(color);
    pen.lineWidth = 2.5;
    pen.beginPath();
    pen.ellipse(place.x, place.y + size * 0.1, size * 0.52, size * 0.24, 0, 0, 2 * Math.PI);
    pen.stroke();
  }

  get colors() {
    return { bubble: cssColor("--surface"), edge: cssColor("--town-edge"), ink: cssColor("--text"), halo: cssColor("--town-halo") };
  }

  drawEmoji(pen, place, size, taken) {
    const { emoji } = place.action;
    const [x, y] = [place.x + size * 0.42, place.y - size * 0.62];
    if (!emoji || isCovered(taken, x, y, 15, 15)) return;
    this.put(pen, this.figures.textOf(emoji, "emoji", this.colors), x, y, 0.2);
  }

  /** First name under a figure, unless it would lie on another name, also of a house; that of the selected one always. */
  drawName(pen, place, taken) {
    const picture = this.figures.textOf(this.map.residents[place.agent].split(" ")[0], "name", this.colors);
    const width = picture.width / this.ratio;
    const isFree = !isCovered(taken, place.x - width / 2, place.y + 19, width - 6, 11);
    if (isFree || place.agent === this.selected) this.put(pen, picture, place.x, place.y + 19, 0.5);
  }

  drawSaid(pen, place, text, size) {
    this.put(pen, this.figures.textOf(text, "said", this.colors), place.x, place.y - size * 0.86, 14, true);
  }

  /** Copy a picture whose foot is at a point; `share` of its width is left of it, or so many pixels. */
  put(pen, picture, x, y, share, inPixels = false) {
    const width = picture.width / this.ratio;
    const height = picture.height / this.ratio;
    const left = inPixels ? Math.max(2, Math.min(x - share, this.width - width - 2)) : x - width * share;
    pen.drawImage(picture, left, Math.max(inPixels ? 2 : -99, y - height), width, height);
  }

  /** States of places, such as a fire. */
  drawStates(pen, camera, block, tick) {
    for (const [place, start, end, text] of block.states) {
      const box = this.map.boxes[place];
      if (!box || tick < start || tick >= end) continue;
      const [x, y] = camera.pointOf((box[0] + box[2]) / 2, (box[1] + box[3]) / 2);
      this.put(pen, this.figures.textOf(`⚠ ${this.map.places[place].name} ${block.texts[text]}`, "said", this.colors), x, y, 14, true);
    }
  }

  /** Resident near a point in pixels; null without one. */
  residentAt(x, y) {
    let best = null;
    let least = Math.max(14, (this.figureSize || 20) * 0.7);
    for (const place of this.shown || []) {
      const distance = Math.hypot(place.x - x, place.y - (this.figureSize || 20) * 0.3 - y);
      if (distance < least) [best, least] = [place.agent, distance];
    }
    return best;
  }
}

/** Whether a box of a size, its left end and its foot at a point, touches one of those taken; else it is taken too. */
function isCovered(taken, x, y, width, height) {
  if (taken.some((box) => x < box.x + box.width && box.x < x + width && Math.abs(box.y - y) < height)) return true;
  taken.push({ x, y, width });
  return false;
}
