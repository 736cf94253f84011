// Explanation of a score: what each kind of evidence and each item of the history adds to it.

import { el } from "./dom.js";
import { countText } from "./format.js";

const EVIDENCE_NAMES = {
  similar_texts: "Text similar to the history",
  bought_after: "Taken near items of the history",
  similar_histories: "Taken by users with similar histories",
  popularity: "Popularity and recency",
  repeat: "Taken before",
};
const SCORED_BY_NOTES = {
  blend: "It is not on the shortlist that the network re-ranks: its score is a weighted sum of text and counts.",
  popularity: "The history is empty, so items are ranked by their number of interactions.",
};

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

function times(count) {
  return count === 1 ? "once" : `${countText(count, "time")}`;
}

function relationText(each) {
  const texts = {
    bought_after: () => `taken ${times(each.times_after)} soon after it`,
    bought_before: () => `taken ${times(each.times_before)} soon before it`,
    co_visited_after: () => `taken ${times(each.times_after + each.times_before)} near it`,
    co_visited_before: () => `taken ${times(each.times_after + each.times_before)} near it`,
    taken_by_the_same: () => `${countText(each.users_with_both, "user")} took both`,
    text: () => `text similarity ${each.text_cosine.toFixed(2)}`,
    words: () => `common words, similarity ${each.words_cosine.toFixed(2)}`,
    neighbourhood: () => `taken with the same items, similarity ${each.neighbourhood_cosine.toFixed(2)}`,
  };
  if (each.cosine !== undefined) return `text similarity ${each.cosine.toFixed(2)}`;
  return each.strongest in texts ? texts[each.strongest]() : "no relation";
}

/** Row with a bar from the middle: to the right for more, to the left for less. */
function effectRow(name, value, largest, detail) {
  const bar = el("span", { class: `effect-bar ${value < 0 ? "less" : "more"}` });
  bar.style.width = `${largest ? (50 * Math.abs(value)) / largest : 0}%`;
  const shown = value === null ? "–" : signed(value);
  return el(
    "li",
    { class: "effect" },
    el("span", { class: "effect-name words" }, name, detail ? el("small", {}, detail) : null),
    el("span", { class: "effect-track", "aria-hidden": "true" }, bar),
    el("span", { class: "effect-value" }, shown),
  );
}

function effectList(title, rows) {
  const largest = Math.max(...rows.map(([, value]) => Math.abs(value ?? 0)), 0);
  const items = rows.map(([name, value, detail]) => effectRow(name, value, largest, detail));
  return rows.length ? el("section", {}, el("h4", {}, title), el("ul", { class: "effects" }, ...items)) : null;
}

/** Element that shows the answer of /explain. */
export function explanationView(found) {
  const groups = (found.groups || []).filter((group) => group.contribution).map((group) => [EVIDENCE_NAMES[group.name], group.contribution]);
  const history = [...found.history].reverse().map((each) => [each.title, each.contribution, relationText(each)]);
  const notes = [SCORED_BY_NOTES[found.scored_by], found.no_contribution, found.in_history ? "It is in the history." : null];
  return el(
    "div",
    { class: "explanation" },
    ...notes.filter(Boolean).map((text) => el("p", { class: "panel-help" }, text)),
    effectList("What the score is made of", groups),
    effectList("What each item of the history adds, latest first", history),
    found.unread ? el("p", { class: "panel-help" }, `The model reads the latest ${history.length} items; ${countText(found.unread, "older item")} are not read.`) : null,
  );
}
