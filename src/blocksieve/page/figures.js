// The run's figures: each is drawn when it is opened first.

// The description becomes the name that screen readers say.
function embed(target, spec, description) {
  const options = { actions: false, renderer: "svg" };
  return vegaEmbed(target, { ...spec, description }, options);
}

function setUpFigures() {
  byId("figure-list").append(...page.figures.map(figureDetails));
}

function figureDetails(figure) {
  const title = figure.title[0].toUpperCase() + figure.title.slice(1);
  const reading = element("span", { class: "reading" }, figure.reading);
  const summary = element("summary", {}, element("strong", {}, title), reading);
  const details = element("details", { class: "figure", "data-figure": figure.name }, summary);
  if (figure.findings.length) {
    const items = figure.findings.map((finding) => element("li", {}, finding));
    details.append(element("ul", { class: "findings" }, ...items));
  }
  if (!figure.spec) {
    details.append(element("p", { class: "note" }, "Left out of this page; figures/ has it."));
    return details;
  }
  const chart = element("div", { class: "chart" });
  const region = { class: "scroll", tabindex: "0", role: "region", "aria-label": title };
  details.append(element("div", region, chart));
  details.addEventListener("toggle", () => {
    if (details.open && !chart.childNodes.length) embed(chart, figure.spec, figure.reading);
  });
  return details;
}
