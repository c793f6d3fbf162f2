"use strict";
// What mouse, fingers and keys do to a plane; tells `on` what is picked, aimed at and selected.
const gestures = (canvas, plane, on) => {
  const fingers = new Map();
  let drag = null;

  const spot = (event) => {
    const edge = canvas.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  const apart = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    const here = spot(event);
    fingers.set(event.pointerId, here);
    canvas.setPointerCapture(event.pointerId);
    const held = plane.ring() && Math.hypot(...plane.pixels(plane.ring()).map((v, k) => v - here[k])) < 16;
    const kind = event.shiftKey || on.mode() === "select" ? "box" : held ? "ring" : "view";
    drag = { kind, from: here, to: here, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    const here = spot(event);
    if (!fingers.has(event.pointerId)) {
      if (event.pointerType === "mouse") plane.activate(plane.nearest(here, 14));
      return;
    }
    const before = [...fingers.values()];
    fingers.set(event.pointerId, here);
    const now = [...fingers.values()];
    if (now.length === 2) {
      const middle = (pair) => [0, 1].map((k) => (pair[0][k] + pair[1][k]) / 2);
      drag = { kind: "pinch", moved: true };
      plane.zoom(apart(now) / Math.max(1, apart(before)), middle(before));
      plane.move(...middle(now).map((v, k) => v - middle(before)[k]));
    } else if (drag && drag.kind !== "pinch") {
      drag.moved ||= apart([drag.from, here]) > 4;
      if (!drag.moved) return;
      plane.activate(-1);
      if (drag.kind === "view") plane.move(here[0] - drag.to[0], here[1] - drag.to[1]);
      if (drag.kind === "ring") on.aim(plane.place(here));
      if (drag.kind === "box") plane.drawBox([drag.from, here]);
      drag.to = here;
    }
  });
  function lift(event) {
    const here = spot(event);
    const done = drag;
    if (!fingers.delete(event.pointerId) || fingers.size) return;
    drag = null;
    plane.drawBox(null);
    if (event.type === "pointercancel" || !done) return;
    if (!done.moved) {
      const index = plane.nearest(here, event.pointerType === "mouse" ? 7 : 16);
      plane.activate(index);
      on.pick(plane.place(here), index);
    } else if (done.kind === "box") {
      const inside = (value, k) => (value - done.from[k]) * (value - done.to[k]) <= 0;
      on.select([...plane.labels.keys()].filter((index) =>
        plane.shown(index) && plane.at(index).every(inside)));
    }
  }
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") plane.activate(-1);
  });
  // A finger on the ring drags it; elsewhere it may scroll the page.
  canvas.addEventListener("touchstart", (event) => {
    if (drag?.kind === "ring") event.preventDefault();
  }, { passive: false });
  canvas.addEventListener("wheel", (event) => {
    // Else the page would stop scrolling wherever the mouse meets the plot.
    if (!event.ctrlKey && document.activeElement !== canvas) return;
    event.preventDefault();
    plane.zoom(2 ** (-event.deltaY * (event.deltaMode ? 20 : event.ctrlKey ? 4 : 1) / 240), spot(event));
  }, { passive: false });

  const keys = {
    "+": () => plane.zoom(1.5), "=": () => plane.zoom(1.5), "-": () => plane.zoom(1 / 1.5), 0: plane.reset,
    ArrowLeft: () => plane.step(-1, 0), ArrowRight: () => plane.step(1, 0),
    ArrowUp: () => plane.step(0, -1), ArrowDown: () => plane.step(0, 1),
    Enter: () => { if (plane.active() >= 0) on.pick(plane.place(plane.at(plane.active())), plane.active()); },
    touch: () => plane.move(0, 0),  // how a finger acts depends on the mode
    Escape: () => { plane.activate(-1); on.select([]); },
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  return { press: (key) => keys[key]() };
};
