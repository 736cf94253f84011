// The static map of a town: grids of ground and places, and where a place stands.
//
// A tile is y * width + x. A grid comes as run lengths: [value, count, value, count, ...], -1 for no place.

export const SECTOR = 0;
export const ARENA = 1;
export const OBJECT = 2;

/** Map as `GET /api/runs/{id}/town/map` gives it, with its grids unpacked. */
export class TownMap {
  constructor(data) {
    Object.assign(this, data);
    const size = data.width * data.height;
    this.ground = unpackedGrid(data.grids.ground, size, Uint8Array);
    this.sectorOf = unpackedGrid(data.grids.sector, size, Int32Array);
    this.arenaOf = unpackedGrid(data.grids.arena, size, Int32Array);
    this.objectOf = unpackedGrid(data.grids.object, size, Int32Array);
    this.boxes = this.boxesOfPlaces();
    this.sectors = this.numbersOf(SECTOR);
    this.arenas = this.numbersOf(ARENA);
    this.startTime = Date.parse(`${data.start}Z`);
  }

  numbersOf(level) {
    return this.places.flatMap((place, number) => (place.level === level && this.boxes[number] ? [number] : []));
  }

  /** Bounds of each place in tiles: [left, top, right, bottom], the last two exclusive; null for a place without tiles. */
  boxesOfPlaces() {
    const boxes = this.places.map(() => null);
    for (const grid of [this.sectorOf, this.arenaOf, this.objectOf]) {
      for (let tile = 0; tile < grid.length; tile++) {
        if (grid[tile] < 0) continue;
        const x = tile % this.width;
        const y = (tile - x) / this.width;
        const box = boxes[grid[tile]] || (boxes[grid[tile]] = [x, y, x + 1, y + 1]);
        box[0] = Math.min(box[0], x);
        box[1] = Math.min(box[1], y);
        box[2] = Math.max(box[2], x + 1);
        box[3] = Math.max(box[3], y + 1);
      }
    }
    return boxes;
  }

  /** What a tile looks like: grass, road, floor, door, wall, tree, water or fence; null beyond the map. */
  groundAt(x, y) {
    return x < 0 || y < 0 || x >= this.width || y >= this.height ? null : this.grounds[this.ground[y * this.width + x]];
  }

  placeAt(grid, x, y) {
    return x < 0 || y < 0 || x >= this.width || y >= this.height ? -1 : grid[y * this.width + x];
  }

  kindOf(number) {
    return this.places[number].kind;
  }

  /** Name of a place with those of the room and the house around it. */
  nameOf(number) {
    const names = [];
    for (let place = number; place >= 0; place = this.places[place].parent) names.push(this.places[place].name);
    return names.join(", ") || "outdoors";
  }

  addressOf(number) {
    const names = [];
    for (let place = number; place >= 0; place = this.places[place].parent) names.unshift(this.places[place].name);
    return [this.name, ...names].join(":");
  }

  /** The finest place at a tile, -1 for none. */
  finestAt(tile) {
    for (const grid of [this.objectOf, this.arenaOf, this.sectorOf]) if (grid[tile] >= 0) return grid[tile];
    return -1;
  }

  /** Date of a tick, in the time zone UTC whatever that of the browser. */
  dateOf(tick) {
    return new Date(this.startTime + tick * this.seconds_per_tick * 1000);
  }

  /** Hour of the day at a tick, with its fraction. */
  hourOf(tick) {
    const date = this.dateOf(tick);
    return date.getUTCHours() + date.getUTCMinutes() / 60 + date.getUTCSeconds() / 3600;
  }

  /** Such as "Mon 13 Feb, 08:20:10". */
  clockOf(tick) {
    return CLOCK_FORMAT.format(this.dateOf(tick));
  }

  /** Such as "08:20". */
  timeOf(tick) {
    return this.dateOf(tick).toISOString().slice(11, 16);
  }

  /** Tick of a number of simulated seconds since the start. */
  tickOf(seconds) {
    return Math.floor(seconds / this.seconds_per_tick);
  }
}

const CLOCK_FORMAT = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: "UTC" });

/** Values of run lengths. */
export function unpackedGrid(runs, size, Kind) {
  const grid = new Kind(size);
  let at = 0;
  for (let index = 0; index < runs.length; index += 2) {
    grid.fill(runs[index], at, at + runs[index + 1]);
    at += runs[index + 1];
  }
  return grid;
}
