// A form from a JSON schema: settings with their limits and help, nested settings, and lists of settings by kind.

import { el, icon, setText } from "./dom.js";
import { countText, valueOfText, wordsOf } from "./format.js";

/** Schema behind references and without the alternative null; `optional` where null is allowed. */
function plainSchema(schema, definitions) {
  if (schema.$ref) return { ...plainSchema(definitions[schema.$ref.split("/").pop()], definitions), ...withoutRef(schema) };
  const choices = (schema.anyOf || []).filter((choice) => choice.type !== "null");
  if (!schema.anyOf) return schema;
  const optional = choices.length < schema.anyOf.length;
  const { anyOf, ...rest } = schema;
  if (choices.length === 1) return { ...plainSchema(choices[0], definitions), ...rest, optional };
  return { ...rest, optional, type: "json", alternatives: anyOf };
}

function withoutRef({ $ref, ...rest }) {
  return rest;
}

function sameValue(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Problem of a value by its schema in words; "" if there is none. */
export function problemOf(value, schema) {
  if (value === null || value === undefined) return schema.optional ? "" : "A value is needed.";
  if (schema.type === "integer" && !Number.isInteger(value)) return "A whole number is needed.";
  if (schema.type === "number" && typeof value !== "number") return "A number is needed.";
  if (schema.minimum !== undefined && value < schema.minimum) return `At least ${schema.minimum} is needed.`;
  if (schema.exclusiveMinimum !== undefined && value <= schema.exclusiveMinimum) return `More than ${schema.exclusiveMinimum} is needed.`;
  if (schema.maximum !== undefined && value > schema.maximum) return `At most ${schema.maximum} is allowed.`;
  if (schema.exclusiveMaximum !== undefined && value >= schema.exclusiveMaximum) return `Less than ${schema.exclusiveMaximum} is needed.`;
  return "";
}

/** One setting with its label, help, limits and error. */
class ValueField {
  constructor(key, schema, value, required, form) {
    Object.assign(this, { key, schema, required, form });
    this.initial = value === undefined ? schema.default : value;
    const id = `field-${key.replaceAll(".", "-")}`;
    this.input = this.makeInput(id);
    this.error = el("p", { class: "field-error", id: `${id}-error`, role: "alert" });
    const label = el("label", { for: id }, wordsOf(key.split(".").pop()), required ? el("span", { class: "needed" }, " needed") : null);
    const help = el("p", { class: "field-help", id: `${id}-help` }, helpOf(schema, key));
    this.reset = el("button", { type: "button", class: "link field-reset", title: "Back to the default", click: () => this.write(schema.default) }, "default");
    this.node = el("div", { class: `field kind-${schema.type}`, "data-key": key }, el("div", { class: "field-head" }, label, this.reset), this.input, this.names(id), help, this.error);
    this.input.setAttribute("aria-describedby", `${id}-help ${id}-error`);
    this.input.addEventListener("input", () => this.edited());
    this.write(this.initial);
  }

  makeInput(id) {
    const { schema } = this;
    if (schema.enum) return el("select", { id }, ...schema.enum.map((value) => el("option", { value }, String(value))));
    if (schema.type === "boolean") return el("input", { id, type: "checkbox", class: "switch", role: "switch" });
    if (schema.type === "integer" || schema.type === "number") return el("input", { id, type: "number", step: schema.type === "integer" ? 1 : "any", inputmode: "decimal", placeholder: schema.optional ? "none" : "" });
    if (schema.type === "string") return el("input", { id, type: "text", spellcheck: "false", placeholder: schema.optional ? "none" : "", list: namesOf(schema).length ? `${id}-names` : null });
    return el("textarea", { id, rows: 2, spellcheck: "false", placeholder: schema.optional ? "none" : "[]" });
  }

  /** Names that the server offers, as suggestions below the field. */
  names(id) {
    const names = this.input.hasAttribute("list") ? namesOf(this.schema) : [];
    return names.length ? el("datalist", { id: `${id}-names` }, ...names.map((value) => el("option", { value }))) : null;
  }

  edited() {
    const problem = this.problem();
    this.showError(problem);
    this.reset.hidden = sameValue(this.read(), this.schema.default ?? null) || this.schema.default === undefined;
    this.form.edited();
  }

  write(value) {
    if (this.schema.type === "boolean") this.input.checked = Boolean(value);
    else if (this.input.tagName === "TEXTAREA") this.input.value = value === null || value === undefined ? "" : JSON.stringify(value);
    else this.input.value = value ?? "";
    this.edited();
    if (!this.form.ready) this.showError("");
  }

  read() {
    const { schema, input } = this;
    if (schema.type === "boolean") return input.checked;
    const text = input.value.trim();
    if (text === "") return schema.optional || schema.type !== "string" || this.required ? null : "";
    if (schema.type === "integer" || schema.type === "number") return Number(text);
    if (schema.type === "string") return input.value;
    return valueOfText(text);
  }

  problem() {
    if (this.input.validity.badInput) return "A number is needed.";
    return problemOf(this.read(), this.schema);
  }

  problems() {
    const problem = this.problem();
    this.showError(problem);
    return problem ? [this] : [];
  }

  showError(text) {
    setText(this.error, text);
    this.input.setAttribute("aria-invalid", String(Boolean(text)));
  }

  matches(query) {
    return `${this.key} ${this.schema.description || ""}`.toLowerCase().includes(query);
  }

  filter(query, changedOnly) {
    const shown = this.matches(query) && (!changedOnly || this.required || !sameValue(this.read(), this.schema.default));
    this.node.hidden = !shown;
    return shown;
  }

  fields() {
    return [this];
  }
}

/** Nested settings that open and close. */
class GroupField {
  constructor(key, schema, value, form) {
    Object.assign(this, { key, schema });
    this.children = fieldsOf(schema, { ...schema.default, ...value }, `${key}.`, form);
    const help = schema.description ? el("p", { class: "field-help" }, schema.description) : null;
    this.node = el("details", { class: "field-group" }, el("summary", {}, wordsOf(key.split(".").pop())), help, el("div", { class: "fields" }, ...this.children.map((child) => child.node)));
  }

  read() {
    return readFields(this.children, this.schema.default || {});
  }

  problems() {
    return this.children.flatMap((child) => child.problems());
  }

  filter(query, changedOnly) {
    const shown = this.children.filter((child) => child.filter(query, changedOnly)).length > 0;
    this.node.hidden = !shown;
    if (query && shown) this.node.open = true;
    return shown;
  }

  fields() {
    return this.children.flatMap((child) => child.fields());
  }
}

/** List of settings of several kinds, such as a schedule: entries are added by kind and removed. */
class KindsField {
  constructor(key, schema, value, form) {
    Object.assign(this, { key, schema, form, entries: [] });
    const kinds = Object.keys(schema.items.discriminator.mapping);
    const choice = el("select", { "aria-label": "Kind of the new entry" }, ...kinds.map((kind) => el("option", { value: kind }, wordsOf(kind))));
    const add = el("button", { type: "button", class: "button small", click: () => this.add({ kind: choice.value }) }, icon("plus"), "Add");
    this.list = el("div", { class: "kind-entries" });
    this.node = el("fieldset", { class: "field-group", "data-key": key }, el("legend", {}, wordsOf(key)), el("p", { class: "field-help" }, schema.description || ""), this.list, el("div", { class: "kind-add" }, choice, add));
    for (const entry of value || []) this.add(entry);
  }

  add(value) {
    const { form } = this;
    const property = this.schema.items.discriminator.propertyName;
    const schema = plainSchema({ $ref: this.schema.items.discriminator.mapping[value[property]] }, form.definitions);
    const { [property]: _, ...properties } = schema.properties;
    form.counter += 1;
    const children = fieldsOf({ ...schema, properties }, value, `${this.key}.${form.counter}.`, form);
    const entry = { kind: { [property]: value[property] }, children };
    const remove = el("button", { type: "button", class: "link", click: () => this.remove(entry) }, "Remove");
    entry.node = el("section", { class: "kind-entry" }, el("div", { class: "field-head" }, el("strong", {}, wordsOf(value[property])), remove), el("p", { class: "field-help" }, schema.description || ""), el("div", { class: "fields" }, ...children.map((child) => child.node)));
    this.entries.push(entry);
    this.list.append(entry.node);
    form.edited();
  }

  remove(entry) {
    this.entries = this.entries.filter((one) => one !== entry);
    entry.node.remove();
    this.form.edited();
  }

  read() {
    return this.entries.map((entry) => ({ ...entry.kind, ...readFields(entry.children, {}) }));
  }

  problems() {
    return this.entries.flatMap((entry) => entry.children.flatMap((child) => child.problems()));
  }

  filter(query, changedOnly) {
    const shown = this.key.includes(query) && (!changedOnly || this.entries.length > 0);
    this.node.hidden = !shown;
    return shown;
  }

  fields() {
    return this.entries.flatMap((entry) => entry.children.flatMap((child) => child.fields()));
  }
}

function namesOf(schema) {
  return schema.examples || [];
}

const FIELD_HINTS = { mind: "how agents decide: scripted (fitted models), llm, replay, person, or module:Class", llm: "the language model of the mind llm" };

/** What a setting means and allows, in one line. */
function helpOf(schema, key) {
  const description = schema.description || FIELD_HINTS[key];
  const parts = description ? [description] : [];
  const limits = [];
  if (schema.minimum !== undefined) limits.push(`at least ${schema.minimum}`);
  if (schema.exclusiveMinimum !== undefined) limits.push(`more than ${schema.exclusiveMinimum}`);
  if (schema.maximum !== undefined && schema.maximum < 4e9) limits.push(`at most ${schema.maximum}`);
  if (limits.length) parts.push(limits.join(", "));
  if (namesOf(schema).length) parts.push(`${countText(namesOf(schema).length, "name")} offered${schema.default ? ": clear the field to see them" : ""}`);
  return parts.join(" · ");
}

function fieldsOf(schema, values, prefix, form) {
  const required = schema.required || [];
  return Object.entries(schema.properties).map(([name, property]) => {
    const plain = plainSchema(property, form.definitions);
    const key = prefix + name;
    const value = values ? values[name] : undefined;
    if (plain.properties) return new GroupField(key, plain, value, form);
    if (plain.type === "array" && plain.items && plain.items.discriminator) return new KindsField(key, plain, value, form);
    return new ValueField(key, plain, value, required.includes(name), form);
  });
}

/** Values that differ from the defaults. */
function readFields(fields, defaults) {
  const values = {};
  for (const field of fields) {
    const name = field.key.split(".").pop();
    const value = field.read();
    const standard = field.schema.default ?? defaults[name];
    const isEmptyGroup = field instanceof GroupField && Object.keys(value).length === 0;
    if (!isEmptyGroup && !sameValue(value, standard ?? null) && !sameValue(value, standard)) values[name] = value;
  }
  return values;
}

/** Form of the settings of a world. */
export class SchemaForm {
  constructor(schema, values, { first = [], onEdit = () => {} } = {}) {
    this.definitions = schema.$defs || {};
    this.counter = 0;
    this.ready = false;
    this.onEdit = onEdit;
    this.children = fieldsOf(schema, values, "", this);
    const isFirst = (field) => field.required || first.includes(field.key);
    const simple = this.children.filter((field) => field instanceof ValueField);
    const groups = this.children.filter((field) => !(field instanceof ValueField));
    const box = (title, fields) => el("section", { class: "field-section" }, el("h2", {}, title), el("div", { class: "fields" }, ...fields.map((field) => field.node)));
    const main = simple.filter(isFirst).sort((one, other) => first.indexOf(one.key) - first.indexOf(other.key));
    this.node = el("div", { class: "schema-form" }, box("Main settings", main), box("More settings", simple.filter((field) => !isFirst(field))), ...groups.map((field) => field.node));
    this.ready = true;
  }

  edited() {
    if (this.ready) this.onEdit();
  }

  /** Values that differ from the defaults. */
  read() {
    return readFields(this.children, {});
  }

  /** Show all problems and put the cursor on the first; true if there is none. */
  check() {
    const problems = this.children.flatMap((child) => child.problems());
    if (problems.length) this.focus(problems[0]);
    return problems.length === 0;
  }

  focus(field) {
    field.node.hidden = false;
    for (let node = field.node.parentElement; node && node !== this.node; node = node.parentElement) {
      node.hidden = false;
      if (node.tagName === "DETAILS") node.open = true;
    }
    field.input.focus();
  }

  /** Show an error of the server at the field that it names; false if it names none. */
  showError(text) {
    const fields = this.children.flatMap((child) => child.fields());
    const names = [...text.matchAll(/(?:^|[\s:'"(-])([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)(?==|'| is needed|:)/g)].map((match) => match[1]);
    const unknown = /\bunknown ([a-z_]+)/.exec(text);
    if (unknown) names.push(unknown[1]);
    for (const name of names) {
      const field = fields.find((one) => one.key === name) || fields.find((one) => one.key.split(".").pop() === name.split(".").pop() && one.key.split(".")[0] === name.split(".")[0]);
      if (!field) continue;
      field.showError(text);
      this.focus(field);
      return true;
    }
    return false;
  }

  filter(query, changedOnly) {
    for (const child of this.children) child.filter(query.trim().toLowerCase().replaceAll(" ", "_"), changedOnly);
  }
}
