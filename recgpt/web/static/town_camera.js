// Camera over the map: the tile in the middle, and the pixels of a tile.

const LEAST_ZOOM = 0.6;
const MOST_ZOOM = 64;

/** Camera; sizes in CSS pixels, places in tiles. */
export class TownCamera {
  constructor() {
    Object.assign(this, { x: 0, y: 0, zoom: 8, width: 1, height: 1, fits: true });
  }

  /** Show a whole map. */
  fit(columns, rows) {
    this.fits = true;
    Object.assign(this, { x: columns / 2, y: rows / 2 });
    this.zoom = limited(Math.min(this.width / columns, this.height / rows) * 0.98);
  }

  tileAt(px, py) {
    return [this.x + (px - this.width / 2) / this.zoom, this.y + (py - this.height / 2) / this.zoom];
  }

  pointOf(x, y) {
    return [(x - this.x) * this.zoom + this.width / 2, (y - this.y) * this.zoom + this.height / 2];
  }

  /** Zoom by a factor; the tile under a point stays there. */
  zoomAt(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.tileAt(px, py);
    this.zoom = limited(this.zoom * factor);
    this.x = x - (px - this.width / 2) / this.zoom;
    this.y = y - (py - this.height / 2) / this.zoom;
    this.fits = false;
  }

  /** Move by pixels. */
  pan(dx, dy) {
    this.x -= dx / this.zoom;
    this.y -= dy / this.zoom;
    this.fits = false;
  }

  /** Keep the middle on the map. */
  keepOn(columns, rows) {
    this.x = Math.max(0, Math.min(columns, this.x));
    this.y = Math.max(0, Math.min(rows, this.y));
  }

  get key() {
    return `${this.x.toFixed(3)} ${this.y.toFixed(3)} ${this.zoom.toFixed(4)} ${this.width} ${this.height}`;
  }
}

function limited(zoom) {
  return Math.max(LEAST_ZOOM, Math.min(zoom, MOST_ZOOM));
}
