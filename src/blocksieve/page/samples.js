// Samples: which ones a list breaks or mends.

const CARDS_AT_ONCE = 24;
const CHANGES = {
  broken: (change) => change < 0,
  mended: (change) => change > 0,
  unchanged: (change) => change === 0,
  all: () => true,
};
let cardsShown = CARDS_AT_ONCE;

function setUpSamples() {
  if (!page.samples) return;
  byId("samples-list").append(...page.samples.lists.map((name) => option(name)));
  byId("samples-change").append(...Object.keys(CHANGES).map((name) => option(name)));
  const datasets = page.samples.datasets.map((each) => option(each.dataset));
  byId("samples-dataset").append(option("", "all"), ...datasets);
  for (const id of ["list", "change", "dataset"]) {
    byId(`samples-${id}`).addEventListener("change", () => {
      cardsShown = CARDS_AT_ONCE;
      showSamples();
    });
  }
  byId("samples-more").addEventListener("click", () => {
    cardsShown += CARDS_AT_ONCE;
    showSamples();
  });
  onAnswer((answer) => {
    if (answer.kept) selectList(answer.combination);
    showSamples();
  });
}

function selectList(name) {
  if (page.samples.lists.includes(name)) byId("samples-list").value = name;
}

function showBroken(name) {
  selectList(name);
  byId("samples-change").value = "broken";
  byId("samples-dataset").value = "";
  cardsShown = CARDS_AT_ONCE;
  showSamples();
}

function showSamples() {
  const place = 1 + page.samples.lists.indexOf(byId("samples-list").value);
  const isWanted = CHANGES[byId("samples-change").value];
  const dataset = byId("samples-dataset").value;
  const chosen = [];
  let total = 0;
  for (const group of page.samples.datasets) {
    if (dataset && group.dataset !== dataset) continue;
    for (const sample of group.samples) {
      const answer = sample.answers[place];
      if (!answer) continue;
      total += 1;
      if (isWanted(answer.change)) chosen.push([group.dataset, sample, answer]);
    }
  }
  const cards = chosen.slice(0, cardsShown).map((each) => sampleCard(...each));
  replaceChildren(byId("samples-cards"), ...cards);
  byId("samples-more").hidden = chosen.length <= cardsShown;
  byId("samples-count").textContent = `${COUNT.format(chosen.length)} of ${plural(total, "sample")}`;
}

function sampleCard(dataset, sample, answer) {
  const whole = sample.answers[0];
  const facts = element("dl", {});
  facts.append(...fact("question", sample.question));
  if (sample.choices.length) facts.append(...fact("choices", sample.choices.join("\n")));
  facts.append(...fact("references", sample.references.join("\n")));
  facts.append(...fact("whole model", answerText(whole)));
  facts.append(...fact("without the list", answerText(answer)));
  const change = answer.change < 0 ? "broken" : answer.change > 0 ? "mended" : "unchanged";
  const mark = { broken: "✕ broken", mended: "✓ mended", unchanged: "= unchanged" }[change];
  const head = element(
    "p",
    { class: "head" },
    element("span", { class: `badge ${change}` }, mark),
    element("span", { class: "small" }, dataset),
  );
  return element("article", { class: "sample" }, ...sample.pictures.map(picture), head, facts);
}

function fact(name, text) {
  return [element("dt", {}, name), element("dd", {}, text || "(empty)")];
}

function answerText(answer) {
  return `${answer.text || "(empty)"} (score ${Number(answer.score.toFixed(2))})`;
}

function picture(place) {
  if (place === null) return element("p", { class: "no-picture" }, "picture left out");
  const src = page.samples.pictures[place];
  return element("img", { src, alt: "the sample's picture" });
}
