// The selected resident at the shown tick: what it does, its plan, memories with their evidence, relations, feed.

import { NewestRequest } from "./requests.js";
import { Tabs } from "./panels.js";
import { TownEdits } from "./town_edit.js";
import { el, iconButton, setAttribute, setText } from "./dom.js";
import { initialsOf, numberText } from "./format.js";
import { personColor } from "./town_figures.js";

const PERSON_PAUSE_MS = 900;
const TABS = ["plan", "memory", "relations", "feed", "profile"];
const SCORE_PARTS = ["recency", "relevance", "importance"];

/** Left column of a town, in the place of `AgentView`. */
export class TownPerson {
  constructor(model, run) {
    Object.assign(this, { model, run, data: null, failure: null });
    this.request = new NewestRequest(([tick, agent], signal) => model.source.townPerson(tick, agent, signal), (key, data, error) => this.take(key, data, error), PERSON_PAUSE_MS);
    this.picture = el("div", { class: "picture town-picture", "aria-hidden": "true" });
    this.name = el("h2", { class: "words" });
    this.detail = el("p", { class: "card-detail" });
    this.now = el("p", { class: "card-activity words" });
    this.edits = new TownEdits(model, run);
    this.tabs = new Tabs("Resident", (name) => this.showTab(name));
    this.tabs.setNames(TABS, "person");
    this.tabs.choose(TABS[0]);
    this.content = el("div", { id: "person", role: "tabpanel", tabindex: 0, class: "person-content" });
    const head = el("div", { class: "card-head" }, this.picture, el("div", { class: "card-title" }, this.name, this.detail), iconButton("close", "Deselect the resident", () => model.select(null)));
    this.body = el("div", { class: "card-body", hidden: true }, head, this.now, this.edits.node, this.tabs.list, this.content);
    this.hint = el("p", { class: "empty" }, "Choose a resident on the map, or search by name or number.");
    this.node = el("section", { class: "card town-person", "aria-label": "Selected resident" }, this.hint, this.body);
    model.on("agent", () => this.select());
    run.clock.on(() => this.follow());
    run.onLoaded(() => this.updateNow());
    this.select();
  }

  select() {
    const { agent } = this.model;
    Object.assign(this, { data: null, failure: null });
    this.hint.hidden = agent !== null;
    this.body.hidden = agent === null;
    if (agent === null) return;
    const name = this.run.map.residents[agent];
    setText(this.picture, initialsOf(name));
    this.picture.style.setProperty("--activity", personColor(agent));
    setText(this.name, name);
    setText(this.detail, `Number ${agent}`);
    this.content.replaceChildren(el("p", { class: "empty" }, "Loading …"));
    this.model.set("card", { card: { id: agent, name, role: "agent", step: this.model.step } });
    this.request.ask([this.run.clock.whole, agent]);
    this.updateNow();
  }

  follow() {
    const { clock } = this.run;
    const { agent } = this.model;
    if (agent === null || (clock.whole === this.asked && !this.failure)) return;
    this.asked = clock.whole;
    this.updateNow();
    this.request.ask([clock.whole, agent], clock.playing || clock.live);
  }

  updateNow() {
    const { run, model } = this;
    const { block } = run.view;
    if (!block || model.agent === null) return;
    const { text, emoji, place, end } = block.actionAt(model.agent, run.clock.tick);
    const where = place < 0 ? "" : ` · ${run.map.nameOf(place)}`;
    const until = end > run.clock.tick ? ` · until ${run.map.timeOf(end)}` : "";
    setText(this.now, `${emoji ? `${emoji} ` : ""}${text}${where}${until}`);
  }

  take([, agent], data, error) {
    if (agent !== this.model.agent) return;
    this.failure = error;
    if (error) {
      this.content.replaceChildren(el("p", { class: "field-error", role: "alert" }, error.message));
      return;
    }
    this.data = data;
    setText(this.detail, `Number ${agent} · ${data.age} years · ${this.run.map.clockOf(data.tick)}`);
    this.showTab(this.tabs.chosen);
  }

  showTab(name) {
    this.tabs.choose(name);
    setAttribute(this.content, "aria-labelledby", `person-tab-${TABS.indexOf(name)}`);
    if (!this.data) return;
    const { scrollTop } = this.content;
    this.content.replaceChildren(...this[`${name}Parts`](this.data));
    if (name === this.shownTab) this.content.scrollTop = scrollTop;
    this.shownTab = name;
  }

  // --- tabs ---

  planParts({ plan, at, appointments }) {
    const rows = plan.map(([begins, minutes, text, place, emoji], index) =>
      el("li", { class: index === at ? "now" : null, "aria-current": index === at ? "time" : null },
        el("span", { class: "plan-time" }, `${minuteText(begins)}–${minuteText(begins + minutes)}`),
        el("span", { class: "words" }, `${emoji ? `${emoji} ` : ""}${text}`, place ? el("span", { class: "panel-help" }, ` ${place}`) : null)));
    const dates = appointments.map(({ text, accepted }) => el("li", { class: "words" }, `${accepted ? "Goes" : "Does not go"}: ${text}`));
    const parts = [rows.length ? el("ol", { class: "plan" }, ...rows) : el("p", { class: "empty" }, "No plan of this day yet.")];
    if (dates.length) parts.push(el("h3", {}, "Appointments"), el("ul", { class: "plain" }, ...dates));
    return parts;
  }

  memoryParts({ memories, read, new: fresh }) {
    const parts = [];
    if (read && read.for) parts.push(el("p", { class: "panel-help words" }, `Last read for: ${read.for}. Bars: recency, relevance and importance in that reading.`));
    if (fresh.length) parts.push(el("h3", {}, "In this block"), el("ul", { class: "plain memories" }, ...fresh.map((text) => el("li", { class: "words" }, text))));
    const list = el("ol", { class: "plain memories" }, ...memories.map((memory) => this.memoryRow(memory, read && read.scores[memory.id])));
    return [...parts, el("h3", {}, "Memories, the latest first"), memories.length ? list : el("p", { class: "empty" }, "None yet.")];
  }

  memoryRow({ id, kind, text, hours, importance, depth, evidence }, scores) {
    const tick = this.run.map.tickOf(hours * 3600);
    const links = evidence.map((one) => el("button", { type: "button", class: "link", title: "Show this memory", click: () => this.showMemory(one) }, `#${one}`));
    const meta = el("p", { class: "memory-meta" }, `#${id} ${kind}${depth > 1 ? ` of depth ${depth}` : ""} · ${this.run.map.clockOf(tick).slice(0, -3)} · importance ${numberText(importance)}`);
    if (links.length) meta.append(" · because of ", ...links.flatMap((link, index) => (index ? [", ", link] : [link])));
    return el("li", { "data-memory": id, class: `memory ${kind}`, tabindex: -1 }, el("p", { class: "words" }, text), meta, scores ? scoreBars(scores) : null);
  }

  showMemory(id) {
    const row = this.content.querySelector(`[data-memory="${Number(id)}"]`);
    if (!row) return;
    row.scrollIntoView({ block: "nearest" });
    row.focus();
  }

  relationsParts({ relations }) {
    if (!relations.length) return [el("p", { class: "empty" }, "Nobody is known yet.")];
    const rows = relations.map(({ agent, name, label, familiarity, affinity, talks }) =>
      el("tr", {}, el("td", { class: "words" }, this.person(agent, name)), el("td", { class: "words" }, label), el("td", {}, bar(familiarity, "familiarity")), el("td", {}, bar(affinity, "affinity", true)), el("td", { class: "number" }, String(talks))));
    const head = ["resident", "is", "known", "liked", "talks"].map((name) => el("th", { scope: "col" }, name));
    return [el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows))];
  }

  feedParts({ feed, facts }) {
    const when = (tick) => this.run.map.clockOf(tick).slice(0, -3);
    const source = (one) => (one.from ? `${one.source}, ${one.from}` : one.source);
    const list = (items) => el("ul", { class: "plain" }, ...items.map((text) => el("li", { class: "words" }, text)));
    const groups = [
      ["Wants", feed.wishes.map((one) => `${one.title} (${source(one)}, ${when(one.tick)})`)],
      ["Watched, read, eaten", feed.adopted.map((one) => `${one.title} (${source(one)}, ${when(one.tick)})${one.stars ? ` ${"★".repeat(Math.round(one.stars))}` : ""}`)],
      ["Heard of", feed.heard.map((one) => `${one.title}, ${one.opinion >= 0 ? "recommended" : "advised against"} by ${one.from}`)],
      ["Page of the recommender", feed.page],
      ["Knows", facts.map((one) => `${one.text} (${one.from ? `from ${one.from}, ${when(one.tick)}` : "from the start"})`)],
    ].filter(([, items]) => items.length);
    if (!groups.length) return [el("p", { class: "empty" }, "Nothing yet.")];
    return groups.flatMap(([title, items]) => [el("h3", {}, title), list(items)]);
  }

  profileParts({ profile, needs }) {
    const rows = profile.filter(([, value]) => value).map(([label, value]) => el("div", { class: value.length > 30 ? "long" : null }, el("dt", {}, label), el("dd", { class: "words" }, value)));
    const bars = needs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, bar(value, name))));
    return [el("h3", {}, "Needs: full bars are satisfied"), el("dl", { class: "figures" }, ...bars), el("h3", {}, "Profile"), el("dl", { class: "figures" }, ...rows)];
  }

  person(agent, name) {
    return el("button", { type: "button", class: "link words", title: "Show this resident", click: () => this.model.select(agent) }, name);
  }
}

function minuteText(minute) {
  return `${String(Math.floor(minute / 60) % 24).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}

/** A bar from 0 to 1, or from -1 to 1 around its middle, with its value for screen readers. */
function bar(value, label, signed = false) {
  const fill = el("span", { class: value < 0 ? "bar-fill below" : "bar-fill" });
  const size = Math.min(1, Math.abs(value)) * (signed ? 50 : 100);
  fill.style.width = `${size}%`;
  fill.style.marginInlineStart = signed ? `${value < 0 ? 50 - size : 50}%` : "0";
  return el("span", { class: "bar", role: "img", title: `${label} ${numberText(value)}`, "aria-label": `${label} ${numberText(value)}` }, fill);
}

function scoreBars(scores) {
  const parts = SCORE_PARTS.filter((name) => name in scores).map((name) => bar(Math.max(0, Math.min(1, scores[name])), name));
  return el("div", { class: "scores" }, ...parts, "score" in scores ? el("span", { class: "panel-help" }, numberText(scores.score)) : null);
}
