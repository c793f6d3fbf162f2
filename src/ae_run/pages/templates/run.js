"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const source = $("#codes-data");
  if (source) scatter(JSON.parse(source.textContent));

  function scatter(data) {
    const box = $("#scatter");
    box.hidden = false;
    const canvas = $(".plot > canvas", box);
    const tip = $(".tip", box);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const chosen = new Set();
    const margin = 44;
    // What the reader has moved and magnified.
    const view = { zoom: 1, x: 0, y: 0 };
    let active = -1;
    let size = { width: 0, height: 0 };

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
    const color = (label) => {
      const palette = dark.matches ? data.dark : data.light;
      return palette[label % palette.length];
    };
    const marker = (context, label, x, y, radius) => {
      const corners = shapes[Math.floor(label / data.per_marker) % shapes.length];
      context.fillStyle = color(label);
      context.beginPath();
      corners.forEach(([a, b]) => context.lineTo(x + a * radius, y + b * radius));
      context.fill();
    };
    const shown = (label) => chosen.size === 0 || chosen.has(label);
    const reach = (values) => 2 * values.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-9);
    const [reachX, reachY] = [reach(data.x), reach(data.y)];
    const side = () => view.zoom
      * Math.min((size.width - 2 * margin) / reachX, (size.height - 2 * margin) / reachY);
    const place = (index) => [
      size.width / 2 + view.x + data.x[index] * side(),
      size.height / 2 + view.y - data.y[index] * side(),
    ];

    // Numbers along both axes, in the codes' own units.
    function ticks(context, length, middle, shift, sign, write) {
      const unit = side() / data.extent;
      const origin = (pixel) => shift + sign * (pixel - middle) / unit;
      const rough = 70 / unit;
      const power = 10 ** Math.floor(Math.log10(rough));
      const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
      const [low, high] = [origin(0), origin(length)].sort((a, b) => a - b);
      for (let k = Math.ceil(low / step); k * step <= high; k += 1) {
        const text = `${Number((k * step).toPrecision(6))}`.replace("-", "−");
        write(text, middle + sign * (k * step - shift) * unit);
      }
    }

    function draw() {
      const ratio = devicePixelRatio || 1;
      size = { width: canvas.clientWidth, height: canvas.clientHeight };
      canvas.width = size.width * ratio;
      canvas.height = size.height * ratio;
      const context = canvas.getContext("2d");
      context.scale(ratio, ratio);
      const style = getComputedStyle(document.body);
      context.font = `13px ${style.fontFamily}`;
      context.fillStyle = style.getPropertyValue("--muted");
      context.textAlign = "center";
      context.fillText(data.axes[0], size.width / 2, size.height - 6);
      context.save();
      context.translate(13, size.height / 2);
      context.rotate(-Math.PI / 2);
      context.fillText(data.axes[1], 0, 0);
      context.restore();
      context.font = `11px ${style.fontFamily}`;
      const [centerX, centerY] = data.center;
      ticks(context, size.width, size.width / 2 + view.x, centerX, 1, (text, x) => {
        if (x > margin) context.fillText(text, x, size.height - 24);
      });
      context.textAlign = "right";
      ticks(context, size.height, size.height / 2 + view.y, centerY, -1, (text, y) => {
        if (y < size.height - margin) context.fillText(text, margin, y + 4);
      });
      context.textAlign = "center";
      const radius = data.x.length > 1500 ? 2.2 : 3.2;
      data.label.forEach((label, index) => {
        if (index === active) return;
        context.globalAlpha = shown(label) ? .75 : .06;
        marker(context, label, ...place(index), radius);
      });
      context.globalAlpha = 1;
      if (active >= 0) marker(context, data.label[active], ...place(active), 2.2 * radius);
    }

    function point(event) {
      const frame = canvas.getBoundingClientRect();
      let nearest = 14 ** 2;
      let found = -1;
      data.label.forEach((label, index) => {
        const [x, y] = place(index);
        const distance = (x - event.clientX + frame.left) ** 2 + (y - event.clientY + frame.top) ** 2;
        if (distance < nearest && shown(label)) [nearest, found] = [distance, index];
      });
      if (found === active) return;
      active = found;
      draw();
      tip.hidden = found < 0;
      if (found < 0) return;
      $("span", tip).textContent = data.names[data.label[found]];
      thumbnail(found);
      const [x, y] = place(found);
      tip.style.left = `${x > size.width / 2 ? x - tip.offsetWidth - 12 : x + 12}px`;
      tip.style.top = `${Math.max(0, Math.min(y - 40, size.height - tip.offsetHeight))}px`;
    }

    const atlas = new Image();
    if (data.thumbnails) atlas.src = data.thumbnails.source;
    function thumbnail(index) {
      const target = $("canvas", tip);
      const t = data.thumbnails;
      target.hidden = !t;
      if (!t) return;
      target.width = t.width;
      target.height = t.height;
      target.getContext("2d").drawImage(
        atlas, (index % t.columns) * t.width, Math.floor(index / t.columns) * t.height,
        t.width, t.height, 0, 0, t.width, t.height);
    }

    function legend() {
      const row = $(".legend", box);
      row.replaceChildren(...[...new Set(data.label)].sort((a, b) => a - b).map((label) => {
        const button = document.createElement("button");
        const swatch = document.createElement("canvas");
        swatch.width = swatch.height = 28;
        marker(swatch.getContext("2d"), label, 14, 14, 9);
        button.type = "button";
        button.append(swatch, data.names[label]);
        button.setAttribute("aria-pressed", chosen.has(label));
        button.addEventListener("click", () => {
          if (!chosen.delete(label)) chosen.add(label);
          button.setAttribute("aria-pressed", chosen.has(label));
          draw();
        });
        return button;
      }));
    }

    // The point in the middle stays where it is.
    function magnify(factor) {
      const before = view.zoom;
      view.zoom = Math.min(40, Math.max(1, view.zoom * factor));
      view.x *= view.zoom / before;
      view.y *= view.zoom / before;
      if (view.zoom === 1) view.x = view.y = 0;
      draw();
    }
    function move(x, y) {
      view.x += x;
      view.y += y;
      active = -1;
      tip.hidden = true;
      draw();
    }
    const keys = {
      "+": () => magnify(1.5), "=": () => magnify(1.5), "-": () => magnify(1 / 1.5),
      0: () => magnify(0), ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0),
      ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40),
    };
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
    box.querySelectorAll(".tools button").forEach((button) =>
      button.addEventListener("click", keys[button.dataset.key]));
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons === 1 && event.pointerType === "mouse") move(event.movementX, event.movementY);
      else point(event);
    });
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("pointerleave", () => { active = -1; tip.hidden = true; draw(); });
    dark.addEventListener("change", () => { legend(); draw(); });
    new ResizeObserver(draw).observe(canvas);
    legend();
  }
})();
