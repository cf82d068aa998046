// The ranking: sorted, filtered, ties folded.

const ROWS_AT_ONCE = 40;
const rankingState = { column: "rank", descending: false, shown: ROWS_AT_ONCE, unfolded: new Set() };

function setUpRanking() {
  const sizes = [...new Set(measured.combinations.map((row) => row.size))];
  byId("ranking-size").append(option("", "all"), ...sizes.map((size) => option(String(size))));
  for (const id of ["ranking-with", "ranking-without"]) {
    byId(id).append(option("", "any"), ...measured.sites.map((site) => option(site)));
  }
  byId("ranking-without").options[0].textContent = "none";
  for (const id of ["size", "with", "without", "role", "fold"]) {
    byId(`ranking-${id}`).addEventListener("change", () => {
      rankingState.shown = ROWS_AT_ONCE;
      showRanking();
    });
  }
  byId("ranking-more").addEventListener("click", () => {
    rankingState.shown += ROWS_AT_ONCE;
    showRanking();
  });
  showRanking();
}

function rankingColumns() {
  const role = byId("ranking-role").value;
  const columns = [
    { key: "rank", title: "rank", value: (row) => row.size * 1e6 + (row.rank || 1e5) },
    { key: "name", title: "list", value: (row) => row.size },
    { key: "holdout", title: `holdout ${page.unit}`, interval: (row) => row.holdout },
    { key: "search", title: `search ${page.unit}`, interval: (row) => row.search },
  ];
  measured.datasets.forEach((dataset, place) => {
    const interval = (row) => row[role][place];
    const racedOut = (row) => (role === "by_search" && row.raced_out ? row.raced_out[place] : null);
    columns.push({ key: `dataset ${place}`, title: dataset.name, interval, racedOut, isDataset: true });
  });
  for (const column of columns) {
    if (column.interval) column.value = (row) => meanOrLast(column.interval(row));
  }
  return columns;
}

function meanOrLast(interval) {
  return interval ? interval[0] : null;
}

function filteredRows() {
  const size = byId("ranking-size").value;
  const within = byId("ranking-with").value;
  const without = byId("ranking-without").value;
  return measured.combinations.filter(
    (row) =>
      (!size || row.size === Number(size)) &&
      (!within || row.sites.includes(within)) &&
      (!without || !row.sites.includes(without)),
  );
}

// Rows without a number stay last, whatever the direction.
function sortedRows(rows, column) {
  const sign = rankingState.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const first = column.value(a);
    const second = column.value(b);
    if (first === null || second === null) return (first === null) - (second === null);
    return sign * (first - second);
  });
}

function showRanking() {
  const columns = rankingColumns();
  const column = columns.find((each) => each.key === rankingState.column) || columns[0];
  const rows = sortedRows(filteredRows(), column);
  const isFolded = byId("ranking-fold").checked && column.key === "rank" && !rankingState.descending;
  const lines = isFolded ? foldTies(rows) : rows.map((row) => ({ row }));
  const table = byId("ranking-table");
  replaceChildren(table.tHead, rankingHead(columns));
  const shown = lines.slice(0, rankingState.shown);
  replaceChildren(table.tBodies[0], ...shown.map((line) => rankingLine(line, columns)));
  byId("ranking-more").hidden = lines.length <= rankingState.shown;
  byId("ranking-count").textContent =
    `${COUNT.format(rows.length)} of ${plural(measured.combinations.length + measured.left_out, "list")}`;
}

// The first tied row of a size stays; the others hide behind a line that says how many they are.
function foldTies(rows) {
  const lines = [];
  let leader = null;
  for (const row of rows) {
    if (!row.tied || !leader || leader.row.size !== row.size) {
      leader = row.tied ? { row, folded: [] } : null;
      lines.push(leader || { row });
      continue;
    }
    leader.folded.push(row);
  }
  return lines.flatMap(unfold);
}

function unfold(line) {
  if (!line.folded || !line.folded.length) return [{ row: line.row }];
  const isOpen = rankingState.unfolded.has(line.row.name);
  const fold = { fold: line.row, count: line.folded.length, isOpen };
  const rest = isOpen ? line.folded.map((row) => ({ row })) : [];
  return [{ row: line.row }, fold, ...rest];
}

function rankingHead(columns) {
  return element("tr", {}, ...columns.map(headCell));
}

function headCell(column) {
  const isSorted = rankingState.column === column.key;
  const order = rankingState.descending ? "descending" : "ascending";
  const arrow = isSorted ? (rankingState.descending ? " ↓" : " ↑") : "";
  const button = element("button", { type: "button", class: "sort" }, column.title, arrow);
  button.addEventListener("click", () => sortBy(column.key));
  const attributes = { scope: "col", class: column.interval ? "number" : null };
  if (isSorted) attributes["aria-sort"] = order;
  return element("th", attributes, button);
}

function sortBy(key) {
  rankingState.descending = rankingState.column === key && !rankingState.descending;
  rankingState.column = key;
  showRanking();
  const sorted = byId("ranking-table").querySelector("[aria-sort] button");
  if (sorted) sorted.focus();
}

function rankingLine(line, columns) {
  if (line.fold) return foldLine(line, columns.length);
  const { row } = line;
  const numbers = columns.slice(2).map((column) => intervalCell(column, row));
  const name = element("button", { type: "button", class: "link" }, row.name);
  name.addEventListener("click", () => {
    selectSites({ kept: true, combination: row.name });
    byId("strip").scrollIntoView();
  });
  return element("tr", {}, cell(rankText(row)), element("th", { scope: "row", class: "sticky" }, name), ...numbers);
}

function intervalCell(column, row) {
  const interval = column.interval(row);
  if (!column.isDataset) return meanCell(interval);
  if (column.racedOut(row)) return racedOutCell(column.racedOut(row));
  const made = cell(interval ? signed(interval[0]) : "-", true);
  made.title = interval ? bracket(interval) : "not measured";
  return made;
}

function racedOutCell(racedOut) {
  const made = cell(signed(racedOut[0]), true);
  made.classList.add("small");
  made.title = `${bracket(racedOut)}; raced out after ${plural(racedOut[2], "sample")}`;
  return made;
}

// Means compare only over the same datasets: a list that some lack has no rank.
function rankText(row) {
  if (row.rank !== null) return `${row.rank}${row.tied ? " =" : ""}`;
  const covered = row.by_search.filter(Boolean).length;
  if (!covered) return "raced out";
  return `on ${covered} of ${measured.datasets.length}`;
}

function foldLine(line, width) {
  const text = line.isOpen
    ? `▾ ${line.count} more tied with the best of this size`
    : `▸ ${line.count} more tied with the best of this size: not shown to be worse`;
  const button = element("button", { type: "button", class: "link", "aria-expanded": line.isOpen }, text);
  button.addEventListener("click", () => {
    if (!rankingState.unfolded.delete(line.fold.name)) rankingState.unfolded.add(line.fold.name);
    showRanking();
  });
  return element("tr", { class: "fold" }, element("td", { colspan: width }, button));
}
