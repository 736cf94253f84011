// Entry of the page: reads which page it is, and shows it.

import { BundleSource, HttpSource } from "./source.js";
import { buildHeader } from "./header.js";
import { el } from "./dom.js";
import { showComparePage } from "./compare.js";
import { showNewPage } from "./new_page.js";
import { showRunPage } from "./run_page.js";
import { showRunsPage } from "./runs_list.js";
import { startTheme } from "./theme.js";

function runOfAddress() {
  return decodeURIComponent(location.pathname.replace(/^\/runs\//, "").replace(/\/$/, ""));
}

async function startPage() {
  const main = document.getElementById("main");
  const { page } = document.body.dataset;
  startTheme();
  try {
    if (window.RECGPT_BUNDLE) await showRunPage(new BundleSource(window.RECGPT_BUNDLE), main);
    else if (page === "run") await showRunPage(new HttpSource(runOfAddress()), main);
    else if (page === "compare") await showComparePage(main);
    else if (page === "new") await showNewPage(main);
    else showRunsPage(main);
  } catch (error) {
    buildHeader({ title: "" });
    main.replaceChildren(el("p", { class: "failure", role: "alert" }, error.message), el("p", {}, el("a", { href: "/" }, "All runs")));
    throw error;
  }
}

startPage();
