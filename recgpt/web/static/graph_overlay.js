// Around the canvas of a graph: a bar of buttons, a tooltip, and a list of friends for keyboards and screen readers.

function overlayElement(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function overlayButton(text, label, onClick) {
  const button = overlayElement("button", "graph-button", text);
  button.type = "button";
  button.title = label;
  button.setAttribute("aria-label", label);
  button.addEventListener("click", onClick);
  return button;
}

export class GraphOverlay {
  /** `actions`: back, zoomIn, zoomOut, fit, toggle (agents or clusters), choose(id). */
  constructor(canvas, actions) {
    this.actions = actions;
    this.place = overlayElement("div", "graph-place");
    this.place.style.position = "relative";
    this.bar = overlayElement("div", "graph-bar");
    Object.assign(this.bar.style, {
      position: "absolute", top: "8px", left: "8px", right: "8px", display: "flex", gap: "6px", alignItems: "center",
      pointerEvents: "none",
    });
    this.back = overlayButton("← Back", "Back to the whole graph (Escape)", actions.back);
    this.toggle = overlayButton("", "", actions.toggle);
    this.where = overlayElement("span", "graph-where");
    Object.assign(this.where.style, { flex: "1 1 0", overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" });
    this.bar.append(
      this.back, this.toggle, this.where, overlayButton("+", "Zoom in (+)", actions.zoomIn),
      overlayButton("−", "Zoom out (-)", actions.zoomOut), overlayButton("Fit", "Fit the graph into view (0)", actions.fit),
    );
    for (const button of this.bar.querySelectorAll("button")) button.style.pointerEvents = "auto";
    this.tooltip = overlayElement("div", "graph-tooltip");
    Object.assign(this.tooltip.style, {
      position: "absolute", pointerEvents: "none", maxWidth: "260px", padding: "6px 9px", borderRadius: "6px",
      fontSize: "13px", lineHeight: "1.35", boxShadow: "0 2px 8px rgb(0 0 0 / 30%)", whiteSpace: "pre-line",
    });
    this.tooltip.hidden = true;
    this.announcement = overlayElement("p", "graph-announcement");
    this.announcement.setAttribute("role", "status");
    Object.assign(this.announcement.style, {
      position: "absolute", width: "1px", height: "1px", margin: "-1px", overflow: "hidden", clipPath: "inset(50%)",
    });
    this.list = overlayElement("details", "graph-neighbours");
    this.summary = overlayElement("summary", "");
    this.entries = overlayElement("ul", "graph-entries");
    this.list.append(this.summary, this.entries);
    canvas.replaceWith(this.place);
    this.place.append(canvas, this.bar, this.tooltip, this.announcement);
    this.place.after(this.list);
  }

  /** The text above the graph stays readable over links. */
  setPaper(paper) {
    this.where.style.textShadow = Array(4).fill(`0 0 4px ${paper}`).join(", ");
  }

  setWhere({ text, canGoBack, toggle }) {
    this.where.textContent = text;
    this.back.hidden = !canGoBack;
    this.toggle.hidden = !toggle;
    this.toggle.textContent = toggle;
    this.toggle.title = toggle;
    this.toggle.setAttribute("aria-label", toggle);
  }

  showTooltip(text, x, y, { ink, paper, width }) {
    this.tooltip.textContent = text;
    this.tooltip.style.background = ink;
    this.tooltip.style.color = paper;
    this.tooltip.style.left = `${Math.max(4, Math.min(x + 14, width - 270))}px`;
    this.tooltip.style.top = `${y + 14}px`;
    this.tooltip.hidden = false;
  }

  hideTooltip() {
    this.tooltip.hidden = true;
  }

  /** The list: `entries` of [id, text], each a button. */
  setList(title, entries) {
    const focused = this.entries.contains(document.activeElement);
    this.summary.textContent = title;
    this.entries.replaceChildren(
      ...entries.map(([id, text]) => {
        const line = document.createElement("li");
        line.append(overlayButton(text, text, () => this.actions.choose(id)));
        return line;
      }),
    );
    if (focused) this.summary.focus();
  }

  announce(text) {
    this.announcement.textContent = text;
  }

  destroy(canvas) {
    this.list.remove();
    this.place.replaceWith(canvas);
  }
}
