// Keys of the page and the help that lists them.

import { el, showDialog } from "./dom.js";

const TYPING = new Set(["INPUT", "TEXTAREA", "SELECT"]);

function typesHere(target) {
  return TYPING.has(target.tagName) && target.type !== "range" && target.type !== "checkbox";
}

function ownsKey(target, key) {
  if (target.type === "range" && ["ArrowLeft", "ArrowRight", "Home"].includes(key)) return true;
  return key === " " && (target.tagName === "BUTTON" || target.tagName === "SUMMARY" || target.type === "checkbox" || target.tagName === "A");
}

/** Listen for keys: `actions` is a list of {key, label, run}; `?` shows them. */
export function startKeys(actions) {
  const all = [...actions, { key: "?", label: "Show these keys", run: () => showKeys(all) }];
  const runOf = new Map(all.map((action) => [action.key, action.run]));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (typesHere(event.target) || document.querySelector("dialog[open]")) return;
    const run = runOf.get(event.key);
    if (!run || ownsKey(event.target, event.key)) return;
    event.preventDefault();
    run();
  });
  return () => showKeys(all);
}

function keyName(key) {
  return { " ": "space", ArrowLeft: "←", ArrowRight: "→" }[key] || key;
}

function showKeys(actions) {
  const rows = actions.filter((action) => action.label).map((action) => el("div", {}, el("dt", {}, el("kbd", {}, keyName(action.key))), el("dd", {}, action.label)));
  return showDialog("Keys", el("dl", { class: "keys" }, ...rows), [el("button", { class: "button primary", value: "" }, "Close")]);
}
