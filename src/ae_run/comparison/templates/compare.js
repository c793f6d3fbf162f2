"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Runs of one row, which differ in their seed, are folded.
  all(".runs tbody").forEach((body) => {
    const button = $(".unfold", body);
    if (!button) return;
    const show = (open) => {
      all(".member", body).forEach((row) => { row.hidden = !open; });
      button.setAttribute("aria-expanded", open);
      button.textContent = open ? "−" : "+";
    };
    button.addEventListener("click", () => show(button.getAttribute("aria-expanded") === "false"));
    show(false);
  });

  // The filter hides rows, and with them the curves and images of their runs.
  const find = $("#find");
  const chosen = new Set();
  const filtered = new Set();
  function update() {
    all("[data-run]").forEach((one) => {
      const hidden = filtered.has(one.dataset.run);
      if (one.tagName === "path") {
        one.style.display = hidden || (chosen.size && !chosen.has(one.dataset.run)) ? "none" : "";
      } else {
        one.hidden = hidden;
      }
    });
  }
  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const bodies = all(".runs tbody");
    filtered.clear();
    bodies.forEach((body) => {
      body.hidden = !words.every((word) => body.dataset.words.includes(word));
      if (body.hidden) body.dataset.runs.trim().split(" ").forEach((id) => filtered.add(id));
    });
    const shown = bodies.filter((body) => !body.hidden).length;
    $("#shown").textContent = words.length ? `${shown} of ${bodies.length} rows` : "";
    update();
  }
  if (find) {
    find.closest(".find").hidden = false;
    find.addEventListener("input", filter);
  }
  all(".curves .picks button").forEach((button) => button.addEventListener("click", () => {
    const id = button.dataset.run;
    if (!chosen.delete(id)) chosen.add(id);
    button.setAttribute("aria-pressed", chosen.has(id));
    update();
  }));

  all(".part").forEach((part) => {
    const source = $(".pairs", part);
    if (source) compare(part, JSON.parse(source.textContent));
  });

  function compare(part, data) {
    const box = $(".versus", part);
    const [first, second] = all("select", box);
    const number = (value) => `${Number(value.toPrecision(3))}`.replace("-", "−");
    const signed = (value) => (value > 0 ? "+" : "") + number(value);
    box.hidden = false;

    function show() {
      const [a, b] = [+first.value, +second.value];
      const [low, high, p] = [data.low[a][b], data.high[a][b], data.p[a][b]];
      const sure = low > 0 || high < 0;
      const leads = (data.mean[a][b] < 0) === (data.best === "lowest");
      const better = leads ? "the first run is better" : "the second run is better";
      $(".verdict", box).textContent = a === b ? "Choose two different runs."
        : `${data.score}, first − second: ${signed(data.mean[a][b])}, 95 % interval `
          + `${signed(low)} to ${signed(high)}; p ${p < .001 ? "< 0.001" : `= ${number(p)}`}. `
          + `${sure ? `On these images ${better}` : "The interval includes 0: no difference is shown"}; `
          + `the first is better on ${(100 * data.better[a][b]).toFixed(0)} % of the images.`;
      differ(data.runs[a].id, data.runs[b].id);
    }

    // The originals and both reconstructions, where the difference of their errors is largest.
    async function differ(a, b) {
      const strips = [a, b].map((id) => $(`.lane[data-run="${id}"]`, part));
      const place = $(".differ", box);
      place.hidden = a === b || strips.some((strip) => !strip);
      if (place.hidden) return;
      const errors = strips.map((strip) => strip.dataset.errors.split(" ").map(Number));
      const order = errors[0].map((error, index) => [error - errors[1][index], index])
        .sort((x, y) => x[0] - y[0]);
      const images = [$(".target", part), ...strips.map((strip) => $("img", strip))];
      await Promise.all(images.map((image) => image.decode().catch(() => {})));
      const sides = [order.filter(([d]) => d < 0).slice(0, 6),
        order.filter(([d]) => d > 0).reverse().slice(0, 6)];
      all(".most", place).forEach((row, k) => {
        row.previousElementSibling.hidden = !sides[k].length;
        row.replaceChildren(...sides[k].map(([, index]) =>
          picture(images, index, errors.map((one) => one[index]))));
      });
    }

    function picture(images, index, errors) {
      const { width, height } = $(".lanes", part).dataset;
      const figure = document.createElement("figure");
      figure.append(...images.map((image) => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [width, height];
        canvas.getContext("2d").drawImage(image, index * width, 0, width, height, 0, 0, width, height);
        return canvas;
      }));
      const caption = document.createElement("div");
      caption.textContent = `image ${index}: MSE ${errors.map(number).join(", ")}`;
      figure.append(caption);
      return figure;
    }

    all("select", box).forEach((select) => select.addEventListener("change", show));
    show();
  }
})();
