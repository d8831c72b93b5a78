//! Encoder-decoders by the commands that a user types: trained, scored, asked; and what is refused of them.

use std::path::Path;

use serde_json::{Value, json};

use crate::Workplace;

const DATA: &str = "--data Seq2SeqDataModule --data.path words.tsv --data.x_col word --data.y_col phonemes --data.batch_size 8";

/// A workplace with a small BART of characters that holds no weights, and words to be spelled backwards.
fn place() -> Workplace {
    let place = Workplace::new();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/phonemes/bart");
    std::fs::create_dir(place.path("bart")).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut text = std::fs::read_to_string(&path).unwrap();
        if name == "config.json" {
            let mut config: Value = serde_json::from_str(&text).unwrap();
            for key in ["d_model", "encoder_ffn_dim", "decoder_ffn_dim"] {
                config[key] = json!(32);
            }
            text = config.to_string();
        }
        place.write(&format!("bart/{name}"), &text);
    }
    let rows = (0..32).map(|row| {
        let word: String = ["a", "b", "c"]
            .iter()
            .cycle()
            .skip(row)
            .take(2 + row % 5)
            .copied()
            .collect();
        let back: String = word.chars().rev().collect();
        format!("{word}\t{back}\n")
    });
    let rows: String = rows.collect();
    place.write("words.tsv", &format!("word\tphonemes\n{rows}"));
    place
}

fn fit(more: &str) -> String {
    format!(
        "fit --model Seq2SeqLM --model.backbone ./bart --model.backbone.from_scratch true --seed_everything 1 \
         --model.optimizer AdamW --model.optimizer.lr 5e-3 --trainer.max_epochs 3 {DATA} {more}"
    )
}

#[test]
fn a_model_is_trained_scored_asked_and_written_with() {
    let place = place();
    let said = place.succeed(&fit("--model.generate true --trainer.log_every_n_steps 1"));
    for name in [
        "test_loss",
        "test_perplexity",
        "test_exact_match",
        "test_chrf",
        "test_rougeL",
    ] {
        assert!(said.contains(name), "{name}\n{said}");
    }
    // No text is written in training, of which there would be scores.
    let log = place.read("logs/version_0/metrics.csv");
    let names = log.lines().next().unwrap();
    assert!(names.contains("val_bleu") && names.contains("train_accuracy"));
    assert!(!names.contains("train_bleu"), "{names}");
    let task = "--model Seq2SeqLM --model.backbone ./bart";
    let said = place.succeed(&format!(
        "test --ckpt_path last {task} {DATA} --model.generate true"
    ));
    for name in [
        "test_loss",
        "test_perplexity",
        "test_exact_match",
        "test_edit_distance",
        "test_bleu",
    ] {
        assert!(said.contains(name), "{name}\n{said}");
    }
    let said = place.succeed(&format!(
        "test --ckpt_path last {task} {DATA} --model.generate false"
    ));
    assert!(!said.contains("test_bleu"), "{said}");
    place.write("asked.tsv", "word\nab\nabc\nc\n");
    let asked = "--data Seq2SeqDataModule --data.path asked.tsv --data.x_col word";
    let said = place.run(&format!(
        "predict --ckpt_path last {task} {asked} --output spoken.tsv --model.max_output_length 9"
    ));
    assert_eq!(said.code, Some(0), "{said:?}");
    // It is as long as is asked for, so that nothing is said of what the checkpoint has.
    let differs = "differs from the checkpoint";
    assert!(!said.err.contains(differs), "{}", said.err);
    let spoken = place.read("spoken.tsv");
    let lines: Vec<&str> = spoken.lines().collect();
    assert_eq!(lines.len(), 4, "{spoken}");
    assert!(lines[0].contains("prediction"), "{spoken}");
    // The same by the other command, one at a time or all at once.
    let rows = |more: &str| -> Vec<String> {
        let generate = "generate --ckpt_path last --sampler greedy --max-new-tokens 9 --output-ids";
        let said = place.succeed(&format!("{generate} {more}"));
        said.lines().map(str::to_owned).collect()
    };
    let together = rows("--input asked.tsv --x-col word");
    for (at, word) in ["ab", "abc", "c"].into_iter().enumerate() {
        let alone = rows(&format!("--prompt {word}"));
        assert_eq!(alone, together[at..=at]);
        let written: Value = serde_json::from_str(&alone[0]).unwrap();
        assert_eq!(written["ids"][0], 2);
        let text = written["text"].as_str().unwrap();
        assert!(
            lines[at + 1].split('\t').any(|cell| cell == text),
            "{spoken}\n{text}"
        );
    }
    let begun = place.succeed(
        "generate --ckpt_path last --prompt ab --decoder-prompt b --sampler beam --num-beams 2 --max-new-tokens 9",
    );
    assert!(begun.starts_with('b'), "{begun}");
}

#[test]
fn updates_of_both_stacks_are_trained_saved_and_exported() {
    let place = place();
    place.succeed(&fit("--trainer.max_epochs 1"));
    place.succeed("export --ckpt_path last --output whole");
    let lora = format!(
        "fit --model Seq2SeqLM --model.backbone ./whole --model.backbone.use_peft true --model.frozen_encoder true \
         --trainer.max_epochs 1 {DATA}"
    );
    let said = place.run(&lora);
    // Queries and values of two encoder layers, and of both attentions of two decoder layers.
    let told = "12 layers of ./whole have updates";
    assert!(said.err.contains(told), "{said:?}");
    place.succeed("export --ckpt_path last --peft --output adapted");
    let config = place.read("adapted/adapter_config.json");
    assert!(config.contains("SEQ_2_SEQ_LM"), "{config}");
    let said = place.succeed("generate ./whole --lora adapted --prompt ab --sampler greedy --max-new-tokens 4 --output-ids");
    assert!(said.contains("\"ids\":[2"), "{said}");
}

#[test]
fn what_cannot_be_is_refused_in_one_sentence() {
    let place = place();
    crate::generate::gpt2(&place);
    place.succeed(&fit("--trainer.max_epochs 1"));
    place.succeed("export --ckpt_path last --output whole");
    for (command, expected) in [
        (
            format!("fit --model Seq2SeqLM --model.backbone ./tiny {DATA}"),
            "Seq2SeqLM writes a text for each that it reads, which takes an encoder and a decoder, but ./tiny is of the family bert",
        ),
        (
            "fit --model CausalLM --model.backbone ./bart --model.backbone.from_scratch true --data CausalLMDataModule --data.path words.tsv --data.x_col word".into(),
            "CausalLM predicts each token from those before it, but ./bart is an encoder-decoder (bart), which reads all of one text and writes another; use Seq2SeqLM",
        ),
        (
            fit("--model.label_smoothing 1.5"),
            "model.label_smoothing: expected a share from 0 to below 1, found 1.5",
        ),
        (
            fit("--model.max_output_length 65"),
            "model.max_output_length: 65, but the decoder of ./bart has positions for 64 tokens",
        ),
        (
            fit("--model.target_lang deu_Latn"),
            "model.target_lang: ",
        ),
        (
            fit("--model.generation.stop x"),
            "model.generation.stop: texts end by tokens here; leave it out",
        ),
        (
            fit("--model.generation.sampler speculative --model.generation.sampler.draft ./bart"),
            "model.generation.sampler: drafts are for engraft generate; choose another",
        ),
        (
            fit("--model.backbone.enable_cache true --model.backbone.frozen true"),
            "model.backbone.enable_cache: hidden states of an encoder that a decoder reads are not kept; remove it",
        ),
        (
            "generate ./whole --prompt ab --decoder-input-ids 2,8,2,9 --sampler greedy".into(),
            "--decoder-input-ids: the decoder's prompt ends: it has the token 2, which ends texts",
        ),
        (
            "generate ./whole --prompt ab --num-beams 84".into(),
            "--num-beams: expected at most the vocabulary's size 83, found 84",
        ),
        (
            "generate ./whole --prompt ab --target-lang deu_Latn".into(),
            "deu_Latn",
        ),
        (
            "generate ./whole --prompt ab --prompt ba --prompt c --decoder-prompt a --decoder-prompt b".into(),
            "--decoder-prompt: there are 2 of them, and 3 texts that are read; give one for all, or one for each",
        ),
        (
            "generate ./gpt2 --prompt a --decoder-prompt b".into(),
            "--decoder-prompt: ./gpt2 is no encoder-decoder: it goes on from --prompt or --input-ids alone",
        ),
        (
            "generate ./gpt2 --prompt a --source-lang en".into(),
            "--source-lang: ./gpt2 goes on from a text in the language that it has; leave it out",
        ),
        (
            format!("predict --model Embed --model.backbone ./tiny --model.stack decoder {DATA} --output e.safetensors"),
            "model.stack: decoder, but ./tiny is no encoder-decoder (bert); remove it",
        ),
    ] {
        let said = place.run(&command);
        assert_eq!(said.code, Some(2), "{command}\n{said:?}");
        assert!(said.err.contains(expected), "{command}\n{}", said.err);
        assert_eq!(said.err.matches("error:").count(), 1, "{}", said.err);
    }
}
