// The kernel's end of a widget, as ipywidgets carries it (anywidget). It shows nothing: what is seen is plain HTML, so
// that it stays when the kernel has gone. `window.bntHub` is where the two find each other, by a name of their own.
export default {
  initialize({ model }) {
    const hub = (window.bntHub ??= { lines: {}, homes: {} });
    const channel = model.get("channel");
    hub.lines[channel] = (message) => model.send(message);
    model.on("msg:custom", (message) => hub.homes[channel]?.(message));
    if (hub.homes[channel]) model.send({ type: "hello" });
  },
};
