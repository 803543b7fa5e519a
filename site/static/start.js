// The site's own beginning: every stored widget of the page comes alive in its place.
function begin() {
  const mounts = { MOUNTS }; // build.py fills in one for each script of bnt/widgets
  for (const root of document.querySelectorAll("[data-bnt-mount]:not([data-alive])")) {
    root.setAttribute("data-alive", "");
    mounts[root.dataset.bntMount](root, JSON.parse(root.nextElementSibling.textContent));
  }
}
if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin);
else begin();
