"""Golden cases for scores of written texts, made by sacreBLEU 2.6.0 (BLEU: 13a, exp, mixed case; chrF2), rouge-score 0.1.2 (F1, no
stemmer) and NLTK 3.10.4 (edit distance, by letters).

    python tests/golden/text_metrics/make.py

Writes `cases.json` beside this script: of each set its rows, `[written, wanted]`, the scores of all of them together, and those of each
row by itself. The edit distance is KerasHub's: letters to be changed / letters wanted, and 0 where none are wanted.
"""

import json
import random
from pathlib import Path

import nltk
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

HERE = Path(__file__).parent
ROUGE = ["rouge1", "rouge2", "rougeL"]

ENGLISH = [
    ("The cat sat on the mat.", "The cat is sitting on the mat."),
    ("A quick brown fox jumps over the lazy dog", "The quick brown fox jumped over the lazy dog."),
    ("There is no such thing as a free lunch, they said.", "There's no such thing as a free lunch, they say."),
    ("the the the the the the the", "The cat is on the mat, the dog is not."),
]

SETS = {
    "english": ENGLISH,
    "german": [
        ("„Wörter“ sind größer als Straßen, sagte Jürgen.", "„Worte“ sind größer als die Straße, sagte Jürgen."),
        ("Das Haus ist alt", "Das alte Haus."),
        ("»Äpfel«, rief sie - und ging.", "»Äpfel!«, rief sie – und ging fort."),
        ("ÜBER DEN DÄCHERN", "über den Dächern"),
    ],
    "chinese": [
        ("今天天气很好。", "今天的天气非常好。"),
        ("我喜欢吃苹果,你呢?", "我喜欢吃苹果，你呢？"),
        ("他在2024年3月1日到达北京", "他于2024年3月1日抵达北京"),
    ],
    "phonemes": [
        ("ˈɔɹʧəɹd", "ˈɔɹʧəɹd"),
        ("kˈæʧ", "kˈæt"),
        ("fənˈɛtɪks", "fənˈɛɾɪks"),
        ("ðə kwˈɪk bɹˈWn fˈɑks", "ðə kwˈɪk bɹˈWn fˈɑks ʤˈʌmps"),
    ],
    "numbers": [
        ("Sales rose 1,234.5% to $3.4bn in 1990-1995.", "Sales rose by 1,234.5 % to $3.4 bn in 1990-95."),
        ("3.14, 2,71 and .5 or 5. are numbers, 7-8.", "3.14, 2.71 and 0.5 or 5 are numbers, 7 - 8."),
        ("v1.2.3-rc4, p<0.05, 50%-60%", "v1.2.3-rc.4, p < 0.05, 50-60%"),
        ("no. 7,a and 7.b ...5..6", "no. 7, a and 7. b ... 5 .. 6"),
    ],
    "entities": [
        ("&quot;Tom &amp; Jerry&quot; is &lt;fun&gt;", '"Tom & Jerry" is <fun>'),
        ("a &amp;lt; b &amp;amp; c", "a < b & c"),
        ("un-\nbroken<skipped>\tline\nnext-", "unbroken line next-"),
        ("don't [stop] {here} a/b c\\d e_f ~g `h` ^i @j #k *l +m =n |o", "don't (stop) here; a / b c \\ d e _ f"),
    ],
    "some_empty": [("", "a wanted text is here"), ("a written text is here", ""), ("", ""), ("one two three four five", "one two three four six")],
    "all_empty": [("", ""), ("", "")],
    "nothing_written": [("", "some words are wanted here"), ("", "x")],
    "nothing_wanted": [("some words are written here", ""), ("x", "")],
    "identical": [(wanted, wanted) for _, wanted in ENGLISH],
    "nothing_in_common": [("abc def", "xyz uvw"), ("aaa", "zz zz zz zz zz")],
    "one_word": [("house", "house"), ("mouse", "house"), ("a", "b"), ("Ab", "ab"), ("ninety-nine", "ninety nine")],
    "one_row": ENGLISH[1:2],
    # Runs of three are shared by no row, those of two by one: precisions that are halved, and halved again.
    "few_runs": [("one two x three y", "one two three four five"), ("five four", "four five")],
    "two_words": [("good morning", "good morning"), ("good evening", "good morning")],
    "longer_than_wanted": [("it is what it is and it is no more than that it is", "it is what it is")],
    "odd_letters": [
        ("İstanbul K ΣΑΣ", "i̇stanbul k σας"),
        ("a\u00a0b\u2003c\u001cd\u200be", "a b c d e"),
        ("e\u0301te\u0301 🙂👍🏽", "été 🙂👍"),
        ("  lead and trail \n", "lead and trail"),
        ("tabs\tand\u3000wide\u0085spaces here", "tabs and wide spaces here"),
    ],
}


def random_rows(seed: int) -> list[tuple[str, str]]:
    """Texts of few letters, so that much repeats and every rule of the tokenizer meets every other."""
    draw = random.Random(seed)
    letters = "ab1  .,-2&;<'\"%"
    text = lambda: "".join(draw.choice(letters) for _ in range(draw.randrange(0, 40)))
    return [(text(), text()) for _ in range(12)]


SETS |= {f"random_{seed}": random_rows(seed) for seed in range(8)}


def scores(rows: list[tuple[str, str]]) -> dict[str, float]:
    written, wanted = (list(texts) for texts in zip(*rows))
    rouge = RougeScorer(ROUGE, use_stemmer=False)
    rouges = [rouge.score(b, a) for a, b in rows]
    letters = sum(map(len, wanted))
    return dict(
        exact_match=sum(a == b for a, b in rows) / len(rows),
        edit_distance=sum(nltk.edit_distance(a, b) for a, b in rows) / letters if letters else 0.0,
        chrf=sacrebleu.metrics.CHRF().corpus_score(written, [wanted]).score,
        bleu=sacrebleu.metrics.BLEU(force=True).corpus_score(written, [wanted]).score,
        **{name: sum(row[name].fmeasure for row in rouges) / len(rows) for name in ROUGE},
    )


if __name__ == "__main__":
    cases = {
        name: dict(rows=rows, all=scores(rows), each=[scores([row]) for row in rows]) for name, rows in SETS.items()
    }
    # Cases that could not tell a mistake from its absence would prove nothing.
    values = [case["all"] for case in cases.values()]
    for name in values[0]:
        between = {round(value[name], 9) for value in values if 0 < value[name] < (100 if name in ("chrf", "bleu") else 1)}
        assert len(between) > 5 or name == "exact_match", (name, between)
    assert 0 < cases["few_runs"]["all"]["bleu"] and cases["two_words"]["all"]["bleu"] == 0
    lines = [f"{json.dumps(name)}: {json.dumps(case, ensure_ascii=False)}" for name, case in cases.items()]
    made_with = dict(sacrebleu=sacrebleu.__version__, nltk=nltk.__version__, rouge_score="0.1.2")
    text = '{"cases": {\n' + ",\n".join(lines) + "},\n" + f'"made_with": {json.dumps(made_with)}}}\n'
    (HERE / "cases.json").write_text(text)
    print(len(text))
