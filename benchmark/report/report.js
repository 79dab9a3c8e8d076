"use strict";

// Boards: rows beyond the first wait in a template; sorting and filtering work on all of them, few are laid out.
function board(box) {
  const table = box.querySelector("table");
  const body = table.tBodies[0];
  const waiting = box.querySelector("template").content.querySelectorAll("tr");
  const step = Number(box.dataset.shown);
  const heads = [...table.tHead.rows[0].cells];
  const [find, family, count, more] = [".find", ".family", ".count", ".more"].map((s) => box.querySelector(s));
  let rows = [];
  for (const row of [...body.rows, ...waiting]) {
    if (row.classList.contains("seed")) rows.at(-1).seeds.push(row);
    else rows.push({ row, seeds: [], place: rows.length, text: null });
  }
  const runs = (items) => items.reduce((sum, item) => sum + Math.max(1, item.seeds.length), 0);
  const total = runs(rows);
  let found = rows;
  let shown = step;

  const textOf = (item) =>
    (item.text ??= [item.row, ...item.seeds].map((row) => row.textContent.toLowerCase()).join(" "));
  const keyOf = (item, column, numeric) => {
    const cell = item.row.children[column];
    if (numeric) return cell.dataset.v === "" ? NaN : Number(cell.dataset.v);
    return cell.textContent.toLowerCase();
  };

  function render() {
    body.replaceChildren(...found.slice(0, shown).flatMap((item) => [item.row, ...item.seeds]));
    more.hidden = found.length <= shown;
    const all = `${total} ${total === 1 ? "run" : "runs"}`;
    const some = found.length === rows.length ? all : `${runs(found)} of ${all}`;
    count.textContent = found.length > shown ? `${some}, the first ${shown} shown` : some;
  }

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = family.value;
    found = rows.filter(
      (item) => (!wanted || item.row.dataset.family === wanted) && words.every((w) => textOf(item).includes(w)),
    );
    shown = step;
    render();
  }

  function sort(head) {
    const first = head.dataset.first || "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const direction = head.getAttribute("aria-sort") === first ? other : first;
    for (const each of heads) each.setAttribute("aria-sort", each === head ? direction : "none");
    const sign = direction === "ascending" ? 1 : -1;
    const numeric = head.dataset.kind === "number";
    const column = heads.indexOf(head);
    const keyed = rows.map((item) => ({ item, key: keyOf(item, column, numeric) }));
    // What is undefined comes last in both directions; equal keys keep the order of the ranks.
    keyed.sort((a, b) => {
      if (numeric) {
        const [none, other] = [Number.isNaN(a.key), Number.isNaN(b.key)];
        if (none || other) return none - other || a.item.place - b.item.place;
        return sign * (a.key - b.key) || a.item.place - b.item.place;
      }
      return sign * (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) || a.item.place - b.item.place;
    });
    rows = keyed.map(({ item }) => item);
    filter();
  }

  // Runs of several seeds are one row, which unfolds to them.
  for (const { row, seeds } of rows.filter((item) => item.seeds.length)) {
    const button = row.querySelector(".seeds");
    const fold = (folded) => {
      button.setAttribute("aria-expanded", String(!folded));
      for (const seed of seeds) seed.hidden = folded;
    };
    button.hidden = false;
    button.addEventListener("click", () => fold(!seeds[0].hidden));
    fold(true);
  }
  for (const head of heads) head.querySelector("button").addEventListener("click", () => sort(head));
  let timer = 0;
  find.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(filter, 60);
  });
  family.addEventListener("change", filter);
  more.addEventListener("click", () => {
    shown += step;
    render();
  });
  // A browser may restore what was typed before a reload.
  if (find.value || family.value) filter();
  else render();
}

// Overlays: the slider fades between the image and what is laid over it.
function slider(figure) {
  const range = figure.querySelector("input[type=range]");
  const fade = () => {
    figure.style.setProperty("--mix", String(Number(range.value) / 100));
    range.setAttribute("aria-valuetext", `overlay at ${range.value} %`);
  };
  range.addEventListener("input", fade);
  fade();
}

document.querySelectorAll(".board").forEach(board);
document.querySelectorAll(".overlay").forEach(slider);
document.documentElement.classList.add("ready");
