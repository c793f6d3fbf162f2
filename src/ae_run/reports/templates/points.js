"use strict";
// Points in space, turned by pointer or arrow keys.
const COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#B8A900", "#777777", "#7a3fb0", "#5b8a00"];
const clouds = JSON.parse(document.getElementById("clouds").textContent);

function show(place, cloud) {
  const box = document.createElement("div");
  const title = document.createElement("p");
  title.textContent = cloud.title + " – drag, or use the arrow keys, to turn it";
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 600;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Points in space, coloured by class: " + cloud.names.join(", "));
  box.append(title, canvas);
  place.append(box);
  let yaw = 0.6, pitch = 0.35, last = null;

  function draw() {
    const pen = canvas.getContext("2d"), half = canvas.width / 2;
    pen.clearRect(0, 0, canvas.width, canvas.height);
    const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    const seen = cloud.points.map(([x, y, z], i) => {
      const [a, b] = [x * cy + z * sy, z * cy - x * sy];
      return [a, y * cp - b * sp, y * sp + b * cp, cloud.labels[i]];
    }).sort((p, q) => p[2] - q[2]);
    for (const [a, b, depth, label] of seen) {
      const near = 1 + depth / 4000;
      pen.globalAlpha = Math.min(1, 0.55 + depth / 3000);
      pen.fillStyle = COLORS[label % COLORS.length];
      pen.beginPath();
      pen.arc(half + a * near * half / 1350, half - b * near * half / 1350, 4 * near, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    pen.font = "16px system-ui, sans-serif";
    cloud.names.forEach((name, i) => {
      pen.fillStyle = COLORS[i % COLORS.length];
      pen.fillText(name, 8, 20 + 19 * i);
    });
  }
  function turn(x, y) {
    yaw += x;
    pitch = Math.max(-1.5, Math.min(1.5, pitch + y));
    draw();
  }
  canvas.addEventListener("pointerdown", (event) => {
    last = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    turn((event.clientX - last[0]) / 120, (event.clientY - last[1]) / 120);
    last = [event.clientX, event.clientY];
  });
  canvas.addEventListener("pointerup", () => { last = null; });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
    if (!step) return;
    event.preventDefault();
    turn(...step);
  });
  draw();
}

for (const place of document.querySelectorAll(".clouds")) {
  for (const cloud of clouds[place.dataset.figure] || []) show(place, cloud);
}
