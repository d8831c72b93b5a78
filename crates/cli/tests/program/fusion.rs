//! Adapters with layers of their own, and models of several backbones, from fitting to predicting.

use std::path::Path;

use crate::Workplace;

/// The letters of AIDO.RNA's vocabulary.
const RNA: &str = "[PAD]\n[MASK]\n[CLS]\n[SEP]\n[UNK]\nA\nG\nC\nT\nU\nN\n[BOS]\n[EOS]\n[UNUSED1]\n[UNUSED2]\n[UNUSED3]";

/// Those of ESM-2.
const PROTEIN: &str = "<cls>\n<pad>\n<eos>\n<unk>\nL\nA\nG\nV\nS\nE\nR\nT\nI\nD\nP\nK\nQ\nN\nF\nY\nM\nH\nW\nC\nX\nB\nU\nZ\nO\n.\n-\n<null_1>\n<mask>";

/// A number for each row that grows with the share of G and C, and sequences of DNA, RNA and protein; two encoders beside the built-in one.
fn genes() -> Workplace {
    let place = Workplace::empty();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models");
    let special = "\"cls_token\": \"[CLS]\", \"sep_token\": \"[SEP]\", \"pad_token\": \"[PAD]\", \"unk_token\": \"[UNK]\", \"mask_token\": \"[MASK]\"";
    let presets = [
        ("rna", "rnabert_base", RNA, format!("{{{special}}}")),
        (
            "protein",
            "esm_base",
            PROTEIN,
            "{\"tokenizer_class\": \"EsmTokenizer\"}".to_owned(),
        ),
    ];
    for (preset, model, letters, tokenizer) in presets {
        std::fs::create_dir(place.path(preset)).unwrap();
        for file in ["config.json", "model.safetensors"] {
            let to = place.path(&format!("{preset}/{file}"));
            std::fs::copy(golden.join(model).join(file), to).unwrap();
        }
        place.write(&format!("{preset}/vocab.txt"), letters);
        place.write(&format!("{preset}/tokenizer_config.json"), &tokenizer);
    }
    let mut rows = String::from("id\tdna\trna\tprotein\tload\n");
    for row in 0..32usize {
        let letters = |alphabet: &[u8], length: usize, step: usize| -> String {
            let letter = |at: usize| alphabet[(row * step + at * 3 + at * at) % alphabet.len()];
            (0..length).map(|at| letter(at) as char).collect()
        };
        let dna = letters(b"ACGT", 5 + row % 7, 7);
        let rna = letters(b"ACGU", 4 + row % 5, 5);
        let protein = letters(b"MKVLEQ", 3 + row % 4, 1);
        let strong = dna.chars().filter(|letter| "GC".contains(*letter)).count();
        let load = 2.0 + 6.0 * strong as f64 / dna.len() as f64;
        rows += &format!("g{row}\t{dna}\t{rna}\t{protein}\t{load}\n");
    }
    place.write("genes.tsv", &rows);
    place.write("three.yaml", THREE);
    place
}

/// A frozen encoder of proteins and one of RNA with LoRA beside one of DNA that is trained whole.
const THREE: &str = "seed_everything: 3
model:
  class_path: modelgenerator.tasks.MMSequenceRegression
  init_args:
    backbone: aido_dna_debug
    backbone1:
      class_path: ./rna
      init_args: {use_peft: true, lora_r: 4, lora_target_modules: [query, value]}
    backbone2: {class_path: ./protein, init_args: {frozen: true}}
    backbone_order: [dna_seq, rna_seq, protein_seq]
    adapter:
      class_path: modelgenerator.adapters.MMFusionSeqAdapter
      init_args:
        fusion: {class_path: modelgenerator.adapters.CrossAttentionFusion, init_args: {num_attention_heads: 4}}
        adapter: modelgenerator.adapters.LinearMeanPoolAdapter
    optimizer: {class_path: AdamW, init_args: {lr: 5e-3}}
data:
  class_path: SequenceRegressionDataModule
  init_args:
    path: genes.tsv
    x_col: [dna, rna, protein]
    rename_cols: {dna: dna_seq_sequences, rna: rna_seq_sequences, protein: protein_seq_sequences}
    y_col: load
    batch_size: 8
trainer: {max_epochs: 30}
";

/// The value of a score.
fn score(said: &str, name: &str) -> f64 {
    let line = said.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_whitespace().last());
    value.and_then(|value| value.parse().ok()).unwrap()
}

/// The numbers of a table of predictions, by the row's id.
fn predicted(place: &Workplace, table: &str) -> Vec<(String, f64)> {
    let table = place.read(table);
    let rows = table.lines().skip(1).map(|line| {
        let mut cells = line.split('\t');
        let id = cells.next().unwrap().to_owned();
        (id, cells.next().unwrap().parse().unwrap())
    });
    rows.collect()
}

fn checkpoint(place: &Workplace, version: &str) -> String {
    let folder = format!("logs/{version}/checkpoints");
    let mut names: Vec<String> = std::fs::read_dir(place.path(&folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    format!("{folder}/{}", names.last().unwrap())
}

#[test]
fn a_number_is_learned_from_convolutions_with_the_scale_of_the_training_rows() {
    let place = genes();
    let fit = "fit --model SequenceRegressionWithScaling --model.backbone aido_dna_debug --model.adapter ResNet1DAdapter --model.adapter.channels 12 \
        --model.adapter.num_blocks 2 --model.adapter.dropout 0.1 --model.optimizer.lr 5e-3 --data RNAMeanRibosomeLoadDataModule --data.config_name null --data.valid_split_name null \
        --data.x_col dna --data.y_col load --data.path genes.tsv --data.batch_size 8 --trainer.max_epochs 30 --seed_everything 1";
    place.succeed(fit);
    let scores = place.succeed("test --ckpt_path last --data.path genes.tsv");
    assert!(score(&scores, "test_pearson ") > 0.5, "{scores}");
    let kept = checkpoint(&place, "version_0");
    let saved = place.read(&format!("{kept}/engraft.yaml"));
    assert!(
        saved.contains("SequenceRegressionWithScaling") && saved.contains("deviations:"),
        "{saved}"
    );
    place.succeed("predict --ckpt_path last --data SequencesDataModule --data.x_col dna --data.path genes.tsv --output p.tsv");
    // The same rows by themselves say the same: no row sees another, nor padding.
    place.succeed("predict --ckpt_path last --data SequencesDataModule --data.x_col dna --data.path genes.tsv --data.batch_size 1 --output alone.tsv");
    for ((id, together), (_, alone)) in predicted(&place, "p.tsv")
        .into_iter()
        .zip(predicted(&place, "alone.tsv"))
    {
        assert!((0.0..12.0).contains(&together), "{id}: {together}");
        assert!((together - alone).abs() < 1e-4, "{id}: {together}, {alone}");
    }
}

#[test]
fn numbers_below_zero_are_said_and_never_predicted() {
    let place = genes();
    let rows = place.read("genes.tsv");
    let rows = rows
        .lines()
        .enumerate()
        .map(|(at, line)| match (at % 4, line.rsplit_once('\t')) {
            (3, Some((row, _))) => format!("{row}\t-9\n"),
            _ => format!("{line}\n"),
        });
    let rows: String = rows.collect();
    place.write("below.tsv", &rows);
    let fit = "fit --model SequenceRegressionWithScaling --model.backbone aido_dna_debug --model.adapter LinearMeanPoolAdapter \
        --data SequenceRegressionDataModule --data.x_col dna --data.y_col load --data.path below.tsv --data.batch_size 8 --trainer.max_epochs 1";
    let said = place.run(fit);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err
            .contains("training rows have a number below 0, which is never predicted here"),
        "{}",
        said.err
    );
}

#[test]
fn the_layers_of_an_adapter_attend_within_each_row_alone() {
    let place = genes();
    place.succeed(
        "fit --model SequenceRegression --model.backbone aido_dna_debug --model.adapter LinearTransformerAdapter --model.optimizer.lr 1e-3 \
         --data SequenceRegressionDataModule --data.x_col dna --data.y_col load --data.path genes.tsv --data.batch_size 8 --trainer.max_epochs 2",
    );
    let predict = "predict --ckpt_path last --data SequencesDataModule --data.x_col dna --data.path genes.tsv";
    place.succeed(&format!("{predict} --output together.tsv"));
    place.succeed(&format!("{predict} --data.batch_size 1 --output alone.tsv"));
    for ((id, together), (_, alone)) in predicted(&place, "together.tsv")
        .into_iter()
        .zip(predicted(&place, "alone.tsv"))
    {
        assert!((together - alone).abs() < 1e-4, "{id}: {together}, {alone}");
    }
}

#[test]
fn several_backbones_learn_together_and_are_kept_as_each_was_trained() {
    let place = genes();
    place.succeed("fit -c three.yaml");
    let kept = checkpoint(&place, "version_0");
    let has = |file: &str| place.path(&format!("{kept}/{file}")).exists();
    assert!(has("model.safetensors"), "the first backbone and the head");
    assert!(has("backbone1/adapter_model.safetensors") && has("backbone1/adapter_config.json"));
    assert!(
        !has("backbone1/model.safetensors"),
        "LoRA leaves the weights out"
    );
    assert!(!has("backbone2"), "what is frozen is its preset's");
    let scores = place.succeed("test --ckpt_path last --data.path genes.tsv");
    assert!(score(&scores, "test_pearson ") > 0.5, "{scores}");

    // Without labels, and from an export that needs no preset.
    let rows: Vec<String> = place
        .read("genes.tsv")
        .lines()
        .map(|line| line.rsplit_once('\t').unwrap().0.to_owned())
        .collect();
    place.write("new.tsv", &(rows.join("\n") + "\n"));
    place.succeed("predict --ckpt_path last --data.path new.tsv --output p.tsv");
    let first = predicted(&place, "p.tsv");
    assert_eq!(first.len(), 32);
    place.succeed("export --ckpt_path last --output whole --merge-lora");
    assert!(
        !place
            .path("whole/backbone1/adapter_model.safetensors")
            .exists()
    );
    assert!(place.path("whole/backbone1/model.safetensors").is_file());
    assert!(place.path("whole/backbone2/model.safetensors").is_file());
    // What is frozen must be what the model was trained on.
    let file = place.path("protein/model.safetensors");
    let mut weights = std::fs::read(&file).unwrap();
    let last = weights.len() - 2;
    weights[last] ^= 1;
    std::fs::write(&file, weights).unwrap();
    let said = place.run("predict --ckpt_path last --data.path new.tsv --output r.tsv");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err
            .contains("was trained on other weights than those of"),
        "{}",
        said.err
    );
    std::fs::rename(place.path("rna"), place.path("gone")).unwrap();
    std::fs::rename(place.path("protein"), place.path("gone2")).unwrap();
    let named =
        place
            .read("new.tsv")
            .replacen("dna\trna\tprotein", "dna_seq\trna_seq\tprotein_seq", 1);
    place.write("named.tsv", &named);
    place.succeed("predict --ckpt_path whole --data SequenceRegressionDataModule --data.x_col [dna_seq,rna_seq,protein_seq] --data.rename_cols null --data.path named.tsv --output q.tsv");
    for ((id, one), (_, other)) in first.iter().zip(predicted(&place, "q.tsv")) {
        assert!((one - other).abs() < 1e-4, "{id}: {one}, {other}");
    }
}

#[test]
fn a_run_of_several_backbones_goes_on_as_if_it_had_not_ended() {
    let place = genes();
    let fit = "fit -c three.yaml --trainer.max_epochs";
    let whole = place.succeed(&format!("{fit} 3"));
    place.succeed(&format!("{fit} 2"));
    let kept = checkpoint(&place, "version_1");
    let gone_on = place.succeed(&format!("{fit} 3 --ckpt_path {kept}"));
    assert_eq!(score(&whole, "test_loss "), score(&gone_on, "test_loss "));
}

#[test]
fn two_vectors_side_by_side_are_fused_with_lora_on_the_first() {
    let place = genes();
    place.succeed(
        "fit --model MMSequenceRegression --model.backbone ./protein --model.backbone.use_peft true --model.backbone.lora_r 2 \
         --model.backbone1 ./rna --model.backbone_order [protein,rna] --model.adapter.fusion ConcatFusion --model.adapter.fusion.project_size 8 \
         --data SequenceRegressionDataModule --data.x_col [rna,protein] --data.y_col load --data.path genes.tsv --data.batch_size 8 --trainer.max_epochs 1",
    );
    let kept = checkpoint(&place, "version_0");
    assert!(
        place
            .path(&format!("{kept}/adapter_model.safetensors"))
            .is_file()
    );
    assert!(
        place
            .path(&format!("{kept}/backbone1/model.safetensors"))
            .is_file()
    );
    place.succeed("test --ckpt_path last --data.path genes.tsv");
}

#[test]
fn rows_and_backbones_that_do_not_fit_each_other_are_refused_in_one_sentence() {
    let place = genes();
    let refused = |words: &str| {
        let said = place.run(words);
        assert_eq!(said.code, Some(2), "{words}: {said:?}");
        said.err
    };
    // A row without one of its sequences.
    let rows = place.read("genes.tsv");
    let line = rows.lines().nth(5).unwrap();
    let cells: Vec<&str> = line.split('\t').collect();
    let without = [cells[0], cells[1], "", cells[3], cells[4]].join("\t");
    place.write("hole.tsv", &rows.replace(line, &without));
    let said = refused("fit -c three.yaml --data.path hole.tsv");
    assert!(
        said.contains("hole.tsv:6: rna_seq_sequences is empty"),
        "{said}"
    );
    place.succeed("fit -c three.yaml --data.path hole.tsv --model.allow_empty true --trainer.fast_dev_run true");
    // A sequence that no column is.
    place.write(
        "other.yaml",
        &THREE.replace("protein: protein_seq_sequences", "protein: fold"),
    );
    let said = refused("fit -c other.yaml");
    assert!(
        said.contains("x_col: the model reads dna_seq_sequences, rna_seq_sequences, protein_seq_sequences, but the data has dna_seq_sequences, rna_seq_sequences, fold, and so no protein_seq_sequences"),
        "{said}"
    );
    // More sequences than a model of one backbone reads.
    let said = refused(
        "fit --model SequenceRegression --model.backbone aido_dna_debug --data SequenceRegressionDataModule --data.x_col [dna,rna,protein] --data.y_col load --data.path genes.tsv",
    );
    assert!(said.contains("data.x_col: the model reads one column, or two for text pairs, not the 3 of dna, rna, protein"), "{said}");
    // Backbones and sequences that are not as many.
    let said = refused("fit -c three.yaml --model.backbone_order [dna_seq,rna_seq]");
    assert!(
        said.contains("model.backbone_order") && said.contains("there are 3 backbones"),
        "{said}"
    );
    let said = refused("fit -c three.yaml --model.backbone1 null");
    assert!(
        said.contains("backbone1") && said.contains("missing, though backbone2 is given"),
        "{said}"
    );
    // What has no place, each under its own key.
    let said = refused("fit -c three.yaml --model.backbone1.lora_target_modules [nothing]");
    assert!(
        said.contains("backbone1.") && said.contains("lora_target_modules"),
        "{said}"
    );
    let said = refused("fit -c three.yaml --model.adapter.fusion.num_attention_heads 5");
    assert!(
        said.contains("num_attention_heads") && said.contains("5 heads do not divide the 64"),
        "{said}"
    );
    let said = refused("fit -c three.yaml --model.adapter.fusion ConcatFusion");
    assert!(
        said.contains(
            "MMFusionSeqAdapter takes what CrossAttentionFusion gives, not what ConcatFusion does"
        ),
        "{said}"
    );
    let said = refused("fit -c three.yaml --model.backbone2.enable_cache true");
    assert!(
        said.contains("backbone2.")
            && said.contains("hidden states of several backbones are not kept yet"),
        "{said}"
    );
    let said = refused("fit -c three.yaml --model.backbone1.max_length 1");
    assert!(
        said.contains("backbone1.") && said.contains("1 leaves no room for the 2 special tokens"),
        "{said}"
    );
}
