// The chat: questions to the selected agent at the shown step, and the prompts of a person that decides for one.

import { el, setText } from "./dom.js";
import { countText } from "./format.js";

const KEPT_TALKS = 50;
const KEPT_PROMPTS = 20; // prompts and answers

/** Chat below the agent card. */
export class ChatView {
  constructor(model) {
    this.model = model;
    this.talks = [];
    this.turns = [];
    this.messages = el("ol", { class: "chat-lines", "aria-live": "polite", "aria-label": "Talk" });
    this.who = el("p", { class: "panel-help" });
    this.question = el("input", { type: "text", maxlength: 1000, placeholder: "Ask a question", "aria-label": `Question to the ${model.personWord}` });
    this.ask = el("button", { class: "button primary" }, "Ask");
    this.form = el("form", { class: "chat-form", submit: (event) => this.interview(event) }, this.question, this.ask);
    this.prompt = this.makePrompt();
    this.title = el("h2", {}, "Interview");
    this.node = el("section", { class: "chat", "aria-label": "Chat" }, this.prompt, this.title, this.who, this.messages, this.form);
    model.on("agent step card prompt", () => this.update());
    model.on("prompt", () => this.updatePrompt());
    this.update();
    this.updatePrompt();
  }

  makePrompt() {
    this.promptText = el("pre", { class: "prompt-text words", tabindex: 0, "aria-label": "Prompts and answers" });
    this.answer = el("input", { type: "text", maxlength: 1000, "aria-label": "Your answer" });
    this.promptError = el("p", { class: "field-error", role: "alert" });
    const form = el("form", { class: "chat-form", submit: (event) => this.sendAnswer(event) }, this.answer, el("button", { class: "button primary" }, "Answer"));
    return el("div", { class: "prompt", role: "group", "aria-label": "Your turn" }, el("h2", {}, "Your turn"), this.promptText, form, this.promptError);
  }

  updatePrompt() {
    const { prompt } = this.model;
    const appeared = prompt && this.prompt.hidden;
    this.prompt.hidden = !prompt;
    if (prompt) this.showTurn(prompt.text);
    if (appeared && (document.activeElement === document.body || document.activeElement === null)) this.answer.focus();
  }

  /** Add a prompt or an answer to what was said before. */
  showTurn(text) {
    if (this.turns[this.turns.length - 1] === text) return;
    this.turns = [...this.turns, text].slice(-KEPT_PROMPTS);
    setText(this.promptText, this.turns.join("\n"));
    this.promptText.scrollTop = this.promptText.scrollHeight;
  }

  async sendAnswer(event) {
    event.preventDefault();
    const text = this.answer.value;
    const before = this.turns;
    this.showTurn(`› ${text}`); // the next prompt may come before the server's reply to this answer
    try {
      await this.model.source.post("answer", { text });
      this.answer.value = "";
      setText(this.promptError, "");
    } catch (error) {
      this.turns = before;
      setText(this.promptError, error.message);
    }
  }

  update() {
    const { about, agent, step, card, source } = this.model;
    const offered = source.writable && about.can.includes("interview");
    const isPlayed = Boolean(this.model.prompt) || (card && card.role === "user");
    this.node.hidden = !source.writable || !(offered || isPlayed); // a recorded run answers nothing
    this.title.hidden = !offered;
    for (const node of [this.form, this.messages]) node.hidden = !offered || agent === null;
    const name = card ? card.name : `${this.model.personWord} ${agent}`;
    const asks = `You ask ${name} as of ${about.step_name} ${step}. The question leaves no trace in the run.`;
    if (card && card.role === "user" && !this.model.prompt) {
      setText(this.who, `A person decides for ${name}: press play, and its prompts appear here.`);
    } else setText(this.who, offered ? (agent === null ? `Choose ${this.model.personWord === "agent" ? "an agent" : "a resident"} for an interview.` : asks) : "");
    if (agent !== this.shownAgent) this.showTalks();
  }

  showTalks() {
    this.shownAgent = this.model.agent;
    this.messages.replaceChildren(...this.talks.filter((talk) => talk.agent === this.model.agent).map((talk) => talk.node));
    this.messages.scrollTop = this.messages.scrollHeight;
  }

  async interview(event) {
    event.preventDefault();
    const question = this.question.value.trim();
    const { agent, step, about } = this.model;
    if (!question || agent === null) return;
    this.question.value = "";
    const reply = el("p", { class: "chat-answer words waiting" }, "…");
    const node = el("li", {}, el("p", { class: "chat-question words" }, question), reply, el("p", { class: "chat-when" }, `${about.step_name} ${step}`));
    this.talks = [...this.talks, { agent, node }].slice(-KEPT_TALKS);
    this.showTalks();
    try {
      writeAnswer(node, reply, await this.model.source.post("interview", { step, agent, question, ...(this.model.tickShown ? { tick: this.model.tickShown() } : {}) }));
    } catch (error) {
      reply.className = "chat-answer field-error";
      setText(reply, error.message);
    }
    this.messages.scrollTop = this.messages.scrollHeight;
  }
}

function writeAnswer(node, reply, { text, failure, calls, cost_usd: cost }) {
  reply.className = failure ? "chat-answer field-error" : "chat-answer words";
  setText(reply, failure ? `No answer: ${failure}` : text);
  if (calls) node.lastChild.append(` · ${countText(calls, "call")}${cost ? `, $${cost.toFixed(4)}` : ""}`);
}
