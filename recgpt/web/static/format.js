// Numbers, times and names as the page writes them.

const WHOLE_FORMAT = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const DURATIONS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

/** Number with as many digits as help; a dash for none. */
export function numberText(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1000) return WHOLE_FORMAT.format(value);
  if (size < 0.001) return value.toExponential(1);
  return value.toFixed(size >= 100 ? 1 : size >= 1 ? 2 : 3);
}

/** Short number for axes. */
export function tickText(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${trimmedDigits(value / 1e6)}M`;
  if (size >= 1e3) return `${trimmedDigits(value / 1e3)}k`;
  return trimmedDigits(value);
}

function trimmedDigits(value) {
  return String(Number(value.toPrecision(3)));
}

/** Seconds as the largest unit that fits: 5 h, 90 min, 2 d. */
export function durationText(seconds) {
  for (const [unit, name] of DURATIONS) {
    if (seconds >= unit && (seconds % unit === 0 || seconds >= 2 * unit)) return `${numberText(Math.round((seconds / unit) * 10) / 10)}\u00a0${name}`;
  }
  return `${seconds}\u00a0s`;
}

/** Simulated time as worlds write it, without T and empty seconds. */
export function clockText(now) {
  return now.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::00)?/, "$1 $2");
}

/** "3 rounds", "1 round". */
export function countText(count, noun) {
  return `${WHOLE_FORMAT.format(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Key of a setting, figure or kind as words. */
export function wordsOf(name) {
  const words = String(name).replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** First letters of a name, for its picture. */
export function initialsOf(name) {
  const letters = [...name.matchAll(/[\p{L}\p{N}]+/gu)].map((word) => [...word[0]][0]);
  return (letters.length > 1 ? letters[0] + letters[letters.length - 1] : letters[0] || "?").toUpperCase();
}

/** Value of a text: JSON where it is some, else the text. */
export function valueOfText(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
