// The block strip: any set of blocks, measured or not.

const MAX_NEAREST = 3;
const removedSites = new Set();

function setUpStrip() {
  const singles = measured.sites.map((site) => meanOf(byName.get(site)));
  const largest = Math.max(...singles.map((mean) => (mean ? mean[0] : 0)), 1);
  measured.sites.forEach((site, place) => {
    byId("blocks").append(siteButton(site, singles[place], largest));
  });
  byId("strip-answer").addEventListener("click", () => selectSites(currentAnswer()));
  byId("strip-none").addEventListener("click", () => selectSites({ kept: false }));
  onAnswer(selectSites);
}

// The mean over all datasets: on holdout samples if they were asked, since they chose nothing.
function meanOf(row) {
  if (!row) return null;
  return row.holdout || row.search;
}

function siteButton(site, mean, largest) {
  const cost = mean ? `${signed(mean[0])} ${page.unit} ${bracket(mean)}` : "not measured alone";
  const button = element("button", {
    type: "button",
    class: "site",
    "data-site": site,
    "aria-pressed": "false",
    "aria-label": `block ${site}, alone ${cost}`,
    title: `block ${site}, alone ${cost}`,
  });
  // A square root keeps small costs visible beside a vital block.
  const height = mean ? 100 * Math.sqrt(Math.max(mean[0], 0) / largest) : 0;
  const bar = element("span", { class: "cost", style: `height:${height}%` });
  button.append(element("span", { class: "column" }, bar), element("span", {}, site));
  button.addEventListener("click", () => toggleSite(site));
  return button;
}

function toggleSite(site) {
  if (!removedSites.delete(site)) removedSites.add(site);
  showStrip();
}

function selectSites(answer) {
  removedSites.clear();
  if (answer.kept) answer.combination.split("-").forEach((site) => removedSites.add(site));
  showStrip();
}

function showStrip() {
  for (const button of byId("blocks").children) {
    button.setAttribute("aria-pressed", removedSites.has(button.dataset.site));
  }
  const sites = measured.sites.filter((site) => removedSites.has(site));
  replaceChildren(byId("strip-result"), ...stripResult(sites));
}

function stripResult(sites) {
  if (!sites.length) return [element("p", { class: "note" }, "Nothing removed: the whole model.")];
  const name = sites.join("-");
  const refused = measured.refused.filter((each) => each.name === name);
  if (refused.length) {
    const text = `The model cannot run without ${name}: ${refused[0].reason}.`;
    return [element("p", { class: "note warning" }, text)];
  }
  const row = byName.get(name);
  if (!row) return notMeasured(name, sites);
  return [measuredSentence(row), datasetTable(row)];
}

function measuredSentence(row) {
  const parts = [element("strong", {}, `Without ${row.name}: `)];
  if (row.holdout) {
    parts.push(
      `mean drop ${signed(row.holdout[0])} ${page.unit} ${bracket(row.holdout)} on holdout samples.`,
    );
  } else if (row.search) {
    parts.push(
      `mean drop ${signed(row.search[0])} ${page.unit} ${bracket(row.search)} on search samples,` +
        " which favour what they chose. Not measured on holdout samples: not confirmed.",
    );
  } else {
    const covered = row.by_search.filter(Boolean).length;
    const racedOut = row.raced_out ? "; raced out, after a part of the samples, on others" : "";
    parts.push(
      `measured on ${covered} of ${measured.datasets.length} datasets only${racedOut}, so there is no mean.`,
    );
  }
  return element("p", { class: "sentence" }, ...parts);
}

function datasetTable(row) {
  const head = ["dataset", `holdout ${page.unit}`, `search ${page.unit}`];
  const table = element("table", {}, headRow(head, 1));
  const body = element("tbody");
  measured.datasets.forEach((dataset, place) => {
    body.append(
      element(
        "tr",
        {},
        element("th", { scope: "row" }, datasetName(dataset)),
        meanCell(row.by_holdout[place]),
        meanCell(row.by_search[place]),
      ),
    );
  });
  table.append(body);
  const region = { class: "scroll", tabindex: "0", role: "region", "aria-label": "By dataset" };
  return element("div", region, table);
}

function datasetName(dataset) {
  return dataset.counted ? dataset.name : `${dataset.name} (baseline near 0, in no mean)`;
}

function headRow(names, textColumns) {
  const cells = names.map((name, place) =>
    element("th", { scope: "col", class: place < textColumns ? null : "number" }, name),
  );
  return element("thead", {}, element("tr", {}, ...cells));
}

// A set that was not measured has no number: what is near it, and a guide that is no measurement.
function notMeasured(name, sites) {
  // A page has room for so many lists; the others are counted at its end.
  const state = measured.left_out
    ? "not on this page; evaluations.parquet may have it."
    : "not measured.";
  const lines = [
    element(
      "p",
      { class: "sentence" },
      element("strong", {}, `Without ${name}: ${state}`),
      ` ${sumOfSingles(sites)}`,
    ),
  ];
  const nearest = nearestMeasured(sites);
  if (nearest.length) {
    lines.push(element("p", {}, "Nearest measured:"));
    lines.push(element("ul", {}, ...nearest.map((row) => nearestItem(row, sites))));
  }
  return lines;
}

function sumOfSingles(sites) {
  const means = sites.map((site) => meanOf(byName.get(site)));
  if (means.some((mean) => !mean)) return "Not all of its blocks were measured alone.";
  const sum = means.reduce((total, mean) => total + mean[0], 0);
  return (
    `The drops of its blocks alone add up to ${signed(sum)} ${page.unit}, which is only a guide:` +
    " together, blocks may cost more or less."
  );
}

function nearestMeasured(sites) {
  const wanted = new Set(sites);
  const distances = [];
  for (const row of measured.combinations) {
    if (!meanOf(row)) continue;
    const common = row.sites.filter((site) => wanted.has(site)).length;
    distances.push([wanted.size + row.sites.length - 2 * common, row]);
  }
  const least = Math.min(...distances.map(([distance]) => distance));
  const nearest = distances.filter(([distance]) => distance === least).map(([, row]) => row);
  // What holdout samples judged comes first, then the larger ones.
  nearest.sort((a, b) => Boolean(b.holdout) - Boolean(a.holdout) || b.size - a.size);
  return nearest.slice(0, MAX_NEAREST);
}

function nearestItem(row, sites) {
  const extra = row.sites.filter((site) => !sites.includes(site));
  const lacking = sites.filter((site) => !row.sites.includes(site));
  const parts = [];
  if (lacking.length) parts.push(`keeps ${lacking.join(", ")}`);
  if (extra.length) parts.push(`removes ${extra.join(", ")} too`);
  const role = row.holdout ? "holdout" : "search";
  const mean = meanOf(row);
  const button = element("button", { type: "button", class: "link" }, row.name);
  button.addEventListener("click", () => selectSites({ kept: true, combination: row.name }));
  const text =
    ` (${parts.join(", ")}): ${signed(mean[0])} ${page.unit} ${bracket(mean)}` +
    ` on ${role} samples`;
  return element("li", {}, button, text);
}
