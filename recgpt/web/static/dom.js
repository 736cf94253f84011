// Elements, icons and one drawing per frame of the screen. Texts enter the page as text nodes only.

const SVG = "http://www.w3.org/2000/svg";
const ICON_PATHS = {
  play: "M7 4.5v15l12-7.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  step: "M5 5l8 7-8 7zM15 5h3v14h-3z",
  stop: "M6 6h12v12H6z",
  reset: "M12 5a7 7 0 1 1-6.6 4.7l1.9.7A5 5 0 1 0 12 7v3.4L6.8 6 12 1.6z",
  fork: "M7 3a2.5 2.5 0 0 1 1 4.8V10h8V7.8a2.5 2.5 0 1 1 2 0V12h-5v4.2a2.5 2.5 0 1 1-2 0V12H6V7.8A2.5 2.5 0 0 1 7 3z",
  first: "M5 5h3v14H5zM19 5v14l-9-7z",
  last: "M16 5h3v14h-3zM5 5v14l9-7z",
  back: "M15.5 5v14l-9-7z",
  next: "M8.5 5v14l9-7z",
  search: "M10.5 4a6.5 6.5 0 0 1 5.2 10.4l4.4 4.4-1.4 1.4-4.4-4.4A6.5 6.5 0 1 1 10.5 4zm0 2a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9z",
  theme: "M12 3a9 9 0 1 0 0 18zm0-2a11 11 0 1 1 0 22 11 11 0 0 1 0-22z",
  help: "M12 2a10 10 0 1 1 0 20 10 10 0 0 1 0-20zm0 2a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm-1 11.5h2v2h-2zM12 6.5a3.5 3.5 0 0 1 1.3 6.75c-.3.15-.3.25-.3 1.25h-2c0-2 .2-2.5 1.4-3.05A1.5 1.5 0 1 0 10.5 10h-2A3.5 3.5 0 0 1 12 6.5z",
  close: "M6.4 5L12 10.6 17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4L12 13.4 6.4 19 5 17.6 10.6 12 5 6.4z",
  edit: "M4 16.5V20h3.5L18 9.5 14.5 6zM19.2 8.3a1 1 0 0 0 0-1.4l-2.1-2.1a1 1 0 0 0-1.4 0L14.2 6.3l3.5 3.5z",
  plus: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  minus: "M5 11h14v2H5z",
  fit: "M4 4h6v2H6v4H4zm10 0h6v6h-2V6h-4zM4 14h2v4h4v2H4zm14 0h2v6h-6v-2h4z",
  compare: "M4 5h7v14H4zm2 2v10h3V7zm7-2h7v14h-7z",
};

/** Build an element; values that are functions are listeners of the event of that name. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Icon that is hidden from screen readers: its button carries the label. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICON_PATHS[name]);
  svg.append(path);
  return svg;
}

/** Replace the icon of a button, only where it differs. */
export function setIcon(button, name) {
  if (button.dataset.icon === name) return;
  button.dataset.icon = name;
  button.querySelector("svg").replaceWith(icon(name));
}

/** Button with an icon; the label is its name and tooltip. */
export function iconButton(name, label, click, attributes = {}) {
  return el("button", { type: "button", class: "icon-button", title: label, "aria-label": label, click, ...attributes }, icon(name));
}

/** Link with an icon; the label is its name and tooltip. */
export function iconLink(name, label, href) {
  return el("a", { class: "icon-button", title: label, "aria-label": label, href }, icon(name));
}

/** Change a text only where it differs, which spares the layout. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Change an attribute only where it differs; null removes it. */
export function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

const waitingTasks = new Set();
let frameRequested = false;

function runWaitingTasks() {
  frameRequested = false;
  const tasks = [...waitingTasks];
  waitingTasks.clear();
  for (const task of tasks) task();
}

/** Run a task before the next drawing of the screen, once however often it was requested. */
export function nextFrame(task) {
  waitingTasks.add(task);
  if (frameRequested) return;
  frameRequested = true;
  requestAnimationFrame(runWaitingTasks);
}

/** Call after a pause without further calls. */
export function debounced(milliseconds, task) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => task(...values), milliseconds);
  };
}

/** Match the pixels of a canvas to its place on the page; its context draws in CSS pixels. */
export function fittedContext(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  const wide = Math.max(1, Math.round(width * scale));
  const high = Math.max(1, Math.round(height * scale));
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Modal dialog with a title; resolves to its return value when closed ("" after Escape). */
export function showDialog(title, content, buttons) {
  const dialog = el("dialog", { class: "dialog", "aria-label": title });
  const form = el("form", { method: "dialog" }, el("h2", {}, title), content, el("div", { class: "dialog-buttons" }, ...buttons));
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}

/** Ask before something is lost: true if confirmed. */
export function confirmed(title, text, action) {
  const buttons = [el("button", { value: "", class: "button" }, "Cancel"), el("button", { value: "yes", class: "button danger" }, action)];
  return showDialog(title, el("p", {}, text), buttons).then((answer) => answer === "yes");
}

/** Short message at the foot of the page, read aloud by screen readers. */
export function notify(text, kind = "info") {
  let region = document.getElementById("notices");
  if (!region) {
    region = el("div", { id: "notices", role: "status", "aria-live": "polite" });
    document.body.append(region);
  }
  const notice = el("div", { class: `notice ${kind}` }, el("span", {}, text), iconButton("close", "Dismiss", () => notice.remove()));
  region.append(notice);
  while (region.children.length > 3) region.firstChild.remove();
  setTimeout(() => notice.remove(), kind === "error" ? 12000 : 5000);
}
