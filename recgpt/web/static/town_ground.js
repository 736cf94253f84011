// Draws the static map: pieces of 32 × 32 tiles, drawn once for each size of a tile, then copied.

import { cssColor } from "./theme.js";
import { drawTree, symbolOf } from "./town_symbols.js";
import { RecentValues } from "./requests.js";

const PIECE = 32; // tiles along the side of a piece
const SIZES = [2, 4, 8, 16, 32]; // pixels of a tile for which pieces are drawn
const KEPT_PIECES = 360;
const SYMBOLS_FROM = 8; // pixels of a tile from which things are drawn as symbols
const FLOORS = { home: "home", cafe: "food", bar: "food", restaurant: "food", cinema: "cinema", bookshop: "books", library: "books", shop: "shop", pharmacy: "clinic", clinic: "clinic", school: "school", office: "work", workshop: "work", park: "park", hall: "hall", gym: "gym", other: "other" };
const NAMES_FROM_WIDTH = 46; // pixels of a house from which its name is written
const ROOMS_FROM = 18; // pixels of a tile from which rooms are named

/** Colour of the floor of a kind of sector. */
export function floorColor(kind) {
  return cssColor(`--town-${FLOORS[kind] || "other"}`);
}

/** A number from 0 to 1 that a tile always has. */
function grain(x, y) {
  const mixed = Math.imul(x * 374761393 + y * 668265263, 1274126177);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 4294967296;
}

/** Painter of one map. */
export class TownGround {
  constructor(map) {
    this.map = map;
    this.pieces = new RecentValues(KEPT_PIECES);
    this.symbols = new Map();
    this.names = []; // boxes of the written names, as of `isCovered`
  }

  /** Forget what is drawn: colours have changed. */
  clear() {
    this.pieces.clear();
  }

  /** Draw the map as a camera sees it; sizes in CSS pixels, `ratio` device pixels of one. */
  draw(pen, camera, width, height, ratio) {
    const { map } = this;
    pen.fillStyle = cssColor("--town-beyond");
    pen.fillRect(0, 0, width, height);
    pen.imageSmoothingEnabled = true;
    const size = SIZES.find((one) => one >= camera.zoom * ratio) || SIZES[SIZES.length - 1];
    const [left, top] = camera.tileAt(0, 0);
    const [right, bottom] = camera.tileAt(width, height);
    const lastX = Math.min(Math.floor(right / PIECE), Math.floor((map.width - 1) / PIECE));
    const lastY = Math.min(Math.floor(bottom / PIECE), Math.floor((map.height - 1) / PIECE));
    for (let row = Math.max(0, Math.floor(top / PIECE)); row <= lastY; row++) {
      for (let column = Math.max(0, Math.floor(left / PIECE)); column <= lastX; column++) this.copyPiece(pen, camera, column, row, size);
    }
    this.drawNames(pen, camera, width, height);
  }

  copyPiece(pen, camera, column, row, size) {
    const piece = this.pieceOf(column, row, size);
    const [x, y] = camera.pointOf(column * PIECE, row * PIECE);
    const [endX, endY] = camera.pointOf(column * PIECE + piece.width / size, row * PIECE + piece.height / size);
    pen.drawImage(piece, Math.round(x), Math.round(y), Math.round(endX) - Math.round(x), Math.round(endY) - Math.round(y));
  }

  pieceOf(column, row, size) {
    const key = `${size} ${column} ${row}`;
    let piece = this.pieces.get(key);
    if (!piece) {
      piece = this.drawnPiece(column * PIECE, row * PIECE, size);
      this.pieces.set(key, piece);
    }
    return piece;
  }

  drawnPiece(left, top, size) {
    const { map } = this;
    const columns = Math.min(PIECE, map.width - left);
    const rows = Math.min(PIECE, map.height - top);
    const piece = document.createElement("canvas");
    piece.width = columns * size;
    piece.height = rows * size;
    const pen = piece.getContext("2d", { alpha: false });
    const colors = new Map();
    const colorOf = (name) => colors.get(name) || colors.set(name, cssColor(name)).get(name);
    for (let y = top; y < top + rows; y++) for (let x = left; x < left + columns; x++) {
      this.drawFloor(pen, x, y, (x - left) * size, (y - top) * size, size, colorOf);
    }
    for (let y = top; y < top + rows; y++) for (let x = left; x < left + columns; x++) {
      this.drawTile(pen, x, y, (x - left) * size, (y - top) * size, size, colorOf);
    }
    return piece;
  }

  drawFloor(pen, x, y, px, py, size, colorOf) {
    const { map } = this;
    const ground = map.groundAt(x, y);
    const sector = map.sectorOf[y * map.width + x];
    const kind = sector < 0 ? null : map.kindOf(sector);
    const open = kind === null || kind === "park";
    const plain = ground === "road" || ground === "water" ? `--town-${ground}` : kind === null ? "--town-grass" : `--town-${FLOORS[kind] || "other"}`;
    pen.fillStyle = colorOf(plain);
    pen.fillRect(px, py, size, size);
    if (size < 4 || ground === "road") return;
    if (ground === "water") drawWave(pen, x, y, px, py, size, colorOf);
    else if (open && grain(x, y) > 0.8) {
      pen.fillStyle = colorOf("--town-blade");
      pen.fillRect(px + size * grain(y, x) * 0.7, py + size * grain(x + 7, y) * 0.7, Math.max(1, size * 0.08), Math.max(1, size * 0.22));
    } else if (!open && (x + y) % 2) {
      pen.fillStyle = colorOf("--town-check");
      pen.fillRect(px, py, size, size);
    }
  }

  drawTile(pen, x, y, px, py, size, colorOf) {
    const { map } = this;
    const ground = map.groundAt(x, y);
    if (ground === "wall") this.drawWall(pen, x, y, px, py, size, colorOf);
    else if (ground === "door") drawDoor(pen, map.groundAt(x - 1, y) === "wall", px, py, size, colorOf);
    else if (ground === "fence") {
      pen.fillStyle = colorOf("--town-fence");
      pen.fillRect(px, py + size * 0.35, size, size * 0.3);
    } else if (ground === "tree" && size >= SYMBOLS_FROM) atTile(pen, px, py, size, () => drawTree(pen, grain(x, y)));
    else if (ground === "tree") {
      pen.fillStyle = colorOf("--town-tree");
      pen.fillRect(px, py, size, size);
    }
    const object = map.objectOf[y * map.width + x];
    if (object >= 0) this.drawThing(pen, object, x, y, px, py, size, colorOf);
  }

  drawWall(pen, x, y, px, py, size, colorOf) {
    pen.fillStyle = colorOf("--town-wall");
    pen.fillRect(px, py, size, size);
    const below = this.map.groundAt(x, y + 1);
    if (size < 4 || below === "wall" || below === "door") return;
    pen.fillStyle = colorOf("--town-wall-front");
    pen.fillRect(px, py + size * 0.55, size, size * 0.45);
  }

  drawThing(pen, object, x, y, px, py, size, colorOf) {
    if (size < SYMBOLS_FROM) {
      pen.fillStyle = colorOf("--town-thing");
      pen.fillRect(px, py, size, size);
      return;
    }
    if (!this.symbols.has(object)) this.symbols.set(object, symbolOf(this.map.places[object].name));
    atTile(pen, px, py, size, () => this.symbols.get(object)(pen));
  }

  /** Names of houses below them, those of parks in their middle, and names of rooms where tiles are large. */
  drawNames(pen, camera, width, height) {
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    this.names = [];
    if (camera.zoom >= ROOMS_FROM) for (const arena of this.map.arenas) this.drawName(pen, camera, arena, width, height, 10.5, false);
    else for (const sector of this.map.sectors) this.drawName(pen, camera, sector, width, height, this.map.kindOf(sector) === "home" ? 10.5 : 12, true);
  }

  drawName(pen, camera, place, width, height, size, isHouse) {
    const [left, top, right, bottom] = this.map.boxes[place];
    const isPark = this.map.kindOf(place) === "park";
    const [x, foot] = camera.pointOf((left + right) / 2, isHouse ? (isPark ? (top + bottom) / 2 : bottom) : top + 0.5);
    const y = isHouse && !isPark ? foot + 9 : foot;
    const wide = (right - left) * camera.zoom;
    if (wide < NAMES_FROM_WIDTH || x < -wide || x > width + wide || y < -40 || y > height + 40) return;
    pen.font = `${isHouse ? 600 : 500} ${size}px system-ui, sans-serif`;
    const text = fitted(pen, this.map.places[place].name, wide + 14);
    const length = pen.measureText(text).width;
    this.names.push({ x: x - length / 2, y: y + 8, width: length });
    pen.strokeStyle = cssColor("--town-halo");
    pen.lineWidth = 3.5;
    pen.strokeText(text, x, y);
    pen.fillStyle = cssColor("--town-ink");
    pen.fillText(text, x, y);
  }
}

function drawWave(pen, x, y, px, py, size, colorOf) {
  if (grain(x, y) < 0.72) return;
  pen.fillStyle = colorOf("--town-wave");
  pen.fillRect(px + size * 0.15, py + size * grain(y, x) * 0.8, size * 0.6, Math.max(1, size * 0.09));
}

function drawDoor(pen, isAcross, px, py, size, colorOf) {
  pen.fillStyle = colorOf("--town-door");
  if (isAcross) pen.fillRect(px, py + size * 0.25, size, size * 0.5);
  else pen.fillRect(px + size * 0.25, py, size * 0.5, size);
}

function atTile(pen, px, py, size, draw) {
  pen.save();
  pen.translate(px + size / 2, py + size / 2);
  pen.scale(size, size);
  draw();
  pen.restore();
}

/** A text cut to a width in pixels. */
export function fitted(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  let end = text.length - 1;
  while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > width) end -= 1;
  return `${text.slice(0, end)}…`;
}
