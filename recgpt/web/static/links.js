// Addresses of the page: which run, and in the part after # which step, agent and tab.

// The part after # that the page has read. Setting it tells the page in a later task: until then it is not written over.
let read = typeof location === "undefined" ? "" : location.hash;
if (typeof window !== "undefined") window.addEventListener("hashchange", () => (read = location.hash));

/** Address of a run. */
export function runAddress(run, { step = null, tick = null, agent = null, tab = null } = {}) {
  const hash = hashText({ step, tick, agent, tab });
  return `/runs/${encodeURIComponent(run)}${hash ? `#${hash}` : ""}`;
}

/** Go to a run. */
export function openRun(run, place = {}) {
  location.assign(runAddress(run, place));
}

function hashText(values) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value !== null && value !== undefined) parts.set(name, String(value));
  return parts.toString();
}

/** Step, agent and tab of the address, in a town tick, speed of play and name of a resident; null where it names none. */
export function placeOfAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const number = (name) => (/^\d{1,9}$/.test(parts.get(name) || "") ? Number(parts.get(name)) : null);
  return { step: number("step"), agent: number("agent"), tab: parts.get("tab"), tick: number("tick"), play: number("play"), name: parts.get("name") };
}

/** Keep the address in line with what is shown, without new entries in the browser's history. */
export function writePlace(place) {
  if (location.hash !== read) return;
  const hash = hashText(place);
  const address = `${location.pathname}${location.search}${hash ? `#${hash}` : ""}`;
  if (address !== location.pathname + location.search + location.hash) history.replaceState(null, "", address);
  read = location.hash;
}
