// The trade-off curve: drawn once, its line and ring follow the slider.

const CURVE_DESCRIPTION =
  "Mean drop against the number of removed blocks; the table below holds the same numbers.";

function setUpTradeOff() {
  const rows = page.curve.map((point) =>
    element(
      "tr",
      {},
      cell(String(point.size), true),
      cell(point.combination),
      cell(point.curve),
      cell(signed(point.drop), true),
      cell(point.low === null ? "-" : `[${signed(point.low)}, ${signed(point.high)}]`, true),
    ),
  );
  byId("curve-rows").append(...rows);
  embed(byId("curve"), page.chart, CURVE_DESCRIPTION).then((result) => {
    const follow = (answer) => {
      result.view.signal("limit", answer.limit).signal("size", answer.size).runAsync();
    };
    onAnswer(follow);
    follow(currentAnswer());
  });
}
