// Controls above a picture. Every state has a frame: a picture, its sentence and its table. Frames come with the output
// (packed), or the kernel draws them, one at a time, when they are asked for.
function mountExplorer(root, spec) {
  const kept = ((hub.kept ??= {})[spec.channel] ??= { frames: new Map(), focused: null });
  const { frames } = kept, at = [...spec.at], controls = spec.controls;
  const name = () => at.join(",");
  frames.set(name(), spec.frame);
  let live = false, waiting = null, ahead = null, allowed = null, patience = 0, rest = 0, quiet = 0;

  const image = node("img", { style: "max-width: 100%" }), stage = node("div", { class: "bnt-stage" }, image);
  const fit = () => (stage.scrollWidth > stage.clientWidth ? stage.setAttribute("tabindex", "0") : stage.removeAttribute("tabindex"));
  image.addEventListener("load", fit); // a picture that scrolls sideways must be reached by keyboard
  if ("ResizeObserver" in window) new ResizeObserver(fit).observe(stage);
  const total = controls.reduce((product, control) => product * control.texts.length, 1);
  const sentence = node("p", { role: "alert" });
  const printed = node("pre");
  const said = node("p", { role: "status", class: "bnt-unseen" });
  const note = node("p", { class: "bnt-aside" }), more = node("p", { class: "bnt-aside" });
  const head = node("tr"), body = node("tbody");
  const table = node("details", {}, node("summary", {}, "The picture as a table"),
    node("table", {}, node("thead", {}, head), body));
  const id = `${spec.channel}-${(hub.count = (hub.count ?? 0) + 1)}`;
  const bars = controls.map((control, i) => (control.kind === "buttons" ? buttons(control, i) : slider(control, i)));

  function buttons(control, i) {
    const inputs = control.texts.map((text, k) =>
      node("input", { type: "radio", name: `${id}-${i}`, "aria-label": text, oninput: () => move(i, k) }));
    const labels = inputs.map((input, k) => node("label", { class: "bnt-choice" }, input, node("span", {}, control.texts[k])));
    const set = node("fieldset", {}, node("legend", {}, control.label), node("div", { class: "bnt-choices" }, ...labels));
    return { element: set, focus: () => inputs[at[i]].focus(), show: () => { inputs[at[i]].checked = true; } };
  }

  function slider(control, i) {
    const input = node("input", { type: "range", min: 0, max: control.texts.length - 1, step: 1, id: `${id}-${i}` });
    const text = node("span", { class: "bnt-shown", "aria-hidden": "true" });
    input.addEventListener("input", () => move(i, Number(input.value)));
    const row = node("div", { class: "bnt-slider" }, node("label", { for: `${id}-${i}` }, control.label), input, text);
    const show = () => {
      input.value = at[i];
      text.textContent = control.texts[at[i]];
      input.setAttribute("aria-valuetext", control.texts[at[i]]);
    };
    return { element: row, focus: () => input.focus(), show };
  }

  function move(i, k) {
    if (!live && allowed) { // without a kernel only what is packed: the next such value on the way
      const up = k > at[i], way = allowed[i].filter((x) => (up ? x > at[i] : x < at[i]));
      if (k !== at[i]) k = way.length ? (up ? Math.max(k, way[0]) : Math.min(k, way.at(-1))) : at[i];
      if (!allowed[i].includes(k)) k = up ? way.find((x) => x >= k) ?? way.at(-1) : way.findLast((x) => x <= k) ?? way[0];
    }
    const step = k - at[i];
    at[i] = k;
    bars[i].show();
    const next = [...at];
    next[i] = Math.min(Math.max(k + step, 0), controls[i].texts.length - 1);
    ahead = Math.abs(step) === 1 && controls[i].kind === "slider" ? next.join(",") : null;
    render(true);
    clearTimeout(rest);
    rest = setTimeout(() => { if (live) send({ type: "rest", at }); }, 800); // the notebook is to hold what is seen
  }

  function render(byHand) {
    const frame = frames.get(name());
    clearTimeout(patience);
    note.textContent = "";
    if (frame) draw(frame, byHand);
    else if (live) patience = setTimeout(() => { note.textContent = "Waiting for the kernel: it may be busy with another cell."; }, 1500);
    else note.textContent = spec.packed && !allowed ? "" : "This page does not hold the picture of this choice: run the cell in JupyterLab to see it.";
    ask();
  }

  function ask() { // never more than one at a time, so that a key held down does not queue
    if (!live || waiting) return;
    const wanted = !frames.has(name()) ? name() : ahead && !frames.has(ahead) ? ahead : null;
    if (wanted && send({ type: "draw", at: wanted.split(",").map(Number) })) waiting = wanted;
  }

  function draw(frame, byHand) {
    stage.hidden = table.hidden = !frame.svg;
    sentence.textContent = frame.error ?? "";
    sentence.hidden = !frame.error;
    printed.textContent = frame.printed ?? "";
    printed.hidden = !frame.printed;
    if (frame.svg) {
      frame.url ??= `data:image/svg+xml,${encodeURIComponent(frame.svg)}`;
      image.src = frame.url;
      image.alt = frame.alt;
      image.width = frame.width;
      image.style.minWidth = `${frame.least ??= least(frame)}px`;
      head.replaceChildren(...frame.header.map((cell) => node("th", { scope: "col" }, cell)));
      body.replaceChildren(...frame.rows.map((row) => node("tr", {}, ...row.map((cell) => node("td", {}, cell)))));
    }
    root.setAttribute("data-shown", name());
    clearTimeout(quiet);
    if (byHand) quiet = setTimeout(() => { said.textContent = frame.alt ?? ""; }, 400);
  }

  function least(frame) { // no letter below 9 pixels: see least_width in picture.py
    const sizes = [...frame.svg.matchAll(/font-size: ([\d.]+)px/g)].map((found) => (Number(found[1]) * 96) / 72);
    return Math.ceil(Math.min(1, 9 / Math.min(...sizes)) * frame.width);
  }

  const send = join(spec.channel, (message) => {
    if (message.type === "ready") { live = true; more.textContent = ""; }
    if (message.type === "frame") {
      const of = message.at.join(",");
      if (!message.frame.error) frames.set(of, message.frame);
      waiting = null;
      if (message.frame.error && of === ahead) ahead = null; // an error is not kept: asked for ahead, it would be for ever
      if (of === name()) { clearTimeout(patience); note.textContent = ""; draw(message.frame, true); if (message.frame.error) return; }
    }
    ask();
  });

  async function unpack() { // gzipped JSON: strings that pictures share, and each picture as a list of their numbers
    if (!("DecompressionStream" in window)) {
      allowed = controls.map((_, i) => [at[i]]);
      if (!live) more.textContent = "This browser is too old to unpack the other pictures: a newer one shows them, or the cell, run in JupyterLab.";
      return;
    }
    const bytes = Uint8Array.from(atob(spec.packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const { pieces, states } = await new Response(stream).json();
    for (const [of, frame] of Object.entries(states))
      frames.set(of, frame.svg ? { ...frame, svg: frame.svg.map((k) => pieces[k]).join("") } : frame);
    allowed = controls.map((_, i) => [...new Set([...frames.keys()].map((of) => Number(of.split(",")[i])))].sort((a, b) => a - b));
    const count = Object.keys(states).length; // the course's website, which sets bntMount, says this without a script
    root.setAttribute("data-packed", count);
    if (!live && count < total && !root.dataset.bntMount) more.textContent = `This page holds ${count} of ${total} pictures: there are more steps in JupyterLab.`;
    render(false);
  }

  keepKeys(root);
  root.classList.add("bnt-explorer");
  root.replaceChildren(node("div", { class: "bnt-controls" }, ...bars.map((bar) => bar.element)), stage, sentence, printed, note, more, said, table);
  bars.forEach((bar, i) => {
    bar.show();
    bar.element.addEventListener("focusin", () => { kept.focused = i; });
    bar.element.addEventListener("focusout", () => setTimeout(() => {
      if (bar.element.isConnected && !bar.element.contains(document.activeElement) && kept.focused === i) kept.focused = null;
    }));
  });
  draw(spec.frame, false);
  if (kept.focused !== null && document.activeElement === document.body) bars[kept.focused].focus();
  if (spec.packed) unpack();
}
