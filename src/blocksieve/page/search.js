// The search: a tree per beam, each kept list under the best of those that it extends.

const hasRaced = measured.combinations.some((row) => row.raced_out);

function setUpSearch() {
  const view = byId("search-list");
  if (view) view.append(...page.searches.map(searchDetails));
}

function searchDetails(search) {
  const tried = search.not_kept.reduce((sum, step) => sum + step.number, search.kept.length);
  const name = search.scope === "generic" ? "For all datasets" : search.scope;
  const counts = ` ${COUNT.format(search.kept.length)} of ${plural(tried, "list")} kept`;
  const summary = element("summary", {}, element("strong", {}, name), element("small", {}, counts));
  const roots = search.kept.filter((kept) => kept.under === null);
  const steps = search.not_kept.map((step) => element("li", {}, notKeptText(step)));
  return element(
    "details",
    { class: "search", "data-scope": search.scope },
    summary,
    keptList(roots, search),
    element("ul", { class: "small" }, ...steps),
  );
}

function notKeptText(step) {
  const removed = `${countBlocks(step.size)} removed`;
  // What a race dropped has no place here: its drop is of a part of the samples.
  const answered = hasRaced ? " answered in full, but" : "";
  return unbroken(`${removed}: ${plural(step.number, "list")}${answered} not kept, the best at ${signed(step.least)} ${page.unit}`);
}

function keptList(nodes, search) {
  return element("ul", { class: "tree" }, ...nodes.map((kept) => keptItem(kept, search)));
}

function keptItem(kept, search) {
  const children = search.kept.filter((other) => other.under === kept.name);
  const parts = [element("strong", {}, kept.name), " ", unbroken(`${signed(kept.drop[0])} ${page.unit} `)];
  parts.push(element("small", {}, bracket(kept.drop)));
  if (kept.also.length) parts.push(element("small", {}, `; extends ${kept.also.join(", ")}, too`));
  if (!children.length) return element("li", { class: "leaf" }, ...parts);
  // The way to the best list of the last step stands open.
  const open = isOnWayToBest(kept, search);
  const summary = element("summary", {}, ...parts);
  return element("li", {}, element("details", { open }, summary, keptList(children, search)));
}

function isOnWayToBest(kept, search) {
  const largest = Math.max(...search.kept.map((other) => other.size));
  let name = search.kept.find((other) => other.size === largest).name;
  while (name !== null) {
    if (name === kept.name) return true;
    name = search.kept.find((other) => other.name === name).under;
  }
  return false;
}
