"use strict";
// What every page does: figures enlarge, commands are copied, tables sort, the list of sections
// follows the reader.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Without this script a figure's link opens its file.
  const zoom = $("#zoom");
  const links = all("a.zoom");
  const pane = zoom && $(".pane", zoom);
  let current = 0;
  let scale = 1;

  // At scale 1 an image has its natural size, or more where the window has room for it.
  function resize(factor, fresh = false) {
    const image = $("img", pane);
    const [middleX, middleY] = ["Left", "Top"].map((side, k) => (pane[`scroll${side}`]
      + [pane.clientWidth, pane.clientHeight][k] / 2) / [pane.scrollWidth, pane.scrollHeight][k]);
    scale = Math.min(8, Math.max(.25, fresh ? 1 : scale * factor));
    const room = Math.min(pane.clientWidth / image.naturalWidth, pane.clientHeight / image.naturalHeight);
    image.style.width = `${image.naturalWidth * Math.max(1, room) * scale}px`;
    pane.scrollLeft = fresh ? 0 : middleX * pane.scrollWidth - pane.clientWidth / 2;
    pane.scrollTop = fresh ? 0 : middleY * pane.scrollHeight - pane.clientHeight / 2;
  }

  async function show(index) {
    current = (index + links.length) % links.length;
    const source = $("img", links[current]);
    const image = $("img", pane);
    image.src = source.currentSrc || source.src;
    image.alt = source.alt;
    $(".about", zoom).textContent = $("figcaption", links[current].closest("figure")).firstChild.textContent;
    $(".place", zoom).textContent = `${current + 1} of ${links.length}`;
    if (!zoom.open) zoom.showModal();
    const asked = current;
    delete zoom.dataset.shown;
    try { await image.decode(); } catch { /* shown as it loads */ }
    if (asked !== current) return;  // the reader has stepped on
    resize(1, true);
    zoom.dataset.shown = current;
  }

  if (zoom && zoom.showModal) {
    const acts = {
      previous: () => show(current - 1), next: () => show(current + 1),
      smaller: () => resize(1 / 1.5), larger: () => resize(1.5), close: () => zoom.close(),
    };
    const keys = {
      ArrowLeft: "previous", ArrowRight: "next", "+": "larger", "=": "larger", "-": "smaller",
    };
    links.forEach((link, index) => link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      show(index);
    }));
    all("button", zoom).forEach((button) => button.addEventListener("click", acts[button.dataset.act]));
    zoom.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
      event.preventDefault();
      acts[keys[event.key]]();
    });
    // A mouse drags the picture; a finger scrolls it by itself.
    pane.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button) return;
      event.preventDefault();
      pane.focus();
      pane.setPointerCapture(event.pointerId);
      pane.classList.add("held");
    });
    pane.addEventListener("pointermove", (event) => {
      if (pane.classList.contains("held")) pane.scrollBy(-event.movementX, -event.movementY);
    });
    ["pointerup", "pointercancel"].forEach((kind) =>
      pane.addEventListener(kind, () => pane.classList.remove("held")));
    zoom.addEventListener("click", (event) => { if (event.target === zoom) zoom.close(); });
  }

  all("button.copy").forEach((button) => {
    const name = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = $("pre", button.parentElement);
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      } catch {  // refused, or a page that is not allowed to
        getSelection().selectAllChildren(text);
        button.textContent = "Selected: copy it by hand";
      }
      setTimeout(() => { button.textContent = name; }, 2500);
    });
  });

  // A table sorts by the column whose header is pressed; cells without a number come last.
  all("table.sortable").forEach((table) => all("thead th", table).forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    const key = (part) => {
      const cell = (part.rows ? part.rows[0] : part).cells[column];
      return cell.dataset.value ?? cell.textContent;
    };
    button.addEventListener("click", () => {
      const down = header.getAttribute("aria-sort") === "ascending";
      all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (one, two) => {
        const [a, b] = [key(one), key(two)];
        if (a === "–" || b === "–") return (a === "–") - (b === "–");
        const difference = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
        return down ? -difference : difference;
      };
      // Rows that belong together are a body of their own.
      const bodies = [...table.tBodies];
      if (bodies.length > 1) table.append(...bodies.sort(order));
      else bodies[0].append(...[...bodies[0].rows].sort(order));
    });
  }));

  const places = new Map(all("nav a").map((link) => [$(link.getAttribute("href")), link]));
  if (window.IntersectionObserver) {
    const inView = new Set();
    const observer = new IntersectionObserver((changes) => {
      changes.forEach((one) => inView[one.isIntersecting ? "add" : "delete"](one.target));
      const first = [...places.keys()].find((place) => inView.has(place));
      places.forEach((link, place) => {
        if (place === first) link.setAttribute("aria-current", "true");
        else if (first) link.removeAttribute("aria-current");
      });
    }, { rootMargin: "0px 0px -60% 0px" });
    places.forEach((_, place) => place && observer.observe(place));
  }

  // A link into a folded part opens it.
  const unfold = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const folded = target && target.closest("details");
    if (folded && !folded.open) {
      folded.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", unfold);
  unfold();

  addEventListener("beforeprint", () => all("details").forEach((one) => { one.open = true; }));
})();
