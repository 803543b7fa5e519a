// Belief propagation on a tree and the residual stream of its transformer, on one clock. All numbers come in `spec`
// (hero.py): thousandths of probabilities, hundredths of log odds. A step lasts STEP milliseconds: first attention,
// while variables tell their factors what they know, then the FFN, while factors tell their variables what follows.
function mountHero(root, spec) {
  const { names, states, pairs, rows, columns, ask, rounds } = spec;
  const STEP = 1900, REST = 600, last = rounds + 1, second = states[1];
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const group = `hero-${(hub.count = (hub.count ?? 0) + 1)}`;
  const chosen = ask.map(() => 0);
  let clock = 0, share = 1, playing = false, request = 0, pause = 0;

  const scene = () => spec.scenes[chosen.join("")];
  const seen = (i) => ask.includes(names[i]) && chosen[ask.indexOf(names[i])] > 0;
  const beliefs = (t) => scene().beliefs[Math.max(0, Math.min(t, rounds))];
  const read = (t) => (t < 1 ? null : beliefs(t - 1)); // layer t reads the messages of round t - 1
  const ease = (x) => (x < 0.5 ? 2 * x * x : 1 - 2 * (1 - x) * (1 - x));
  const between = (a, b, x) => a + (b - a) * x;
  const written = (thousandths) => (thousandths / 1000).toFixed(3);
  const signed = (hundredths) => (hundredths / 100).toFixed(2).replace("-", "−");
  const tint = (p, ground) =>
    `color-mix(in oklab, var(${p < 0.5 ? "--bnt-dry" : "--bnt-wet"}) ${Math.round(70 * Math.abs(2 * p - 1))}%, var(${ground}))`;

  function draw(parent, tag, attributes = {}, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    put(made, attributes);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  }
  function put(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  }
  function canvas(width, height) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    put(made, { viewBox: `0 0 ${width} ${height}`, role: "img" });
    return made;
  }

  // the controls
  const play = node("button", { type: "button", class: "bnt-go", onclick: () => run(!playing) }, "Play");
  const back = node("button", { type: "button", "aria-label": "one step back", onclick: () => step(-1) }, "◂");
  const next = node("button", { type: "button", "aria-label": "one step on", onclick: () => step(1) }, "▸");
  const dial = node("input", { type: "range", min: 0, max: last, step: 1, value: 0, "aria-label": "round and layer" });
  dial.addEventListener("input", () => { run(false); to(Number(dial.value)); });
  const now = node("span", { class: "bnt-shown", "aria-hidden": "true" });
  const asked = ask.map((name, i) => node("fieldset", {}, node("legend", {}, name), node("div", { class: "bnt-choices" },
    ...["–", ...states].map((text, k) => node("label", { class: "bnt-choice" },
      node("input", { type: "radio", name: `${group}-${i}`, checked: k === 0, "aria-label": k ? text : "not observed",
        onchange: () => { chosen[i] = k; share = 1; show(); tell(); } }), node("span", {}, text))))));

  // left: the tree
  const xs = spec.places.map(([x]) => x), ys = spec.places.map(([, y]) => y);
  const R = 25, ring = 2 * Math.PI * R, wide = 380, gap = (wide - 2 * R - 18) / Math.max(1, Math.max(...xs) - Math.min(...xs));
  const places = spec.places.map(([x, y]) => [R + 9 + (x - Math.min(...xs)) * gap, R + 12 + (Math.max(...ys) - y) * 118]);
  const tree = canvas(wide, Math.max(...places.map(([, y]) => y)) + R + 14);
  const lanes = pairs.flatMap(([a, b]) => {
    const middle = [0, 1].map((c) => (places[a][c] + places[b][c]) / 2);
    draw(tree, "line", { x1: places[a][0], y1: places[a][1], x2: places[b][0], y2: places[b][1], class: "bnt-edge" });
    const made = [a, b].map((v) => {
      const way = [0, 1].map((c) => places[v][c] - middle[c]), length = Math.hypot(...way);
      const at = (q) => [0, 1].map((c) => middle[c] + (way[c] / length) * (8 + (length - R - 12) * q));
      const line = draw(tree, "line", { "stroke-linecap": "round", "stroke-opacity": 0.55 });
      put(line, { x1: at(0)[0], y1: at(0)[1], x2: at(1)[0], y2: at(1)[1] });
      return { at, line, out: draw(tree, "circle", { class: "bnt-ask" }), home: draw(tree, "circle", { class: "bnt-dot" }) };
    });
    draw(tree, "rect", { x: middle[0] - 5.5, y: middle[1] - 5.5, width: 11, height: 11, class: "bnt-factor" });
    return made;
  });
  const nodes = places.map(([x, y], i) => {
    draw(tree, "circle", { cx: x, cy: y, r: R + 6, fill: "var(--bnt-paper)" });
    draw(tree, "circle", { cx: x, cy: y, r: R, fill: "var(--bnt-paper)", stroke: "var(--bnt-dry)", "stroke-width": 7 });
    const turn = `rotate(-90 ${x} ${y})`;
    const arc = draw(tree, "circle", { cx: x, cy: y, r: R, fill: "none", stroke: "var(--bnt-wet)", "stroke-width": 7, transform: turn });
    const frame = draw(tree, "circle", { cx: x, cy: y, r: R + 6, fill: "none", stroke: "var(--bnt-ink)", "stroke-width": 2.5 });
    draw(tree, "text", { x, y: y - 3, class: "bnt-name" }, names[i]);
    return { arc, frame, text: draw(tree, "text", { x, y: y + 12, class: "bnt-number" }) };
  });

  // right: the stream
  const LEFT = 84, TOP = 22, CELL = 41, LINE = 20, right = LEFT + columns.length * CELL;
  const stream = canvas(right + 36, TOP + rows.length * LINE + 4);
  columns.forEach((name, j) => draw(stream, "text", { x: LEFT + (j + 0.5) * CELL, y: 14, class: "bnt-head" }, name));
  const cells = rows.map((name, i) => {
    draw(stream, "text", { x: LEFT - 6, y: TOP + i * LINE + 14, "text-anchor": "end" }, name);
    return columns.map((_, j) => ({
      box: draw(stream, "rect", { x: LEFT + j * CELL + 1, y: TOP + i * LINE + 1, width: CELL - 2, height: LINE - 2, rx: 3 }),
      text: draw(stream, "text", { x: LEFT + (j + 0.5) * CELL, y: TOP + i * LINE + 14, class: "bnt-number" }),
    }));
  });
  const wires = draw(stream, "g", { fill: "none", "stroke-width": 1.3 });

  // below: the answers
  const answers = canvas(700, 10);
  let marks = [];
  function lay() { // one unit is one pixel, so that no text shrinks with the page
    const width = Math.max(300, Math.min(1060, Math.round(answers.parentElement?.clientWidth || 700)));
    const x = (p) => 58 + (p / 1000) * (width - 58 - 58), height = names.length * 25 + 22;
    put(answers, { viewBox: `0 0 ${width} ${height}` });
    answers.replaceChildren();
    for (const p of [0, 250, 500, 750, 1000]) {
      draw(answers, "line", { x1: x(p), x2: x(p), y1: 3, y2: height - 19, class: "bnt-edge" });
      draw(answers, "text", { x: x(p), y: height - 5, class: "bnt-head" }, p / 1000);
    }
    marks = names.map((name, i) => {
      const y = 16 + 25 * i;
      draw(answers, "text", { x: 50, y: y + 4, "text-anchor": "end", "font-weight": 600 }, name);
      const exact = draw(answers, "rect", { y: y - 10, width: 4, height: 20, fill: "var(--bnt-ink)" });
      const bp = draw(answers, "circle", { cy: y, r: 5.5, fill: "var(--bnt-bp)" });
      const layer = draw(answers, "circle", { cy: y, r: 8.5, fill: "none", stroke: "var(--bnt-layer)", "stroke-width": 2.5 });
      return { x, exact, bp, layer, text: draw(answers, "text", { x: width - 2, y: y + 4, "text-anchor": "end" }) };
    });
  }

  const under = { tree: node("p", { class: "bnt-aside" }), stream: node("p", { class: "bnt-aside" }) };
  const said = node("p", { role: "status", class: "bnt-unseen" });
  const head = node("tr"), body = node("tbody");
  const table = node("details", {}, node("summary", {}, "The picture as a table"),
    node("table", {}, node("thead", {}, head), body));
  const apart = `Largest difference over all ${Object.keys(spec.scenes).length} choices of evidence: ${spec.worst[0]} between transformer and belief propagation, ${spec.worst[1]} between transformer and exact answer.`;

  function fill(cell, value, p) { // value: what is written; p: how it is tinted, on the way there
    const none = value === null;
    const ground = none ? "none" : p === null ? "var(--bnt-cell)" : tint(1 / (1 + Math.exp(-p / 150)), "--bnt-cell");
    put(cell.box, { fill: ground, stroke: none ? "var(--bnt-rule)" : "none", "stroke-dasharray": "2 3" });
    cell.text.textContent = none || !value ? "" : signed(value);
  }

  function show() {
    const t = clock, before = Math.max(0, t - 1), f = t ? share : 1;
    const A = ease(Math.min(1, f / 0.5)), B = ease(Math.max(0, Math.min(1, (f - 0.5) / 0.5)));
    const { messages, fixed, stream: held, reads, exact } = scene();
    lanes.forEach((lane, i) => {
      const old = messages[Math.min(before, rounds)][i], target = messages[Math.min(t, rounds)][i];
      const gone = target === null;
      const p = gone ? 0.5 : between(old, target, B) / 1000, strength = Math.abs(2 * p - 1);
      const ink = strength < 0.004 ? "var(--bnt-grey)" : p < 0.5 ? "var(--bnt-dry)" : "var(--bnt-wet)";
      const out = lane.at(1 - A), home = lane.at(B), moves = f < 1 && !gone;
      put(lane.line, { stroke: strength < 0.004 ? "none" : ink, "stroke-width": 1.5 + 9 * strength });
      put(lane.out, { cx: out[0], cy: out[1], r: moves && f < 0.5 ? 3.5 : 0 });
      put(lane.home, { cx: home[0], cy: home[1], r: moves && f >= 0.5 ? 5 + 4 * strength : 0, fill: ink });
    });
    nodes.forEach((made, i) => {
      const p = between(beliefs(before)[i], beliefs(t)[i], B) / 1000;
      put(made.arc, { "stroke-dasharray": `${ring * p} ${ring}` });
      put(made.frame, { "stroke-opacity": seen(i) ? 1 : 0 });
      made.text.textContent = written(beliefs(f < 0.5 ? before : t)[i]);
    });
    cells.forEach((row, i) => {
      fixed[i].forEach((value, j) => fill(row[j], value, value || null));
      const kept = (k) => { // m and belief: what the FFN writes
        const old = held[before][i][k], target = held[t][i][k];
        const value = f < 0.5 ? old : target;
        fill(row[4 + k], value, value === null || (!old && !target) ? null : between(old, target, B));
      };
      const sum = held[t][i][0]; // s: attention writes it, the FFN uses and clears it
      const holds = sum !== null && t > 0 && f > 0.25 && f < 0.9;
      fill(row[4], sum === null ? null : holds ? sum : 0, holds ? sum : null);
      kept(1);
      kept(2);
    });
    wires.replaceChildren();
    if (t && f < 0.5) for (const [reader, from] of reads) {
      const y = (i) => TOP + (i + 0.5) * LINE, x = right + 3, far = x + 6 + Math.min(30, 4 * Math.abs(reader - from));
      draw(wires, "path", { d: `M${x} ${y(from)}C${far} ${y(from)} ${far} ${y(reader)} ${x} ${y(reader)}`, pathLength: 1,
        "stroke-dasharray": `${A} 1`, stroke: held[before][from][1] ? "var(--bnt-accent)" : "var(--bnt-grey)", "stroke-opacity": 0.7 });
    }
    marks.forEach((mark, i) => {
      const layer = read(t), old = read(before) ?? layer;
      put(mark.exact, { x: mark.x(exact[i]) - 2 });
      put(mark.bp, { cx: mark.x(between(beliefs(before)[i], beliefs(t)[i], B)) });
      put(mark.layer, { cx: layer ? mark.x(between(old[i], layer[i], B)) : 0, visibility: layer ? "visible" : "hidden" });
      mark.text.textContent = written(exact[i]);
    });
    const round = Math.min(t, rounds);
    now.textContent = `round ${round}, layer ${t}`;
    dial.value = t;
    dial.setAttribute("aria-valuetext", now.textContent);
    under.tree.textContent = !t ? `At the start every message is uniform. The blue part of a ring is P(${second}).`
      : t > rounds ? "Nothing changes any more: the beliefs are exact."
      : f < 0.5 ? `Round ${t}: every variable tells its squares what it knows.`
      : `Round ${t}: every square tells its variables what follows from it.`;
    under.stream.textContent = !t ? "The tokens: one per message, one per variable. theta, a, c and d hold the tables and the evidence."
      : f < 0.5 ? `Layer ${t}, attention: every token looks up the messages it needs and writes their sum into s.`
      : t > rounds ? `Layer ${t} reads the last messages: its beliefs are exact, too.`
      : `Layer ${t}, FFN: it makes the next message m out of s, and clears s.`;
  }

  function tell(aloud = true) { // alt texts, the table, and the sentence that is read aloud
    const t = clock, round = Math.min(t, rounds), layer = read(t);
    const all = names.map((name, i) => `${name} ${written(beliefs(t)[i])}`).join(", ");
    tree.setAttribute("aria-label", `The tree after round ${round}: P(${second}) is ${all}.`);
    stream.setAttribute("aria-label", `The residual stream after layer ${t}: ${rows.length} tokens, columns ${columns.join(", ")}.`);
    answers.setAttribute("aria-label", `P(${second}) by belief propagation after round ${round}, by the transformer after layer ${t}, and exactly.`);
    head.replaceChildren(...["variable", `round ${round}`, `layer ${t}`, "exact"].map((text) => node("th", { scope: "col" }, text)));
    body.replaceChildren(...names.map((name, i) => node("tr", {}, ...[name, written(beliefs(t)[i]), layer ? written(layer[i]) : "–",
      written(scene().exact[i])].map((text) => node("td", {}, text)))));
    if (aloud) said.textContent = `Round ${round}, layer ${t}. P(${second}): ${all}.`;
    root.setAttribute("data-shown", `${chosen.join("")} ${t}`);
  }

  function to(t, aloud = true) {
    cancelAnimationFrame(request);
    const on = t === clock + 1;
    clock = t;
    tell(aloud);
    share = on && !calm.matches ? 0 : 1;
    show();
    if (share === 1) return after();
    const begin = performance.now();
    (function frame(time) {
      share = Math.max(0, Math.min(1, (time - begin) / STEP));
      if (!root.isConnected) return;
      show();
      if (share < 1) request = requestAnimationFrame(frame);
      else after();
    })(begin);
  }
  function after() { // plays to the end once, and rests there
    clearTimeout(pause);
    if (playing && clock >= last) run(false);
    else if (playing) pause = setTimeout(() => to(clock + 1, false), calm.matches ? 3 * REST : REST);
  }
  function run(on) {
    playing = on;
    clearTimeout(pause);
    play.textContent = on ? "Pause" : "Play";
    if (on) to(clock >= last ? 0 : clock + 1, false);
  }
  function step(way) {
    run(false);
    to(Math.max(0, Math.min(last, clock + way)));
  }

  keepKeys(root);
  root.classList.add("bnt-hero");
  root.replaceChildren(
    node("div", { class: "bnt-controls" }, back, play, next, dial, now),
    node("div", { class: "bnt-controls" }, node("span", {}, "Observe:"), ...asked),
    node("div", { class: "bnt-two" },
      node("div", {}, node("strong", {}, "Belief propagation"), tree, under.tree),
      node("div", {}, node("strong", {}, "Compiled transformer: the residual stream"), stream, under.stream)),
    node("div", {}, node("strong", {}, `P(${second}): exact, and what the two have found so far`), answers),
    node("p", { class: "bnt-aside bnt-key" },
      ...[["bnt-is-second", second], ["bnt-is-first", states[0]], ["bnt-is-exact", "exact"], ["bnt-is-bp", "belief propagation"],
        ["bnt-is-layer", "transformer: it reads its answer one layer later"]].map(([look, text]) => node("span", {}, node("i", { class: look }), text))),
    node("p", { class: "bnt-aside" }, apart), said, table);
  lay();
  tell(false);
  show();
  if ("ResizeObserver" in window) new ResizeObserver(() => { lay(); show(); }).observe(root);
  if (!calm.matches && "IntersectionObserver" in window) { // plays once when it is seen, unless the reader was quicker
    const watch = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) return;
      watch.disconnect();
      if (clock === 0 && !playing && !root.contains(document.activeElement)) run(true);
    }, { threshold: 0.4 });
    watch.observe(tree);
  }
}
