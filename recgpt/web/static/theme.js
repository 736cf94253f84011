// Light or dark: as the system, or as chosen here.

import { nextFrame } from "./dom.js";

const THEME_KEY = "recgpt-theme";
const themeListeners = [];
const knownColors = new Map();

/** Choice kept in this browser; null where it keeps none. */
export function storedChoice(key) {
  try {
    return localStorage.getItem(key);
  } catch (error) {
    if (error instanceof DOMException) return null; // storage is switched off
    throw error;
  }
}

/** Keep a choice in this browser, where it allows that. */
export function storeChoice(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function announceTheme() {
  knownColors.clear();
  for (const listener of themeListeners) nextFrame(listener);
}

/** Apply the stored choice; call listeners when colours change. */
export function startTheme() {
  const chosen = storedChoice(THEME_KEY);
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announceTheme);
}

/** Switch between light and dark. */
export function switchTheme() {
  const chosen = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  storeChoice(THEME_KEY, chosen);
  announceTheme();
}

/** Call when colours change. */
export function onTheme(listener) {
  themeListeners.push(listener);
}

/** Colour behind a variable of the style sheet, such as --accent, in the theme of now. */
export function cssColor(name) {
  if (!knownColors.has(name)) {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    knownColors.set(name, getComputedStyle(probe).color);
    probe.remove();
  }
  return knownColors.get(name);
}
