// Zooms and moves figures by their viewBox: wheel with Ctrl, drag, double click, keys + - 0 arrows.
"use strict";
for (const svg of document.querySelectorAll("figure > svg")) {
  const whole = svg.viewBox.baseVal;
  const home = [whole.x, whole.y, whole.width, whole.height];
  if (!(home[2] > 0)) continue;
  let [x, y, width, height] = home;
  const draw = () => {
    width = Math.min(width, home[2]);
    height = width * home[3] / home[2];
    x = Math.min(Math.max(x, home[0]), home[0] + home[2] - width);
    y = Math.min(Math.max(y, home[1]), home[1] + home[3] - height);
    svg.setAttribute("viewBox", [x, y, width, height].join(" "));
  };
  const reset = () => { [x, y, width, height] = home; draw(); };
  // (u, v) is the place, 0 to 1 across the picture, that stays where it is.
  const zoom = (factor, u = 0.5, v = 0.5) => {
    const to = Math.max(Math.min(width / factor, home[2]), home[2] / 40);
    x += (width - to) * u;
    y += (height - to * home[3] / home[2]) * v;
    width = to;
    draw();
  };
  const move = (right, down) => { x += right * width; y += down * height; draw(); };
  const keys = {
    "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), "0": reset,
    ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0),
    ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1),
  };
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("aria-label", "Figure. Keys: plus and minus zoom, arrows move, 0 shows all.");
  svg.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow") && width === home[2]) return;
    event.preventDefault();
    keys[event.key]();
  });
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2,
      (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || width === home[2]) return;
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!svg.hasPointerCapture(event.pointerId)) return;
    const box = svg.getBoundingClientRect();
    move(-event.movementX / box.width, -event.movementY / box.height);
  });
  svg.addEventListener("dblclick", (event) => {
    if (width < home[2]) { reset(); return; }
    const box = svg.getBoundingClientRect();
    zoom(3, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  });
  window.addEventListener("beforeprint", reset);
}
