// Puts the views together.

setUpAnswer();
setUpTradeOff();
setUpStrip();
setUpRanking();
setUpSearch();
setUpSamples();
setUpWeights();
setUpFigures();
setAnswer(page.first_answer);
