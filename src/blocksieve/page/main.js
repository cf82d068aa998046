// Puts the views together.

setUpAnswer();
setUpTradeOff();
setUpStrip();
setUpRanking();
setUpSamples();
setUpWeights();
setUpFigures();
setAnswer(page.first_answer);
