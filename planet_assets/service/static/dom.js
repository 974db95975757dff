// Elements made from data. Text goes in as text and nowhere as markup; attributes that run code are not set here.

const SVG = "http://www.w3.org/2000/svg";

/** An element: what(name, {attributes}, ...children); `on` holds listeners, children that are no elements are text. */
export function what(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [kind, act] of Object.entries(value)) element.addEventListener(kind, act);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Put new children in, and keep focus, caret and scroll where they were; what is focused is known by its id. */
export function refill(element, ...children) {
  const before = element.contains(document.activeElement) ? document.activeElement : null;
  const focused = before?.id ?? "";
  const caret = before?.selectionStart ?? null;
  const top = element.scrollTop;
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  element.scrollTop = top;
  if (!focused) return;
  const now = byId(focused);
  now?.focus({ preventScroll: true });
  if (caret !== null) now?.setSelectionRange?.(caret, caret);
}

const AREA = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const km2 = (value) => (value === null || value === undefined ? "unknown" : `${AREA.format(value)}\u00a0km²`);

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  const step = bytes >= 1e9 ? [1e9, "GB"] : bytes >= 1e6 ? [1e6, "MB"] : [1e3, "kB"];
  return `${AREA.format(bytes / step[0])}\u00a0${step[1]}`;
}

/** A moment given as text or as milliseconds. */
export function when(given) {
  if (!given) return "";
  const moment = new Date(given);
  return Number.isNaN(moment.getTime()) ? String(given) : `${moment.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** A word on a rim of its colour; the word comes from a list of ours, else the colour is left out. */
export function badge(word) {
  const plain = /^[a-z_]+$/.test(word ?? "") ? ` state-${word}` : "";
  return what("span", { class: `badge${plain}` }, String(word ?? "").replaceAll("_", " "));
}

export function facts(pairs) {
  return what("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [what("dt", {}, name), what("dd", {}, value)]));
}

export function table(heads, rows) {
  return what("div", { class: "scroll" }, what("table", {},
    what("thead", {}, what("tr", {}, heads.map((head) => what("th", { scope: "col" }, head)))),
    what("tbody", {}, rows.map((row) => what("tr", {}, row.map((cell) => what("td", {}, cell)))))));
}
