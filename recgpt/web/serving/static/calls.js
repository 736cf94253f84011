// List of the calls, from the service's own description (/openapi.json).

import { el } from "./dom.js";
import { buildHeader } from "./header.js";
import { startKeys } from "./keys.js";
import { serviceCall } from "./service.js";
import { startTheme, switchTheme } from "./theme.js";

const COMMANDS = {
  "/recommend": '{"history": [IDS], "k": 10}',
  "/observe": '{"events": [{"user_id": USER, "item_id": ID}]}',
  "/explain": '{"history": [IDS], "item": ID}',
};

/** Text whose parts between backticks are code. */
function withCode(text) {
  return (text || "").split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
}

function schemaOf(description, content) {
  const schema = content?.["application/json"]?.schema;
  const name = schema?.$ref?.split("/").pop();
  return name ? description.components.schemas[name] : null;
}

function typeText(description, schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf?.some((each) => each.maximum !== undefined || each.exclusiveMaximum !== undefined)) return "id";
  if (schema.anyOf) return [...new Set(schema.anyOf.map((each) => typeText(description, each)))].filter((text) => text !== "null").join(" or ");
  if (schema.enum) return schema.enum.map((value) => `"${value}"`).join(" or ");
  if (schema.const) return `"${schema.const}"`;
  if (schema.type === "array") return `list of ${typeText(description, schema.items)}`.replace(/ id$/, " ids");
  return { integer: "whole number", string: "text", number: "number" }[schema.type] || schema.type || "any";
}

function fieldRows(description, schema, isGiven = true) {
  const required = new Set(schema.required || []);
  return Object.entries(schema.properties || {}).map(([name, field]) =>
    el("tr", {}, el("th", { scope: "row" }, el("code", {}, name)), el("td", {}, typeText(description, field)), el("td", {}, ...withCode(fieldText(field, isGiven && required.has(name))))),
  );
}

function fieldText(field, isRequired) {
  const start = isRequired ? ["needed"] : field.default !== undefined && field.default !== null ? [`by default ${JSON.stringify(field.default)}`] : [];
  return [field.description, ...start].filter(Boolean).join("; ");
}

function fieldTable(title, rows) {
  return rows.length ? el("div", { class: "table-box", role: "region", "aria-label": title, tabindex: "0" }, el("table", {}, el("caption", {}, title), el("tbody", {}, ...rows))) : null;
}

function parameterRows(description, call) {
  return (call.parameters || []).map((each) =>
    el("tr", {}, el("th", { scope: "row" }, el("code", {}, each.name)), el("td", {}, typeText(description, each.schema)), el("td", {}, ...withCode(fieldText({ ...each.schema, description: each.description }, each.required)))),
  );
}

function callSection(description, method, path, call) {
  const body = schemaOf(description, call.requestBody?.content);
  const answer = schemaOf(description, call.responses["200"]?.content);
  const command = COMMANDS[path] ? `curl ${location.origin}${path} -H 'content-type: application/json' -d '${COMMANDS[path]}'` : `curl ${location.origin}${path.replace("{item_id}", "ID")}`;
  return el(
    "section",
    { class: "panel-box call" },
    el("h2", {}, el("span", { class: `method ${method}` }, method.toUpperCase()), " ", el("code", {}, path)),
    el("p", {}, ...withCode(call.description)),
    el("pre", { class: "command", tabindex: "0", "aria-label": "Command" }, command),
    fieldTable("In the address", parameterRows(description, call)),
    body ? fieldTable("Body", fieldRows(description, body)) : null,
    answer ? fieldTable("Answer", fieldRows(description, answer, false)) : null,
  );
}

function schemaSection(description) {
  const parts = ["EventBody", "Recommendation", "Item"].filter((name) => description.components.schemas[name]);
  return el("section", { class: "panel-box call" }, el("h2", {}, "Parts of bodies and answers"), ...parts.map((name) => fieldTable(name, fieldRows(description, description.components.schemas[name], name.endsWith("Body")))));
}

async function startCalls() {
  startTheme();
  const showHelp = startKeys([{ key: "t", label: "Light or dark", run: switchTheme }]);
  buildHeader({ title: "Calls", buttons: [el("a", { class: "button small", href: "/" }, "Try it out")], onHelp: showHelp, linked: false });
  const main = document.getElementById("main");
  try {
    const description = await serviceCall("/openapi.json");
    const sections = Object.entries(description.paths).flatMap(([path, calls]) => Object.entries(calls).map(([method, call]) => callSection(description, method, path, call)));
    const start = el("p", {}, ...withCode(description.info.description), " The same for programs: ", el("a", { href: "/openapi.json" }, "openapi.json"), ".");
    main.replaceChildren(start, ...sections, schemaSection(description));
  } catch (error) {
    main.replaceChildren(el("p", { class: "failure", role: "alert" }, error.message));
  }
}

startCalls();
