// Light of the hour: a tint over the map, the same for the same time of day.

const DAWN = [5.5, 7.5];
const DUSK = [18.5, 21];
const DARKEST = 0.58;
const STEPS = 24;

function share(value, [from, to]) {
  return Math.max(0, Math.min(1, (value - from) / (to - from)));
}

/** Darkness of an hour, from 0 by day to 1 at night, in steps. */
export function darknessAt(hour) {
  const dark = hour < 12 ? 1 - share(hour, DAWN) : share(hour, DUSK);
  return Math.round(dark * STEPS) / STEPS;
}

/** Colour that is laid over the map at an hour; null by day. */
export function tintAt(hour) {
  const dark = darknessAt(hour);
  if (dark <= 0) return null;
  const glow = 1 - Math.abs(2 * dark - 1); // strongest when the sun is at the horizon
  const red = Math.round(14 + 190 * glow * 0.5);
  const green = Math.round(22 + 80 * glow * 0.5);
  const blue = Math.round(66 - 16 * glow);
  return `rgb(${red} ${green} ${blue} / ${(DARKEST * (0.35 * glow + 0.65) * dark).toFixed(3)})`;
}
