// What every widget of this folder needs in the page. Each output carries it, inside a function of its own.
const hub = (window.bntHub ??= { lines: {}, homes: {} });

// Talk to the kernel, if there is one: `hear` gets its messages; the returned function sends, and says whether it could.
function join(channel, hear) {
  hub.homes[channel] = hear;
  const send = (message) => {
    if (!hub.lines[channel]) return false;
    try {
      hub.lines[channel](message);
      return true;
    } catch {
      return false; // the kernel was shut down
    }
  };
  send({ type: "hello" });
  return send;
}

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function dress(css, version) {
  if (document.getElementById(version)) return;
  const style = node("style", { id: version });
  style.textContent = css;
  document.head.append(style);
}

// The notebook takes arrows, digits and letters for its own commands; inside a widget they are the widget's.
function keepKeys(element) {
  element.setAttribute("data-lm-suppress-shortcuts", "true");
  element.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && event.key !== "Escape") event.stopPropagation();
  });
}
