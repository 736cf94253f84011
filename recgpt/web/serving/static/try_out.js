// Page to try the service out: pick items, see recommendations and why.

import { el, iconButton, setText } from "./dom.js";
import { explanationView } from "./explanation.js";
import { countText } from "./format.js";
import { buildHeader } from "./header.js";
import { startKeys } from "./keys.js";
import { buildPicker } from "./picker.js";
import { serviceCall } from "./service.js";
import { startTheme, switchTheme } from "./theme.js";

const ROW_COUNTS = [5, 10, 20, 50];
let history = [];
let latestRanking = 0;

const problem = el("p", { class: "failure", role: "alert", hidden: true });
const historyList = el("ol", { class: "picked", "aria-label": "History, oldest first" });
const historyHint = el("p", { class: "panel-help" });
const clearButton = el("button", { type: "button", class: "button small", click: () => setHistory([]) }, "Clear");
const rankingList = el("ol", { class: "ranking", "aria-label": "Recommendations, best first" });
const rankingHint = el("p", { class: "panel-help", role: "status" });
const countField = el("select", { "aria-label": "Number of recommendations", change: rankAgain }, ...ROW_COUNTS.map((count) => el("option", { value: count, selected: count === 10 }, String(count))));
const repeatsField = el("input", { type: "checkbox", change: rankAgain });
const picker = buildPicker({ onPick: (item) => setHistory([...history, item]), onError: showProblem });

function showProblem(text) {
  setText(problem, text);
  problem.hidden = !text;
}

/** Address of this page with the history in it, so that a reload or a link shows the same. */
function keepInAddress() {
  const ids = history.map((item) => item.item_id);
  const address = ids.length ? `#history=${encodeURIComponent(JSON.stringify(ids))}` : location.pathname;
  window.history.replaceState(null, "", address);
}

async function historyOfAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("history");
  if (!given) return [];
  try {
    const ids = JSON.parse(given);
    return await Promise.all(ids.map((id) => serviceCall(`/items/${encodeURIComponent(id)}`)));
  } catch (error) {
    showProblem(`the history in the address: ${error.message}`);
    return [];
  }
}

function setHistory(items) {
  history = items;
  keepInAddress();
  drawHistory();
  rankAgain();
}

function drawHistory() {
  const rows = history.map((item, place) =>
    el(
      "li",
      {},
      el("span", { class: "words" }, item.title),
      iconButton("close", `Remove ${item.title}`, () => {
        setHistory(history.filter((_, other) => other !== place));
        const next = historyList.querySelectorAll("button")[Math.min(place, history.length - 1)];
        (next || picker.field).focus();
      }),
    ),
  );
  historyList.replaceChildren(...rows);
  clearButton.hidden = history.length === 0;
  setText(historyHint, history.length ? "Oldest first: the latest items weigh most." : "Pick items that a user has taken, oldest first.");
}

async function rankAgain() {
  const mine = ++latestRanking;
  const body = { history: history.map((item) => item.item_id), k: Number(countField.value), exclude: repeatsField.checked ? "nothing" : "history" };
  try {
    const answer = await serviceCall("/recommend", body);
    if (mine !== latestRanking) return;
    showProblem("");
    drawRanking(answer.recommendations);
  } catch (error) {
    if (mine !== latestRanking) return;
    rankingList.replaceChildren();
    if (history.length) showProblem(error.message);
    setText(rankingHint, history.length ? "" : "Pick a first item: without interactions nothing is known of an empty history.");
  }
}

function drawRanking(found) {
  setText(rankingHint, history.length ? "" : "The items with most interactions; pick items for recommendations of your own.");
  rankingList.replaceChildren(...found.map(rankingRow));
}

function rankingRow(item) {
  const place = el("div", { class: "why", hidden: true });
  const why = el("button", { type: "button", class: "button small", "aria-expanded": "false", "aria-label": `Why ${item.title}`, click: () => toggleWhy(item, why, place) }, "Why?");
  const add = iconButton("plus", `Add ${item.title} to the history`, () => setHistory([...history, item]));
  return el(
    "li",
    { class: "ranked" },
    el("div", { class: "ranked-line" }, el("span", { class: "rank" }, String(item.rank)), el("span", { class: "ranked-title words" }, item.title), el("span", { class: "score", title: "Score" }, item.score.toFixed(2)), why, add),
    place,
  );
}

async function toggleWhy(item, button, place) {
  const open = place.hidden;
  place.hidden = !open;
  button.setAttribute("aria-expanded", String(open));
  if (!open || place.childElementCount) return;
  place.replaceChildren(el("p", { class: "panel-help" }, "Explaining …"));
  try {
    place.replaceChildren(explanationView(await serviceCall("/explain", { history: history.map((each) => each.item_id), item: item.item_id })));
  } catch (error) {
    place.replaceChildren(el("p", { class: "failure" }, error.message));
  }
}

async function startPage() {
  startTheme();
  const showHelp = startKeys([
    { key: "/", label: "Search titles", run: () => picker.field.focus() },
    { key: "c", label: "Clear the history", run: () => setHistory([]) },
    { key: "t", label: "Light or dark", run: switchTheme },
  ]);
  const about = el("span", { class: "world" });
  buildHeader({ title: "Try it out", parts: [about], buttons: [el("a", { class: "button small", href: "/docs" }, "Calls")], onHelp: showHelp, linked: false });
  const left = el("section", { class: "panel-box", "aria-labelledby": "history-title" }, el("div", { class: "box-head" }, el("h2", { id: "history-title" }, "History"), clearButton), picker.node, historyHint, historyList);
  const choices = el("div", { class: "choices" }, el("label", { class: "check" }, "Show", countField), el("label", { class: "check" }, repeatsField, "also items of the history"));
  const right = el("section", { class: "panel-box", "aria-labelledby": "ranking-title" }, el("div", { class: "box-head" }, el("h2", { id: "ranking-title" }, "Recommendations"), choices), problem, rankingHint, rankingList);
  document.getElementById("main").replaceChildren(left, right);
  history = await historyOfAddress();
  drawHistory();
  rankAgain();
  const health = await serviceCall("/health");
  setText(about, `${countText(health.items, "item")} · ${countText(health.interactions + health.observed, "interaction")}`);
}

startPage().catch((error) => showProblem(error.message));
