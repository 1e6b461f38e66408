/* Tables that sort by the column whose name is pressed. */
function sortBy(head) {
  const table = head.closest("table"), body = table.tBodies[0], index = head.cellIndex;
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.querySelectorAll("th")) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const numeric = head.classList.contains("number");
  const text = (row) => row.cells[index].dataset.value ?? row.cells[index].textContent;
  const key = (row) => (numeric ? parseFloat(text(row)) : text(row));
  const compare = numeric ? (a, b) => a - b : (a, b) => a.localeCompare(b, undefined, { numeric: true });
  const known = (value) => (numeric ? !Number.isNaN(value) : value !== "–");
  const rows = [...body.rows].map((row) => [key(row), row]);
  const sorted = rows.filter(([value]) => known(value)).sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
  body.append(...sorted.concat(rows.filter(([value]) => !known(value))).map(([, row]) => row));
}
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => sortBy(button.parentElement));

Promise.allSettled(started).then((results) => {
  for (const result of results) if (result.status === "rejected") trouble(String(result.reason));
  document.documentElement.dataset.ready = "true";
});
