//! Variants are found where they are, on either strand, and what is wrong with a row is said by its line.

use std::fs;

use crate::skipped::OnBadRow;
use crate::splits::Splits;
use crate::stage::Stage;
use crate::{Compat, DataModule, Method, Rows, ZeroshotClassificationRetrieveDataModule};

/// Two contigs, lines of ten bases.
const REFERENCE: &str = ">one first\nACGTTGCAAC\nGGRTAC\n>two\nttgca\n";

/// The index that samtools makes of it.
const INDEX: &str = "one\t16\t11\t10\t11\ntwo\t5\t34\t5\t6\n";

struct Case {
    folder: tempfile::TempDir,
    module: ZeroshotClassificationRetrieveDataModule,
}

fn case(rows: &str) -> Case {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("genome.fa"), REFERENCE).unwrap();
    fs::write(folder.path().join("genome.fa.fai"), INDEX).unwrap();
    let table = folder.path().join("variants.tsv");
    fs::write(
        &table,
        format!("chrom\tstart\tend\tref\tmutate\tlabel\n{rows}"),
    )
    .unwrap();
    let index = ["chrom", "start", "end", "ref", "mutate"];
    Case {
        module: ZeroshotClassificationRetrieveDataModule {
            rows: Rows::new(table),
            reference_file: "genome.fa".into(),
            window: 3,
            index_cols: index.map(str::to_owned).to_vec(),
            y_col: vec!["label".to_owned()],
            method: None,
            compat: None,
        },
        folder,
    }
}

impl Case {
    fn load(&self) -> Result<Splits, String> {
        let module = DataModule::from(self.module.clone());
        let loaded = module.load(Stage::Test);
        loaded.map_err(|error| error.to_string().replace(&self.place(), ""))
    }

    fn place(&self) -> String {
        format!("{}/", self.folder.path().display())
    }

    fn refused(&self) -> String {
        self.load().unwrap_err()
    }
}

#[test]
fn a_variant_stands_between_the_bases_around_it() {
    // The second is across the end of a line, the third near the start of its contig, the fourth near the end.
    let rows =
        "one\t4\t5\tT\tA\t1\none\t9\t10\tc\tg\t0\none\t1\t3\tCG\tC\t0.5\ntwo\t4\t4\t-\tGG\t1\n";
    let splits = case(rows).load().unwrap();
    let test = splits.test.unwrap();
    assert_eq!(test.texts[0], ["CGTTGCA", "CAACGGN", "ACGTTG", "TGCA"]);
    assert_eq!(test.texts[1], ["CGTAGCA", "CAAGGGN", "ACTTG", "TGCGGA"]);
    assert_eq!(test.numbers().unwrap().concat(), [1.0, 0.0, 0.5, 1.0]);
    let names: Vec<&str> = test.extra.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["chrom", "start", "end", "ref", "mutate"]);
    assert_eq!(
        splits.notes,
        [
            "2 variants are so near the end of a contig that there are fewer than 3 bases on one side"
        ]
    );
}

#[test]
fn alleles_are_complemented_by_mistake_where_that_is_asked_for() {
    let mut case = case("one\t4\t5\tT\tG\t1\none\t4\t5\tA\tG\t0\n");
    case.module.compat = Some(Compat::Mgen);
    for method in [None, Some(Method::Distance)] {
        case.module.method = method;
        let test = case.load().unwrap().test.unwrap();
        assert_eq!(test.texts[1], ["CGTGGCA", "CGTCGCA"], "{method:?}");
    }
    case.module.method = Some(Method::Diff);
    let splits = case.load().unwrap();
    let test = splits.test.unwrap();
    assert_eq!(test.texts[0], ["CGTAGCA", "CGTTGCA"]);
    assert_eq!(test.texts[1], ["CGTCGCA", "CGTCGCA"]);
    let note =
        "compat: mgen: 1 variant is as genome.fa has it, and alleles are complemented all the same";
    assert!(
        splits.notes[0].replace(&case.place(), "") == note,
        "{:?}",
        splits.notes
    );
}

#[test]
fn alleles_of_the_other_strand_are_complemented_and_no_others() {
    let case = case("one\t4\t5\tA\tG\t1\none\t7\t9\tTT\tTC\t0\none\t4\t5\tT\tC\t0\n");
    let splits = case.load().unwrap();
    let test = splits.test.unwrap();
    assert_eq!(test.texts[0], ["CGTTGCA", "TGCAACGG", "CGTTGCA"]);
    assert_eq!(test.texts[1], ["CGTCGCA", "TGCGACGG", "CGTCGCA"]);
    let said = splits.notes.join("\n");
    assert!(
        said.starts_with("2 variants are of the other strand than "),
        "{said}"
    );
}

#[test]
fn what_is_wrong_with_a_variant_is_said_by_its_line() {
    for (row, expected) in [
        (
            "one\t4\t5\tG\tA\t1",
            "the reference allele is \"G\", but one of genome.fa has \"T\" from 4 to 5, counted from 0",
        ),
        (
            "two\t5\t6\tA\tC\t1",
            "the variant ends at 6, but two of genome.fa has 5 bases",
        ),
        (
            "tow\t1\t2\tT\tC\t1",
            "genome.fa has no contig \"tow\", it has \"one\", \"two\". Did you mean \"two\"?",
        ),
        (
            "one\t4\t6\tT\tA\t1",
            "the variant is from 4 to 6, which are 2 bases counted from 0, but the reference allele \"T\" has 1",
        ),
        (
            "one\t6\t5\tT\tA\t1",
            "the variant ends at 5, before it begins at 6",
        ),
        (
            "one\tx\t5\tT\tA\t1",
            "the column \"start\" must hold a place counted from 0, here it holds \"x\"",
        ),
        (
            "one\t4\t5\tT\t<DEL>\t1",
            "the column \"mutate\" must hold bases (A, C, G, T, N), or - for none, here it holds \"<DEL>\"",
        ),
    ] {
        let case = case(&format!("one\t4\t5\tT\tA\t1\n{row}\n"));
        assert_eq!(case.refused(), format!("variants.tsv:3: {expected}"));
    }
}

#[test]
fn wrong_variants_are_skipped_and_counted_where_that_is_asked_for() {
    let mut case = case("one\t4\t5\tT\tA\t1\none\t4\t5\tG\tA\t1\ntwo\t0\t1\tT\tA\t0\n");
    case.module.rows.source.on_bad_row = OnBadRow::Skip;
    let splits = case.load().unwrap();
    let test = splits.test.unwrap();
    assert_eq!(test.texts[1], ["CGTAGCA", "ATGC"]);
    assert_eq!(test.numbers().unwrap().concat(), [1.0, 0.0]);
    assert_eq!(splits.skipped.len(), 1);
    assert_eq!(splits.skipped[0].origin.line, 3);
    let said = splits.notes.join("\n");
    assert!(
        said.contains("1 row is skipped (data.on_bad_row: skip), the first"),
        "{said}"
    );
}

#[test]
fn a_reference_without_an_index_is_read_once() {
    let case = case("one\t4\t5\tT\tA\t1\n");
    fs::remove_file(case.folder.path().join("genome.fa.fai")).unwrap();
    let splits = case.load().unwrap();
    assert_eq!(splits.test.unwrap().texts[1], ["CGTAGCA"]);
    assert!(
        splits.notes[0].contains("has no index beside it (.fai)"),
        "{:?}",
        splits.notes
    );
}

#[test]
fn a_reference_that_is_not_there_or_has_the_index_of_another_is_said() {
    let mut case = case("one\t14\t15\tA\tC\t1\n");
    case.module.reference_file = "hg38.fa".into();
    assert_eq!(
        case.refused(),
        "reference_file: \"hg38.fa\" is no file here or in the folder of data.path"
    );
    case.module.reference_file = "genome.fa".into();
    fs::write(case.folder.path().join("genome.fa"), &REFERENCE[..24]).unwrap();
    assert!(case.refused().starts_with(
        "genome.fa: cannot read a part of a contig: the contig is shorter than the index says"
    ));
}

#[test]
fn variants_serve_scoring_alone() {
    let case = case("one\t4\t5\tT\tA\t1\n");
    let module = DataModule::from(case.module.clone());
    assert_eq!(
        module.load(Stage::Fit).unwrap_err().to_string(),
        "class_path: ZeroshotClassificationRetrieveDataModule only serves test and predict"
    );
}
