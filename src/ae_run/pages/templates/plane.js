"use strict";
// A scatter plot on a canvas: moves, zooms, and tells what is pointed at, picked and selected.
// It knows places in the plane only; `on` has what is to happen: hover(index), pick(place, index),
// aim(place) while the ring is dragged, select(indices), draw(context, place → pixels); `looks` has
// the colour of a label, and whether it is shown.
const Plane = (canvas, points, looks, on) => {
  const edge = { left: 46, right: 14, top: 12, bottom: 44 };
  const view = { zoom: 1, x: 0, y: 0 };  // what the reader has zoomed and moved, in pixels
  let size = { width: 0, height: 0 };
  let field = null;  // x, y of all points; the middle, and units per plot side
  let active = -1;
  let ring = null;
  let box = null;  // two corners of a selection that is being made, in pixels
  const cloud = document.createElement("canvas");  // axes and points, which stay while the ring moves
  let fresh = false;  // whether the cloud is as it should be
  let asked = false;

  // Corners of the markers in the order of the figures: o ^ s D v P.
  const shapes = [
    Array.from({ length: 12 }, (_, k) => [Math.cos(k * Math.PI / 6), Math.sin(k * Math.PI / 6)]),
    [[0, -1.1], [1, 0.8], [-1, 0.8]],
    [[-.85, -.85], [.85, -.85], [.85, .85], [-.85, .85]],
    [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]],
    [[0, 1.1], [1, -0.8], [-1, -0.8]],
    [[-.35, -1.1], [.35, -1.1], [.35, -.35], [1.1, -.35], [1.1, .35], [.35, .35], [.35, 1.1],
      [-.35, 1.1], [-.35, .35], [-1.1, .35], [-1.1, -.35], [-.35, -.35]],
  ];
  function marker(context, label, x, y, radius) {
    context.fillStyle = looks.color(label);
    context.beginPath();
    shapes[Math.floor(label / looks.per_marker) % shapes.length]
      .forEach(([a, b]) => context.lineTo(x + a * radius, y + b * radius));
    context.fill();
  }

  // A marker is drawn once and stamped thousands of times.
  let stamps = new Map();
  function stamp(label, radius, ratio) {
    if (!stamps.has(label)) {
      const one = document.createElement("canvas");
      one.width = one.height = Math.ceil(2.6 * radius * ratio);
      const context = one.getContext("2d");
      context.scale(ratio, ratio);
      marker(context, label, one.width / ratio / 2, one.width / ratio / 2, radius);
      stamps.set(label, one);
    }
    return stamps.get(label);
  }

  const inner = () => [size.width - edge.left - edge.right, size.height - edge.top - edge.bottom];
  const middle = () => [(size.width + edge.left - edge.right) / 2,
    (size.height + edge.top - edge.bottom) / 2];
  const scales = () => inner().map((length, axis) => view.zoom * length / field.reach[axis]);
  function pixels([x, y]) {
    const [[across, up], [centerX, centerY]] = [scales(), middle()];
    return [centerX + view.x + (x - field.middle[0]) * across,
      centerY + view.y - (y - field.middle[1]) * up];
  }
  function place([x, y]) {
    const [[across, up], [centerX, centerY]] = [scales(), middle()];
    return [field.middle[0] + (x - centerX - view.x) / across,
      field.middle[1] - (y - centerY - view.y) / up];
  }
  const at = (index) => pixels([field.x[index], field.y[index]]);

  // Shows points of these coordinates. `equal`: one unit is as long on both axes.
  function show(x, y, axes, equal) {
    const range = (values) => values.reduce(
      ([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
    const ends = [range(x), range(y)];
    field = { x, y, axes, equal, middle: ends.map(([low, high]) => (low + high) / 2) };
    field.extent = ends.map(([low, high]) => 1.06 * (high - low) || 1);
    fit();
    reset();
  }
  function fit() {
    if (!field) return;
    field.reach = [...field.extent];
    if (!field.equal || size.width < 1) return;
    const wide = inner()[0] / inner()[1];
    field.reach = [Math.max(field.extent[0], field.extent[1] * wide),
      Math.max(field.extent[1], field.extent[0] / wide)];
  }
  function reset() {
    Object.assign(view, { zoom: 1, x: 0, y: 0 });
    canvas.style.touchAction = "";
    draw(true);
  }

  function ticks(axis, write) {
    const unit = scales()[axis];
    const least = (field.axes[axis].names ? 16 : size.width > 500 ? 70 : 42) / unit;
    const power = 10 ** Math.floor(Math.log10(least));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= least);
    const ends = [place([0, size.height]), place([size.width, 0])].map((one) => one[axis]);
    for (let k = Math.ceil(ends[0] / step); k * step <= ends[1]; k += 1) {
      const text = field.axes[axis].names?.(k * step) ?? `${Number((k * step).toPrecision(6))}`;
      write(text.replace("-", "−"), pixels([k * step, k * step])[axis]);
    }
  }

  function frame(context) {
    const style = getComputedStyle(document.body);
    context.fillStyle = style.getPropertyValue("--muted");
    context.strokeStyle = style.getPropertyValue("--line");
    context.textAlign = "center";
    context.font = `13px ${style.fontFamily}`;
    const [centerX, centerY] = middle();
    context.fillText(field.axes[0].name, centerX, size.height - 6);
    context.save();
    context.translate(13, centerY);
    context.rotate(-Math.PI / 2);
    context.fillText(field.axes[1].name, 0, 0);
    context.restore();
    context.font = `11px ${style.fontFamily}`;
    const line = (x, y, toX, toY) => {
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(toX, toY);
      context.stroke();
    };
    ticks(0, (text, x) => {
      if (x < edge.left || x > size.width - 8) return;
      line(x, 0, x, size.height - edge.bottom + 4);
      context.fillText(text, x, size.height - 24);
    });
    context.textAlign = "right";
    ticks(1, (text, y) => {
      if (y < 8 || y > size.height - edge.bottom) return;
      line(edge.left, y, size.width, y);
      context.fillText(text, edge.left - 6, y + 4);
    });
  }

  function sharp(target, paintOn) {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [size.width, size.height].map((side) => Math.round(side * ratio));
    if (target.width !== width) target.width = width;
    if (target.height !== height) target.height = height;
    const context = target.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    context.save();
    paintOn(context, ratio);
    context.restore();
  }
  function clip(context) {
    context.beginPath();
    context.rect(edge.left, 0, size.width - edge.left, size.height - edge.bottom + 4);
    context.clip();
  }
  const radius = () => (points.label.length > 1500 ? 2.4 : 3.4) * Math.min(1.8, view.zoom ** .25);

  function paintCloud(context, ratio) {
    frame(context);
    clip(context);
    const side = radius();
    if (stamps.radius !== side) stamps = Object.assign(new Map(), { radius: side });
    const half = 1.3 * side;
    for (const bright of [false, true]) {
      context.globalAlpha = bright ? .8 : .07;
      points.label.forEach((label, index) => {
        if (looks.shown(label) !== bright) return;
        const [x, y] = at(index);
        if (x < 0 || y < -half || x > size.width + half || y > size.height) return;
        context.drawImage(stamp(label, side, ratio), x - half, y - half, 2 * half, 2 * half);
      });
    }
  }
  function paint() {
    asked = false;
    if (!field || size.width < 1) return;
    if (!fresh) sharp(cloud, paintCloud);
    fresh = true;
    sharp(canvas, (context) => {
      context.drawImage(cloud, 0, 0, size.width, size.height);
      clip(context);
      on.draw(context, pixels);
      if (active >= 0) {
        marker(context, points.label[active], ...at(active), 2 * radius());
        circle(context, ...at(active), 2.6 * radius(), 1.5);
      }
      if (ring) {
        circle(context, ...pixels(ring), 9, 2.5);
        circle(context, ...pixels(ring), 1.5, 2.5);
      }
      if (box) rectangle(context, ...box);
    });
  }
  function circle(context, x, y, radius, width) {
    const style = getComputedStyle(document.body);
    for (const [color, extra] of [["--card", 3], ["--ink", 0]]) {
      context.strokeStyle = style.getPropertyValue(color);
      context.lineWidth = width + extra;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    }
    context.lineWidth = 1;
  }
  function rectangle(context, [x, y], [right, bottom]) {
    context.strokeStyle = context.fillStyle = getComputedStyle(document.body).getPropertyValue("--accent");
    context.strokeRect(x, y, right - x, bottom - y);
    context.globalAlpha = .12;
    context.fillRect(x, y, right - x, bottom - y);
    context.globalAlpha = 1;
  }
  // `all`: also the cloud.
  function draw(all = false) {
    fresh &&= !all;
    if (asked) return;
    asked = true;
    requestAnimationFrame(paint);
  }

  function nearest([x, y], within) {
    let found = -1;
    let least = within ** 2;
    points.label.forEach((label, index) => {
      if (!looks.shown(label)) return;
      const [px, py] = at(index);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) [least, found] = [distance, index];
    });
    return found;
  }
  function activate(index, keyed = false) {
    if (index === active) return;
    active = index;
    on.hover(index, index < 0 ? null : at(index), size, keyed);
    draw();
  }
  // The next point in a direction: near, and rather ahead than aside.
  function neighbour(dx, dy) {
    const [x, y] = active < 0 ? middle() : at(active);
    if (active < 0) return nearest([x, y], Infinity);
    let [found, least] = [active, Infinity];
    points.label.forEach((label, index) => {
      const [px, py] = at(index);
      const ahead = (px - x) * dx + (py - y) * dy;
      const aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      if (index === active || !looks.shown(label) || ahead <= 0 || aside > ahead) return;
      if (ahead + aside < least) [least, found] = [ahead + aside, index];
    });
    return found;
  }
  function step(dx, dy) {
    const index = neighbour(dx, dy);
    if (index < 0) return;
    const [x, y] = at(index);
    if (x < edge.left || y < 0 || x > size.width || y > size.height - edge.bottom) {
      move(...middle().map((center, axis) => center - [x, y][axis]));
    }
    active = -1;
    activate(index, true);
  }

  // Zooms so that what is at these pixels stays there.
  function zoom(factor, [x, y] = middle()) {
    const before = view.zoom;
    view.zoom = Math.min(60, Math.max(1, before * factor));
    const change = view.zoom / before;
    const [centerX, centerY] = middle();
    view.x = (x - centerX) * (1 - change) + view.x * change;
    view.y = (y - centerY) * (1 - change) + view.y * change;
    move(0, 0);
  }
  function move(x, y) {
    // The cloud stays in sight.
    const most = (length) => view.zoom * length / 2;
    view.x = Math.min(most(size.width), Math.max(-most(size.width), view.x + x));
    view.y = Math.min(most(size.height), Math.max(-most(size.height), view.y + y));
    // At the start a finger scrolls the page; in a part of the plane it moves that.
    canvas.style.touchAction = view.zoom > 1 || on.mode() === "select" ? "none" : "";
    activate(-1);
    draw(true);
  }

  new ResizeObserver(() => {
    size = { width: canvas.clientWidth, height: canvas.clientHeight };
    fit();
    stamps = new Map();
    fresh = false;
    paint();
  }).observe(canvas);

  const scene = {
    show, draw, marker, activate, nearest, step, zoom, move, reset, at, pixels, place,
    labels: points.label,
    shown: (index) => looks.shown(points.label[index]),
    active: () => active,
    ring: () => ring,
    aimAt: (where) => { ring = where; draw(); },
    drawBox: (corners) => { box = corners; draw(); },
    restyle: () => { stamps = new Map(); draw(true); },
  };
  return Object.assign(scene, gestures(canvas, scene, on));
};
