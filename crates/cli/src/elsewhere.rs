//! Words of other programs: what their commands and their options of generation are called here, or that there is no such thing yet.

use crate::arguments::Command;

/// Words that other programs have for a command of this one, with what it is here.
const COMMANDS: [(&[&str], &str); 8] = [
    (
        &["train", "finetune", "fine-tune", "fine_tune", "training"],
        "training is `engraft fit`, with --config FILE or options",
    ),
    (
        &["evaluate", "eval", "score", "evaluation"],
        "a checkpoint is scored by `engraft test`, or on the validation rows by `engraft validate`, with --ckpt_path DIR",
    ),
    (
        &["embed", "embeddings", "encode", "features"],
        "embeddings are what `engraft predict --model Embed` writes, with --model.backbone NAME, --data.path FILE and --output FILE",
    ),
    (
        &["save", "merge", "package"],
        "a checkpoint becomes a preset by `engraft export`, with --ckpt_path DIR and --output DIR; `engraft convert` writes it in the format of another library",
    ),
    (
        &["infer", "inference", "classify", "run", "prediction"],
        "a model is applied to rows by `engraft predict`, with --ckpt_path DIR, --data.path FILE and --output FILE",
    ),
    (
        &["complete", "chat", "sample", "write"],
        "texts are written by `engraft generate PRESET`, with --prompt TEXT",
    ),
    (
        &["new", "create", "setup", "start"],
        "an experiment for a table is written by `engraft init FILE`",
    ),
    (
        &["models", "list", "ls"],
        "`engraft presets` lists the presets, and `engraft components` all that an experiment can name",
    ),
];

/// Options of generation that other programs have, without their dashes.
const GENERATION: [(&[&str], &str); 11] = [
    (
        &["beam-size", "beams"],
        "the texts that go on at a time are --num-beams N",
    ),
    (
        &["num-beam-groups", "diversity-penalty"],
        "groups of beams are not supported; --num-beams N searches with one group",
    ),
    (
        &["assistant-model", "speculative-model", "draft-model"],
        "the model that drafts tokens is --draft PRESET",
    ),
    (
        &["do-sample"],
        "whether tokens are drawn is said by --sampler: greedy, random, top_k or top_p",
    ),
    (
        &["n", "num-samples", "num-return", "num-sequences"],
        "the number of texts for each prompt is --num-return-sequences",
    ),
    (
        &["prompt-lookup-num-tokens", "dola-layers"],
        "drafts come from a smaller model alone: --draft PRESET",
    ),
    (
        &["load-in-4bit", "load-in-8bit", "quantize", "quantization"],
        "weights of few bits are not supported yet, so that all are held in 32-bit floats; leave it out",
    ),
    (
        &[
            "device",
            "device-map",
            "gpu",
            "gpus",
            "n-gpu-layers",
            "ngl",
            "tensor-parallel-size",
        ],
        "everything runs on the processor yet, on as many cores as --threads says; leave it out",
    ),
    (
        &[
            "chat",
            "chat-template",
            "system",
            "system-prompt",
            "messages",
            "conversation",
        ],
        "templates of conversations are not applied yet; give the whole text in the model's own form with --prompt",
    ),
    (
        &["trust-remote-code"],
        "no code of a checkpoint is ever run; leave it out",
    ),
    (
        &["model", "model-path", "preset", "checkpoint"],
        "the model is given without an option: engraft generate PRESET, or with --ckpt_path DIR",
    ),
];

/// What is said of a command of other programs.
pub(crate) fn command(word: &str) -> Option<&'static str> {
    said(&COMMANDS, &word.to_lowercase())
}

/// What is said of an option of other programs, as it was typed.
pub(crate) fn option(command: Command, word: &str) -> Option<&'static str> {
    match command {
        Command::Generate => said(&GENERATION, &word.trim_start_matches('-').replace('_', "-")),
        _ => None,
    }
}

fn said(table: &[(&[&str], &'static str)], word: &str) -> Option<&'static str> {
    let (_, said) = table.iter().find(|(words, _)| words.contains(&word))?;
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::generate;

    #[test]
    fn every_word_is_answered_once_and_is_none_of_ours() {
        let commands: Vec<&str> = Command::ALL.into_iter().map(Command::name).collect();
        let options = generate::options().iter();
        let options: Vec<&str> = options
            .map(|option| option.name.trim_start_matches('-'))
            .collect();
        for (table, ours) in [
            (COMMANDS.as_slice(), commands),
            (GENERATION.as_slice(), options),
        ] {
            let words: Vec<&str> = table
                .iter()
                .flat_map(|(words, _)| *words)
                .copied()
                .collect();
            for word in &words {
                let same = words.iter().filter(|other| *other == word);
                assert_eq!(same.count(), 1, "{word}");
                assert!(!ours.contains(word), "{word}");
            }
        }
    }
}
