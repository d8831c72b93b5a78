//! AIDO.Protein's shape on a small table of made-up proteins: classes of rows and of residues, with and without experts.

use crate::Workplace;

/// Proteins with a class each, and one for each residue: 1 for the charged ones. Those of the first class hold a run of them.
fn proteins() -> Workplace {
    let place = Workplace::empty();
    let mut rows = String::from("sequences\tlabel\tlabels\n");
    for row in 0..48usize {
        let residues: String = (0..12 + row % 7)
            .map(|at| match (row % 2, at) {
                (1, 4..=7) => b"DEKR"[(row + at) % 4] as char,
                _ => b"AGLVSTDNQF"[(row * 3 + at * 5 + at * at) % 10] as char,
            })
            .collect();
        let charged = residues.chars().map(|residue| "DEKR".contains(residue));
        let labels: String = charged.map(|it| if it { '1' } else { '0' }).collect();
        rows += &format!("{residues}\t{}\t{labels}\n", row % 2);
    }
    place.write("rows.tsv", &rows);
    place
}

const DATA: &str = "--data.path rows.tsv --data.batch_size 6 --model.optimizer.lr 5e-3";

/// The value of a line of scores.
fn score(scores: &str, name: &str) -> f64 {
    let line = scores
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    let value = line.and_then(|line| line.split_whitespace().last());
    value.unwrap_or_else(|| panic!("{scores}")).parse().unwrap()
}

#[test]
fn proteins_and_their_residues_get_classes() {
    let place = proteins();
    let scores = place.succeed(&format!(
        "fit --model SequenceClassification --model.backbone modelgenerator.backbones.aido_protein_debug --model.adapter LinearMeanPoolAdapter \
         --data SequenceClassificationDataModule --data.x_col sequences --data.y_col label {DATA} --trainer.max_epochs 25"
    ));
    assert!(score(&scores, "test_accuracy") > 0.75, "{scores}");
    let key = "--model.backbone.config_overwrites";
    let experts =
        format!("{key}.moe true {key}.experts_per_token 1 {key}.gradient_checkpointing true");
    let scores = place.succeed(&format!(
        "fit --model TokenClassification --model.backbone aido_protein_debug {experts} \
         --data TokenClassificationDataModule --data.y_col labels {DATA} --trainer.max_epochs 20"
    ));
    assert!(score(&scores, "test_accuracy") > 0.9, "{scores}");
    place.succeed("predict --ckpt_path last --data SequencesDataModule --data.x_col sequences --data.path rows.tsv --output p.tsv");
    let (rows, predicted) = (place.read("rows.tsv"), place.read("p.tsv"));
    for (row, line) in rows.lines().zip(predicted.lines()).skip(1) {
        let residues = row.split('\t').next().unwrap();
        assert_eq!(line.split('\t').nth(1).unwrap().len(), residues.len());
    }
}

#[test]
fn alignments_and_too_many_experts_are_refused_by_their_keys() {
    let place = proteins();
    let fit = "fit --model SequenceClassification --model.backbone aido_protein_debug --data SequenceClassificationDataModule \
               --data.x_col sequences --data.y_col label --data.path rows.tsv --trainer.max_steps 1";
    for (option, words) in [
        (
            "--model.backbone.enable_rag true",
            "enable_rag: true, but aido_protein_debug tells no rows of an alignment apart",
        ),
        (
            "--model.backbone.config_overwrites.moe true --model.backbone.config_overwrites.experts_per_token 3",
            "experts_per_token: a token cannot pass 3 of 2 experts",
        ),
        (
            "--model.backbone.config_overwrites.num_experts 4",
            "config_overwrites.num_experts: changes nothing here. It counts only with moe: true",
        ),
    ] {
        let said = place.run(&format!("{fit} {option}"));
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(words), "{}", said.err);
    }
    let key = "--model.backbone.config_overwrites";
    let said = place.run(&format!(
        "fit --model MLM --model.backbone aido_protein_debug {key}.use_lm_head false {key}.tie_word_embeddings false {key}.output_vocab_size 37 \
         --data MLMDataModule --data.path rows.tsv --data.x_col sequences --trainer.max_steps 1"
    ));
    assert!(
        said.err
            .contains("the head of aido_protein_debug tells 37 tokens of another vocabulary"),
        "{}",
        said.err
    );
}
