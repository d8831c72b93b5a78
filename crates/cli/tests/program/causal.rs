//! Causal language models, and other tasks on a decoder.

use crate::Workplace;

const LETTERS: &str = "<pad>\n<bos>\n<eos>\n<unk>\nA\nC\nG\nT\n";

/// A workplace with the shape of a small Llama of letters, its head tied or not, and rows of which each letter follows from the one before.
pub(crate) fn decoder(tied: bool) -> Workplace {
    let place = Workplace::empty();
    std::fs::create_dir(place.path("llama")).unwrap();
    let config = format!(
        "{{\"model_type\": \"llama\", \"vocab_size\": 8, \"hidden_size\": 32, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \
         \"num_key_value_heads\": 2, \"intermediate_size\": 48, \"max_position_embeddings\": 64, \"attention_dropout\": 0.1, \
         \"tie_word_embeddings\": {tied}}}"
    );
    place.write("llama/config.json", &config);
    place.write("llama/vocab.txt", LETTERS);
    let special = "{\"bos_token\": \"<bos>\", \"cls_token\": \"<bos>\", \"eos_token\": \"<eos>\", \"pad_token\": \"<pad>\", \
                   \"unk_token\": \"<unk>\", \"tokenizer_class\": \"EsmTokenizer\"}";
    place.write("llama/tokenizer_config.json", special);
    let mut rows = String::from("text\tprompt\tlabels\n");
    for row in 0..32usize {
        let length = 6 + row % 7;
        let text: String = (0..length)
            .map(|at| b"ACGT"[(row + at) % 4] as char)
            .collect();
        let prompt = ["A", "CC", "GT"][row % 3];
        rows += &format!("{text}\t{prompt}\t{}\n", row % 2);
    }
    place.write("rows.tsv", &rows);
    place
}

const FIT: &str = "fit --model CausalLM --model.backbone ./llama --model.backbone.from_scratch true --model.optimizer.lr 1e-2 \
    --data CausalLMDataModule --data.path rows.tsv --data.batch_size 8 --trainer.max_epochs 3";

/// A score that a command printed.
fn score(printed: &str, name: &str) -> f64 {
    let line = printed
        .lines()
        .find(|line| line.split_whitespace().next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no {name}: {printed}"));
    line.split_whitespace().last().unwrap().parse().unwrap()
}

/// The numbers of two columns of a table of predictions.
fn likelihoods(place: &Workplace, file: &str) -> Vec<(f64, usize)> {
    let text = place.read(file);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id\tnll\ttokens"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            (cells[1].parse().unwrap(), cells[2].parse().unwrap())
        })
        .collect()
}

/// `exp` of the mean loss of a token.
fn perplexity(rows: &[(f64, usize)]) -> f64 {
    let loss: f64 = rows.iter().map(|(loss, _)| loss).sum();
    let tokens: usize = rows.iter().map(|(_, tokens)| tokens).sum();
    (loss / tokens as f64).exp()
}

#[test]
fn a_language_model_learns_to_tell_the_next_letter_and_says_how_likely_texts_are() {
    for tied in [true, false] {
        let place = decoder(tied);
        let whole = place.succeed(&format!("{FIT} --trainer.max_epochs 20"));
        // Of a row of n letters n + 1 are told, the first of them by chance.
        assert!(score(&whole, "test_perplexity") < 2.2, "{whole}");
        assert!(score(&whole, "test_accuracy") > 0.6, "{whole}");
        place.succeed("predict --ckpt_path last --data CausalLMDataModule --data.path rows.tsv --output p.tsv");
        let rows = likelihoods(&place, "p.tsv");
        let table = place.read("rows.tsv");
        for ((_, tokens), row) in rows.iter().zip(table.lines().skip(1)) {
            assert_eq!(*tokens, row.split('\t').next().unwrap().len() + 1);
        }
        let test =
            place.succeed("test --ckpt_path last --data CausalLMDataModule --data.path rows.tsv");
        let told = score(&test, "test_perplexity");
        assert!((perplexity(&rows) / told - 1.0).abs() < 1e-3, "{told}");
        assert!((score(&test, "test_loss").exp() / told - 1.0).abs() < 1e-2);
        place.succeed("export --ckpt_path last --output whole");
        assert!(place.read("whole/config.json").contains("LlamaForCausalLM"));
        let bytes = std::fs::read(place.path("whole/model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.tensor("lm_head.weight").is_ok(), !tied);
        assert!(tensors.tensor("model.embed_tokens.weight").is_ok());
    }
}

#[test]
fn a_language_model_that_was_interrupted_goes_on_to_the_same_scores() {
    let place = decoder(true);
    let fit = format!(
        "{FIT} --data.token_budget 60 --model.backbone.max_length 4 --trainer.accumulate_grad_batches 2"
    );
    let whole = place.succeed(&fit);
    place.succeed(&format!(
        "{fit} --trainer.max_epochs 1 --trainer.default_root_dir other"
    ));
    let resumed = place.succeed(&format!(
        "{fit} --trainer.default_root_dir other --ckpt_path last"
    ));
    assert_eq!(resumed, whole);
}

#[test]
fn every_token_of_a_long_text_counts_once_unless_it_is_cut() {
    let place = decoder(true);
    place.succeed(FIT);
    let predict = "predict --ckpt_path last --data CausalLMDataModule --data.path rows.tsv --data.batch_size 3";
    let counts = |more: &str| {
        place.succeed(&format!("{predict} {more} --output p.tsv"));
        let rows = likelihoods(&place, "p.tsv");
        rows.iter().map(|(_, tokens)| *tokens).collect::<Vec<_>>()
    };
    let whole = counts("");
    let windows = format!("{FIT} --model.backbone.max_length 3 --trainer.default_root_dir windows");
    place.succeed(&windows);
    let told = |root: &str| {
        let predict = predict.replace("last", &checkpoint(&place, root));
        place.succeed(&format!("{predict} --output w.tsv"));
        let rows = likelihoods(&place, "w.tsv");
        rows.iter().map(|(_, tokens)| *tokens).collect::<Vec<_>>()
    };
    assert_eq!(told("windows"), whole);
    let said = place.run(&format!(
        "{FIT} --model.backbone.max_length 3 --model.long_documents cut --trainer.default_root_dir cut"
    ));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("rows were cut to 3 tokens"),
        "{}",
        said.err
    );
    assert!(told("cut").iter().all(|tokens| *tokens == 3));
}

/// The newest checkpoint of the run in `root`.
fn checkpoint(place: &Workplace, root: &str) -> String {
    let folder = format!("{root}/version_0/checkpoints");
    let names = std::fs::read_dir(place.path(&folder)).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    format!("{folder}/{}", names.last().unwrap())
}

#[test]
fn prompts_are_read_and_only_what_follows_them_is_learned() {
    let place = decoder(true);
    let fit = format!("{FIT} --data.prompt_col prompt");
    let whole = place.succeed(&fit);
    assert_ne!(
        whole,
        place.succeed(&format!("{FIT} --trainer.default_root_dir other"))
    );
    place.succeed("predict --ckpt_path last --data CausalLMDataModule --data.path rows.tsv --data.prompt_col prompt --output p.tsv");
    let table = place.read("rows.tsv");
    let rows = likelihoods(&place, "p.tsv");
    for ((_, tokens), row) in rows.iter().zip(table.lines().skip(1)) {
        // The letters of the text and the end.
        assert_eq!(*tokens, row.split('\t').next().unwrap().len() + 1);
    }
    let said = place.run(&format!("{FIT} --data.prompt_col prompts"));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("prompt_col") && said.err.contains("prompts"),
        "{}",
        said.err
    );
    let said = place.run(&format!("{FIT} --data.prompt_col text"));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err
            .contains("data.prompt_col: \"text\" is the column of texts"),
        "{}",
        said.err
    );
}

#[test]
fn the_loss_may_be_divided_by_padded_rows_and_perplexity_is_not() {
    let place = decoder(true);
    let fit = format!(
        "{FIT} --model.backbone.max_length 32 --trainer.max_epochs 1 --trainer.limit_train_batches 1 --model.optimizer.lr 0"
    );
    let tokens = place.succeed(&fit);
    let padded = place.succeed(&format!(
        "{fit} --model.loss_denominator padded --trainer.default_root_dir padded"
    ));
    assert_eq!(
        score(&padded, "test_perplexity"),
        score(&tokens, "test_perplexity")
    );
    assert!(score(&padded, "test_loss") < 0.6 * score(&tokens, "test_loss"));
    let said = place.run(&format!("{FIT} --model.loss_denominator padded"));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("model.loss_denominator: padded"),
        "{}",
        said.err
    );
}

#[test]
fn lora_of_a_language_model_leaves_its_head_as_it_is() {
    for tied in [true, false] {
        let place = decoder(tied);
        place.succeed(FIT);
        place.succeed("export --ckpt_path last --output base");
        let lora = "fit --model CausalLM --model.backbone ./base --model.backbone.use_peft true --model.backbone.lora_r 2 \
            --model.optimizer.lr 1e-2 --data CausalLMDataModule --data.path rows.tsv --data.batch_size 8 --trainer.max_epochs 1 \
            --trainer.default_root_dir lora";
        let scores = place.succeed(lora);
        let kept = checkpoint(&place, "lora");
        assert!(!place.path(&format!("{kept}/model.safetensors")).exists());
        let config = place.read(&format!("{kept}/adapter_config.json"));
        assert!(
            config.contains("\"CAUSAL_LM\"") && config.contains("\"modules_to_save\": null"),
            "{config}"
        );
        let resumed = place.succeed(&format!("{lora} --trainer.max_epochs 2 --ckpt_path {kept}"));
        assert_ne!(resumed, scores);
        place.succeed(&format!(
            "export --ckpt_path {} --merge-lora --output merged",
            checkpoint(&place, "lora")
        ));
        let head = |folder: &str| {
            let bytes = std::fs::read(place.path(&format!("{folder}/model.safetensors"))).unwrap();
            let name = if tied {
                "model.embed_tokens.weight"
            } else {
                "lm_head.weight"
            };
            let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            tensors.tensor(name).unwrap().data().to_vec()
        };
        assert_eq!(head("base"), head("merged"));
    }
}

#[test]
fn language_models_of_the_other_direction_are_refused() {
    let place = decoder(true);
    let on = |model: &str, backbone: &str, more: &str| {
        let module = format!("{model}DataModule");
        let said = place.run(&format!(
            "fit --model {model} --model.backbone {backbone} --model.backbone.from_scratch true --data {module} --data.path rows.tsv \
             --data.x_col text --trainer.max_epochs 1 {more}"
        ));
        assert_eq!(said.code, Some(2), "{}", said.err);
        said.err
    };
    let err = on("MLM", "./llama", "");
    assert!(
        err.contains("./llama is a decoder (llama)") && err.contains("use CausalLM"),
        "{err}"
    );
    let err = on("CausalLM", "aido_dna_debug", "");
    assert!(
        err.contains("aido_dna_debug is an encoder (rnabert)") && err.contains("use MLM"),
        "{err}"
    );
    let err = on("CausalLM", "./llama", "--model.backbone.frozen true");
    assert!(err.contains("nothing is left to train"), "{err}");
    let err = on("CausalLM", "./llama", "--model.backbone.max_length 0");
    assert!(err.contains("max_length"), "{err}");
    let err = on("CausalLM", "./llama", "--model.long_documents drop");
    assert!(err.contains("split or cut"), "{err}");
}

#[test]
fn other_tasks_read_the_last_token_of_a_decoder() {
    let place = decoder(true);
    place.succeed(FIT);
    place.succeed("export --ckpt_path last --output base");
    let classes = |root: &str, more: &str| {
        place.succeed(&format!(
            "fit --model SequenceClassification --model.backbone ./base --data SequenceClassificationDataModule --data.path rows.tsv \
             --data.x_col text --data.y_col labels --data.batch_size 8 --trainer.max_epochs 1 --trainer.default_root_dir {root} {more}"
        ))
    };
    let unnamed = classes("classes", "");
    assert_eq!(
        classes("last", "--model.adapter LinearLastAdapter"),
        unnamed
    );
    assert_ne!(
        classes("first", "--model.adapter LinearCLSAdapter"),
        unnamed
    );
    // It goes on, and opens again, with the head that it had.
    let kept = checkpoint(&place, "classes");
    classes(
        "classes",
        &format!("--trainer.max_epochs 2 --ckpt_path {kept}"),
    );
    let kept = checkpoint(&place, "classes");
    place.succeed(&format!("predict --ckpt_path {kept} --data SequencesDataModule --data.path rows.tsv --data.x_col text --output c.tsv"));
    place.succeed(
        "fit --model SequenceClassification --model.backbone ./base --model.use_legacy_adapter true --model.n_classes 2 \
         --data SequenceClassificationDataModule --data.path rows.tsv --data.x_col text --data.y_col labels --data.batch_size 8 \
         --trainer.max_epochs 1 --trainer.default_root_dir own",
    );
    assert!(
        place
            .read(&format!("{}/config.json", checkpoint(&place, "own")))
            .contains("LlamaForSequenceClassification")
    );
    let embed = "predict --model Embed --model.backbone ./base --data SequencesDataModule --data.path rows.tsv --data.x_col text";
    place.succeed(&format!(
        "{embed} --model.pooling last_pooling --output last.tsv"
    ));
    place.succeed(&format!(
        "{embed} --model.pooling cls_pooling --output first.tsv"
    ));
    // What begins alike is the same before anything else was read.
    let vectors = |file: &str| {
        let text = place.read(file);
        let rows = text.lines().skip(1);
        rows.map(|line| line.split_once('\t').unwrap().1.to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(vectors("first.tsv").len(), 1);
    assert!(vectors("last.tsv").len() > 4);
    place.succeed("predict --model Inference --model.backbone ./base --data SequencesDataModule --data.path rows.tsv --data.x_col text --output l.safetensors");
    let bytes = std::fs::read(place.path("l.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert!(
        tensors
            .tensors()
            .iter()
            .any(|(_, tensor)| tensor.shape().last() == Some(&8))
    );
}
