//! Rows of two texts, one that is read and one to be written, as tasks read them that only need the first.

use crate::Workplace;

const DATA: &str = "--data Seq2SeqDataModule --data.path pairs.tsv --data.x_col word --data.y_col phonemes --data.batch_size 4";

/// A workplace with pairs, of which the second has this text to be written.
fn pairs(second: &str) -> Workplace {
    let place = Workplace::new();
    let rows: String = (0..24).map(|row| format!("a w{row}\tˈw{row}\n")).collect();
    place.write(
        "pairs.tsv",
        &format!("word\tphonemes\nb w1\tˈbw\nc w2\t{second}\n{rows}"),
    );
    place
}

#[test]
fn the_module_is_explained_and_printed_with_its_defaults() {
    let place = Workplace::empty();
    let page = place.succeed("components Seq2SeqDataModule");
    for line in [
        "--data.x_col",
        "default: [text]",
        "--data.y_col",
        "default: [labels]",
        "--data.batch_size",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
    let printed = place.succeed(&format!(
        "fit --print_config --model MLM --model.backbone aido_dna_debug {DATA}"
    ));
    assert!(
        printed.contains("class_path: Seq2SeqDataModule"),
        "{printed}"
    );
    place.write("printed.yaml", &printed);
    assert_eq!(place.succeed("fit --print_config -c printed.yaml"), printed);
}

#[test]
fn a_pair_without_its_second_text_is_refused_where_it_stands() {
    let fit = format!("fit --model MLM --model.backbone ./lm --trainer.max_steps 1 {DATA}");
    for second in ["", "  "] {
        let said = pairs(second).run(&fit);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(
            said.err
                .contains("pairs.tsv:3: the column \"phonemes\" has no value in this row"),
            "{}",
            said.err
        );
    }
    let place = pairs("ˈcw");
    place.succeed(&fit);
    let said = place.run(&fit.replace("y_col phonemes", "y_col phoneme"));
    assert_eq!(said.code, Some(2), "{said:?}");
    for part in [
        "pairs.tsv: no column \"phoneme\" (y_col)",
        "Did you mean \"phonemes\"?",
    ] {
        assert!(said.err.contains(part), "{}", said.err);
    }
}

#[test]
fn texts_to_be_written_are_no_classes() {
    let place = pairs("ˈcw");
    let said = place.run(&format!(
        "fit --model SequenceClassification --model.backbone ./tiny {DATA}"
    ));
    assert_eq!(said.code, Some(2), "{said:?}");
    let problem = "the data has a text to be written for each row, but this task needs";
    assert!(said.err.contains(problem), "{}", said.err);
}

#[test]
fn what_is_read_is_embedded_and_what_is_written_is_carried_along() {
    let place = pairs("ˈcw");
    place.write(
        "writer.yaml",
        "trainer:\n  callbacks:\n  - class_path: PredictionWriter\n    \
         init_args: {output_dir: out, filetype: tsv, write_cols: [id, labels, sequences]}\n",
    );
    let predict = format!(
        "predict -c writer.yaml --model Embed --model.backbone ./lm --model.pooling mean_pooling {DATA}"
    );
    place.succeed(&predict);
    let written = place.read("out/predict_predictions.tsv");
    let start = "id\tlabels\tsequences\n0\tˈbw\tb w1\n1\tˈcw\tc w2\n2\tˈw0\ta w0\n";
    assert!(written.starts_with(start), "{written}");
    assert_eq!(written.lines().count(), 27);
    // Without that column, there is just nothing to carry along.
    place.write("pairs.tsv", "word\nb w1\nc w2\n");
    place.succeed(&predict);
    let written = place.read("out/predict_predictions.tsv");
    assert_eq!(written, "id\tlabels\tsequences\n0\t\tb w1\n1\t\tc w2\n");
}
