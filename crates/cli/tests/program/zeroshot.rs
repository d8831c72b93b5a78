//! Variants are scored without training: from tables, a genome, and every substitution of a sequence.

use crate::Workplace;

const PROTEIN: &str = "EVQLVESGGGLVQPGG";

fn place() -> Workplace {
    let place = Workplace::empty();
    let rows = [
        ("EVQLVESGGG", "EVQLVASGGG", 1, 0.5),
        ("EVQLVESGGG", "EVQLVWSGGG", 0, -2.5),
        ("EVQLVESGGG", "EVQLVESGGA", 1, 1.25),
        ("QVQLVQSGAE", "QVQLVQWGAE", 0, -1.0),
    ];
    let lines =
        rows.map(|(one, other, class, number)| format!("{one}\t{other}\t{class}\t{number}\n"));
    let header = "reference\tvariant\tharmless\tfitness\n";
    place.write("variants.tsv", &format!("{header}{}", lines.concat()));
    place.write("genome.fa", &format!(">chr1\n{}\n", "ACGT".repeat(30)));
    place
}

fn table(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines();
    lines.map(|line| line.split('\t').collect()).collect()
}

fn number(cell: &str) -> f64 {
    cell.parse().unwrap()
}

const DIFF: &str = "--model ZeroshotPredictionDiff --model.backbone sapiens_vh";
const DISTANCE: &str = "--model ZeroshotPredictionDistance --model.backbone sapiens_vh";
const PAIRS: &str =
    "--data RegressionDataModule --data.path variants.tsv --data.x_col [reference,variant]";

#[test]
fn variants_of_a_table_are_predicted_and_scored_by_both_tasks() {
    let place = place();
    place.succeed(&format!(
        "predict {DIFF} {PAIRS} --data.y_col harmless --output p.tsv"
    ));
    let text = place.read("p.tsv");
    let rows = table(&text);
    assert_eq!(rows[0], ["id", "score"]);
    assert_eq!(rows.len(), 5);
    // Differences of the logits that Inference gives where `<mask>` stands.
    let expected = [0.3201, 0.3413, -1.6713, -5.4281];
    for (row, expected) in rows[1..].iter().zip(expected) {
        assert!((number(row[1]) - expected).abs() < 1e-3, "{text}");
    }

    let said = place.succeed(&format!("test {DIFF} {PAIRS} --data.y_col harmless"));
    assert!(
        said.contains("test_AUROC ") && said.contains("test_AUPRC "),
        "{said}"
    );
    assert!(!said.contains("loss"), "{said}");
    let said = place.succeed(&format!("test {DIFF} {PAIRS} --data.y_col fitness"));
    assert!(
        said.contains("test_spearman ") && !said.contains("AUROC"),
        "{said}"
    );

    place.succeed(&format!(
        "predict {DISTANCE} {PAIRS} --data.y_col harmless --output d.tsv"
    ));
    assert_eq!(table(&place.read("d.tsv"))[0], ["id", "L1", "L2", "cosine"]);
    let said = place.succeed(&format!(
        "test {DISTANCE} --model.all_hidden_states true {PAIRS} --data.y_col harmless"
    ));
    for name in [
        "test_L1_AUROC ",
        "test_cosine_AUPRC ",
        "test_L2_AUROC[0] ",
        "test_L2_AUROC[4] ",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
}

#[test]
fn a_table_of_modelgenerators_columns_is_read_by_them() {
    let place = place();
    place.write(
        "masked.tsv",
        "sequences\trefs\tmutations\tlabels\nEVQLV[MASK]SGGG\tE\tA\t1\nEVQLV[MASK]SGGG\tE\tW\t0\n",
    );
    let pairs = "--data ColumnRetrievalDataModule --data.path variants.tsv --data.in_cols [reference,variant,harmless] --data.out_cols [ref_sequences,mutation_sequences,labels]";
    let masked = "--data ColumnRetrievalDataModule --data.path masked.tsv --data.in_cols [sequences,refs,mutations,labels]";
    place.succeed(&format!("predict {DIFF} {pairs} --output pairs.tsv"));
    place.succeed(&format!("predict {DIFF} {masked} --output q.tsv"));
    let (pairs_text, masked_text) = (place.read("pairs.tsv"), place.read("q.tsv"));
    let (of_pairs, of_masked) = (table(&pairs_text), table(&masked_text));
    assert_eq!(of_masked.len(), 3);
    for row in [1, 2] {
        let difference = number(of_pairs[row][1]) - number(of_masked[row][1]);
        assert!(difference.abs() < 1e-4, "{pairs_text}{masked_text}");
    }
    let said = place.succeed(&format!("test {DIFF} {masked}"));
    assert!(said.contains("test_AUROC "), "{said}");
    place.write(
        "two.tsv",
        "sequences\trefs\tmutations\tlabels\nEV[MASK]V[MASK]\tE\tA\t1\n",
    );
    let said = place.run(&format!("test {DIFF} {masked} --data.path two.tsv"));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("two.tsv:2: the sequence has 2 masks"),
        "{}",
        said.err
    );
}

#[test]
fn a_mutation_scan_has_a_table_and_a_map_of_each_sequence() {
    let place = place();
    place.write(
        "wild_type.fasta",
        &format!(">sp|P1 first\n{PROTEIN}\n>second\nQVQLVQ\n"),
    );
    let scan = format!("predict {DIFF} --data MutationScanDataModule --data.path wild_type.fasta");
    let said = place.run(&format!("{scan} --output scan.tsv"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err.contains("the sequences look like proteins")
            && said.err.contains("2 sequences by position and letter"),
        "{}",
        said.err
    );
    let text = place.read("scan.tsv");
    let rows = table(&text);
    assert_eq!(rows.len(), 1 + 19 * (16 + 6));
    assert_eq!(
        rows[0],
        ["id", "score", "mutation", "position", "wild_type", "mutant"]
    );
    let text = place.read("scan_maps/sp_P1.tsv");
    let map = table(&text);
    assert_eq!(map[0][..4], ["position", "wild_type", "A", "C"]);
    assert_eq!((map.len(), map[0].len()), (17, 22));
    for row in &rows[1..=19 * 16] {
        let position: usize = row[3].parse().unwrap();
        let column = map[0].iter().position(|name| *name == row[5]).unwrap();
        assert_eq!(map[position][column], row[1], "{row:?}");
        let own = map[0].iter().position(|name| *name == row[4]).unwrap();
        assert_eq!(map[position][own].parse::<f64>().unwrap(), 0.0);
    }
    for name in ["sp_P1", "second"] {
        assert!(
            place
                .read(&format!("scan_maps/{name}.svg"))
                .starts_with("<svg ")
        );
        let pixels = std::fs::read(place.path(&format!("scan_maps/{name}.png"))).unwrap();
        assert!(pixels.starts_with(b"\x89PNG"));
    }
    // Of some positions, scores are the same.
    place.succeed(&format!(
        "{scan} --data.positions [2-3] --data.alphabet AW --output some.tsv"
    ));
    let some = place.read("some.tsv");
    let some = table(&some);
    assert_eq!(some.len(), 1 + 2 * 2 * 2);
    for row in &some[1..] {
        let same = rows
            .iter()
            .find(|it| [it[0], it[2]] == [row[0], row[2]])
            .unwrap();
        assert!((number(same[1]) - number(row[1])).abs() < 1e-4, "{row:?}");
    }
}

#[test]
fn variants_of_a_genome_are_retrieved_and_wrong_ones_refused_or_skipped() {
    let place = place();
    let rows = |third: &str| {
        format!(
            "chrom\tstart\tend\tref\tmutate\teffect\nchr1\t40\t41\tA\tG\t1\nchr1\t45\t46\tG\tT\t0\n{third}\nchr1\t3\t4\tT\tG\t0\n"
        )
    };
    std::fs::create_dir(place.path("clinvar")).unwrap();
    place.write(
        "clinvar/ClinVar_Processed.tsv",
        &rows("chr1\t50\t52\tGT\tG\t1"),
    );
    let test = "test --model ZeroshotPredictionDistance --model.backbone aido_dna_debug --data ClinvarRetrieve --data.path clinvar --data.reference_file genome.fa --data.window 16 --data.method Distance";
    let said = place.run(test);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("test_L1_AUROC "), "{}", said.out);
    assert!(
        said.err.contains("1 variant is of the other strand than")
            && said.err.contains("1 variant is so near the end"),
        "{}",
        said.err
    );
    place.write(
        "clinvar/ClinVar_Processed.tsv",
        &rows("chr1\t119\t121\tTA\tG\t1"),
    );
    let said = place.run(test);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err
            .contains("ClinVar_Processed.tsv:4: the variant ends at 121, but chr1 of"),
        "{}",
        said.err
    );
    let said = place.run(&format!("{test} --data.on_bad_row skip"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("1 row is skipped"), "{}", said.err);
}

#[test]
fn modelgenerators_columns_of_variants_are_written_by_a_test() {
    let place = place();
    let writer = "--trainer.callbacks+=PredictionWriter --trainer.callbacks.output_dir out --trainer.callbacks.filetype tsv --trainer.callbacks.write_cols [score,norm_type,label,num_layer]";
    let said = place.run(&format!(
        "test {DISTANCE} {PAIRS} --data.y_col harmless {writer}"
    ));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.err
            .contains("norm_type is not written here: a variant has one row"),
        "{}",
        said.err
    );
    let text = place.read("out/test_predictions.tsv");
    let rows = table(&text);
    assert_eq!(rows[0], ["L1", "L2", "cosine", "label"]);
    let labels: Vec<f64> = rows[1..].iter().map(|row| number(row[3])).collect();
    assert_eq!(labels, [1.0, 0.0, 1.0, 0.0]);
}

#[test]
fn what_nothing_is_learned_from_and_what_is_not_compared_is_refused() {
    let place = place();
    let refused = |words: String| {
        let said = place.run(&words);
        assert_eq!(said.code, Some(2), "{}", said.err);
        said.err
    };
    let said = refused(format!("fit {DIFF} {PAIRS} --data.y_col harmless"));
    assert!(
        said.contains("ZeroshotPredictionDiff scores variants without learning, so there is nothing to fit. Use test or predict"),
        "{said}"
    );
    let one = "--data SequencesDataModule --data.path variants.tsv --data.x_col reference";
    let said = refused(format!("predict {DISTANCE} {one} --output p.tsv"));
    assert!(
        said.contains("compares a reference with a variant of it, and each row has one text"),
        "{said}"
    );
    place.write("p.fasta", ">p\nEVQL\n");
    let scan = "--data MutationScanDataModule --data.path p.fasta --output p.tsv";
    let said = refused(format!(
        "predict --model Embed --model.backbone sapiens_vh --model.pooling mean_pooling {scan}"
    ));
    assert!(said.contains("which Embed does not compare"), "{said}");
    let said = refused(format!("predict {DIFF} {scan} --data.mutations [E1A,Q2A]"));
    assert!(
        said.contains("data.mutations: \"Q2A\": letter 2 of \"p\" is V"),
        "{said}"
    );
}
