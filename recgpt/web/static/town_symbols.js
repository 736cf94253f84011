// Small drawings of things in a town, each within a square of side 1 around (0, 0), by words in the name of the thing.

const TAU = 2 * Math.PI;
const WOOD = "#a9794a";
const DARK = "#5f4630";
const METAL = "#8d96a3";
const CLOTH = "#5c7fb8";
const WHITE = "#f4f1ea";
const LEAF = "#4f9257";
const WATER = "#7db7dd";
const SCREEN = "#30405c";

function block(pen, color, x, y, width, height) {
  pen.fillStyle = color;
  pen.fillRect(x, y, width, height);
}

function disc(pen, color, x, y, radius) {
  pen.fillStyle = color;
  pen.beginPath();
  pen.arc(x, y, radius, 0, TAU);
  pen.fill();
}

function shelf(pen, colors) {
  block(pen, WOOD, -0.45, -0.4, 0.9, 0.8);
  for (const [row, y] of [-0.3, 0.05].entries()) {
    for (let index = 0; index < 5; index++) block(pen, colors[(index + row) % colors.length], -0.36 + index * 0.15, y, 0.11, 0.26);
  }
}

function seat(pen, color) {
  block(pen, color, -0.28, -0.1, 0.56, 0.36);
  block(pen, DARK, -0.32, -0.3, 0.64, 0.16);
}

function screen(pen, wide) {
  block(pen, WOOD, -0.42, 0, 0.84, 0.34);
  block(pen, SCREEN, -wide / 2, -0.34, wide, 0.34);
  block(pen, WATER, -wide / 2 + 0.05, -0.3, wide - 0.1, 0.24);
}

/** Words of names, and the drawing; the first that fits is taken. */
const SYMBOLS = [
  [["bed"], (pen) => {
    block(pen, DARK, -0.36, -0.46, 0.72, 0.92);
    block(pen, CLOTH, -0.31, -0.12, 0.62, 0.54);
    block(pen, WHITE, -0.26, -0.41, 0.52, 0.24);
  }],
  [["toilet"], (pen) => {
    block(pen, WHITE, -0.24, -0.4, 0.48, 0.2);
    disc(pen, WHITE, 0, 0.08, 0.27);
    disc(pen, WATER, 0, 0.08, 0.15);
  }],
  [["shower", "bath"], (pen) => {
    block(pen, WHITE, -0.4, -0.4, 0.8, 0.8);
    block(pen, WATER, -0.32, -0.32, 0.64, 0.64);
    disc(pen, METAL, 0, 0, 0.09);
  }],
  [["stove", "oven", "cooking", "grill"], (pen) => {
    block(pen, METAL, -0.4, -0.4, 0.8, 0.8);
    for (const x of [-0.18, 0.18]) for (const y of [-0.18, 0.18]) disc(pen, "#333a44", x, y, 0.12);
  }],
  [["refrigerator", "fridge", "freezer"], (pen) => {
    block(pen, WHITE, -0.32, -0.45, 0.64, 0.9);
    block(pen, METAL, -0.32, -0.14, 0.64, 0.05);
    block(pen, METAL, 0.18, -0.34, 0.06, 0.14);
  }],
  [["sink", "basin"], (pen) => {
    block(pen, METAL, -0.4, -0.3, 0.8, 0.6);
    block(pen, WATER, -0.26, -0.18, 0.52, 0.36);
  }],
  [["computer", "laptop", "desk", "reception", "register", "cashier", "till"], (pen) => screen(pen, 0.44)],
  [["cinema screen", "screen", "television", "tv", "projector"], (pen) => {
    block(pen, SCREEN, -0.46, -0.3, 0.92, 0.56);
    block(pen, WATER, -0.4, -0.24, 0.8, 0.44);
  }],
  [["book", "shelf", "shelves", "archive", "newspaper"], (pen) => shelf(pen, ["#b65247", "#3f7f6b", "#d1a13f", "#4d6ea8"])],
  [["closet", "wardrobe", "cabinet", "locker"], (pen) => {
    block(pen, WOOD, -0.4, -0.45, 0.8, 0.9);
    block(pen, DARK, -0.02, -0.45, 0.04, 0.9);
    for (const x of [-0.1, 0.1]) disc(pen, DARK, x, 0.02, 0.045);
  }],
  [["supply", "aisle", "rack", "product", "goods", "grocery"], (pen) => shelf(pen, ["#d98c3a", "#6aa25b", "#c9564f", "#d9c94f"])],
  [["sofa", "couch", "bench"], (pen) => {
    block(pen, "#7d5a8c", -0.46, -0.3, 0.92, 0.22);
    block(pen, "#9a76aa", -0.46, -0.08, 0.92, 0.36);
  }],
  [["seat", "chair", "stool", "pew"], (pen) => seat(pen, "#a8504a")],
  [["table"], (pen) => {
    disc(pen, WOOD, 0, 0, 0.4);
    disc(pen, "#c4986a", 0, 0, 0.31);
  }],
  [["bar", "counter", "buffet", "kitchen"], (pen) => {
    block(pen, DARK, -0.48, -0.24, 0.96, 0.48);
    block(pen, WOOD, -0.48, -0.24, 0.96, 0.2);
    for (const x of [-0.26, 0.04, 0.28]) disc(pen, WHITE, x, -0.14, 0.07);
  }],
  [["piano"], (pen) => {
    block(pen, "#2b2b30", -0.45, -0.36, 0.9, 0.5);
    block(pen, WHITE, -0.45, 0.14, 0.9, 0.2);
    for (const x of [-0.3, -0.1, 0.1, 0.3]) block(pen, "#2b2b30", x, 0.14, 0.07, 0.12);
  }],
  [["guitar", "harp", "microphone", "instrument", "music"], (pen) => {
    disc(pen, "#b5763a", 0, 0.16, 0.26);
    block(pen, DARK, -0.05, -0.45, 0.1, 0.5);
    disc(pen, DARK, 0, 0.16, 0.08);
  }],
  [["blackboard", "board", "notice", "podium", "stage", "lectern"], (pen) => {
    block(pen, WOOD, -0.46, -0.32, 0.92, 0.6);
    block(pen, "#2f5c4a", -0.4, -0.26, 0.8, 0.46);
  }],
  [["easel", "painting", "canvas"], (pen) => {
    block(pen, WHITE, -0.32, -0.42, 0.64, 0.6);
    disc(pen, "#d98c3a", -0.1, -0.15, 0.1);
    disc(pen, "#5d8fd0", 0.12, -0.1, 0.12);
    block(pen, DARK, -0.02, 0.18, 0.04, 0.26);
  }],
  [["pool table", "billiard"], (pen) => {
    block(pen, DARK, -0.46, -0.34, 0.92, 0.68);
    block(pen, "#2f7d52", -0.38, -0.26, 0.76, 0.52);
  }],
  [["fountain", "pond", "well", "river"], (pen) => {
    disc(pen, METAL, 0, 0, 0.44);
    disc(pen, WATER, 0, 0, 0.35);
    disc(pen, WHITE, 0, 0, 0.1);
  }],
  [["garden", "tree", "plant", "flower", "lawn", "bush"], (pen) => {
    disc(pen, LEAF, 0, 0.02, 0.34);
    for (const [x, y] of [[-0.18, -0.1], [0.14, -0.16], [0.08, 0.16]]) disc(pen, "#d2697e", x, y, 0.08);
  }],
  [["press", "machine", "workbench", "tool", "lathe", "printer"], (pen) => {
    block(pen, METAL, -0.42, -0.34, 0.84, 0.68);
    disc(pen, "#4a525e", -0.14, 0, 0.18);
    block(pen, "#d1a13f", 0.14, -0.2, 0.16, 0.4);
  }],
  [["couch", "medical", "examination", "medicine", "pharmacy", "drug"], (pen) => {
    block(pen, WHITE, -0.38, -0.38, 0.76, 0.76);
    block(pen, "#c9424a", -0.08, -0.28, 0.16, 0.56);
    block(pen, "#c9424a", -0.28, -0.08, 0.56, 0.16);
  }],
  [["treadmill", "weights", "mat"], (pen) => {
    block(pen, METAL, -0.34, -0.06, 0.68, 0.12);
    for (const x of [-0.36, 0.24]) block(pen, "#3a424d", x, -0.26, 0.12, 0.52);
  }],
];

function drawBox(pen) {
  block(pen, WOOD, -0.36, -0.36, 0.72, 0.72);
  block(pen, "#c4986a", -0.28, -0.28, 0.56, 0.56);
}

/** Drawing for the name of a thing. */
export function symbolOf(name) {
  const words = name.toLowerCase();
  const found = SYMBOLS.find(([keys]) => keys.some((key) => words.includes(key)));
  return found ? found[1] : drawBox;
}

/** A tree, for walls that stand alone outdoors; `shade` from 0 to 1 tells neighbours apart. */
export function drawTree(pen, shade) {
  disc(pen, "rgb(20 40 20 / 22%)", 0.06, 0.12, 0.46);
  disc(pen, shade > 0.5 ? "#3f7a4a" : "#4a8852", 0, 0, 0.46);
  disc(pen, shade > 0.5 ? "#55965d" : "#62a468", -0.1, -0.1, 0.27);
}
