
"use strict";
for (const select of document.querySelectorAll(".chooser")) {
  const choose = () => {
    for (const choice of select.closest("section").querySelectorAll(".choice")) {
      choice.hidden = choice.id !== select.value;
    }
  };
  select.addEventListener("change", choose);
  choose();
}
const SVG = "http://www.w3.org/2000/svg";
for (const plot of document.querySelectorAll(".plot[data-readings]")) {
  const { names, rows } = JSON.parse(plot.dataset.readings);
  const words = plot.parentElement.querySelector(".reading");
  const cursor = document.createElementNS(SVG, "line");
  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("y1", "0");
  cursor.setAttribute("y2", "100%");
  let current = -1;
  const show = (next) => {
    current = Math.max(0, Math.min(rows.length - 1, next));
    const [x, label, ...values] = rows[current];
    cursor.setAttribute("x1", x + "%");
    cursor.setAttribute("x2", x + "%");
    plot.append(cursor);
    const named = names.map((name, index) => values[index] && name + " " + values[index]);
    const readings = named.filter(Boolean);
    words.textContent = [label, ...readings].join("   ·   ");
  };
  const hide = () => { cursor.remove(); words.textContent = ""; };
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const x = (100 * (event.clientX - box.left)) / box.width;
    let nearest = 0;
    rows.forEach((row, index) => {
      if (Math.abs(row[0] - x) < Math.abs(rows[nearest][0] - x)) nearest = index;
    });
    show(nearest);
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const last = rows.length - 1;
    const moves = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: last };
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(moves[event.key]);
  });
}
