//! The text of rows, against decoding all their ids.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use engraft_text::Tokenizer;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/tokenizers");

fn open(files: &[(&str, &str)], class: &str) -> Tokenizer {
    let settings = json!({"tokenizer_class": class});
    let read = |name: &str| {
        if name == "tokenizer_config.json" {
            return Ok(Some(settings.to_string().into_bytes()));
        }
        let file = files.iter().find(|(as_name, _)| *as_name == name);
        Ok(file.map(|(_, file)| std::fs::read(format!("{FOLDER}/{file}")).unwrap()))
    };
    Tokenizer::from_preset_files(&read, &Map::new()).unwrap()
}

fn tokenizers() -> [Tokenizer; 4] {
    let pairs = [
        ("vocab.json", "byte_pair/vocab.json"),
        ("merges.txt", "byte_pair/merges.txt"),
    ];
    [
        open(&pairs, "GPT2Tokenizer"),
        open(
            &[("tokenizer.model", "sentence_piece/bpe_bytes.model")],
            "LlamaTokenizer",
        ),
        open(
            &[("spiece.model", "sentence_piece/t5.model")],
            "T5Tokenizer",
        ),
        open(&[("vocab.txt", "wordpiece/vocab.txt")], "BertTokenizer"),
    ]
}

/// The pieces of a row, put together, and whether it stopped.
fn row(
    tokenizer: &Tokenizer,
    prompt: &[u32],
    generated: &[u32],
    stop: &StopStrings,
    strip_prompt: bool,
) -> (String, bool) {
    let (mut row, mut text) =
        RowText::new(tokenizer, &Prompt::of_ids(prompt), stop, strip_prompt).unwrap();
    for &id in generated {
        text += &row.push(id).unwrap();
    }
    let stopped = row.has_stopped();
    text += &row.finish().unwrap().0;
    (text, stopped)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn a_row_is_the_text_of_its_ids_and_without_the_prompt_what_follows_the_prompts_text(
        draws in prop::collection::vec(any::<u32>(), 0..40), at in 0usize..40
    ) {
        thread_local!(static ALL: [Tokenizer; 4] = tokenizers());
        ALL.with(|all| for tokenizer in all {
            let size = u32::try_from(tokenizer.vocab_size()).unwrap();
            let ids: Vec<u32> = draws.iter().map(|draw| draw % size).collect();
            let (prompt, generated) = ids.split_at(at.min(ids.len()));
            let none = StopStrings::default();
            let whole = tokenizer.decode(&ids, true).unwrap();
            assert_eq!(row(tokenizer, prompt, generated, &none, false).0, whole);
            let stripped = row(tokenizer, prompt, generated, &none, true).0;
            let of_prompt = tokenizer.decode(prompt, true).unwrap();
            match whole.strip_prefix(&of_prompt) {
                Some(rest) => assert_eq!(stripped, rest),
                // The prompt's last character or space became another: it belongs to what follows.
                None => {
                    assert!(whole.ends_with(&stripped));
                    let kept = &whole[..whole.len() - stripped.len()];
                    assert!(of_prompt.starts_with(kept), "{kept:?} {of_prompt:?}");
                    assert!(of_prompt.len() - kept.len() <= 9, "{kept:?} {of_prompt:?}");
                }
            }
        });
    }

    #[test]
    fn a_stop_string_cuts_the_generated_text_and_not_the_prompt(
        prompt in "[abc ]{1,8}", generated in "[abc ]{0,30}", stop in "[abc]{1,3}"
    ) {
        thread_local!(static ALL: [Tokenizer; 4] = tokenizers());
        ALL.with(|all| for tokenizer in &all[..1] {
            let ids = |text: &str| tokenizer.encode(text, None).unwrap().ids;
            let stops = StopStrings::new([&stop]).unwrap();
            let (text, stopped) = row(tokenizer, &ids(&prompt), &ids(&generated), &stops, false);
            let expected = generated.find(&stop).map_or(&*generated, |at| &generated[..at]);
            assert_eq!(text, format!("{prompt}{expected}"));
            assert_eq!(stopped, generated.contains(&stop));
        });
    }
}

#[test]
fn a_character_that_the_prompt_begins_is_generated() {
    let [tokenizer, ..] = tokenizers();
    let ids = tokenizer.encode("a😀b", None).unwrap().ids;
    let none = StopStrings::default();
    let at = (1..ids.len())
        .find(|&at| {
            tokenizer
                .decode(&ids[..at], true)
                .unwrap()
                .ends_with('\u{fffd}')
        })
        .unwrap();
    let (prompt, generated) = ids.split_at(at);
    assert_eq!(row(&tokenizer, prompt, generated, &none, true).0, "😀b");
    assert_eq!(row(&tokenizer, prompt, generated, &none, false).0, "a😀b");
    assert_eq!(row(&tokenizer, prompt, &[], &none, true).0, "");
    assert_eq!(row(&tokenizer, prompt, &[], &none, false).0, "a\u{fffd}");
}

#[test]
fn a_prompt_that_was_given_as_a_text_stands_as_it_was_given() {
    let [pairs, sentence_piece, t5, words] = tokenizers();
    let none = StopStrings::default();
    for (tokenizer, prompt, next) in [
        (&pairs, "a b ", " c"),
        (&sentence_piece, "  Hello   world ", " wide"),
        (&t5, "Hello \t\u{1f600} world", " wide"),
        (&words, "UPPER \u{e9}\u{1f600}  and, lower", "word"),
    ] {
        let given = Prompt::of_text(tokenizer, prompt).unwrap();
        let generated = tokenizer.encode(next, None).unwrap();
        let generated: Vec<u32> = generated
            .ids
            .iter()
            .zip(&generated.special)
            .filter(|(_, special)| !**special)
            .map(|(id, _)| *id)
            .collect();
        let text = |prompt: &Prompt, strip| {
            let (mut row, mut text) = RowText::new(tokenizer, prompt, &none, strip).unwrap();
            for &id in &generated {
                text += &row.push(id).unwrap();
            }
            text + &row.finish().unwrap().0
        };
        let whole = text(&given, false);
        assert_eq!(whole, format!("{prompt}{}", text(&given, true)));
        assert!(whole.len() > prompt.len(), "{whole:?}");
    }
    // The space that separates words is not there twice.
    let given = Prompt::of_text(&words, "the ").unwrap();
    let (mut row, first) = RowText::new(&words, &given, &none, false).unwrap();
    let next = words.token_to_id("the").unwrap();
    let more = row.push(next).unwrap() + &row.finish().unwrap().0;
    assert_eq!(first + &more, "the the");
}
