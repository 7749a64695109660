// Elements from data. Text goes in as text nodes alone: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `props`: `class`, `on` (listeners), `data` (dataset), properties, or attributes (aria-*, for, ...). */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "on") for (const [type, act] of Object.entries(value)) element.addEventListener(type, act);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (value === true) element.setAttribute(name, "");
    else element.setAttribute(name, String(value));
  }
  put(element, children);
  return element;
}

function put(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** An element of a drawing, as `h` makes those of the page. */
export function s(tag, props = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [type, act] of Object.entries(value)) element.addEventListener(type, act);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, String(value));
  }
  put(element, children);
  return element;
}

/** The element with these children instead of its own. */
export function fill(element, ...children) {
  element.replaceChildren();
  put(element, children);
  return element;
}

/** Write only what differs, so that a reader's selection and the layout stay. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const PATHS = {
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-7 8a7 7 0 0 1 14 0Z",
  pause: "M7 5h3v14H7zM14 5h3v14h-3z",
  play: "M8 5l11 7-11 7z",
  close: "M6 7.4 7.4 6l4.6 4.6L16.6 6 18 7.4 13.4 12l4.6 4.6-1.4 1.4-4.6-4.6L7.4 18 6 16.6l4.6-4.6z",
  copy: "M8 3h11v13h-2V5H8zM5 7h10v14H5zm2 2v10h6V9z",
  image: "M4 5h16v14H4zm2 2v8l4-4 3 3 3-2 2 2V7zm2 1.5a1.5 1.5 0 1 0 3 0 1.5 1.5 0 0 0-3 0z",
  live: "M12 9a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM6 6l1.4 1.4a6.5 6.5 0 0 0 0 9.2L6 18a8.5 8.5 0 0 1 0-12zm12 0a8.5 8.5 0 0 1 0 12l-1.4-1.4a6.5 6.5 0 0 0 0-9.2z",
  search: "M10.5 4a6.5 6.5 0 0 1 5.1 10.5l4.4 4.4-1.4 1.4-4.4-4.4A6.5 6.5 0 1 1 10.5 4zm0 2a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9z",
  camera: "M4 7h11v10H4zm12 3.2 5-3v9.6l-5-3z",
  bell: "M12 3a6 6 0 0 0-6 6v4l-2 3v1h16v-1l-2-3V9a6 6 0 0 0-6-6zm-2 15a2 2 0 0 0 4 0z",
  list: "M4 6h2v2H4zm4 0h12v2H8zM4 11h2v2H4zm4 0h12v2H8zm-4 5h2v2H4zm4 0h12v2H8z",
  send: "M3 4l18 8-18 8 3-8zm4.8 9L6.9 16l8.9-4-8.9-4 .9 3H13v2z",
  shield: "M12 3l7 3v5c0 4.6-2.9 8.4-7 10-4.1-1.6-7-5.4-7-10V6zm0 2.2L7 7.3V11c0 3.5 2 6.4 5 7.8 3-1.4 5-4.3 5-7.8V7.3z",
  stats: "M4 20V10h4v10zm6 0V4h4v16zm6 0v-7h4v7z",
  route: "M6 3a3 3 0 0 1 1 5.8V14a3 3 0 0 0 6 0v-4a5 5 0 0 1 8 0v5.2a3 3 0 1 1-2 0V10a3 3 0 0 0-4 0v4a5 5 0 0 1-10 0V8.8A3 3 0 0 1 6 3z",
  save: "M11 4h2v8.2l3.3-3.3 1.4 1.4L12 16l-5.7-5.7 1.4-1.4 3.3 3.3zM5 18h14v2H5z",
  up: "M12 6l7 7-1.4 1.4L13 9.8V19h-2V9.8l-4.6 4.6L5 13z",
};

export function icon(name) {
  return s("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, s("path", { d: PATHS[name] }));
}

/** Say something to those who listen to the page instead of looking at it. */
export function announce(text) {
  const region = document.getElementById("announcer");
  if (region) region.textContent = text;
}

let serial = 0;
export function uid(prefix) {
  serial += 1;
  return `${prefix}-${serial}`;
}
