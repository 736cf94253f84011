// Search field whose results are chosen with the mouse or the arrow keys.

import { debounced, el, icon } from "./dom.js";
import { serviceCall } from "./service.js";

const PICKER_LIMIT = 12;

/** Field that calls `onPick(item)` for each chosen item and `onError(text)` for a failed search. */
export function buildPicker({ onPick, onError }) {
  const list = el("ul", { id: "found-items", class: "found found-items", role: "listbox", "aria-label": "Found items", hidden: true });
  const field = el("input", {
    type: "search",
    role: "combobox",
    autocomplete: "off",
    placeholder: "Search titles",
    "aria-label": "Search titles",
    "aria-controls": "found-items",
    "aria-expanded": "false",
    "aria-autocomplete": "list",
  });
  let items = [];
  let selected = -1;
  let latest = 0;
  let rests = false; // after a pick, until the field is used again

  function show(open) {
    list.hidden = !open;
    field.setAttribute("aria-expanded", String(open));
    if (!open) field.removeAttribute("aria-activedescendant");
  }

  function select(place) {
    selected = place;
    [...list.children].forEach((row, number) => row.setAttribute("aria-selected", String(number === place)));
    const row = list.children[place];
    if (!row || !row.id) return;
    field.setAttribute("aria-activedescendant", row.id);
    row.scrollIntoView({ block: "nearest" });
  }

  function pick(item) {
    field.value = "";
    rests = true;
    show(false);
    field.focus();
    onPick(item);
  }

  function draw() {
    const rows = items.map((item, number) =>
      el(
        "li",
        { id: `found-${number}`, role: "option", mousedown: (event) => event.preventDefault(), click: () => pick(item) },
        el("span", { class: "words" }, item.title),
        el("span", { class: "found-number words" }, String(item.item_id)),
      ),
    );
    list.replaceChildren(...(rows.length ? rows : [el("li", { class: "empty", role: "option", "aria-disabled": "true" }, "No title has these words")]));
    show(true);
    select(items.length ? 0 : -1);
  }

  const search = debounced(120, async () => {
    if (rests) return;
    const mine = ++latest;
    try {
      const answer = await serviceCall(`/items?search=${encodeURIComponent(field.value)}&limit=${PICKER_LIMIT}`);
      if (mine !== latest || rests || document.activeElement !== field) return;
      items = answer.items;
      draw();
    } catch (error) {
      onError(error.message);
    }
  });

  function searchAgain() {
    rests = false;
    search();
  }

  field.addEventListener("input", searchAgain);
  field.addEventListener("focus", search);
  field.addEventListener("blur", () => {
    rests = false;
    show(false);
  });
  field.addEventListener("keydown", (event) => {
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key === "Escape") {
      if (!list.hidden) event.preventDefault();
      show(false);
    } else if (event.key in moves && list.hidden) {
      searchAgain();
    } else if (event.key in moves && items.length) {
      event.preventDefault();
      select((selected + moves[event.key] + items.length) % items.length);
    } else if (event.key === "Enter" && !list.hidden && items[selected]) {
      event.preventDefault();
      pick(items[selected]);
    }
  });
  return { node: el("div", { class: "search picker" }, icon("search"), field, list), field };
}
