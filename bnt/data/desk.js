// The desk: answers beside the reference, one at a time, or all of one question, or all of one learner.
// Text from learners is only ever set as textContent.
"use strict";
const at = (id) => document.getElementById(id);
let data, question = 0, learner = 0, view = "one", only = false, pending = Promise.resolve(true), drawn = "";

const cell = (q = question) => data.cells[q];
const person = (l = learner) => data.learners[l];
const entry = (q = question, l = learner) => person(l).cells[cell(q).id];
const answered = (q, l) => cell(q).answers.some((name) => (person(l).answers[name] || "").trim());
const waits = (q, l) => Boolean(entry(q, l).needs) && entry(q, l).points === null;
const count = (list, holds) => list.reduce((n, _, i) => n + (holds(i) ? 1 : 0), 0);
const ofQuestion = (q) => count(data.learners, (l) => waits(q, l));
const ofLearner = (l) => count(data.cells, (q) => waits(q, l));

function text(tag, content, kind) {
  const node = document.createElement(tag);
  node.textContent = content;
  if (kind) node.className = kind;
  return node;
}

function points(q, l) {
  const known = entry(q, l);
  if (person(l).problem) return ["-", ""];
  if (known.points !== null) return [String(known.points), "done"];
  if (waits(q, l)) return ["?", "wait"];
  if (known.automatic !== null) return [String(known.automatic), ""];
  return [answered(q, l) ? "?" : "blank", ""];
}

function row(label, [mark, kind], current, chosen) {
  const button = text("button", label);
  button.type = "button";
  button.append(text("span", mark, kind));
  if (current) button.setAttribute("aria-current", "true");
  button.addEventListener("click", chosen);
  const item = document.createElement("li");
  item.append(button);
  return item;
}

const left = (n) => (n ? [`${n} left`, "wait"] : ["", ""]);

// Counts, points and lists at the side; of those that need nobody only the current one, where only the others are wanted.
function lists() {
  const questions = data.cells.map((what, q) => [q, row(what.title, left(ofQuestion(q)), q === question, () => go(q, learner))]);
  const learners = data.learners.map((who, l) => {
    const mark = view === "learner" ? left(ofLearner(l)) : points(question, l);
    return [l, row(who.learner, mark, l === learner, () => go(question, l))];
  });
  at("questions").replaceChildren(...questions.filter(([q]) => !only || q === question || ofQuestion(q)).map(([, node]) => node));
  at("learners").replaceChildren(...learners.filter(([l]) => listed(l)).map(([, node]) => node));
  for (const current of document.querySelectorAll('nav [aria-current="true"]')) current.scrollIntoView({ block: "nearest" });
  const waiting = data.cells.reduce((n, _, q) => n + ofQuestion(q), 0);
  at("progress").textContent = waiting ? `${waiting} answers wait` : "nothing waits";
}

const listed = (l) => !only || l === learner || (view === "learner" ? ofLearner(l) > 0 : waits(question, l));

// The (question, learner) pairs that are shown together.
function pairs() {
  if (view === "one") return [[question, learner]];
  const all = view === "question" ? data.learners.map((_, l) => [question, l]) : data.cells.map((_, q) => [q, learner]);
  return all.filter(([q, l]) => !only || waits(q, l) || (q === question && l === learner));
}

function reference(into, q) {
  into.replaceChildren(...cell(q).answers.map((name) => text("pre", data.reference[name] || "")));
}

function card(q, l) {
  const who = person(l), what = cell(q), known = entry(q, l);
  const node = at("card").content.firstElementChild.cloneNode(true);
  const part = (kind) => node.querySelector(kind);
  node.dataset.pair = `${q},${l}`;
  part(".title").textContent = view === "question" ? who.learner : view === "learner" ? what.title : `${who.learner}: ${what.title}`;
  const automatic = known.automatic === null ? "" : `Automatic: ${known.automatic} of ${what.out_of}. ${known.reason}`;
  part(".reason").textContent = [who.problem, what.written ? "" : known.needs, automatic].filter(Boolean).join(". ");
  const answers = what.answers.map((name) => text("pre", who.answers[name] || who.answers[`copies:${name}`] || "(nothing)"));
  if (!what.written)
    for (const name of Object.keys(who.answers).filter((key) => key.startsWith("added:")))
      answers.push(text("p", "In a cell of their own:"), text("pre", who.answers[name]));
  if (known.output) answers.push(text("p", "Printed in the check:"), text("pre", known.output));
  part(".answer").replaceChildren(...answers);
  if (view === "question") part(".beside").remove();
  else reference(part(".reference"), q);
  part(".outof").textContent = what.out_of;
  part(".points").value = known.points === null ? "" : known.points;
  part(".comment").value = known.comment;
  part(".points").disabled = part(".comment").disabled = Boolean(who.problem);
  for (const field of [part(".points"), part(".comment")]) field.addEventListener("change", () => save(node));
  part("form").addEventListener("submit", (event) => event.preventDefault());
  node.addEventListener("focusin", () => { if (node !== current()) { [question, learner] = [q, l]; mark(); lists(); } });
  return node;
}

const find = (q, l) => document.querySelector(`article[data-pair="${q},${l}"]`);
const current = () => find(question, learner);

function mark() {
  for (const node of document.querySelectorAll("article")) node.removeAttribute("aria-current");
  if (!current()) return;
  current().setAttribute("aria-current", "true");
  if (view !== "one") current().scrollIntoView({ block: "nearest" });
}

function draw() {
  const wanted = `${view} ${only} ${view === "learner" ? learner : question}`;
  if (view === "one" || wanted !== drawn || !current()) {
    at("cards").replaceChildren(...pairs().map(([q, l]) => card(q, l)));
    drawn = wanted;
    at("heading").textContent = view === "question" ? cell().title : view === "learner" ? person().learner : "";
    at("heading").hidden = view === "one";
    at("common").hidden = view !== "question";
    if (view === "question") reference(at("common").querySelector(".reference"), question);
    document.querySelector("main").scrollTop = 0;
  }
  mark();
  lists();
}

// Saves what stands in the fields of a card, if it changed. Resolves to false when it was refused.
function save(node = current()) {
  if (!node) return pending;
  const [q, l] = node.dataset.pair.split(",").map(Number);
  const who = person(l), what = cell(q), known = entry(q, l);
  const raw = node.querySelector(".points").value.trim().replace(",", "."), comment = node.querySelector(".comment").value;
  const value = raw === "" ? null : Number(raw);
  if (who.problem || (value === known.points && comment === known.comment)) return pending;
  if (Number.isNaN(value)) return Promise.resolve(say("points are a number", false));
  at("saved").textContent = "saving";
  pending = pending.then(() => fetch("data", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ desk: data.desk, learner: who.learner, cell: what.id, points: value, comment }),
  })).then(async (reply) => {
    if (!reply.ok) return say((await reply.json()).error, false);
    known.points = value;
    known.comment = comment;
    lists();
    return say(`saved: ${who.learner}`, true);
  }).catch(() => say("not saved: is bnt desk still running?", false));
  return pending;
}

function say(what, good) {
  at("saved").textContent = what;
  at("saved").className = good ? "done" : "error";
  return good;
}

async function saved() {
  if (await save()) return true;
  pending = Promise.resolve(true);
  return false;
}

const blur = () => { if (document.activeElement) document.activeElement.blur(); };

async function go(q, l) {
  if (!(await saved())) return;
  [question, learner] = [(q + data.cells.length) % data.cells.length, (l + data.learners.length) % data.learners.length];
  blur();
  draw();
}

// Another learner that is listed, another card: what j and k do; n and p go along the other way.
function step(by) {
  if (view === "one") {
    let l = learner;
    do l = (l + by + data.learners.length) % data.learners.length; while (!listed(l));
    return go(question, l);
  }
  const cards = [...document.querySelectorAll("article")];
  const next = cards[(cards.indexOf(current()) + by + cards.length) % cards.length];
  return next ? go(...next.dataset.pair.split(",").map(Number)) : undefined;
}

const along = (by) => (view === "learner" ? go(question, learner + by) : go(question + by, learner));

async function next() {
  if (!(await saved())) return;
  const [q, l] = [data.cells.length, data.learners.length];
  for (let n = 1; n <= q * l; n++) {
    const place = ((view === "learner" ? learner * q + question : question * l + learner) + n) % (q * l);
    const pair = view === "learner" ? [place % q, Math.floor(place / q)] : [Math.floor(place / l), place % l];
    if (waits(...pair)) return go(...pair);
  }
  blur();
}

async function show(nextView, nextOnly) {
  if (await saved()) [view, only] = [nextView, nextOnly];
  [at("view").value, at("only").checked] = [view, only];
  blur();
  drawn = "";
  draw();
}

document.addEventListener("keydown", (event) => {
  if (!data || event.ctrlKey || event.altKey || event.metaKey) return;
  const inside = ["TEXTAREA", "SELECT"].includes(event.target.tagName) || event.target.className === "points";
  if (event.key === "Escape") { save(); event.target.blur(); return; }
  if (event.key === "Enter" && !(event.target.tagName === "TEXTAREA" && event.shiftKey) && !["BUTTON", "SUMMARY"].includes(event.target.tagName)) {
    event.preventDefault();
    next();
    return;
  }
  if (inside || !current()) return;
  const views = ["one", "question", "learner"], field = current().querySelector(".points");
  const keys = {
    j: () => step(1), k: () => step(-1), n: () => along(1), p: () => along(-1),
    f: () => { if (!field.disabled) { field.value = cell().out_of; save(); } },
    c: () => current().querySelector(".comment").focus(),
    v: () => show(views[(views.indexOf(view) + 1) % 3], only), u: () => show(view, !only),
  };
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); return; }
  if (/^[0-9]$/.test(event.key) && !field.disabled) {
    event.preventDefault();
    field.value = event.key;
    field.focus();
  }
});

async function load(desk) {
  const reply = await fetch(`data?desk=${desk}`), found = await reply.json();
  if (!reply.ok) { at("heading").textContent = found.error; return; }
  data = found;
  document.title = at("exercise").textContent = data.exercise;
  at("choice").hidden = data.desks.length < 2;
  at("desks").replaceChildren(...data.desks.map((one, i) => {
    const option = text("option", one.waiting ? `${one.exercise} (${one.waiting} left)` : one.exercise);
    option.value = String(i);
    return option;
  }));
  at("desks").value = String(data.desk);
  if (!data.learners.length || !data.cells.length) {
    at("cards").replaceChildren(text("p", "Nobody has handed anything in."));
    return;
  }
  question = Math.max(0, data.cells.findIndex((_, q) => ofQuestion(q)));
  learner = Math.max(0, data.learners.findIndex((_, l) => waits(question, l)));
  drawn = "";
  draw();
}

at("view").addEventListener("change", () => show(at("view").value, only));
at("only").addEventListener("change", () => show(view, at("only").checked));
at("desks").addEventListener("change", async () => {
  if (await saved()) await load(Number(at("desks").value));
  at("desks").value = String(data.desk);
  blur();
});
load(0);
