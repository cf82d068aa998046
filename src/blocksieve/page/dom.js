// Elements, numbers as the report writes them, and tables.
// All text goes into text nodes, so that no text of a dataset is ever read as markup.

function byId(id) {
  return document.getElementById(id);
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null) continue;
    made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function replaceChildren(parent, ...children) {
  parent.replaceChildren(...children);
}

const COUNT = new Intl.NumberFormat("en-US");

function signed(number) {
  if (number === null) return "-";
  const digits = Math.abs(roundedHalves(number)).toFixed(2);
  const isNegative = number < 0 || Object.is(number, -0);
  return `${isNegative ? "-" : "+"}${digits}`;
}

// Python's format rounds a number that lies exactly between two hundredths to the even one, toFixed
// to the larger one. Only odd multiples of 1/8 can lie so, and they are exact.
function roundedHalves(number) {
  if (Math.abs(number * 8) % 2 !== 1) return number;
  const below = Math.floor(number * 100);
  return (below % 2 === 0 ? below : below + 1) / 100;
}

// An interval is [mean, half width]; either is null where it is not known.
function bracket(interval) {
  if (!interval || interval[1] === null) return "-";
  return `[${signed(interval[0] - interval[1])}, ${signed(interval[0] + interval[1])}]`;
}

function countBlocks(size) {
  return size === 1 ? "1 block" : `${size} blocks`;
}

function plural(number, thing) {
  return `${COUNT.format(number)} ${thing}${number === 1 ? "" : "s"}`;
}

function option(value, text = value) {
  return element("option", { value }, text);
}

// Keeps a number and its unit on one line.
function unbroken(text) {
  return text.replaceAll(" %", "\u00a0%").replaceAll(" pp", "\u00a0pp");
}

function cell(text, isNumber = false) {
  return element("td", isNumber ? { class: "number" } : {}, text);
}

// A mean with its interval behind it, smaller.
function meanCell(interval) {
  const made = cell(interval ? signed(interval[0]) : "-", true);
  if (interval) made.append(" ", element("small", {}, bracket(interval)));
  return made;
}
