"use strict";
// The page works without this script. It keeps ages current, fetches the page anew when the bot has something new, and
// shows the values of a chart under the pointer.

const UNITS = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]];

function ageOf(span) {
  let rest = Math.abs(span);
  const parts = [];
  for (const [size, name] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count) parts.push(`${count} ${name}`);
  }
  const text = parts.slice(0, 2).join(" ") || "0 s";
  return span >= 0 ? `${text} ago` : `in ${text}`;
}

let skew = 0; // of this machine's clock against the server's, ms
let clock = "wall"; // "journal": ages stand still between two events

function tick() {
  if (clock !== "wall") return;
  const now = Date.now() + skew;
  for (const node of document.querySelectorAll("time[data-at]")) {
    const text = ageOf(now - Number(node.dataset.at));
    if (node.textContent !== text) node.textContent = text;
  }
}

function say(state, text) {
  const node = document.getElementById("live");
  if (!node) return;
  node.className = `live ${state}`;
  if (node.textContent !== text) node.textContent = text;
}

function isBusy() { // somebody types or chooses: nothing is replaced under their hands
  const active = document.activeElement;
  return active && active.closest("form") && document.getElementById("main").contains(active);
}

let isWaiting = false;

async function refresh() {
  if (document.hidden || isBusy()) { isWaiting = true; return; }
  isWaiting = false;
  const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, credentials: "same-origin" });
  if (answer.redirected || answer.status === 401) { location.reload(); return; }
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = document.getElementById("main"), next = fresh.getElementById("main");
  if (!next || isBusy()) return;
  const open = new Map([...main.querySelectorAll("details[id]")].map((node) => [node.id, node.open]));
  const scrolled = [...main.querySelectorAll(".wide")].map((node) => node.scrollLeft);
  const focused = focusPath(main);
  main.replaceChildren(...next.childNodes);
  for (const [id, isOpen] of open) {
    const node = document.getElementById(id);
    if (node) node.open = isOpen;
  }
  main.querySelectorAll(".wide").forEach((node, index) => { node.scrollLeft = scrolled[index] || 0; });
  if (focused !== null) main.querySelectorAll("a,summary,[tabindex]")[focused]?.focus({ preventScroll: true });
  document.querySelectorAll("figure.chart").forEach(watchChart);
  tick();
}

function focusPath(main) {
  if (!main.contains(document.activeElement) || document.activeElement === main) return null;
  const index = [...main.querySelectorAll("a,summary,[tabindex]")].indexOf(document.activeElement);
  return index < 0 ? null : index;
}

const followed = { // the page is current in each case; whether a bot runs is another matter
  running: ["on", "live"],
  stopped: ["off", "no bot runs: these are the last values"],
  journal: ["", "a journal by itself"],
};

function sayFollowed(told, more) {
  const [state, text] = followed[told.bot];
  say(state, text + more);
}

function follow(address) {
  const events = new EventSource(address);
  events.addEventListener("hello", (event) => {
    const told = JSON.parse(event.data);
    clock = told.clock;
    skew = told.now_ms - Date.now();
    sayFollowed(told, "");
  });
  events.addEventListener("change", (event) => {
    const told = JSON.parse(event.data);
    skew = told.now_ms - Date.now();
    sayFollowed(told, `, updated ${new Date(told.now_ms).toISOString().slice(11, 19)} UTC`);
    refresh().catch(() => say("off", "not reached"));
  });
  events.onerror = () => say("off", "connection lost: these are the last values");
}

function watchChart(figure) {
  const svg = figure.querySelector("svg"), output = figure.querySelector("output");
  const points = JSON.parse(figure.dataset.points || "[]");
  if (!svg || !points.length) return;
  const make = (name, style) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    node.setAttribute("class", style);
    node.setAttribute("visibility", "hidden");
    svg.append(node);
    return node;
  };
  const cross = make("line", "cross"), spot = make("circle", "spot");
  const height = svg.viewBox.baseVal.height, width = svg.viewBox.baseVal.width;
  let at = -1;
  const show = (index) => {
    at = index;
    const [x, y, time, text] = points[index];
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", 8], ["y2", height - 24]]) cross.setAttribute(name, value);
    for (const [name, value] of [["cx", x], ["cy", y], ["r", 4]]) spot.setAttribute(name, value);
    cross.setAttribute("visibility", "visible");
    spot.setAttribute("visibility", "visible");
    output.textContent = `${text} · ${time}`;
  };
  const hide = () => {
    at = -1;
    cross.setAttribute("visibility", "hidden");
    spot.setAttribute("visibility", "hidden");
    output.textContent = "";
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * width;
    let best = 0;
    points.forEach((point, index) => { if (Math.abs(point[0] - x) < Math.abs(points[best][0] - x)) best = index; });
    show(best);
  });
  svg.addEventListener("pointerleave", hide);
  figure.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) {
      event.preventDefault();
      show(at < 0 ? points.length - 1 : Math.max(0, Math.min(points.length - 1, at + step)));
    } else if (event.key === "Escape") hide();
  });
}

document.querySelectorAll("figure.chart").forEach(watchChart);
document.addEventListener("visibilitychange", () => { if (!document.hidden && isWaiting) refresh().catch(() => {}); });
document.addEventListener("focusout", () => setTimeout(() => { if (isWaiting) refresh().catch(() => {}); }, 200));
if (document.body.dataset.live) follow(document.body.dataset.live);
if (document.body.dataset.refresh) {
  setInterval(() => refresh().then(() => say("on", "live"), () => say("off", "not reached")), Number(document.body.dataset.refresh) * 1000);
}
setInterval(tick, 1000);
