"use strict";
// The strip below the plane: the images of a region, or a path between two codes, played.
// Of the explorer it needs its elements and data, `present` labels, functions that paint images
// (`thumbnails` of an index, `picture` of a code), words (`about`, `say`), where to go (`go`,
// `goToImage`), `redraw` for the plane, and `locate`, where an end of a path lies in it.
const Strip = (strip, {
  data, present, thumbnails, picture, make, about, say, go, goToImage, redraw, locate,
}) => {
  const $ = (selector) => strip.querySelector(selector);
  const all = (selector) => [...strip.querySelectorAll(selector)];
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let path = null;

  function openStrip(title, buttons, isPath) {
    strip.hidden = !buttons.length;
    strip.dataset.kind = isPath ? "path" : "images";
    $("strong").textContent = title;
    all("[data-act=play], input").forEach((one) => { one.hidden = !isPath; });
    $(".images").replaceChildren(...buttons);
  }
  function select(indices) {
    endPath();
    if (!indices.length) return openStrip("", []);
    const most = 200;
    const counts = present.map((label) => [label, indices.filter((i) => data.label[i] === label).length])
      .filter(([, count]) => count).sort((a, b) => b[1] - a[1]);
    const list = counts.slice(0, 6).map(([label, count]) => `${data.names[label]} (${count})`).join(", ");
    const title = `${indices.length} image${indices.length > 1 ? "s" : ""}`
      + (present.length > 1 ? `: ${list}${counts.length > 6 ? ", …" : ""}` : "")
      + (indices.length > most ? ` (the first ${most} are shown)` : "");
    openStrip(title, indices.slice(0, most).map((index) => {
      const pair = thumbnails.map((paint) => {
        const one = make("canvas");
        paint(one, index);
        return one;
      });
      const button = make("button", { type: "button", title: about(index), ariaLabel: about(index) }, ...pair);
      button.addEventListener("click", () => goToImage(index));
      return button;
    }));
    return say(`${title} selected`);
  }

  // An end of a path has a code, and where it is in the plane or the index of its image.
  const blend = (share) => path.ends[0].code.map((value, k) => value + share * (path.ends[1].code[k] - value));
  const ends = () => path.ends.map((end) => end.where ?? locate(end));
  function addEnd(end) {
    if (!path || path.ends.length === 2) { endPath(); path = { ends: [], share: 0, timer: 0 }; }
    path.ends.push(end);
    redraw();
    if (path.ends.length < 2) { say("One end of the path; now pick the other."); return; }
    openStrip("Path", Array.from({ length: 11 }, (_, step) => {
      const one = make("canvas");
      picture(one, blend(step / 10));
      const button = make("button", { type: "button", ariaLabel: `${10 * step} % of the path` }, one);
      button.addEventListener("click", () => { pause(); along(step / 10); });
      return button;
    }), true);
    // After the pick that brought the second end has been shown.
    setTimeout(() => (still.matches ? along(0) : play()));
  }
  function along(share) {
    if (path?.ends.length !== 2) return;
    path.share = share;
    $("input").value = share;
    go(blend(share), `${Math.round(100 * share)} % of the path`);
    redraw();
  }
  function play() {
    pause();
    if (path.share >= 1) path.share = 0;
    $("[data-act=play]").textContent = "Pause";
    let before = performance.now();
    const ahead = (now) => {
      // With reduced motion it goes from picture to picture.
      const pace = still.matches ? 700 : 0;
      if (now - before >= pace) {
        along(Math.min(1, path.share + (still.matches ? .1 : (now - before) / 3000)));
        before = now;
      }
      if (path.share < 1) path.timer = requestAnimationFrame(ahead); else pause();
    };
    path.timer = requestAnimationFrame(ahead);
  }
  function pause() {
    cancelAnimationFrame(path?.timer);
    if (path) path.timer = 0;
    $("[data-act=play]").textContent = "Play";
  }
  function endPath() {
    pause();
    path = null;
    if (strip.dataset.kind === "path") strip.hidden = true;
    redraw();
  }
  // Draws the path into the plane.
  function trail(context, pixels) {
    if (!path) return;
    const style = getComputedStyle(document.body);
    const spots = ends().map(pixels);
    context.strokeStyle = context.fillStyle = style.getPropertyValue("--ink");
    context.lineWidth = 2;
    context.beginPath();
    spots.forEach(([x, y]) => context.lineTo(x, y));
    context.stroke();
    const dot = ([x, y], radius) => {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
    };
    spots.forEach((spot) => dot(spot, 4));
    if (spots.length < 2) return;
    context.fillStyle = style.getPropertyValue("--accent");
    dot([0, 1].map((k) => spots[0][k] + path.share * (spots[1][k] - spots[0][k])), 7);
  }

  $("[data-act=close]").addEventListener("click", () => { endPath(); strip.hidden = true; });
  $("[data-act=play]").addEventListener("click", () => (path.timer ? pause() : play()));
  $("input").addEventListener("input", (event) => { pause(); along(event.target.valueAsNumber); });
  return { select, addEnd, endPath, trail };
};
