// Draws a graph on a canvas: links once on a layer of their own, nodes as small pictures that are drawn beforehand.

import { cssColor } from "./theme.js";

const SPRITE_STEPS = 4;
const IDLE_SHARE = 0.55; // radius of an idle node, as a share of an active one's
const SHARP_AFTER_MS = 90; // links are drawn anew once the view has kept still that long
const MOST_GRAPH_LABELS = 40;
const LABEL_FONT = "12px system-ui, sans-serif";

/** Pictures within a circle of radius 1, by the name of the activity; others take turns with `ACTIVITY_SHAPES`. */
const ACTIVITY_PICTURES = {
  idle: () => {},
  watching: (pen) => drawPolygon(pen, [[-0.32, -0.5], [0.55, 0], [-0.32, 0.5]]),
  chatting: (pen) => {
    drawPolygon(pen, [[-0.55, -0.42], [0.55, -0.42], [0.55, 0.22], [0, 0.22], [-0.3, 0.58], [-0.3, 0.22], [-0.55, 0.22]]);
  },
  posting: (pen) => {
    for (const y of [-0.42, -0.06, 0.3]) pen.fillRect(-0.5, y, y > 0.2 ? 0.6 : 1, 0.18);
  },
};
const ACTIVITY_SHAPES = [
  (pen) => drawPolygon(pen, [[0, -0.6], [0.6, 0], [0, 0.6], [-0.6, 0]]),
  (pen) => pen.fillRect(-0.42, -0.42, 0.84, 0.84),
  (pen) => drawPolygon(pen, [[0, -0.6], [0.55, 0.4], [-0.55, 0.4]]),
  (pen) => {
    pen.fillRect(-0.55, -0.14, 1.1, 0.28);
    pen.fillRect(-0.14, -0.55, 0.28, 1.1);
  },
];

function drawPolygon(pen, points) {
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.fill();
}

/** White or near black, whichever is read more easily on a color. */
function inkOn(pen, color) {
  pen.fillStyle = "#000";
  pen.fillStyle = color; // any CSS color becomes #rrggbb, or rgba() where it is see-through
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/.exec(pen.fillStyle);
  const [red, green, blue] = hex ? hex.slice(1).map((two) => parseInt(two, 16)) : [128, 128, 128];
  return 0.299 * red + 0.587 * green + 0.114 * blue > 150 ? "#1a1a1a" : "#ffffff";
}

export class GraphPainter {
  constructor(canvas, activities) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.activities = activities;
    this.linkLayer = document.createElement("canvas");
    this.linkView = null;
    this.sprites = new Map();
    this.readColors();
  }

  /** Ink and paper of the page's theme. */
  readColors() {
    this.ink = getComputedStyle(this.canvas).color;
    this.paper = "rgb(255, 255, 255)";
    for (let element = this.canvas; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if (color && color !== "transparent" && !/, 0\)$/.test(color)) {
        this.paper = color;
        break;
      }
    }
    this.accent = cssColor("--accent");
    this.sprites.clear();
    this.linkView = null;
  }

  resize(width, height, ratio) {
    Object.assign(this, { width, height, ratio });
    for (const layer of [this.canvas, this.linkLayer]) {
      layer.width = Math.round(width * ratio);
      layer.height = Math.round(height * ratio);
    }
    this.sprites.clear();
    this.linkView = null;
  }

  forgetLinks() {
    this.linkView = null;
  }

  /** Draws `scene` {drawn, view, center, highlighted, selected, hovered, labelled, …} of SocialGraph; true once sharp. */
  paint(scene) {
    const { pen, ratio, width, height } = this;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (scene.drawn.nodes.length === 0) return true;
    pen.globalAlpha = scene.highlighted ? 0.35 : 1;
    const isSharp = this.paintLinks(scene);
    pen.globalAlpha = 1;
    if (scene.center !== null) this.paintLinksOf(scene);
    if (scene.showsClusters) this.paintClusters(scene);
    else this.paintAgents(scene);
    this.paintLabels(scene);
    return isSharp;
  }

  /** The layer of links, moved along while the view moves and drawn anew when it has come to rest. */
  paintLinks(scene) {
    const { view } = scene, old = this.linkView, now = performance.now();
    const isSame = old && old.scale === view.scale && old.x === view.x && old.y === view.y;
    const waits = old && !isSame && now - view.movedAt < SHARP_AFTER_MS;
    if (!isSame && !waits) this.drawLinkLayer(scene);
    const shown = this.linkView;
    const factor = view.scale / shown.scale;
    this.pen.drawImage(
      this.linkLayer, view.x - shown.x * factor, view.y - shown.y * factor, this.width * factor, this.height * factor,
    );
    return !waits;
  }

  drawLinkLayer({ drawn, view, showsClusters }) {
    const pen = this.linkLayer.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.linkLayer.width, this.linkLayer.height);
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.strokeStyle = this.ink;
    const { pairs, counts } = drawn;
    const most = showsClusters ? Math.max(...counts, 1) : 1;
    pen.globalAlpha = showsClusters ? 0.14 : Math.max(0.06, Math.min(0.3, (8 * Math.min(1, view.scale)) / Math.sqrt(pairs.length + 1)));
    pen.beginPath();
    for (let at = 0; at < pairs.length; at += 2) {
      this.line(pen, drawn, view, pairs[at], pairs[at + 1]);
      if (showsClusters || at % 256 === 0) { // long paths are slow to draw
        pen.lineWidth = showsClusters ? 1 + 9 * Math.sqrt(counts[at / 2] / most) : 1;
        pen.stroke();
        pen.beginPath();
      }
    }
    pen.stroke();
    this.linkView = { scale: view.scale, x: view.x, y: view.y };
  }

  line(pen, drawn, view, a, b) {
    pen.moveTo(drawn.x[a] * view.scale + view.x, drawn.y[a] * view.scale + view.y);
    pen.lineTo(drawn.x[b] * view.scale + view.x, drawn.y[b] * view.scale + view.y);
  }

  paintLinksOf({ drawn, view, center }) {
    const { pen } = this;
    pen.strokeStyle = this.accent;
    pen.lineWidth = 1.5;
    pen.globalAlpha = 0.8;
    pen.beginPath();
    for (const other of drawn.neighbours[center]) this.line(pen, drawn, view, center, other);
    pen.stroke();
    pen.globalAlpha = 1;
  }

  paintAgents({ drawn, view, activity, highlighted, selected, hovered }) {
    const { pen, width, height } = this;
    const zoom = nodeZoom(view);
    for (const isActive of [false, true]) { // the active above the idle
      for (let index = 0; index < drawn.nodes.length; index++) {
        const doing = activity(drawn.nodes[index]);
        if ((doing > 0) !== isActive) continue;
        const x = drawn.x[index] * view.scale + view.x, y = drawn.y[index] * view.scale + view.y;
        if (x < -30 || y < -30 || x > width + 30 || y > height + 30) continue;
        const sprite = this.sprite(doing, drawn.radius[index] * zoom);
        pen.globalAlpha = highlighted && !highlighted.has(index) ? 0.18 : 1;
        pen.drawImage(sprite.image, x - sprite.half, y - sprite.half, 2 * sprite.half, 2 * sprite.half);
      }
    }
    pen.globalAlpha = 1;
    for (const index of new Set([selected, hovered])) {
      if (index !== null) this.ring(drawn, view, index, drawn.radius[index] * zoom + 3, index === selected ? 3 : 1.5);
    }
  }

  ring(drawn, view, index, radius, lineWidth) {
    const { pen } = this;
    pen.strokeStyle = this.accent;
    pen.lineWidth = lineWidth;
    pen.beginPath();
    pen.arc(drawn.x[index] * view.scale + view.x, drawn.y[index] * view.scale + view.y, radius, 0, 2 * Math.PI);
    pen.stroke();
  }

  sprite(doing, wanted) {
    const radius = Math.max(2, Math.round(wanted * (doing > 0 ? 1 : IDLE_SHARE) * SPRITE_STEPS) / SPRITE_STEPS);
    const key = `${doing} ${radius}`;
    if (!this.sprites.has(key)) {
      if (this.sprites.size > 400) this.sprites.clear();
      this.sprites.set(key, this.drawSprite(doing, radius));
    }
    return this.sprites.get(key);
  }

  drawSprite(doing, radius) {
    const image = document.createElement("canvas");
    const half = Math.ceil(radius + 2);
    image.width = image.height = Math.ceil(2 * half * this.ratio);
    const pen = image.getContext("2d");
    const { name, color } = this.activities[doing] || { name: "idle", color: "#8a8f98" };
    const ink = inkOn(pen, color);
    pen.setTransform(this.ratio, 0, 0, this.ratio, half * this.ratio, half * this.ratio);
    pen.beginPath();
    pen.arc(0, 0, radius, 0, 2 * Math.PI);
    pen.fillStyle = color;
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = this.paper;
    pen.stroke();
    pen.scale(radius, radius);
    pen.fillStyle = ink;
    if (doing > 0) (ACTIVITY_PICTURES[name] || ACTIVITY_SHAPES[doing % ACTIVITY_SHAPES.length])(pen);
    return { image, half };
  }

  /** Bubbles with a ring of the shares of activities, the name and the number of agents. */
  paintClusters({ drawn, view, shares, highlighted, selected, hovered }) {
    const { pen } = this;
    const zoom = nodeZoom(view);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    drawn.nodes.forEach((cluster, index) => {
      const x = drawn.x[index] * view.scale + view.x, y = drawn.y[index] * view.scale + view.y;
      const radius = drawn.radius[index] * zoom;
      pen.globalAlpha = highlighted && !highlighted.has(index) ? 0.3 : 1;
      this.disc(x, y, radius);
      this.shareRing(x, y, radius, shares(cluster));
      pen.fillStyle = this.ink;
      pen.font = `600 ${Math.max(11, Math.min(16, radius / 3))}px system-ui, sans-serif`;
      pen.fillText(cluster.agents.toLocaleString("en"), x, y);
      if (index === selected || index === hovered) this.ring(drawn, view, index, radius + 4, 2);
    });
    pen.globalAlpha = 1;
  }

  disc(x, y, radius) {
    const { pen } = this;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fillStyle = this.paper;
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = this.ink;
    pen.stroke();
  }

  shareRing(x, y, radius, shares) {
    const { pen } = this;
    const width = Math.max(3, radius / 7);
    let from = -Math.PI / 2;
    shares.forEach((share, doing) => {
      if (!share) return;
      const to = from + 2 * Math.PI * share;
      pen.beginPath();
      pen.arc(x, y, radius - width / 2, from, to);
      pen.lineWidth = width;
      pen.strokeStyle = this.activities[doing].color;
      pen.stroke();
      from = to;
    });
  }

  /** Names: hovered, selected, then nodes with the most friends while none hides another. */
  paintLabels({ drawn, view, showsClusters, labelled }) {
    const { pen } = this;
    const zoom = nodeZoom(view), taken = [];
    pen.font = LABEL_FONT;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.lineJoin = "round";
    for (const { index, isMust } of labelled) {
      if (taken.length >= MOST_GRAPH_LABELS) break;
      const text = shortName(drawn.nodes[index].name);
      const x = drawn.x[index] * view.scale + view.x;
      const y = drawn.y[index] * view.scale + view.y + drawn.radius[index] * zoom + 3;
      const half = pen.measureText(text).width / 2 + 2;
      const box = [x - half, y - 1, x + half, y + 15];
      if (x < 0 || y < 0 || x > this.width || y > this.height) continue;
      const hides = taken.some((it) => it[0] < box[2] && box[0] < it[2] && it[1] < box[3] && box[1] < it[3]);
      if (hides && !isMust) continue;
      taken.push(box);
      pen.lineWidth = 4;
      pen.strokeStyle = this.paper;
      pen.strokeText(text, x, y);
      pen.fillStyle = this.ink;
      pen.font = isMust && !showsClusters ? `600 ${LABEL_FONT}` : LABEL_FONT;
      pen.fillText(text, x, y);
    }
  }
}

/** Factor of radii: nodes grow with the view, more slowly than distances do. */
export function nodeZoom(view) {
  return Math.max(0.75, Math.min(3, Math.sqrt(view.scale)));
}

export function shortName(name) {
  return name.length > 28 ? `${name.slice(0, 27)}…` : name;
}
