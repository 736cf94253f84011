// Draws residents: figures with initials, names, emojis and what they say, each kept as a small picture.

import { RecentValues } from "./requests.js";
import { initialsOf } from "./format.js";

const KEPT_TEXTS = 600;
const LINE_CHARS = 30;
const MOST_LINES_SAID = 4;
const HUE_TURN = 137.508;
const FONT = "system-ui, sans-serif";

/** Colour of a resident, the same everywhere. */
export function personColor(agent) {
  return `hsl(${((agent * HUE_TURN) % 360).toFixed(1)} ${agent % 2 ? 62 : 52}% ${36 + (agent % 3) * 5}%)`;
}

/** Painter of residents; pictures are kept for one size of figures. */
export class TownFigures {
  constructor(residents) {
    this.residents = residents;
    this.size = 0;
    this.sprites = new Map();
    this.texts = new RecentValues(KEPT_TEXTS);
  }

  /** Height of figures in CSS pixels, and device pixels of one. */
  setSize(size, ratio) {
    if (size === this.size && ratio === this.ratio) return;
    Object.assign(this, { size, ratio });
    this.sprites.clear();
    this.texts.clear();
  }

  clear() {
    this.sprites.clear();
    this.texts.clear();
  }

  /** Picture of a resident: frame 0 stands, 1 and 2 walk, 3 lies. */
  spriteOf(agent, frame) {
    const key = agent * 4 + frame;
    let sprite = this.sprites.get(key);
    if (!sprite) {
      sprite = this.drawnSprite(agent, frame);
      this.sprites.set(key, sprite);
    }
    return sprite;
  }

  drawnSprite(agent, frame) {
    const { size, ratio } = this;
    const sprite = document.createElement("canvas");
    sprite.width = Math.ceil(size * ratio);
    sprite.height = Math.ceil(size * ratio);
    const pen = sprite.getContext("2d");
    pen.scale((size * ratio) / 20, (size * ratio) / 20);
    if (frame !== 3) drawBody(pen, agent, frame);
    drawHead(pen, agent, frame, size >= 13 ? initialsOf(this.residents[agent]).slice(0, 2) : "");
    return sprite;
  }

  /** Picture of a few words: of a name, an emoji or a line; `style` is name, emoji or said. */
  textOf(text, style, colors) {
    const key = `${style} ${text}`;
    let picture = this.texts.get(key);
    if (!picture) {
      picture = style === "name" ? this.drawnName(text, colors) : this.drawnBubble(text, style, colors);
      this.texts.set(key, picture);
    }
    return picture;
  }

  drawnName(text, colors) {
    return this.picture(textSize(text, `600 11px ${FONT}`) + 8, 16, (pen) => {
      pen.font = `600 11px ${FONT}`;
      Object.assign(pen, { textBaseline: "middle", lineJoin: "round", lineWidth: 3, strokeStyle: colors.halo, fillStyle: colors.ink });
      pen.strokeText(text, 4, 8.5);
      pen.fillText(text, 4, 8.5);
    });
  }

  drawnBubble(text, style, colors) {
    const said = style === "said";
    const font = said ? `12px ${FONT}` : `13px ${FONT}, "Noto Color Emoji", "Apple Color Emoji", "Segoe UI Emoji"`;
    const lines = said ? wrapped(text) : [text];
    const wide = Math.max(...lines.map((line) => textSize(line, font))) + (said ? 16 : 8);
    const high = lines.length * 15 + (said ? 9 : 5);
    return this.picture(wide, high + 5, (pen) => {
      pen.fillStyle = colors.bubble;
      pen.strokeStyle = colors.edge;
      pen.lineWidth = 1;
      pen.beginPath();
      pen.roundRect(0.5, 0.5, wide - 1, high - 1, 7);
      pen.fill();
      pen.stroke();
      drawTail(pen, said ? 14 : wide / 2, high);
      Object.assign(pen, { font, textBaseline: "middle", textAlign: said ? "left" : "center", fillStyle: colors.ink });
      lines.forEach((line, index) => pen.fillText(line, said ? 8 : wide / 2, (said ? 12.5 : 10.5) + index * 15));
    });
  }

  picture(width, height, draw) {
    const { ratio } = this;
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil(width * ratio);
    canvas.height = Math.ceil(height * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    draw(pen);
    return canvas;
  }
}

function drawTail(pen, x, y) {
  pen.beginPath();
  pen.moveTo(x - 4, y - 1.5);
  pen.lineTo(x, y + 4);
  pen.lineTo(x + 4, y - 1.5);
  pen.fill();
  pen.beginPath();
  pen.moveTo(x - 4, y - 0.5);
  pen.lineTo(x, y + 4);
  pen.lineTo(x + 4, y - 0.5);
  pen.stroke();
}

function drawBody(pen, agent, frame) {
  pen.fillStyle = "rgb(0 0 0 / 22%)";
  pen.beginPath();
  pen.ellipse(10, 18.6, 5.2, 1.4, 0, 0, 2 * Math.PI);
  pen.fill();
  pen.fillStyle = "#38404e";
  const stride = [0, 1.5, -1.5][frame];
  pen.fillRect(7.2 - stride * 0.4, 14.5, 2.2, 3.9 - Math.max(0, stride));
  pen.fillRect(10.6 + stride * 0.4, 14.5, 2.2, 3.9 - Math.max(0, -stride));
  pen.fillStyle = personColor(agent);
  pen.beginPath();
  pen.roundRect(5.9, 10.6, 8.2, 5.2, 2.2);
  pen.fill();
}

function drawHead(pen, agent, frame, initials) {
  const y = frame === 3 ? 11 : 6.9;
  pen.beginPath();
  pen.arc(10, y, 6.2, 0, 2 * Math.PI);
  pen.fillStyle = personColor(agent);
  pen.fill();
  pen.lineWidth = 1;
  pen.strokeStyle = "rgb(255 255 255 / 85%)";
  pen.stroke();
  if (!initials) return;
  Object.assign(pen, { font: `700 ${initials.length > 1 ? 6.4 : 7.6}px ${FONT}`, textAlign: "center", textBaseline: "middle", fillStyle: "#fff" });
  pen.fillText(initials, 10, y + 0.5);
}

let measuring = null;

function textSize(text, font) {
  measuring = measuring || document.createElement("canvas").getContext("2d");
  measuring.font = font;
  return Math.ceil(measuring.measureText(text).width);
}

/** Lines of a text of a bubble; a long one is cut. */
export function wrapped(text) {
  const lines = [""];
  for (const word of text.split(/\s+/).flatMap((one) => one.match(new RegExp(`.{1,${LINE_CHARS}}`, "gu")) || [])) {
    const line = lines[lines.length - 1];
    if (line && line.length + word.length >= LINE_CHARS) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  if (lines.length <= MOST_LINES_SAID) return lines;
  return [...lines.slice(0, MOST_LINES_SAID - 1), `${lines[MOST_LINES_SAID - 1].slice(0, LINE_CHARS - 1)}…`];
}
