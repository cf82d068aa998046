"""Read which choice a marked text claims: by what it says the answer is, or starts or ends with.

The texts are those of `choice_mentions`: ⟨B⟩ is a choice's letter, ⟨b⟩ its text. Each pattern has
a comment that shows what it reads.
"""

import re
from itertools import pairwise

# Parts of patterns.
MENTION = r"⟨\w+⟩"
BY_LETTER = r"⟨(?-i:[A-Z])⟩"

# "A or B", "A, B and C", "A/B", "B. red". After the first, a mention ends its clause: in
# "B. The red car is small", red does not.
BETWEEN = r"""[^\w⟨]*(?:(?:\b(?:and|or|nor)\b|和|或者?)\s*
    (?:\b(?:maybe|perhaps|possibly|even|option|choice)\s+)*)?"""
CLAUSE_END = r"""(?=\s*(?:\Z|\n|[^\w\s]|[和或都因选選项項]
    |\b(?:or|and|because|since|as|but|too|also|so|I|for\s+sure|it\s+is|based|due|given|only|please|are
       |is\s+(?:the\s+)?(?:correct|right))\b))"""
MENTIONS = rf"{MENTION}(?:{BETWEEN}{MENTION}{CLAUSE_END}){{0,25}}"
# "A, B and C", within a line
IN_A_ROW = rf"(?>{MENTION}(?:[ ,/&()]*(?:\b(?:and|or|nor)\b[ ]*|和|或)?{MENTION}){{0,25}})"
# "option B is smaller than ..." says something of B, but does not choose it.
NOT_A_SUBJECT = r"(?!\)?[ ](?!(?:because|since|as|for|or|and|but|so|I|the|here|in|by)\b)[a-z])"
# "is right." and "is the right answer", not "is right of"
ADJECTIVE_END = r"""(?=\s*(?:\Z|[.,;:!?\n)]
    |(?:answer|choice|option|one|match|that|because|since|as|and|but|given|based|here|for)\b))"""
REST_OF_CLAUSE = r"[^,.;\n]*?(?=[,.;\n]|\Z|\b(?:so|but|therefore|because)\b)"
BE = r"(?:is|was|be|seems?|appears?|looks?|to\s+be|would|could|can|should|must|might|may|does|has)"
WRONG = r"(?:not|never|wrong|incorrect|false|ruled\s+out|eliminated|impossible|unlikely)"


def _pattern(text: str) -> re.Pattern[str]:
    """Compile a pattern that is laid out over several lines."""
    return re.compile(text, re.VERBOSE | re.IGNORECASE)


# "Is it red?"
QUESTION = _pattern(r"(?:\A|(?<=[.!?\n])) [^.!?\n]*\?")
# "I do not know whether it is B"; "I cannot see a cat"
UNCERTAIN = _pattern(
    rf"""
    \b (?: if | whether | (?:do\s+not|don't)\s+(?:think|believe|know|see) | doubt | not\s+sure
         | unsure | unclear | uncertain | cannot | can't | can\s+not | could\s+not | couldn't
         | unable | no\s+(?:evidence|sign|indication) | impossible\s+to ) \b
    {REST_OF_CLAUSE}
    """
)
# "not A but"; "neither red nor blue"; "rather than B"; "不是A"
REJECTED_BEFORE = _pattern(
    rf"""
    (?: \b (?: not | no | nor | neither | than | never | without | except | unlike | \w+n't
             | exclud\w+ | eliminat\w+ | rul\w+\s+out | rather\s+than | instead\s+of ) \b
      | 不是 | 并非 | 而非 | 不[选選] | 没有 | 排除 )
    [ \t]* (?: \b (?:be|is|really|actually|the|an?|any|option|choice|answer|letter) \s+ )*
    {IN_A_ROW} (?: \s*,?\s* (?:\bbut\b(?:\s+rather\b)? | 而是) )?
    """
)
# "B is wrong"; "A and C are incorrect"; "red doesn't fit"; "A不对"
REJECTED_AFTER = _pattern(
    rf"""
    (?: (?:{MENTION}[ (]+)? {MENTION} \)? \s+ (?:{BE}\s+)+ {WRONG} \b
      | {MENTION} \)? \s+ (?:{BE}\s+)* (?:\w+n't|cannot) \b
      | {IN_A_ROW} \)? \s+ (?:are|were|do|look|seem|can|could) \s+
        (?:be\s+|both\s+|all\s+)? {WRONG} \b
      | {IN_A_ROW} \)? \s+ (?:aren't|weren't|don't) \b
      | {IN_A_ROW} \s* (?:[选選]?[项項])? (?:是|都)* (?:错|不) )
    {REST_OF_CLAUSE}
    """
)
# "red or something else"
OPEN_ENDED = _pattern(
    rf"{MENTION},?\s+or\s+(?![^.,;\n]*⟨)\w+"
    rf"|(?<!⟩)\s\w+,?\s+or\s+{MENTION}"
)

# "A. red B. blue", "Option A: red. Option B: blue."
LISTED = _pattern(
    r"""
    (?:option\s+)? ⟨((?-i:[A-Z]))⟩ [.:)]* \s* ⟨\1⟩ [\s.,;)]*
    (?: (?:option\s+)? (?!⟨\1⟩) ⟨((?-i:[A-Z]))⟩ [.:)]* \s* ⟨\2⟩ [\s.,;)]* )+
    """
)

# "From the options A, B, C and D"
OFFERED = _pattern(
    rf"""
    \b(?:options|choices) (?:\s+are)? [\s:]*
    {MENTION} (?: [\s,]+ (?:(?:and|or)\s+)? {MENTION} ){{2,25}}
    """
)

NOT_CLAIMED = (LISTED, OFFERED, QUESTION, REJECTED_AFTER, REJECTED_BEFORE, UNCERTAIN, OPEN_ENDED)
"""What mentions choices without claiming them; it is dropped in this order."""

CLAIMS = (
    # "The correct answer to the question is most likely option B"; "Answer: red"; "答案是C"
    _pattern(
        rf"""
        (?: \b (?: answers? | ans | option | choice | selection | response | solution
                 | (?:correct|right|best)\s+(?:one|letter) ) \b
            [^.⟨\n]{{0,80}}? (?: \b(?:is|be)\b | [:=] | 's )
          | \b(?:final|result|correct) \s* :
          | (?:答案|[选選][项項择擇]|答え|正解|정답|답) [^.⟨\n]{{0,20}}?
            (?:是|为|は|은|[:=]) )
        \s* (?: \b (?:that|the|most|\w+ly|indeed|it|is|an?
                     |either|both|option|choice|letter|answer) \b [\s:]* | [选選][项項] \s* ){{0,6}}
        ((?>{MENTIONS}))
        """
    ),
    # "option C"; "options A and B"; "选C"
    _pattern(
        rf"""
        (?: \b(?:options?|choices?|answers?|ans\.?)(?!\w) | [选選][项項择擇]? | 答案 ) [\s\]]*
        ((?>{MENTIONS})) {NOT_A_SUBJECT}
        """
    ),
    # "C is correct"; "red is the right answer"; "B seems most likely"
    _pattern(
        rf"""
        ((?>{MENTIONS})) [.)]? \s* (?:{BE}|are) \s+ (?:{BE}\s+)*
        (?: \b (?:both|all|indeed|clearly|also|the|an?|my|one|most|more|only) \s+ )*
        \b (?:correct|right|best|true|answers?|choice|option|likely|plausible|possible
              |accurate|fitting|suitable|appropriate|the\s+one) \b {ADJECTIVE_END}
        """
    ),
    # "C是正确的"; "B项对"
    _pattern(rf"((?>{MENTIONS})) \)? \s* (?:[选選]?[项項])? (?:是|最|都)* (?:正确|对|合适)"),
    # "I would go with B"; "it is B"; "so B"; "maybe B"
    _pattern(
        rf"""
        (?: \b (?: choos\w+ | chose | pick\w* | select\w* | go(?:ing)?\s+with | opt\s+for
                 | vote(?:\s+for)? | say | guess(?:\s+is)? | think | believe
                 | is | be | it's | that's | looks?\s+like
                 | so | therefore | thus | hence | conclusion
                 | maybe | perhaps | \w+ly | (?:could|might|may)\s+(?:also\s+)?be
                 | either | also | actually | wait | just | only | see
                 | (?:corresponds|leads?)(?:\s+us)?\s+to | leaves(?:\s+us\s+with)?
                 | making | makes | no | yes | hmm | well | okay | ok | sure ) \b
          | (?<![不还])是 )
        [\s,:]* (?: \b(?:that|it|is|it's|the|an?|answer|option|choice|letter|also)\b [\s:]* ){{0,6}}
        ((?> {BY_LETTER} (?:{BETWEEN}{MENTION}{CLAUSE_END}){{0,25}} )) {NOT_A_SUBJECT}
        """
    ),
    # "B best describes it"; "B matches the picture"
    _pattern(
        rf"((?>{MENTIONS})) \)? \s+"
        r"(?: best | (?:most\s+closely\s+)? (?:describes|matches|fits) ) \b"
    ),
    # "A, or it is B"
    _pattern(rf"({MENTION} [^⟨\n]{{0,40}} \bor\b [^⟨\n]{{0,20}} {BY_LETTER})"),
    # "A, but B fits as well"
    _pattern(
        rf"({BY_LETTER} (?:.*{BY_LETTER})?) [^.⟨\n]{{0,40}}"
        r"\b(?:as\s+well|too|also|equally|possible|plausible)\b"
    ),
    # "A could be right and so could B"
    _pattern(rf"\bso \s+ (?:could|can|is|might|does) \s+ ((?>{MENTIONS}))"),
)
"""What claims the choices that group 1 mentions."""

# "Therefore, ..."
CONCLUSION = _pattern(
    r"\b(?:so|therefore|thus|hence|conclusion|conclude|final|finally|consequently)\b"
    r" | 因此 | 所以 | [综綜]上 | 故"
)
# "B because ...", "B) ...", "B. red", "Option B, ...", "red - it is ...", "A or B"
START = _pattern(
    rf"""
    \W* (?:\b(?:option|choice)\s+)? (?={MENTION} (?!\s*(?:(?:or|and)\b|和|或)) {CLAUSE_END})
    ((?>{MENTIONS})) (?!\)\s(?:is|was|has|does|shows)\b)
    """
)
# "B. The ball is blue", a line of a list that goes through the options
OPTION_LINE = _pattern(r"\W* ⟨((?-i:[A-Z]))⟩ \s* [.:)-] .+")
# "A: 50 %, B: 50 %"
OPTION = _pattern(r"⟨((?-i:[A-Z]))⟩ \s* :")
REFUSAL = _pattern(
    r"\b(?:sorry | apologi[sz]e | as\s+an\s+ai | cannot | can't | unable | not\s+sure | unsure"
    r" | unclear | don't\s+know | do\s+not\s+know | none\s+of)\b | 无法 | 抱歉 | 不确定 | 不知道"
)

Letters = set[str]
"""The capital letters of the choices that were read."""


def letters_in(mentions: str) -> Letters:
    """Return the letters of all mentions in a marked text."""
    letters = set()
    for mention in re.findall(r"⟨(\w+)⟩", mentions):
        letters |= set(mention.upper())
    return letters


def read_claims(text: str) -> Letters:
    """Read every choice that a sentence claims: "So the answer is C.", "Option B is right"."""
    letters = set()
    for pattern in CLAIMS:
        for mentions in pattern.findall(text):
            letters |= letters_in(mentions)
    return letters


def read_conclusion(text: str) -> Letters:
    """Read what is claimed from a sentence on that says "therefore" or the like, in its line."""
    letters = set()
    for line in text.splitlines():
        conclusion = CONCLUSION.search(line)
        if conclusion:
            sentence_start = line.rfind(". ", 0, conclusion.start()) + 1
            letters |= read_claims(line[sentence_start:])
    return letters


def option_of(line: str) -> str | None:
    """Return the letter of the option that a line of a list goes through: "B. It is blue"."""
    match = OPTION_LINE.fullmatch(line)
    return match[1] if match else None


def without_option_lines(text: str) -> str:
    """Drop lines that go through options in their order: they weigh them, but claim none."""
    lines = [line for line in text.splitlines() if line.strip()]
    option_lines = [number for number, line in enumerate(lines) if option_of(line)]
    dropped = set()
    for number, next_number in pairwise(option_lines):
        letter, next_letter = option_of(lines[number]), option_of(lines[next_number])
        if letter and next_letter and ord(next_letter) == ord(letter) + 1:
            dropped |= {number, next_number}
    kept = [line for number, line in enumerate(lines) if number not in dropped]
    return "\n".join(kept)


def lists_options(text: str) -> bool:
    """Tell whether a text lists options: "A: most likely, B: less likely"."""
    letters = set(OPTION.findall(text))
    for line in text.splitlines():
        letter = option_of(line)
        if letter:
            letters.add(letter)
    return len(letters) > 1


def read_start(text: str) -> Letters:
    """Read the choices that the text starts with: "B, because ...", "**D. green**", "A or B".

    After a letter may come an explanation that mentions other texts; after a text it may not.
    """
    match = START.match(text)
    if match is None:
        return set()
    letters = letters_in(match[1])
    return letters if re.search("[A-Z]", match[1]) else letters_in(text)


def read_ends(text: str) -> Letters:
    """Read the choices that the text, or the last of several lines, starts with."""
    if lists_options(text):
        return set()
    last_line = text[text.rfind("\n") + 1 :]
    return read_start(text) | read_start(last_line)


def read_only_text(text: str) -> Letters:
    """Read the only choice that is mentioned at all, by its text: "I think it is the cat"."""
    is_by_text = re.search(r"⟨[a-z]", text) is not None
    return letters_in(text) if is_by_text else set()


def read_claimed(marked: str) -> Letters:
    """Read what a marked text claims, concludes, starts or ends with; else its only mention."""
    text = without_option_lines(marked)
    for pattern in NOT_CLAIMED:
        text = pattern.sub(" ", text)
    text = text.strip()
    claims = read_conclusion(text) or read_claims(text)
    letters = claims | read_ends(text)
    if letters or REFUSAL.search(marked):
        return letters
    return read_only_text(text)
