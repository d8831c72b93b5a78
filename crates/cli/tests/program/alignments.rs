//! Alignments beside proteins: trained on, cut, predicted with, and refused where they do not fit.

use crate::Workplace;

const RAG: &str = "--data.is_rag_dataset true";
const BACKBONE: &str = "--model.backbone aido_protein_debug --model.backbone.config_overwrites.position_embedding_type rope_2d";

/// Proteins, each of which stands there in both classes: those of the second are aligned with charged residues.
fn proteins() -> Workplace {
    let place = Workplace::empty();
    let mut rows = String::new();
    for row in 0..40usize {
        let length = 6 + row / 4 % 3;
        let residues = |letters: &[u8], step: usize| -> String {
            let residue = |at: usize| letters[(row / 4 * step + at * 3) % letters.len()] as char;
            (0..length).map(residue).collect()
        };
        let sequence = residues(b"AGLVST", 5);
        let like: &[u8] = if row / 2 % 2 == 0 {
            b"AGLVSTNQ"
        } else {
            b"DEKR"
        };
        let first = residues(like, 7);
        let gapped = format!("-{}", &residues(like, 11)[1..]);
        let vectors = vec!["[0.5,-1]"; length].join(",");
        rows += &format!(
            "{{\"id\":\"p{row}\",\"sequences\":\"{sequence}\",\"labels\":{},\"msa\":[\"{first}\",\"{gapped}\"],\"str_emb\":[{vectors}]}}\n",
            row / 2 % 2
        );
    }
    place.write("rows.jsonl", &rows);
    place
}

fn fit(place: &Workplace, options: &str) -> crate::Said {
    place.run(&format!(
        "fit --model SequenceClassification {BACKBONE} --model.adapter LinearMeanPoolAdapter --model.optimizer.lr 5e-3 \
         --data SequenceClassificationDataModule --data.path rows.jsonl --data.batch_size 4 {options}"
    ))
}

#[test]
fn what_only_alignments_say_is_learned_and_predicted() {
    let place = proteins();
    let said = fit(
        &place,
        &format!("{RAG} --model.backbone.enable_rag true --trainer.max_epochs 12"),
    );
    assert_eq!(said.code, Some(0), "{}", said.err);
    let score = said
        .out
        .lines()
        .find_map(|line| line.strip_prefix("test_accuracy "));
    let score: f64 = score
        .unwrap_or_else(|| panic!("{}", said.out))
        .trim()
        .parse()
        .unwrap();
    assert!(score > 0.9, "{}", said.out);
    // Numbers that no layer takes are said not to be read.
    assert!(
        said.err.contains("the column str_emb is not read"),
        "{}",
        said.err
    );
    let predict = format!(
        "predict --ckpt_path last --data SequencesDataModule --data.x_col sequences --data.path rows.jsonl {RAG}"
    );
    place.succeed(&format!("{predict} --output one.tsv --data.batch_size 1"));
    place.succeed(&format!("{predict} --output all.tsv --data.batch_size 40"));
    let classes = |file: &str| -> Vec<String> {
        let text = place.read(file);
        let rows = text.lines().skip(1);
        rows.map(|row| row.split('\t').take(2).collect::<Vec<_>>().join(" "))
            .collect()
    };
    assert_eq!(classes("one.tsv"), classes("all.tsv"));
    // The model was told to read alignments, and says so where there are none.
    let said = place.run("predict --ckpt_path last --data SequencesDataModule --data.x_col sequences --data.path rows.jsonl --output none.tsv");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err
            .contains("enable_rag: true, but the rows bring no alignments"),
        "{}",
        said.err
    );
}

#[test]
fn alignments_that_cannot_be_read_are_refused_in_one_sentence() {
    let place = proteins();
    let width = "--model.backbone.config_overwrites.str_embedding_in 3";
    for (options, words) in [
        (
            format!("{RAG} {width}"),
            "rows.jsonl:1: the column \"str_emb\" has 2 numbers for each residue, but the model's layer for them takes 3 (str_embedding_in)",
        ),
        (
            format!("{RAG} --data.max_context_length 0"),
            "max_context_length: must be at least 1, found 0",
        ),
        (
            format!("{RAG} --model.backbone.frozen true --model.backbone.enable_cache true"),
            "enable_cache: true, but the hidden states of a sequence depend on what is aligned with it",
        ),
        (
            "--model.backbone.enable_rag true".to_owned(),
            "enable_rag: true, but the rows bring no alignments",
        ),
        (
            format!("{RAG} --model.backbone.config_overwrites.position_embedding_type rope"),
            "is_rag_dataset: true, but aido_protein_debug tells no rows of an alignment apart",
        ),
        (
            format!("{RAG} --data.x_col [sequences,id]"),
            "is_rag_dataset: true: an alignment is one sequence's, and x_col names 2 columns",
        ),
    ] {
        let said = fit(&place, &format!("{options} --trainer.max_steps 1"));
        assert_eq!(said.code, Some(2), "{options}: {said:?}");
        assert!(said.err.contains(words), "{options}: {}", said.err);
    }
    let masked = place.run(&format!(
        "predict --model Inference {BACKBONE} --data SequencesDataModule --data.x_col sequences --data.path rows.jsonl {RAG} --output p.safetensors"
    ));
    assert_eq!(masked.code, Some(2), "{}", masked.err);
    assert!(
        masked
            .err
            .contains("is_rag_dataset: true, but Inference reads sequences alone"),
        "{}",
        masked.err
    );
    let rows = place
        .read("rows.jsonl")
        .replacen("\"msa\":[\"", "\"msa\":[\"A", 1);
    place.write("rows.jsonl", &rows);
    let said = fit(&place, &format!("{RAG} --trainer.max_steps 1"));
    assert!(
        said.err.contains("rows.jsonl:1: the column \"msa\" aligns 7 residues with a sequence of 6: its sequence 1 has another length"),
        "{}",
        said.err
    );
}
