//! Words of other programs that have no counterpart in experiment files: what each asks for, and what to do here.

/// Arguments, each with what is said in the place of "unknown key".
const KEYS: &[(&[&str], &str)] = &[
    (
        &[
            "load_in_4bit",
            "load_in_8bit",
            "quantization_config",
            "quantization",
            "bnb_4bit_compute_dtype",
            "bnb_4bit_quant_type",
            "qlora",
        ],
        "weights of few bits are not supported yet, so that all are held in 32-bit floats; leave it out",
    ),
    (
        &[
            "gradient_checkpointing",
            "gradient_checkpointing_kwargs",
            "use_gradient_checkpointing",
            "activation_checkpointing",
        ],
        "layers are computed again in the backward pass with model.backbone.config_overwrites.gradient_checkpointing: true",
    ),
    (
        &[
            "dtype",
            "torch_dtype",
            "compute_dtype",
            "bf16",
            "fp16",
            "mixed_precision",
            "half",
        ],
        "everything is computed in 32-bit floats yet, in whichever type the weights are stored; leave it out",
    ),
    (
        &["device", "device_map", "gpu", "gpus", "cuda"],
        "everything runs on the processor yet, on as many cores as --threads says; leave it out",
    ),
    (
        &[
            "attn_implementation",
            "use_flash_attention_2",
            "flash_attention",
            "use_flash_attn",
        ],
        "attention is computed in one way, which holds no table of scores; leave it out",
    ),
    (
        &["trust_remote_code"],
        "no code of a checkpoint is ever run; leave it out",
    ),
    (
        &["push_to_hub", "hub_model_id"],
        "nothing is uploaded; `engraft export` makes a folder that can be",
    ),
    (
        &["num_beam_groups", "beam_size"],
        "texts are searched by beams in `engraft generate PRESET --num-beams N`; leave it out",
    ),
    (
        &["predict_with_generate"],
        "Seq2SeqLM scores the texts that it writes with model.generate: true; leave it out",
    ),
];

/// Options that other programs have by themselves, each with the key that it is here. Some are names of ours too, of rarer things.
const AT_THE_TOP: &[(&[&str], &str)] = &[
    (&["epochs", "num_epochs", "n_epochs"], "trainer.max_epochs"),
    (
        &["resume", "resume_from_checkpoint", "checkpoint", "ckpt"],
        "ckpt_path",
    ),
    (
        &["output_dir", "out_dir", "save_dir"],
        "trainer.default_root_dir",
    ),
    (
        &["max_length", "max_seq_length", "max_len"],
        "model.backbone.max_length",
    ),
    (&["train_file", "dataset", "dataset_name"], "data.path"),
    (
        &["model_name_or_path", "model_name", "model_path", "backbone"],
        "model.backbone",
    ),
    (&["seed"], "seed_everything"),
];

/// Models, each with what is said in the place of "unknown model".
const MODELS: &[(&[&str], &str)] = &[
    (
        &["ClassDiffusion"],
        "it is the task Diffusion with ClassDiffusionDataModule here",
    ),
    (
        &[
            "ConditionalGeneration",
            "BartSeq2SeqLM",
            "T5Seq2SeqLM",
            "AutoModelForSeq2SeqLM",
            "T5ForConditionalGeneration",
            "BartForConditionalGeneration",
            "Seq2SeqTrainer",
        ],
        "it is called Seq2SeqLM here",
    ),
    (
        &[
            "TextClassifier",
            "AutoModelForSequenceClassification",
            "BertForSequenceClassification",
            "BertTextClassifier",
        ],
        "it is called SequenceClassification here",
    ),
    (
        &["TokenClassifier", "AutoModelForTokenClassification", "NER"],
        "it is called TokenClassification here",
    ),
    (
        &["ProteinInvFold", "RNAInvFold"],
        "inverse folding is not supported yet; the nearest that is there is MLM",
    ),
    (
        &[
            "EquiformerEncoderLightning",
            "ESMFoldDecoderLightning",
            "StructureTokenizerLightning",
        ],
        "structure tokenizers are not supported yet; the nearest that is there is Embed",
    ),
    (
        &["MaskedLM", "AutoModelForMaskedLM", "BertForMaskedLM"],
        "it is called MLM here",
    ),
    (
        &[
            "AutoModelForCausalLM",
            "GPT2LMHeadModel",
            "LlamaForCausalLM",
        ],
        "it is called CausalLM here",
    ),
    (
        &["AutoModel", "SentenceTransformer", "FeatureExtraction"],
        "it is called Embed here",
    ),
];

/// What is said of an argument of other programs.
pub(crate) fn key(word: &str) -> Option<&'static str> {
    said(KEYS, word)
}

/// The key that an option of other programs is here, where it stands by itself.
pub(crate) fn at_the_top(word: &str) -> Option<&'static str> {
    said(AT_THE_TOP, word)
}

/// What is said of a model of other programs.
pub(crate) fn model(word: &str) -> Option<&'static str> {
    said(MODELS, word)
}

fn said(table: &[(&[&str], &'static str)], word: &str) -> Option<&'static str> {
    let is_meant = |known: &&str| known.eq_ignore_ascii_case(word);
    let entry = table
        .iter()
        .find(|(words, _)| words.iter().any(&is_meant))?;
    Some(entry.1)
}

#[cfg(test)]
mod tests {
    use engraft_component::Choice;

    use super::*;
    use crate::model::Model;
    use crate::registry::registry;

    #[test]
    fn no_word_is_said_twice_or_is_a_name_of_ours() {
        let arguments: Vec<&str> = registry()
            .iter()
            .flat_map(|section| &section.components)
            .flat_map(|info| info.arguments())
            .map(|argument| argument.name)
            .collect();
        let models: Vec<&str> = Model::variants().iter().map(|info| info.name).collect();
        for (table, ours) in [(KEYS, arguments), (MODELS, models)] {
            let words: Vec<&str> = table
                .iter()
                .flat_map(|(words, _)| *words)
                .copied()
                .collect();
            for word in &words {
                assert_eq!(
                    words.iter().filter(|other| *other == word).count(),
                    1,
                    "{word}"
                );
                assert!(!ours.contains(word), "{word}");
            }
        }
    }

    #[test]
    fn every_name_that_is_advised_is_there() {
        let names: Vec<&str> = Model::variants().iter().map(|info| info.name).collect();
        for (_, sentence) in MODELS {
            let word = sentence
                .split([' ', ';', ','])
                .find(|word| names.contains(word));
            assert!(word.is_some(), "{sentence}");
        }
    }
}
