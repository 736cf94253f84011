// Mouse, touch and keys of a graph's canvas.

const CLICK_DISTANCE = 4; // pixels: less is a click, more a drag
const GRAPH_PAN_STEP = 60;
const GRAPH_ZOOM_STEP = 1.25;

export class GraphInput {
  /** `target`: nodeAt(x, y), hover, click, dragNode, dropNode, panBy, zoomAt, fit, go(dx, dy), open, back. */
  constructor(canvas, target) {
    this.canvas = canvas;
    this.target = target;
    this.pointers = new Map();
    this.pressed = null;
    this.stop = new AbortController();
    const listen = (type, handler, options = {}) => {
      canvas.addEventListener(type, handler, { signal: this.stop.signal, ...options });
    };
    listen("pointerdown", (event) => this.down(event));
    listen("pointermove", (event) => this.move(event));
    listen("pointerup", (event) => this.up(event));
    listen("pointercancel", (event) => this.cancel(event));
    listen("pointerleave", () => target.hover(null));
    listen("dblclick", (event) => this.doubleClick(event));
    listen("wheel", (event) => this.wheel(event), { passive: false });
    listen("keydown", (event) => this.key(event));
    canvas.style.touchAction = "none";
  }

  destroy() {
    this.stop.abort();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  down(event) {
    if (event.button > 0) return;
    const point = this.at(event);
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, point);
    this.pressed = this.pointers.size === 1 ? { ...point, node: this.target.nodeAt(point.x, point.y), moved: false } : null;
  }

  move(event) {
    const point = this.at(event), before = this.pointers.get(event.pointerId);
    if (!before) {
      this.target.hover(this.target.nodeAt(point.x, point.y), point.x, point.y);
      return;
    }
    if (this.pointers.size === 2) this.pinch(event.pointerId, before, point);
    else if (this.pressed) this.drag(before, point);
    this.pointers.set(event.pointerId, point);
  }

  drag(before, point) {
    const { pressed } = this;
    if (!pressed.moved && Math.hypot(point.x - pressed.x, point.y - pressed.y) < CLICK_DISTANCE) return;
    pressed.moved = true;
    if (pressed.node === null) this.target.panBy(point.x - before.x, point.y - before.y);
    else this.target.dragNode(pressed.node, point.x, point.y);
  }

  pinch(id, before, point) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, at]) => at);
    const apart = Math.hypot(point.x - other.x, point.y - other.y);
    const factor = apart / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
    this.target.panBy((point.x - before.x) / 2, (point.y - before.y) / 2);
    this.target.zoomAt((point.x + other.x) / 2, (point.y + other.y) / 2, factor);
  }

  up(event) {
    const { pressed } = this;
    this.pointers.delete(event.pointerId);
    this.pressed = null;
    if (!pressed) return;
    if (!pressed.moved) this.target.click(pressed.node);
    else if (pressed.node !== null) this.target.dropNode(pressed.node);
  }

  cancel(event) {
    this.pointers.delete(event.pointerId);
    this.pressed = null;
  }

  doubleClick(event) {
    const { x, y } = this.at(event);
    if (this.target.nodeAt(x, y) === null) this.target.zoomAt(x, y, 2);
    else this.target.open();
  }

  wheel(event) {
    event.preventDefault();
    const { x, y } = this.at(event);
    const pixels = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    this.target.zoomAt(x, y, Math.exp(-Math.max(-200, Math.min(200, pixels)) / (event.ctrlKey ? 120 : 400)));
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { target } = this;
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const keys = {
      "+": () => target.zoomAt(null, null, GRAPH_ZOOM_STEP), "=": () => target.zoomAt(null, null, GRAPH_ZOOM_STEP),
      "-": () => target.zoomAt(null, null, 1 / GRAPH_ZOOM_STEP), "0": () => target.fit(),
      Enter: () => target.open(), Escape: () => target.back(),
    };
    if (arrows[event.key]) {
      const [x, y] = arrows[event.key];
      if (event.shiftKey) target.panBy(-x * GRAPH_PAN_STEP, -y * GRAPH_PAN_STEP);
      else target.go(x, y);
    } else if (keys[event.key]) {
      keys[event.key]();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // the page's own keys step through time
  }
}
