// The answer card and the slider of the accepted loss. All sentences come from Python.

function setUpAnswer() {
  const slider = byId("limit");
  slider.max = page.answers.length - 1;
  slider.addEventListener("input", () => setAnswer(Number(slider.value)));
  page.answers.forEach((answer, place) => {
    if (!answer.strategy) return;
    const text = `${answer.strategy} ${limitText(answer)}`;
    const button = element("button", { type: "button", "data-place": place }, text);
    button.addEventListener("click", () => setAnswer(place));
    byId("presets").append(button, " ");
  });
  onAnswer(showSlider);
  onAnswer(showCard);
}

function limitText(answer) {
  return unbroken(`${answer.limit} ${page.unit}`);
}

function showSlider(answer) {
  const slider = byId("limit");
  slider.value = answerPlace;
  slider.setAttribute("aria-valuetext", limitText(answer));
  byId("limit-value").textContent = limitText(answer);
  for (const button of byId("presets").children) {
    button.setAttribute("aria-pressed", Number(button.dataset.place) === answerPlace);
  }
}

function showCard(answer) {
  byId("headline").textContent = answer.headline;
  byId("sentence").textContent = unbroken(answer.sentence);
  const sites = answer.kept ? answer.combination.split("-") : [];
  const chips = sites.map((site) => element("span", { class: "chip" }, site));
  replaceChildren(byId("chips"), ...chips);
  replaceChildren(byId("loss"), ...lossGraph(answer));
  replaceChildren(byId("tiles"), ...tiles(answer));
}

// The interval on holdout samples as a bar, and the accepted loss as a line across it.
function lossGraph(answer) {
  const drop = answer.holdout;
  if (!drop || drop.drop === null) {
    return [element("p", { class: "note" }, "No holdout samples: no loss is confirmed.")];
  }
  const low = drop.low === null ? drop.drop : drop.low;
  const high = drop.high === null ? drop.drop : drop.high;
  const left = Math.min(0, low);
  const right = Math.max(answer.limit, high, 0.1);
  const place = (value) => 4 + (92 * (value - left)) / (right - left);
  const keeps = answer.kept ? "keeps" : "breaks";
  const interval = drop.low === null ? "-" : `[${signed(drop.low)}, ${signed(drop.high)}]`;
  const number = unbroken(`${signed(drop.drop)} ${page.unit}`);
  const mark = answer.kept
    ? `✓ keeps ${limitText(answer)}`
    : `✕ not shown to keep ${limitText(answer)}`;
  const graph = element("div", {
    class: `scale ${keeps}`,
    role: "img",
    "aria-label": `Mean drop ${number}, 95 % interval ${interval}, accepted ${limitText(answer)}`,
  });
  graph.append(
    element("span", { class: "zero", style: `left:${place(0)}%` }),
    element("span", {
      class: "bar",
      style: `left:${place(low)}%;width:${place(high) - place(low)}%`,
    }),
    element("span", { class: "dot", style: `left:${place(drop.drop)}%` }),
    element("span", { class: "limit", style: `left:${place(answer.limit)}%` }),
  );
  const of = answer.kept ? "" : ", the best list of the smallest size";
  return [
    element("p", { class: `badge ${keeps}` }, mark),
    element("p", { class: "big" }, number, element("small", {}, ` ${interval}`)),
    element("p", { class: "small" }, `mean loss on samples never used to choose${of}`),
    graph,
    element("p", { class: "small legend" }, "bar: 95 % interval; line: accepted loss; tick: 0"),
  ];
}

function tiles(answer) {
  const facts = [];
  const gains = answer.kept ? page.gains[answer.combination] || [] : [];
  if (gains.length) {
    const lines = gains.map((gain) => element("p", {}, unbroken(`${gain.name}: ${gain.value}`)));
    facts.push(tile("What it gains", ...lines));
  }
  if (answer.verified) {
    facts.push(tile("On samples kept for this alone", unbroken(answer.verified)));
  }
  if (answer.end) facts.push(tile("Why not more", unbroken(answer.end)));
  const row = byName.get(answer.combination);
  if (row && row.holdout) facts.push(tile("Samples", ...changedSamples(row)));
  return facts;
}

function tile(title, ...content) {
  return element("div", { class: "tile" }, element("dt", {}, title), element("dd", {}, ...content));
}

function changedSamples(row) {
  const total = measured.datasets.reduce((sum, dataset) => sum + dataset.holdout_samples, 0);
  const text =
    `${COUNT.format(row.worse)} of ${COUNT.format(total)} holdout samples score lower,` +
    ` ${COUNT.format(row.better)} higher.`;
  if (!page.samples) return [text];
  const link = element("a", { href: "#samples" }, "See which break");
  link.addEventListener("click", () => showBroken(row.name));
  return [element("p", {}, text), element("p", {}, link)];
}
