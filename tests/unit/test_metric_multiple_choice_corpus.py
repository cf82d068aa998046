"""Multiple choice on a corpus of what models print: how much is read, and that none is misread.

Templates x letters x sets of choices. {L} is the answer's letter, {l} the same in lower case, {T}
its text, {M} and {N} the letters of two more choices, {U} and {V} their texts.
"""

import pytest

from blocksieve.metrics.multiple_choice import parse_choice

CHOICE_SETS = {
    "colours": ("red", "blue", "green", "yellow"),
    "contained": ("red", "dark red", "light blue", "blue"),
    "articles": ("a cat", "the dog house", "an old tree", "the river"),
    "numbers": ("2", "3", "12", "20"),
    "decimals": ("0.5", "5", "1.5 m", "-5"),
    "names": ("New York", "Washington, D.C.", "Los Angeles", "St. Louis"),
    "sentences": (
        "The plant makes its own food.",
        "It eats other animals.",
        "Both of them hunt at night.",
        "Neither needs water.",
    ),
    "capitals": ("Vitamin C", "Vitamin A", "Plan B", "Type O"),
    "chinese": ("红色", "蓝色", "绿色的树", "一只猫"),
    "accents": ("café", "crème brûlée", "jalapeño", "naïve"),
    "none": ("a lion", "a tiger", "none of the above", "all of the above"),
    "truths": ("yes", "no", "maybe", "cannot be determined"),
    "sides": ("left", "right", "top", "bottom"),
    "units": ("10 kg", "100 kg", "10 g", "1,000 g"),
    "six": ("circle", "square", "triangle", "star", "cross", "hexagon"),
}

# One choice is meant: with its letter.
LETTER = """
{L}|{l}|({L})|({l})|[{L}]|{L}.|{l}.|{L})|{l})|{L}:|**{L}**|**{L}.**|**({L})**|`{L}`|"{L}"|'{L}'|\
 {L}\n|{L}\n\n|{L}。|（{L}）|{L}，|{L}、|{L}</s>|{L}<|im_end|>|$\\boxed{{{L}}}$|\\boxed{{{L}}}|\
\\boxed{{\\text{{{L}}}}}|\\[ \\boxed{{{L}}} \\]|<answer>{L}</answer>|<answer> {L} </answer>|\
<ANSWER>({L})</ANSWER>|<think>It may be {M}.</think><answer>{L}</answer>|\
<think>\nIt may be {M} or {N}.\n</think>\n\n{L}|It may be {M}.</think>{L}|Answer: {L}|answer: {l}|\
ANSWER: {L}|Answer:{L}|Answer: ({L})|Answer: {L}.|Answer - {L}|Answer {L}|**Answer:** {L}|\
**Answer: {L}**|### Answer: {L}|### Answer\n{L}|Final answer: {L}|Final Answer: ({L})|\
**Final Answer:** {L}|**Final Answer**: **{L}**|The final answer is {L}.|\
The final answer is \\boxed{{{L}}}.|The final answer is: $\\boxed{{{L}}}$|Correct answer: {L}|\
The answer is {L}|The answer is {L}.|The answer is ({L}).|The answer is **{L}**.|\
The answer is: {L}|The answer is:\n\n{L}|The answer is "{L}".|the answer is {l}|The answer's {L}.|\
The correct answer is {L}.|The correct answer is: **{L}**|The correct answer is option {L}.|\
The right answer is {L}.|The best answer is {L}.|The correct option is {L}.|\
The correct choice is ({L}).|The correct letter is {L}.|The answer should be {L}.|\
The answer would be {L}.|The answer must be {L}.|My answer is {L}.|My answer: {L}|\
The answer to the question is {L}.|The correct answer to this question is {L}.|\
The correct answer based on the image is {L}.|Based on the image, the answer is {L}.|\
According to the picture, the correct answer is option {L}.|So the answer is {L}.|\
Therefore, the answer is {L}.|Thus, the correct answer is ({L}).|Hence {L}.|So, {L}.|\
So it is {L}.|So it must be {L}.|Therefore, {L} is correct.|Option {L}|option {l}|Option {L}.|\
Option ({L})|Choice {L}|Letter {L}|Option {L} is correct.|Option {L} is the correct answer.|\
Option {L} is right.|Option {L} is the best choice.|Option {L} seems most likely.|{L} is correct.|\
{L} is the correct answer.|{L} is right.|({L}) is correct.|{L} is the answer.|\
{L} is the right choice.|{L} is the most likely answer.|{L} would be the best answer.|\
{L} seems correct.|{L} is the best option.|The correct one is {L}.|I think it is {L}.|\
I think it's {L}.|I think the answer is {L}.|I believe it is {L}.|\
I believe the correct answer is {L}.|I would choose {L}.|I'd choose {L}.|I choose {L}.|\
I would pick {L}.|I would select option {L}.|I would go with {L}.|I'd go with {L}.|I'd say {L}.|\
My guess is {L}.|It is {L}.|It's {L}.|It must be {L}.|Maybe {L}.|Probably {L}.|This is {L}.|\
Sure! The answer is {L}.|Certainly! The correct option is {L}.|Okay, {L}.|\
Based on the image, it is {L}.|Looking at the image, I would say {L}.|ASSISTANT: {L}|\
Assistant: The answer is {L}.|A: The answer is {L}.|{{"answer": "{L}"}}|\
```json\n{{"answer": "{L}"}}\n```|{{"choice": "{L}"}}|{L} because it is so.|\
{L}, because it is so.|{L}. Because it is so.|{L}) because it is so|\
{L} since the picture shows it.|{L}, since the picture shows it.|{L}, as the picture shows.|\
{L}; the picture shows it.|{L} - the picture shows it.|{L} – the picture shows it.|\
{L}: the picture shows it.|{L}. The picture shows it clearly.|({L}) The picture shows it clearly.|\
{L}\nThe picture shows it.|{L}\n\nThe picture shows it clearly.|{L}\nExplanation: it is so.|\
{L}.\n\nExplanation: The picture shows it.|{L}\nReason: it is so.|Answer: {L}\nExplanation: so.|\
Answer: {L} because the picture shows it.|Answer: {L}, because the picture shows it.|\
Answer: {L}. The picture shows it.|The answer is {L} because the picture shows it.|\
The answer is {L}, because the picture shows it.|The answer is {L}.\nBecause it is so.|\
The answer is {L}, as we can see.|**{L}**\n\nThe picture shows it.|**Answer: {L}**\n\nIt is so.|\
{L}. A man points at it.|{L}, I think.|{L}, I believe.|{L} I think|{L}!|{L} is the one.|\
{L}, not {M}.|{L}, not {M} or {N}.|Not {M} but {L}.|The answer is not {M} but {L}.|\
The answer is not {M}, but {L}.|The answer is not {M}. The answer is {L}.|\
The answer is {L}, not {M}.|The answer is {L} rather than {M}.|It is not {M}, it is {L}.|\
{M} is wrong, so the answer is {L}.|{M} is not correct. {L} is correct.|\
Option {M} is incorrect. Option {L} is correct.|{M} and {N} are wrong, so it is {L}.|\
{L}, because {M} and {N} are wrong.|{L}. {M} is incorrect because of its size.|\
{L} is correct, {M} is not.|{L} is correct and {M} is wrong.|\
The picture shows it. The answer is {L}.|The picture shows it.\nAnswer: {L}|\
The picture shows it.\n\n{L}|The picture shows it.\n\n**{L}**|The picture shows it.\n({L})|\
Let me think. First, I look at the picture. Then I compare. So the answer is {L}.|\
Let's think step by step.\n1. Look.\n2. Compare.\nTherefore, the answer is {L}.|\
Step 1: look.\nStep 2: compare.\nFinal answer: {L}|\
First I thought {M}. But the final answer is {L}.|It could be {M}. Therefore, the answer is {L}.|\
We look at the picture.\nIt is not {M}.\nIt is not {N}.\nSo it must be {L}.|\
I look at the whole picture.\nThe answer is {L}.\nI am sure.|答案是{L}|答案是{L}。|答案：{L}|\
答案是：{L}|正确答案是{L}。|正确答案为{L}|选{L}|选{L}。|应选{L}|故选{L}。|我选{L}|选择{L}|选项{L}|\
选项{L}是正确的。|{L}是正确的。|{L}是正确答案|所以答案是{L}。|因此，答案是{L}。|因此选择{L}。|\
【答案】{L}|【{L}】|答案：（{L}）|根据图片，答案是{L}。|{L}，因为图片里有。|{L}。因为图片里有。|\
答案不是{M}，而是{L}。|不是{M}，是{L}。|综上所述，答案为{L}。|答案应该是{L}。|The answer is {l}.|\
Answer: ({l})|the correct option is {l}
"""

# One choice is meant: with its letter and its text, or also the texts of further choices.
LETTER_AND_TEXT = """
{L}. {T}|{L}) {T}|({L}) {T}|({l}) {T}|{l}) {T}|{L}: {T}|{L} {T}|{L} - {T}|{L}, {T}|{L}\n{T}|\
**{L}. {T}**|**{L}** {T}|**{L}**. {T}|{L} ({T})|{T} ({L})|{L}.{T}|{L}、{T}|{L}．{T}|（{L}）{T}|\
{L}：{T}|Answer: {L}. {T}|Answer: ({L}) {T}|Answer: {L} ({T})|The answer is {L}. {T}|\
The answer is ({L}) {T}.|The answer is {L} ({T}).|The answer is {L}, {T}.|The answer is {L}: {T}.|\
The correct answer is **{L}. {T}**.|The correct answer is **{L}) {T}**|\
The correct answer is:\n\n**{L}. {T}**|The correct option is {L}: {T}|Option {L}: {T}|\
Option {L} ({T}) is correct.|So the answer is {L}. {T}|Therefore, the answer is {L}, {T}.|\
Final answer: {L}. {T}|<answer>{L}. {T}</answer>|\\boxed{{{L}. {T}}}|\
\\boxed{{\\text{{{L}. {T}}}}}|{L}. {T}\n\nThe picture shows it.|{L}. {T}. The picture shows it.|\
**{L}. {T}**\n\nIt is so.|{L}. {T}\nExplanation: the picture shows it.|\
The picture shows it.\n\n{L}. {T}|The picture shows it.\n**{L}. {T}**|答案是{L}。{T}|\
答案：{L}. {T}|正确答案是（{L}）{T}。|选{L}，{T}。|A. {0}\nB. {1}\nC. {2}\nD. {3}\nAnswer: {L}|\
A. {0}\nB. {1}\nC. {2}\nD. {3}\n\nThe answer is {L}.|\
A. {0} B. {1} C. {2} D. {3}. The answer is {L}.|(A) {0} (B) {1} (C) {2} (D) {3} Answer: {L}|\
{L} is correct, because it is not "{U}".|{L}, because {U} is too small and {V} is too big.|\
{L}\n\n{U} and {V} do not fit what we see.|{L}. I looked for {U} and {V} as well.|\
Answer: {L} because {U} would look different.|\
The options are {U}, {V} and {T}. The answer is {L}.|\
Option {M} ({U}) is wrong. Option {L} ({T}) is correct.
"""

# One choice is meant: with its text.
TEXT = """
{T}|{T}.|"{T}"|**{T}**|{T}!|Answer: {T}|The answer is {T}.|The answer is "{T}".|\
The correct answer is **{T}**.|So the answer is {T}.|Final answer: {T}|<answer>{T}</answer>|\
\\boxed{{\\text{{{T}}}}}|答案是{T}。|答案：{T}|{T}。
"""
PROSE = """
I think it is {T}.|It is {T}.|It's {T}.|I believe it is {T}.|The object is {T}.|This is {T}.|\
In the image we can see {T}.|Based on the image, it is {T}.|It must be {T}.|Maybe {T}.|\
The picture shows {T}, I think.|{T}, because the picture shows it.|{T} is correct.|\
It is {T}, not {U}.|It is not {U} but {T}.|The thing in the middle of the picture is {T}
"""

# Two choices or more are named and none is preferred.
AMBIGUOUS = """
{L} or {M}|{L} and {M}|{L}/{M}|{L}, {M}|{L}, {M}, {N}|{L} {M}|{L} & {M}|({L}) or ({M})|\
{L}) or {M})|{L}) {M}|{L}\n{M}|{L}\n\n{M}|{L}. {M}.|{L}. {M}. {N}.|**{L}** or **{M}**|\
{L} or maybe {M}|Either {L} or {M}.|Both {L} and {M}.|It is {L} or {M}.|It could be {L} or {M}.|\
Maybe {L}, maybe {M}.|The answer is {L} or {M}.|The answer is {L} and {M}.|\
The answer is either {L} or {M}.|The answer could be {L} or {M}.|Answer: {L} or {M}|\
Answer: {L}, {M}|Answer: {L} and {M}|Answer: {L}/{M}|Answer: {L}. Answer: {M}.|\
Answer: {L}\nAnswer: {M}|The answer is {L}. The answer is {M}.|Option {L} or option {M}|\
Options {L} and {M}|Options {L} and {M} are correct.|Option {L} and option {M}.|\
Both {L} and {M} are correct.|{L} and {M} are both right.|{L} is correct. {M} is correct.|\
{L} is correct, but {M} is also correct.|{L}, but it could also be {M}.|{L}, or perhaps {M}.|\
{L}. Or maybe {M}.|{L}, but {M} fits as well.|{L} or {M}, I am not sure.|I think {L} or {M}.|\
I would choose {L} or {M}.|I cannot decide between {L} and {M}.|\
I am not sure if it is {L} or {M}.|Not only {L} but also {M}.|\
The answer is not only {L} but also {M}.|<answer>{L} or {M}</answer>|\
<answer>{L}</answer><answer>{M}</answer>|\\boxed{{{L}}} \\boxed{{{M}}}|\\boxed{{{L}, {M}}}|\
{L}. {T} or {M}. {U}|{L}. {T}\n{M}. {U}|{L}. {T}, {M}. {U}|{T} or {U}|{T} and {U}|{T}, {U}|\
{T}/{U}|The answer is {T} or {U}.|It is {T} or {U}.|It is either {T} or {U}.|\
It could be {T} or {U}.|I think it is {T} or maybe {U}.|{L}. {U}|{L}) {U}|({L}) {U}|{L}: {U}|\
{L}\n{U}|Answer: {L}. {U}|The answer is {L}. {U}|The answer is {L} ({U}).|**{L}. {U}**|\
{L} or E{M}{N}|{L} or Z|{L}, Z|A. {0}\nB. {1}\nC. {2}\nD. {3}|A. {0} B. {1} C. {2} D. {3}|\
(A) {0} (B) {1} (C) {2} (D) {3}|A, B, C, D|A\nB\nC\nD|A B C D|ABCD|The options are A, B, C and D.|\
答案是{L}或{M}。|{L}和{M}|选{L}或者{M}|{L}、{M}|{L}或{M}|答案是{L}和{M}|选{L}、{M}|\
Wait, is it {L}? Or {M}?|Is it {L} or {M}?
"""

# No choice is named, or none is claimed.
NONE = """
|.|?|...|\n|Z|Answer: Z|The answer is Z.|(Z)|Z. {T}|Option Z is correct.|I|I am|A dog|a bird|\
A Bird|A man|An umbrella|I see|I think|I think so.|Actually I am not sure|\
Actually, I am not sure.|I do not know.|I don't know|I cannot tell.|\
Sorry, I can't help with that.|I'm sorry, but I cannot see the image.|\
As an AI, I cannot answer this.|I can't determine the answer.|Unable to determine.|\
A picture of a street.|A person is walking.|A and an are articles|The image shows a bicycle.|\
not {L}|Not {L}.|{L} is wrong.|{L} is not correct.|{L} is incorrect.|{L} isn't right.|\
{L} can't be right.|Option {L} is wrong.|The answer is not {L}.|The answer isn't {L}.|\
It is not {L}.|It isn't {L}.|It can't be {L}.|I don't think it is {L}.|\
I don't think the answer is {L}.|Neither {L} nor {M}.|Neither {L} nor {M} is correct.|\
{L} and {M} are wrong.|Is it {L}?|Is the answer {L}?|I am not sure whether it is {L}.|\
I cannot say if the answer is {L}.|It is not {T}.|It isn't {T}.|I don't think it is {T}.|\
Is it {T}?|I cannot tell whether it is {T}.|Neither {T} nor {U}.|There is no evidence for {T}.|\
I can't see {T}.|not {T}|The answer is not {T}.|Not {T} but something else.|I don't see {T} here.|\
I'm not sure it is {T}.|{L}{M}|{L}{L}{L}{L}|x{L}|{L}x|T-{L}|U.S.{L}|{L}'s|{L}+|\
I would need more information.|The answer is|Answer:|The answer is unclear.|The answer is A dog|\
Answer: a bird|The answer is a bird.|答案不是{L}|{L}不对|{L}是错的|不选{L}|我不知道|无法确定|\
不是{T}|<think>The answer is {L}|<answer></answer>|\\boxed{{}}|{T} or something else|\
{T} or a bird
"""


def templates(block: str) -> list[str]:
    """Split a block at its bars; a template that holds one itself ("<|im_end|>") stays whole."""
    protected = block.strip("\n").replace("<|im_end|>", "\0")
    return [each.replace("\0", "<|im_end|>") for each in protected.split("|")]


def filled(block: str, name: str) -> list[tuple[str, str, int]]:
    """Return (template, prediction, index) for every template and every choice of a set."""
    choices = CHOICE_SETS[name]
    n = len(choices)
    cases = []
    for template in templates(block):
        for index in range(n):
            second, third = (index + 1) % n, (index + 2) % n
            prediction = template.format(
                *choices,
                L="ABCDEF"[index],
                l="abcdef"[index],
                M="ABCDEF"[second],
                N="ABCDEF"[third],
                T=choices[index],
                U=choices[second],
                V=choices[third],
            )
            cases.append((template, prediction, index))
    return cases


def read_share(block: str, name: str) -> list[tuple[str, str, int, int | None]]:
    """Return (template, prediction, meant, read) of a block with a set of choices."""
    choices = CHOICE_SETS[name]
    return [(*case, parse_choice(case[1], choices)) for case in filled(block, name)]


INTENDED = {"letter": LETTER, "letter and text": LETTER_AND_TEXT, "text": TEXT, "prose": PROSE}
NOT_INTENDED = {"ambiguous": AMBIGUOUS, "none": NONE}


@pytest.mark.parametrize("kind", INTENDED)
def test_what_is_meant_is_read_and_never_misread(kind: str) -> None:
    """At least 95 % of each kind with each set of choices; none as another choice."""
    num_read = num_cases = 0
    for name in CHOICE_SETS:
        cases = read_share(INTENDED[kind], name)
        misread = [case for case in cases if case[3] not in (case[2], None)]
        assert not misread, (name, misread[:5])
        unread = [case for case in cases if case[3] is None]
        assert len(unread) <= 0.05 * len(cases) or kind == "prose", (name, unread[:5])
        num_read += len(cases) - len(unread)
        num_cases += len(cases)
    print(f"{kind}: {num_read} of {num_cases} read ({num_read / num_cases:.1%}), 0 misread")
    assert num_read >= 0.95 * num_cases


@pytest.mark.parametrize("kind", NOT_INTENDED)
def test_what_is_ambiguous_or_nothing_stays_unread(kind: str) -> None:
    """At most 1 % is read as a choice."""
    num_cases = 0
    read = []
    for name in CHOICE_SETS:
        cases = read_share(NOT_INTENDED[kind], name)
        num_cases += len(cases)
        read += [case for case in cases if case[3] is not None]
    print(f"{kind}: {len(read)} of {num_cases} read ({len(read) / num_cases:.1%})")
    assert len(read) <= 0.01 * num_cases, read[:5]
