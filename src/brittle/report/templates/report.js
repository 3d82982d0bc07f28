"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const wish = window.matchMedia("(prefers-color-scheme: dark)");

  function remembered() {
    try { return localStorage.getItem("brittle-theme"); } catch { return null; }
  }

  function show(theme) {
    root.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", "Switch to the " + button.textContent.toLowerCase() + " theme");
  }

  const chosen = () => remembered() || (wish.matches ? "dark" : "light");
  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("brittle-theme", theme); } catch { /* a page opened from disk may not remember */ }
    show(theme);
  });
  wish.addEventListener("change", () => show(chosen()));

  // Paper cannot be unfolded: everything is open while it is printed, and as before afterwards.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((box) => { box.open = true; });
  });
  window.addEventListener("afterprint", () => opened.forEach((box) => { box.open = false; }));

  // Tables: a click on a head sorts, long tables show their first rows until asked for all.
  function fold(table) {
    const limit = Number(table.dataset.limit);
    const rows = [...table.tBodies[0].rows];
    rows.forEach((row, place) => { row.hidden = limit > 0 && place >= limit; });
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const limit = Number(table.dataset.limit);
    const count = table.tBodies[0].rows.length;
    if (limit && count > limit + 3) {
      const more = document.createElement("button");
      more.type = "button";
      more.className = "more";
      more.textContent = "Show all " + count.toLocaleString("en");
      more.addEventListener("click", () => { table.dataset.limit = 0; fold(table); more.remove(); });
      table.parentElement.after(more);
      fold(table);
    } else {
      table.dataset.limit = 0;
    }
    table.querySelectorAll("thead th").forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => Number(row.cells[column].dataset.value.replace("inf", "Infinity"));
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return x === y ? 0 : (x < y) === up ? -1 : 1;
      });
      table.tBodies[0].append(...rows);
      fold(table);
    }));
  }
  show(chosen());
})();
