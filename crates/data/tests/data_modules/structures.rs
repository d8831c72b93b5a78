//! Secondary structures of RNA, from every kind of file.

use std::fs;

use engraft_data::{Examples, PairRow, Stage};

use crate::{Case, case};

fn rna(file: &str, text: &str) -> Case {
    let yaml =
        format!("class_path: RNASSPairwiseTokenClassification\ninit_args: {{path: DIR/{file}}}");
    case(&[(file, text)], &yaml)
}

fn pairs(examples: &Examples) -> &[PairRow] {
    examples.labels.as_ref().unwrap().pairs().unwrap()
}

/// A hairpin of nine bases, of which the first three pair with the last.
fn hairpin() -> PairRow {
    PairRow::new(9, [[0, 8], [1, 7], [2, 6]]).unwrap()
}

const CT: &str = "9 ENERGY = -1.2 hairpin\n1 G 0 2 9 1\n2 G 1 3 8 2\n3 C 2 4 7 3\n4 A 3 5 0 4\n5 A 4 6 0 5\n6 A 5 7 0 6\n\
    7 G 6 8 3 7\n8 C 7 9 2 8\n9 C 8 0 1 9\n";

#[test]
fn every_kind_of_file_says_the_same() {
    let bpseq = "Filename: a\n# of a hairpin\n1 G 9\n2 G 8\n3 C 7\n4 A 0\n5 A 0\n6 A 0\n7 G 3\n8 C 2\n9 C 1\n";
    let st = "#Name: hairpin\n#Length: 9\nGGCAAAGCC\n(((...)))\nSSSHHHSSS\nNNNNNNNNN\nS1 1..3 \"GGC\" 7..9 \"GCC\"\n";
    for (file, text, id) in [
        ("a.ct", CT, "hairpin"),
        ("a.bpseq", bpseq, "a"),
        (
            "a.dbn",
            ">hairpin of nine\nGGCAAAGCC\n(((...))) (-1.20)\n",
            "hairpin",
        ),
        ("a.dbn", "GGCAAAGCC\n(((...)))\n", "a"),
        ("a.st", st, "hairpin"),
    ] {
        let examples = rna(file, text).load(Stage::Test).test.unwrap();
        assert_eq!(examples.texts, [["GGCAAAGCC"]], "{text}");
        assert_eq!(examples.ids, Some(vec![id.to_owned()]), "{text}");
        assert_eq!(pairs(&examples), [hairpin()], "{text}");
    }
}

#[test]
fn names_may_look_like_numbers_and_stand_behind_an_energy() {
    for (title, id) in [
        ("0", "0"),
        ("1E95 of nine", "1E95"),
        ("inf", "inf"),
        ("dG = -1.2 seven", "seven"),
        ("ENERGY=-1.2 7", "7"),
        ("Energy= -1.2 7", "7"),
        ("", "a"),
    ] {
        let text = CT.replacen("ENERGY = -1.2 hairpin", title, 1);
        let examples = rna("a.ct", &text).load(Stage::Test).test.unwrap();
        assert_eq!(examples.ids, Some(vec![id.to_owned()]), "{title}");
    }
    let two = "#Name: 1E95 x\n1 G 2\n2 C 1\n#Name: 0\n1 A 0\n";
    let examples = rna("a.bpseq", two).load(Stage::Test).test.unwrap();
    assert_eq!(examples.ids, Some(vec!["1E95".to_owned(), "0".to_owned()]));
}

#[test]
fn a_file_may_hold_several_structures() {
    let twice = format!("{CT}{}", CT.replace("hairpin", "other"));
    let examples = rna("a.ct", &twice).load(Stage::Test).test.unwrap();
    let ids = ["hairpin", "other"].map(str::to_owned).to_vec();
    assert_eq!(examples.ids, Some(ids));
    let examples = rna("a.dbn", ">a\nAC\n..\n\n>b\nGGCAAAGCC\n(((...)))\n");
    let examples = examples.load(Stage::Test).test.unwrap();
    assert_eq!(pairs(&examples)[1], hairpin());
    assert_eq!(examples.origins[1].line, 6);
}

#[test]
fn structures_that_contradict_themselves_are_refused() {
    for (file, text, message) in [
        (
            "a.bpseq",
            "1 G 3\n2 A 0\n3 C 2\n",
            "a.bpseq:1: base 1 is paired with 3, but 3 with 2",
        ),
        (
            "a.bpseq",
            "1 G 4\n2 A 0\n3 C 0\n",
            "a.bpseq:1: base 1 is paired with 4, but there are 3 bases",
        ),
        (
            "a.bpseq",
            "1 G 0\n3 C 0\n",
            "a.bpseq:2: expected base 2, found \"3\"",
        ),
        (
            "a.ct",
            "3 cut\n1 G 0 2 0 1\n",
            "a.ct:1: 3 bases are announced, but the file ends after 1",
        ),
        (
            "a.ct",
            "title\n",
            "a.ct:1: expected the number of bases and a title, found \"title\"",
        ),
        (
            "a.dbn",
            ">a\nGGC\n",
            "a.dbn:2: a sequence without its structure: the file ends here",
        ),
        (
            "a.dbn",
            ">a\nGGC\n((.\n",
            "a.dbn:2: the column \"structure\" has brackets that do not match: \"(\" at place 1 is not closed, for a text of 3 letters",
        ),
    ] {
        assert_eq!(rna(file, text).error(Stage::Test), message);
    }
}

#[test]
fn splits_may_be_folders_of_files_and_rows_of_other_lengths_are_left_out() {
    let yaml = "class_path: RNASSPairwiseTokenClassification\ninit_args: {path: DIR, dataset: own, min_seq_len: 4}";
    let case = case(&[], yaml);
    for (folder, name, text) in [
        ("TR0", "a.ct", CT),
        ("TR0", "b.dbn", ">b\nAC\n..\n"),
        ("valid", "c.dbn", ">c\nACGU\n....\n"),
        ("TS0", "d.dbn", ">d\nACGUA\n.....\n"),
    ] {
        let folder = case.folder.path().join("own").join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }
    let splits = case.load(Stage::Fit);
    let texts = |examples: &Option<Examples>| examples.as_ref().unwrap().texts.clone();
    assert_eq!(texts(&splits.train), [["GGCAAAGCC"]]);
    assert_eq!(texts(&splits.valid), [["ACGU"]]);
    assert_eq!(texts(&splits.test), [["ACGUA"]]);
    let notes = splits.notes.iter();
    let left_out = notes.filter(|note| note.starts_with("1 of 2 rows of the train split"));
    assert_eq!(left_out.count(), 1, "{:?}", splits.notes);
}
