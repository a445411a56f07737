"use strict";
{
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("scripted");

  // A hint above what is wider than its frame.
  const look = () => {
    for (const frame of all(".frame")) {
      const inside = frame.querySelector(".scroll");
      frame.querySelector(".hint").classList.toggle("needed", inside.scrollWidth > inside.clientWidth + 1);
    }
  };
  look();
  addEventListener("resize", look);
  addEventListener("load", look);

  // Sort and filter.
  for (const tools of all(".tools")) {
    const section = tools.closest("section");
    const galleries = all(".gallery", section);
    const [order, topic, name] = ["order", "topic", "name"].map((part) => tools.querySelector(`[data-part=${part}]`));
    const said = tools.querySelector("output");
    const arrange = () => {
      const [column, direction] = order.value.split(" ");
      let shown = 0;
      let whole = 0;
      for (const gallery of galleries) {
        const value = (tile) => {
          const text = tile.getAttribute(`data-${column}`);
          return text === null || text === "" ? NaN : Number(text);
        };
        const tiles = all("li", gallery).sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
          return direction === "down" ? y - x : x - y;
        });
        for (const tile of tiles) {
          const fits = (!topic || !topic.value || tile.dataset.topic === topic.value)
            && tile.dataset.name.toLowerCase().includes(name.value.trim().toLowerCase());
          tile.hidden = !fits;
          shown += fits;
          whole += 1;
          gallery.append(tile);
        }
      }
      said.value = `${shown} of ${whole} galaxies`;
    };
    for (const part of [order, topic, name]) part?.addEventListener("input", arrange);
    tools.hidden = false;
    arrange();
  }

  // Enlarge.
  const large = document.querySelector("#large");
  if (large) {
    const [place, count] = [large.querySelector("div"), large.querySelector("nav span")];
    let opened = null;
    const neighbours = () => all("li:not([hidden])", opened.closest("section")).filter((tile) => tile.querySelector(".shot"));
    const show = (tile) => {
      opened = tile;
      const copy = tile.querySelector("figure").cloneNode(true);
      const shot = copy.querySelector(".shot");
      const still = document.createElement("div");
      still.className = "shot";
      still.append(...[...shot.childNodes].filter((part) => !part.classList?.contains("unseen")));
      shot.replaceWith(still);
      place.replaceChildren(copy);
      const near = neighbours();
      count.textContent = `${near.indexOf(tile) + 1} of ${near.length}`;
      large.setAttribute("aria-label", `Galaxy ${tile.dataset.name}, enlarged`);
    };
    const step = (by) => {
      const near = neighbours();
      show(near[(near.indexOf(opened) + by + near.length) % near.length]);
    };
    for (const tile of all(".gallery li")) {
      const shot = tile.querySelector(".shot");
      if (!shot) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "shot";
      const what = document.createElement("span");
      what.className = "unseen";
      what.textContent = "Enlarge: ";
      button.append(what, ...shot.childNodes);
      shot.replaceWith(button);
      button.addEventListener("click", () => {
        show(tile);
        large.showModal();
      });
    }
    large.querySelector("[data-step=back]").addEventListener("click", () => step(-1));
    large.querySelector("[data-step=on]").addEventListener("click", () => step(1));
    large.querySelector("[data-step=close]").addEventListener("click", () => large.close());
    large.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
    large.addEventListener("click", (event) => {
      if (event.target === large) large.close();
    });
    large.addEventListener("close", () => {
      place.replaceChildren();
      opened.querySelector(".shot").focus();
    });
  }
}
