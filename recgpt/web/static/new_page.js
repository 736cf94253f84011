// The page of a new run: world, name and settings, with import and export of YAML.

import { SchemaForm } from "./forms.js";
import { buildHeader } from "./header.js";
import { el, notify, setAttribute, setText } from "./dom.js";
import { getJson, postJson } from "./source.js";
import { SPEEDS } from "./transport.js";
import { openRun } from "./links.js";
import { startKeys } from "./keys.js";
import { switchTheme } from "./theme.js";
import { wordsOf } from "./format.js";

const FIRST_SETTINGS = ["dataset", "agents", "n_users", "rounds", "pages", "steps", "mind", "recommender", "policy", "seed"];
const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Form of a new run. */
class NewPage {
  constructor(main, worlds, { world, config }) {
    this.worlds = worlds;
    this.name = el("input", { id: "run-name", type: "text", required: true, spellcheck: "false", autocomplete: "off", input: () => this.checkName() });
    this.nameError = el("p", { class: "field-error", role: "alert", id: "run-name-error" });
    this.error = el("p", { class: "failure", role: "alert", hidden: true });
    this.query = el("input", { type: "search", placeholder: "Filter settings", "aria-label": "Filter settings", input: () => this.filter() });
    this.changedOnly = el("input", { type: "checkbox", change: () => this.filter() });
    this.count = el("span", { class: "changed-count" });
    this.formBox = el("div");
    this.file = el("input", { type: "file", accept: ".yaml,.yml", hidden: true, change: () => this.importFile() });
    main.className = "new-page";
    main.replaceChildren(el("form", { novalidate: true, submit: (event) => this.create(event) }, this.worldChoice(world), this.nameField(), this.toolbar(), this.error, this.formBox, this.submitBar()));
    this.showWorld(world, config);
  }

  worldChoice(chosen) {
    const choices = this.worlds.map(({ name, description }) => {
      const input = el("input", { type: "radio", name: "world", value: name, change: () => this.showWorld(name, {}) });
      input.checked = name === chosen;
      return el("label", { class: "world-choice" }, input, el("strong", {}, wordsOf(name)), el("span", {}, description));
    });
    return el("fieldset", { class: "worlds" }, el("legend", {}, "World"), ...choices);
  }

  nameField() {
    this.name.setAttribute("aria-describedby", "run-name-error");
    return el("div", { class: "field name-field" }, el("label", { for: "run-name" }, "Name of the run"), this.name, this.nameError);
  }

  toolbar() {
    const upload = el("button", { type: "button", class: "button", click: () => this.file.click() }, "Import YAML");
    const paste = el("button", { type: "button", class: "button", click: () => this.exportYaml() }, "Export YAML");
    return el("div", { class: "list-bar" }, this.query, el("label", { class: "check" }, this.changedOnly, "Changed only"), this.count, upload, paste, this.file);
  }

  submitBar() {
    const start = el("button", { class: "button primary", value: "play" }, "Start");
    const paused = el("button", { class: "button", value: "paused" }, "Create, paused");
    this.speed = el("select", {}, ...SPEEDS.map(([value, label]) => el("option", { value }, label)));
    this.speed.value = "";
    this.submitButtons = [start, paused];
    this.progress = el("span", { class: "changed-count", role: "status" });
    return el("div", { class: "submit-bar" }, start, paused, el("label", { class: "check" }, "Speed", this.speed), this.progress);
  }

  showWorld(world, config) {
    this.world = this.worlds.find((one) => one.name === world);
    this.form = new SchemaForm(this.world.schema, config, { first: FIRST_SETTINGS, onEdit: () => this.showCount() });
    this.formBox.replaceChildren(this.form.node);
    if (!this.name.value || this.name.value === this.suggested) {
      this.suggested = `${world}-${new Date().toISOString().slice(0, 16).replace("T", "-").replace(":", "")}`;
      this.name.value = this.suggested;
    }
    this.showCount();
    this.filter();
  }

  showCount() {
    const changed = Object.keys(this.form.read()).length;
    setText(this.count, changed ? `${changed} changed` : "all at their defaults");
  }

  filter() {
    this.form.filter(this.query.value, this.changedOnly.checked);
  }

  checkName() {
    const right = RUN_NAME.test(this.name.value);
    setText(this.nameError, right ? "" : "Letters, digits, dots, dashes and underscores, beginning with a letter or digit.");
    setAttribute(this.name, "aria-invalid", !right);
    return right;
  }

  showError(text) {
    const atField = this.form.showError(text);
    this.error.hidden = atField;
    setText(this.error, atField ? "" : text);
  }

  async create(event) {
    event.preventDefault();
    this.error.hidden = true;
    const rightName = this.checkName();
    if (!this.form.check()) return;
    if (!rightName) return this.name.focus();
    const play = !event.submitter || event.submitter.value === "play";
    this.setBusy(true);
    try {
      await postJson("/api/runs", { run: this.name.value, world: this.world.name, config: this.form.read(), play, speed: this.speed.value === "" ? null : Number(this.speed.value) });
      openRun(this.name.value);
    } catch (error) {
      this.showError(error.message);
    }
    this.setBusy(false);
  }

  setBusy(busy) {
    for (const button of this.submitButtons) button.disabled = busy;
    setText(this.progress, busy ? "Loading data and recommender …" : "");
  }

  async importFile() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    try {
      const { config } = await postJson("/api/config/import", { world: this.world.name, yaml: await file.text() });
      this.showWorld(this.world.name, config);
      notify(`Settings of ${file.name} are in the form.`);
    } catch (error) {
      this.showError(error.message);
    }
  }

  async exportYaml() {
    if (!this.form.check()) return;
    try {
      const { yaml } = await postJson("/api/config/export", { world: this.world.name, config: this.form.read() });
      const address = URL.createObjectURL(new Blob([yaml], { type: "application/yaml" }));
      el("a", { href: address, download: `${this.name.value || this.world.name}.yaml` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
    } catch (error) {
      this.showError(error.message);
    }
  }
}

/** Show the form of a new run; `?from=RUN` begins with the settings of that run. */
export function showNewPage(main) {
  buildHeader({ title: "New run", onHelp: startKeys([{ key: "t", label: "Light or dark", run: switchTheme }]) });
  const from = new URLSearchParams(location.search).get("from");
  const wanted = from ? getJson(`/api/runs/${encodeURIComponent(from)}`) : Promise.resolve(null);
  return Promise.all([getJson("/api/worlds"), wanted]).then(([worlds, run]) => {
    const begin = run ? { world: run.about.world, config: run.manifest.config } : { world: worlds[worlds.length - 1].name, config: {} };
    return new NewPage(main, worlds, begin);
  });
}
