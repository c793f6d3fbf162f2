"use strict";
// The latent space: a plane of codes, and beside it the image that the chosen code decodes to.
(() => {
  const box = document.querySelector("#explorer");
  const source = document.querySelector("#explorer-data");
  if (!box || !source) return;
  box.hidden = false;
  // A few megabytes are read when they are about to be seen, or when nothing else is to be done.
  let begun = false;
  const begin = () => { if (!begun) { begun = true; explore(box, JSON.parse(source.textContent)); } };
  new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) begin(); },
    { rootMargin: "600px" }).observe(box);
  if (window.requestIdleCallback) requestIdleCallback(begin, { timeout: 4000 });

  function explore(root, data) {
    const $ = (selector, from = root) => from.querySelector(selector);
    const all = (selector, from = root) => [...from.querySelectorAll(selector)];
    const make = (name, properties = {}, ...children) => {
      const element = Object.assign(document.createElement(name), properties);
      element.append(...children);
      return element;
    };
    const canvas = $(".plot > canvas");
    const tip = $(".tip");
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const dims = data.mean.length;
    const codes = Decoder.unpack(data.codes);
    const codeOf = (index) => codes.subarray(index * dims, (index + 1) * dims);
    const column = (k) => Array.from({ length: data.count }, (_, index) => codes[index * dims + k]);
    const decoder = data.decoder && Decoder.build(data.decoder);
    const decodes = Boolean(decoder || data.grid);
    const hidden = new Set();
    const present = [...new Set(data.label)].sort((a, b) => a - b);
    let mode = "move";
    let code = Float64Array.from(data.mean);
    let chosen = -1;  // the test image whose code it is
    let asked = false;

    // ------------------------------------------------------------------ images
    function sprite(pictures) {
      if (!pictures) return null;
      const image = new Image();
      const { width, height, columns } = pictures;
      const ready = (image.src = pictures.source, image.decode());
      return (target, index) => ready.then(() => {
        Object.assign(target, { width, height });
        target.getContext("2d").drawImage(image, (index % columns) * width,
          Math.floor(index / columns) * height, width, height, 0, 0, width, height);
      });
    }
    const [input, output] = [sprite(data.inputs), sprite(data.outputs)];
    const beforehand = data.grid && sprite(data.grid.images);

    // The image of a code: from the decoder, or the nearest one that was decoded beforehand.
    function picture(target, of) {
      if (beforehand) {
        const cell = data.grid.values.map((values, axis) => {
          const distance = values.map((value) => Math.abs(value - of[data.grid.dims[axis]]));
          return distance.indexOf(Math.min(...distance));
        });
        beforehand(target, cell[0] + (cell[1] ?? 0) * data.grid.values[0].length);
      }
      if (!decoder) return;
      const [channels, height, width] = decoder.shape;
      const values = decoder.decode(of);
      Object.assign(target, { width, height });
      const context = target.getContext("2d");
      const image = context.createImageData(width, height);
      const area = width * height;
      for (let k = 0; k < area; k += 1) {
        for (let c = 0; c < 3; c += 1) image.data[4 * k + c] = 255 * values[channels < 3 ? k : k + c * area] + .5;
        image.data[4 * k + 3] = 255;
      }
      context.putImageData(image, 0, 0);
    }

    // ------------------------------------------------------------------ words
    const brief = (value) => `${Number(value.toPrecision(3))}`.replace("-", "−");
    function about(index) {
      const name = present.length > 1 ? `${data.names[data.label[index]]}, ` : "";
      return `${name}test image ${index}${data.errors ? `, MSE ${brief(data.errors[index])}` : ""}`;
    }
    const say = (text) => { $("[aria-live]").textContent = text; };

    // ------------------------------------------------------------------ planes
    const plane = Plane(canvas, data, {
      per_marker: data.per_marker,
      color: (label) => {
        const palette = dark.matches ? data.dark : data.light;
        return palette[label % palette.length];
      },
      shown: (label) => !hidden.has(label),
    }, {
      mode: () => mode, hover, pick, select: (indices) => strip.select(indices), draw: (...where) => strip.trail(...where),
      aim: (where) => { if (decodes && current.from) go(current.from(where, code), "moved with the ring"); },
    });
    const projections = Object.keys(data.planes);
    const choice = (name) => $(`[data-choice=${name}]`);
    let current = null;

    function projection(name) {
      const { points, axes, components } = data.planes[name];
      const [x, y] = [points.slice(0, data.count), points.slice(data.count)];
      const vectors = components && [components.slice(0, dims), components.slice(dims)];
      const to = (of) => vectors.map((vector) =>
        vector.reduce((sum, value, k) => sum + value * (of[k] - data.mean[k]), 0));
      return {
        x, y, equal: true, axes: axes.map((axis) => ({ name: axis })),
        to: vectors ? to : () => (chosen < 0 ? null : [x[chosen], y[chosen]]),
        from: vectors && ((where, base) => {
          const here = to(base);
          return Float64Array.from(base, (value, k) =>
            value + vectors.reduce((sum, vector, axis) => sum + vector[k] * (where[axis] - here[axis]), 0));
        }),
        base: vectors && data.mean,
        words: "all other components at their mean",
      };
    }
    function twoDims(i, j) {
      const axes = [i, j].map((k) => ({ name: `code ${k + 1}` }));
      const [a, b] = [i, j].map((k) => data.spread[k]);
      return {
        x: column(i), y: column(j), axes, equal: Math.max(a, b) < 4 * Math.min(a, b),
        to: (of) => [of[i], of[j]],
        from: (where, base) => {
          const made = Float64Array.from(base);
          [made[i], made[j]] = where;
          return made;
        },
        words: dims > 2 ? "all other dimensions as before" : "",
      };
    }
    // One dimension, and the classes above each other.
    function oneDim() {
      const rank = new Map(present.map((label, k) => [label, k]));
      const y = data.label.map((label, index) => rank.get(label) + .7 * ((index * .618034) % 1 - .5));
      const title = (k) => data.names[present[Math.round(k)]] ?? "";
      return {
        x: column(0), y, equal: false,
        axes: [{ name: "code" }, { name: "class", names: (k) => (Number.isInteger(k) ? title(k) : "") }],
        to: (of) => [of[0], chosen < 0 ? (present.length - 1) / 2 : y[chosen]],
        from: (where) => Float64Array.of(where[0]),
        flat: true,
      };
    }
    function choosePlane() {
      const name = choice("plane").value;
      const own = !projections.includes(name);
      const axes = ["x", "y"].map((axis) => Number(choice(axis).value));
      ["x", "y"].forEach((axis) => { choice(axis).parentElement.hidden = !own || dims < 3; });
      if (!own) current = projection(name);
      else if (dims === 1) current = oneDim();
      else current = twoDims(...axes);
      // What is decoded beforehand lies in one plane.
      if (data.grid && (!own || data.grid.dims.some((k, axis) => k !== axes[axis]))) current.from = null;
      plane.show(current.x, current.y, current.axes, current.equal);
      plane.aimAt(decodes || chosen >= 0 ? current.to(code) : null);
    }
    function planes() {
      const options = [...projections, dims === 1 ? "Code" : dims === 2 ? "Codes" : "Two dimensions"];
      choice("plane").append(...options.map((text) => new Option(text)));
      choice("plane").parentElement.hidden = options.length < 2;
      ["x", "y"].forEach((axis, at) => {
        choice(axis).append(...data.order.map((k) => new Option(`code ${k + 1}`, k)));
        choice(axis).value = (data.grid?.dims ?? (dims === 2 ? [0, 1] : data.order))[at] ?? 0;
      });
      if (data.grid) choice("plane").value = options.at(-1);
      all("[data-choice]").forEach((one) => one.addEventListener("change", () => {
        strip.endPath();
        choosePlane();
      }));
      choosePlane();
    }

    // ------------------------------------------------------------------ the chosen code
    function go(next, words, image = -1) {
      code = Float64Array.from(next);
      chosen = image;
      $(".where").textContent = words;
      if (current) plane.aimAt(decodes || image >= 0 ? current.to(code) : null);
      all(".given").forEach((one) => { one.hidden = image < 0 || !input; });
      if (image >= 0 && input) input($("canvas", all(".given")[0]), image);
      if (image >= 0 && output) output($("canvas", all(".given")[1]), image);
      if (!output) all(".given")[1].hidden = true;
      refresh();
    }
    function refresh() {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        if (decodes) picture($(".seen canvas"), code);
        all(".sliders input").forEach((slider) => {
          slider.value = code[slider.dataset.dim];
          $("output", slider.parentElement).textContent = brief(code[slider.dataset.dim]);
        });
      });
    }
    function goToImage(index) {
      go(codeOf(index), about(index), index);
      say(`Chosen: ${about(index)}`);
    }
    // From a Gaussian with the codes' own mean and covariance, as a sum over all codes.
    function random() {
      const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
      const next = Float64Array.from(data.mean);
      for (let index = 0; index < data.count; index += 1) {
        const weight = normal() / Math.sqrt(data.count);
        codeOf(index).forEach((value, k) => { next[k] += weight * (value - data.mean[k]); });
      }
      go(next, "a random code");
    }
    function pick(where, hit) {
      // t-SNE has no way back: it takes the nearest image.
      const back = decodes && current.from;
      const index = hit < 0 && decodes && !back && !data.grid
        ? plane.nearest(plane.pixels(where), Infinity) : hit;
      if (index < 0 && !back) return;
      const next = index < 0 ? back(where, current.base ?? code) : codeOf(index);
      if (mode === "path") {
        strip.addEnd({ code: Float64Array.from(next), where: index < 0 ? where : null, index });
      }
      if (index >= 0) return goToImage(index);
      const numbers = (current.flat ? where.slice(0, 1) : where).map(brief).join(", ");
      go(next, `at ${numbers}${current.words ? `, ${current.words}` : ""}`);
      return say(`Decoded ${$(".where").textContent}`);
    }
    function hover(index, at, size, keyed) {
      tip.hidden = index < 0;
      if (index < 0) return;
      const [one, two] = all("canvas", tip);
      one.hidden = !input;
      two.hidden = !output;
      if (input) input(one, index);
      if (output) output(two, index);
      $("span", tip).textContent = about(index);
      const aside = at[0] > size.width / 2 ? at[0] - tip.offsetWidth - 14 : at[0] + 14;
      tip.style.left = `${Math.max(0, Math.min(aside, size.width - tip.offsetWidth))}px`;
      tip.style.top = `${Math.max(0, Math.min(at[1] - 40, size.height - tip.offsetHeight))}px`;
      if (keyed) say(about(index));
    }

    // ------------------------------------------------------------------ sliders
    function sliders(count) {
      const list = data.grid?.dims ?? data.order.slice(0, count);
      $(".sliders").replaceChildren(...list.map((k) => {
        const low = data.mean[k] - 3 * data.spread[k];
        const slider = make("input", { type: "range", step: "any", id: `code-${k}` });
        Object.assign(slider, { min: low, max: 2 * data.mean[k] - low });
        slider.dataset.dim = k;
        const change = (value) => {
          code[k] = value;
          go(code, "moved with the sliders");
        };
        slider.addEventListener("input", () => change(slider.valueAsNumber));
        slider.addEventListener("dblclick", () => change(data.mean[k]));
        slider.title = "Double-click: the mean";
        return make("div", {}, make("label", { htmlFor: slider.id, textContent: `code ${k + 1}` }),
          slider, make("output", { htmlFor: slider.id }));
      }));
      const more = $("[data-act=more]");
      more.hidden = data.grid || dims <= 10;
      more.textContent = count > 10 ? "Show 10 dimensions" : `Show all ${dims} dimensions`;
      more.onclick = () => sliders(count > 10 ? 10 : dims);
      refresh();
    }

    // ------------------------------------------------------------------ classes
    function legend() {
      const show = (label, shown) => hidden[shown ? "delete" : "add"](label);
      const every = (shown) => make("button", {
        type: "button", textContent: shown ? "All" : "None",
        onclick: () => { present.forEach((label) => show(label, shown)); legend(); plane.draw(true); },
      });
      $(".legend").hidden = present.length < 2;
      $(".legend").replaceChildren(...present.map((label) => {
        const swatch = make("canvas", { width: 28, height: 28 });
        plane.marker(swatch.getContext("2d"), label, 14, 14, 9);
        const button = make("button", { type: "button" }, swatch, data.names[label]);
        button.setAttribute("aria-pressed", !hidden.has(label));
        button.addEventListener("click", () => {
          show(label, hidden.has(label));
          button.setAttribute("aria-pressed", !hidden.has(label));
          plane.draw(true);
        });
        return button;
      }), ...(present.length > 2 ? [every(true), every(false)] : []));
    }

    const strip = Strip($(".strip"), {
      data, present, thumbnails: [input, output].filter(Boolean), picture, make, about, say, goToImage,
      go: (next, words) => { go(next, words); plane.aimAt(null); }, redraw: () => plane.draw(),
      locate: ({ code: of, index }) =>
        (current.base || current.from ? current.to(of) : [current.x[index], current.y[index]]),
    });

    // ------------------------------------------------------------------ start
    all("[data-mode]").forEach((button) => button.addEventListener("click", () => {
      mode = button.dataset.mode;
      all("[data-mode]").forEach((one) => one.setAttribute("aria-pressed", one === button));
      canvas.dataset.mode = mode;
      plane.press("touch");
    }));
    all("[data-key]").forEach((one) => one.addEventListener("click", () => plane.press(one.dataset.key)));
    $("[data-act=mean]").addEventListener("click", () => go(data.mean, "the mean code"));
    $("[data-act=random]").addEventListener("click", random);
    dark.addEventListener("change", () => { legend(); plane.restyle(); });
    $("[data-mode=path]").hidden = !decodes;
    all(".seen > figure:first-child, .sliders, [data-act=mean]").forEach((one) => { one.hidden = !decodes; });
    $("[data-act=random]").hidden = !decoder;
    legend();
    planes();
    if (decodes) sliders(10);
    go(data.mean, decodes ? "the mean code" : "Pick an image.");
  }
})();
