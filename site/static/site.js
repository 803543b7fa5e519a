// What the pages of the site do themselves: marks of progress, glossary words, the ledger's filters, the record.
"use strict";
const keep = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) {
    try { if (value === null) localStorage.removeItem(key); else localStorage.setItem(key, value); } catch { /* keeps nothing */ }
  },
  names() { try { return Object.keys(localStorage); } catch { return []; } },
};
const make = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const doneKey = (notebook) => `bnt-done:${notebook}`;
const today = () => new Date().toLocaleDateString("sv"); // 2026-03-01, where the reader is
const named = (hash) => { try { return decodeURIComponent(hash.slice(1)); } catch { return hash.slice(1); } };
const notebookOf = (link) => new URL(link.getAttribute("href"), document.baseURI).pathname.match(/\/((?:course|exercises)\/\d\d\w+)\.html$/)?.[1];

function markDone() { // a tick beside each finished lesson, said in words to those who do not see it
  for (const link of document.querySelectorAll(".sidebar-tree a, .bnt-map a")) {
    const notebook = link.classList.contains("current") && link.getAttribute("href") === "#"
      ? document.querySelector(".bnt-bar")?.dataset.notebook : notebookOf(link);
    if (!notebook) continue;
    const done = keep.get(doneKey(notebook)) !== null;
    link.classList.toggle("bnt-done", done);
    link.querySelector(".bnt-tick")?.remove();
    if (!done) continue;
    const said = { class: "bnt-tick", role: "img", "aria-label": "done" }, box = link.querySelector("rect");
    if (!box) link.append(make("span", said, " ✓"));
    else { // a box of the map: in its upper right corner
      const tick = document.createElementNS(box.namespaceURI, "text"), [x, y, width] = ["x", "y", "width"].map((k) => Number(box.getAttribute(k)));
      for (const [name, value] of Object.entries({ ...said, x: x + width - 18, y: y + 20 })) tick.setAttribute(name, value);
      tick.append("✓");
      link.append(tick);
    }
  }
}

function lessonBar() {
  const bar = document.querySelector(".bnt-bar");
  if (!bar) return;
  const print = bar.querySelector(".bnt-print"), box = bar.querySelector("input"), key = doneKey(bar.dataset.notebook);
  print.hidden = box.parentElement.hidden = false;
  print.addEventListener("click", () => window.print());
  box.checked = keep.get(key) !== null;
  box.addEventListener("change", () => { keep.set(key, box.checked ? today() : null); markDone(); });
}

function glossary() { // what a linked word means, while the pointer or the focus is on it; Escape sends it away
  const tip = make("div", { id: "bnt-tip", role: "tooltip", hidden: "" });
  document.body.append(tip);
  const hide = () => { tip.hidden = true; };
  for (const link of document.querySelectorAll('article a[href*="glossary.html#"]')) {
    const entry = (window.bntWords ?? {})[named(link.hash)];
    if (!entry) continue;
    link.classList.add("bnt-word");
    const show = () => {
      tip.replaceChildren(make("strong", {}, entry[0]), ` ${entry[1]}`);
      tip.hidden = false;
      link.setAttribute("aria-describedby", "bnt-tip");
      const at = link.getBoundingClientRect(), width = tip.offsetWidth;
      tip.style.left = `${Math.max(8, Math.min(at.left, document.documentElement.clientWidth - width - 8)) + scrollX}px`;
      const above = at.bottom + tip.offsetHeight + 12 > innerHeight;
      tip.style.top = `${(above ? at.top - tip.offsetHeight - 6 : at.bottom + 6) + scrollY}px`;
    };
    link.addEventListener("mouseenter", show);
    link.addEventListener("focus", show);
    link.addEventListener("mouseleave", () => { if (document.activeElement !== link) hide(); });
    link.addEventListener("blur", hide);
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
}

function claims() {
  const form = document.querySelector(".bnt-choose");
  if (!form) return;
  const rows = [...document.querySelectorAll(".bnt-claims article")];
  const asked = new URLSearchParams(location.search);
  for (const [name, value] of asked) { const field = form.elements.namedItem(name); if (field) field.value = value; }
  const choose = (byHand) => {
    const { words, verdict, origin, lesson } = Object.fromEntries(new FormData(form));
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = (!verdict || row.dataset.verdict === verdict) && (!origin || row.dataset.origin === origin)
        && (!lesson || row.dataset.lesson === lesson) && wanted.every((word) => text.includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    form.querySelector("[role=status]").textContent = `${shown} of ${rows.length} claims`;
    if (byHand) {
      const query = String(new URLSearchParams([...new FormData(form)].filter(([, value]) => value)));
      try { history.replaceState(null, "", query ? `?${query}` : location.pathname); } catch { /* a page from a file */ }
    }
  };
  form.hidden = false;
  form.addEventListener("input", () => choose(true));
  form.addEventListener("submit", (event) => event.preventDefault());
  choose(false);
  const here = () => { // a deep link shows its row, whatever was chosen
    const row = document.getElementById(named(location.hash));
    if (row?.hidden) { form.reset(); choose(false); row.scrollIntoView(); }
  };
  addEventListener("hashchange", here);
  here();
}

function progress() {
  const home = document.getElementById("bnt-progress");
  if (!home) return;
  const lessons = [...document.querySelectorAll(".sidebar-tree a")].filter((link) => notebookOf(link)?.startsWith("course/"));
  const guesses = window.bntGuesses ?? [];
  const given = ({ name, question, choices, low, high, unit }) => { // as guess.js keeps it: at another question it is none
    try {
      const old = JSON.parse(keep.get(`bnt-guess:${name}`));
      return old?.asked === JSON.stringify([question, choices, low, high, unit]) ? old.guess : null;
    } catch { return null; }
  };
  const median = (list) => {
    const sorted = [...list].sort((a, b) => a - b), half = sorted.length >> 1;
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  };
  const body = make("tbody");
  let finished = 0, committed = 0;
  for (const link of lessons) {
    const notebook = notebookOf(link), when = keep.get(doneKey(notebook));
    const own = guesses.filter((guess) => guess.lesson === notebook);
    const said = own.map((guess) => [guess, given(guess)]).filter(([, guess]) => guess !== null);
    const answer = (guess) => JSON.parse(decodeURIComponent(atob(guess.answer)));
    const chosen = said.filter(([guess]) => guess.choices).map(([guess, mine]) => mine === answer(guess));
    const off = said.filter(([guess]) => !guess.choices).map(([guess, mine]) => Math.abs(mine - answer(guess)) / (guess.high - guess.low));
    finished += when !== null;
    committed += said.length;
    const title = link.firstChild.textContent.trim();
    body.append(make("tr", {}, make("th", { scope: "row" }, make("a", { href: link.getAttribute("href") }, title)),
      make("td", {}, when ?? "–"), make("td", {}, own.length ? `${said.length} of ${own.length}` : "–"),
      make("td", {}, chosen.length ? `${chosen.filter(Boolean).length} of ${chosen.length}` : "–"),
      make("td", {}, off.length ? `${Math.round(100 * median(off))}% of the range` : "–")));
  }
  const heads = ["lesson", "done", "predictions", "choices right", "numbers: half are closer than"];
  const head = make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text))));
  const clear = make("button", { type: "button" }, "Forget all of it");
  clear.addEventListener("click", () => {
    if (!confirm("Forget every tick and every prediction that this browser has kept?")) return;
    for (const name of keep.names()) if (/^bnt-(done|guess):/.test(name)) keep.set(name, null);
    home.replaceChildren();
    progress();
    markDone();
  });
  home.append(make("p", { role: "status" }, `${finished} of ${lessons.length} lessons done, ${committed} predictions committed. Of each question the latest guess is shown.`),
    make("div", { class: "table-wrapper" }, make("table", {}, head, body)), make("p", {}, clear));
}

addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("p.caption").forEach((caption) => caption.setAttribute("aria-level", "2"));
  for (const area of document.querySelectorAll("pre, .table-wrapper, mjx-container[display]"))
    if (area.scrollWidth > area.clientWidth) area.setAttribute("tabindex", "0"); // so that the keyboard can scroll it
  lessonBar();
  progress();
  markDone();
  glossary();
  claims();
});
