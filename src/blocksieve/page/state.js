// What the reader chose, and who is told when it changes.

const page = JSON.parse(byId("content").textContent);
const measured = page.measurements;
const byName = new Map(measured.combinations.map((row) => [row.name, row]));
const listeners = [];
let answerPlace = page.first_answer;

function currentAnswer() {
  return page.answers[answerPlace];
}

function onAnswer(listener) {
  listeners.push(listener);
}

function setAnswer(place) {
  answerPlace = place;
  for (const listener of listeners) listener(currentAnswer());
}
