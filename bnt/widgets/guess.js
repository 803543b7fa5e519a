// A prediction: committed first, then compared with the answer. Works alone; with a kernel the guess goes on record.
function mountGuess(root, spec) {
  const { choices, low, high, step, unit, digits } = spec;
  const answer = JSON.parse(decodeURIComponent(atob(spec.answer))); // not to be read by accident
  const group = `${spec.channel}-${(hub.count = (hub.count ?? 0) + 1)}`;
  const said = (x) => (choices ? x : `${Number(x).toFixed(digits)}${unit ? ` ${unit}` : ""}`);
  const result = node("div", { role: "status" });
  const kept = node("p", { class: "bnt-aside" });
  const button = node("button", { type: "submit" }, "Commit");
  let read, inputs, settled = false;

  if (choices) {
    inputs = choices.map((choice) => node("input", { type: "radio", name: group, value: choice }));
    read = () => inputs.find((input) => input.checked)?.value;
  } else {
    const limits = { min: low, max: high, step: spec.drag ? step : "any", name: group };
    const input = node("input", { type: spec.drag ? "range" : "number", ...limits, "aria-label": spec.label });
    if (spec.drag) input.value = (low + high) / 2;
    inputs = [input];
    read = () => (input.value === "" ? undefined : Number(input.value));
  }
  const shown = node("span", { class: "bnt-shown", "aria-hidden": "true" }); // the slider itself says it aloud
  const follow = () => {
    if (!spec.drag) return;
    shown.textContent = said(read());
    inputs[0].setAttribute("aria-valuetext", said(read()));
  };
  inputs.forEach((input) => input.addEventListener("input", follow));
  follow();

  const row = choices
    ? inputs.map((input, i) => node("label", {}, input, node("span", {}, choices[i])))
    : [...inputs, ...(spec.drag ? [shown] : [node("span", {}, spec.label)])];
  const form = node("form", { novalidate: true });
  form.append(node("fieldset", {}, node("legend", {}, spec.question), node("div", { class: "bnt-row" }, ...row, button)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (settled) return again();
    const guess = read();
    if (guess === undefined) return say("Choose or write your guess first.");
    if (!choices && !(guess >= low && guess <= high)) return say(`A number from ${said(low)} to ${said(high)}, please.`);
    reveal(guess);
    keep(guess);
  });

  function say(sentence) { result.replaceChildren(node("p", {}, sentence)); }

  function again() {
    settled = false;
    result.replaceChildren();
    kept.replaceChildren();
    inputs.forEach((input) => { input.disabled = false; if (choices) input.checked = false; });
    if (!choices && !spec.drag) inputs[0].value = "";
    button.textContent = "Commit";
    inputs[0].focus();
  }

  function reveal(guess) {
    settled = true;
    inputs.forEach((input) => { input.disabled = true; if (choices) input.checked = input.value === guess; });
    if (!choices) { inputs[0].value = guess; follow(); }
    button.textContent = "Guess again";
    const off = choices ? 0 : Math.abs(guess - answer);
    const near = `${off < step / 2 ? "spot on" : `${said(off)} off`}`;
    const verdict = choices ? (guess === answer ? "right" : "not so") : near;
    const line = node("p", {}, "Your guess: ", node("strong", {}, said(guess)), ". The answer: ",
      node("strong", {}, said(answer)), `. ${verdict[0].toUpperCase()}${verdict.slice(1)}.`);
    result.replaceChildren(line, ...(choices ? [] : [scale(guess)]));
  }

  function scale(guess) { // where guess and answer are; a hollow ring and a filled diamond, so colour says nothing alone
    const place = (x) => 15 + 330 * (x - low) / (high - low || 1);
    const anchor = (x) => (place(x) < 60 ? "start" : place(x) > 300 ? "end" : "middle");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 360 64");
    svg.setAttribute("class", "bnt-scale");
    svg.setAttribute("aria-hidden", "true"); // the sentence above says it all
    const g = place(guess), a = place(answer);
    svg.innerHTML =
      `<path d="M15 32H345M15 27v10M345 27v10" stroke="var(--bnt-rule)" fill="none"/>` +
      `<path d="M${g} 32H${a}" stroke="var(--bnt-vermilion)" stroke-width="3"/>` +
      `<circle cx="${g}" cy="32" r="6" fill="var(--bnt-paper)" stroke="var(--bnt-vermilion)" stroke-width="2.5"/>` +
      `<path d="M${a} 24l7 8l-7 8l-7 -8z" fill="var(--bnt-blue)"/>` +
      `<text x="${place(guess)}" y="16" text-anchor="${anchor(guess)}">your guess</text>` +
      `<text x="${place(answer)}" y="56" text-anchor="${anchor(answer)}">answer</text>`;
    return svg;
  }

  const shelf = `bnt-guess:${spec.name}`;
  const asked = JSON.stringify([spec.question, choices, low, high, unit]); // an old guess answers the same question only
  function keep(guess) {
    if (send({ type: "guess", guess })) return;
    try { localStorage.setItem(shelf, JSON.stringify({ guess, asked })); } catch { /* a browser that keeps nothing */ }
  }
  function before() {
    try {
      const old = JSON.parse(localStorage.getItem(shelf));
      return old?.asked === asked ? old.guess : null;
    } catch { return null; }
  }
  const send = join(spec.channel, (message) => {
    if (message.type === "before" && !settled) reveal(message.guess);
    if (message.said) kept.textContent = message.said;
  });

  keepKeys(root);
  root.replaceChildren(form, result, kept);
  if (!hub.lines[spec.channel] && before() !== null) reveal(before());
}
