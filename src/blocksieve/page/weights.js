// The reader's traffic: shares of datasets, and means over datasets under them.
// Tested against the package's own numbers.

const shares = [];

function setUpWeights() {
  if (!byId("weights")) return;
  shareRows().forEach((row, place) => byId("weights-sliders").append(shareSlider(row, place)));
  byId("weights-reset").addEventListener("click", resetShares);
  onAnswer(showWeights);
  resetShares();
}

function resetShares() {
  const counted = measured.datasets.map((dataset) => (dataset.counted ? dataset.weight : 0));
  const total = counted.reduce((sum, weight) => sum + weight, 0);
  counted.forEach((weight, place) => (shares[place] = (100 * weight) / total));
  showWeights();
}

// A row per dataset, and one above the datasets of a task type that has more than one.
function shareRows() {
  const rows = [];
  const byType = new Map();
  measured.datasets.forEach((dataset, place) => {
    byType.set(dataset.task_type, [...(byType.get(dataset.task_type) || []), place]);
  });
  for (const [type, places] of byType) {
    const isGroup = places.length > 1;
    if (isGroup) rows.push({ name: type, note: "task type", places, kind: "type" });
    for (const place of places) {
      const name = datasetName(measured.datasets[place]);
      rows.push({ name, note: isGroup ? "" : type, places: [place], kind: isGroup ? "member" : "" });
    }
  }
  return rows;
}

function shareSlider(row, number) {
  const id = `share-${number}`;
  const disabled = !row.places.some((place) => measured.datasets[place].counted);
  const slider = element("input", { id, type: "range", min: "0", max: "100", step: "1", disabled });
  slider.addEventListener("input", () => setShare(row.places, Number(slider.value)));
  const label = element("label", { for: id }, row.name, element("small", {}, row.note));
  return element("div", { class: `share ${row.kind}` }, label, slider, element("output", { for: id }));
}

// The datasets at these places get a share together; all others keep what is left.
function setShare(places, share) {
  const counted = measured.datasets.map((dataset, place) => place).filter(isCounted);
  const inside = counted.filter((place) => places.includes(place));
  const outside = counted.filter((place) => !places.includes(place));
  if (outside.length) {
    scaleShares(inside, share);
    scaleShares(outside, 100 - share);
  }
  showWeights();
}

function isCounted(place) {
  return measured.datasets[place].counted;
}

// In their proportions; in equal parts where they had nothing.
function scaleShares(places, share) {
  const before = sumOfShares(places);
  for (const place of places) {
    shares[place] = before > 0 ? (shares[place] * share) / before : share / places.length;
  }
}

function sumOfShares(places) {
  return places.reduce((sum, place) => sum + shares[place], 0);
}

// A mean over datasets, taken as fixed: half widths add up as roots of sums of squares.
function weightedMean(intervals, weights) {
  let total = 0;
  let sum = 0;
  let squares = 0;
  intervals.forEach((interval, place) => {
    const weight = weights[place];
    if (!weight) return;
    const half = interval[1] === null ? NaN : interval[1];
    total += weight;
    sum += weight * interval[0];
    squares += (weight * half) ** 2;
  });
  const half = Math.sqrt(squares) / total;
  return [sum / total, Number.isNaN(half) ? null : half];
}

// Of every size the list of least mean on search samples, among those that holdout samples judge.
function bestOfSizes(weights) {
  const best = new Map();
  for (const row of measured.combinations) {
    if (!row.search || !row.holdout) continue;
    const mean = weightedMean(row.by_search, weights);
    const leader = best.get(row.size);
    if (!leader || mean[0] < leader.search[0]) {
      best.set(row.size, { row, search: mean, holdout: weightedMean(row.by_holdout, weights) });
    }
  }
  return [...best.values()];
}

// Sizes are tried upward until one is not shown to keep the limit, as the run's strategies do.
function largestWithin(best, limit) {
  let largest = null;
  for (const each of best) {
    if (upperEnd(each.holdout) > limit) break;
    largest = each;
  }
  return largest;
}

function showWeights() {
  const sliders = byId("weights-sliders").children;
  shareRows().forEach((row, place) => showShare(sliders[place], sumOfShares(row.places)));
  const best = bestOfSizes(shares);
  const chosen = page.supported ? largestWithin(best, currentAnswer().limit) : null;
  byId("weights-answer").textContent = unbroken(weightsSentence(best, chosen));
  const head = ["removed", "list", `holdout ${page.unit}`, `search ${page.unit}`, "keeps"];
  replaceChildren(byId("weights-table"), headRow(head, 2), weightsBody(best, chosen));
}

function showShare(row, share) {
  const text = `${Number(share.toFixed(1))}\u00a0%`;
  row.querySelector("input").value = share;
  row.querySelector("input").setAttribute("aria-valuetext", text);
  row.querySelector("output").textContent = text;
}

function upperEnd(interval) {
  return interval[1] === null ? Infinity : interval[0] + interval[1];
}

function weightsBody(best, chosen) {
  const limit = currentAnswer().limit;
  const lines = best.map((each) =>
    element(
      "tr",
      { class: each === chosen ? "chosen" : null },
      cell(String(each.row.size)),
      element("th", { scope: "row" }, each.row.name),
      meanCell(each.holdout),
      cell(signed(each.search[0]), true),
      cell(upperEnd(each.holdout) <= limit ? "✓ yes" : "✕ no", true),
    ),
  );
  return element("tbody", {}, ...lines);
}

function weightsSentence(best, chosen) {
  const limit = limitText(currentAnswer());
  if (!page.supported) return `${currentAnswer().headline}.`;
  if (!best.length) return "No list was measured on both search and holdout samples of every dataset.";
  if (!chosen) return `For this traffic no list is shown to keep ${limit}.`;
  const end = chosen === best[best.length - 1] ? " Every size measured keeps it." : "";
  return (
    `For this traffic: remove ${chosen.row.name} (${chosen.row.removed}). Mean drop` +
    ` ${signed(chosen.holdout[0])} ${page.unit} ${bracket(chosen.holdout)} on holdout samples:` +
    ` the interval keeps ${limit}.${end}`
  );
}
