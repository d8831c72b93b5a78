use engraft_data::Examples;

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn labels(labels: &[&str]) -> Vec<Label> {
    let of = |text: &&str| Label::of(&(*text).into()).unwrap();
    labels.iter().map(of).collect()
}

/// The classes of these training labels, and the notes.
fn space(
    found: &[&str],
    declared: Option<usize>,
    own: OwnClasses<'_>,
) -> (LabelSpace, Vec<String>) {
    LabelSpace::from_training(&labels(found), declared, own).unwrap()
}

fn refused(found: &[&str], declared: Option<usize>, own: OwnClasses<'_>) -> String {
    let found = LabelSpace::from_training(&labels(found), declared, own);
    found.unwrap_err().to_string()
}

/// A head of the checkpoint's own.
fn head(names: &[String]) -> OwnClasses<'_> {
    OwnClasses {
        count: Some(names.len()),
        names: Some(names),
        ..OwnClasses::default()
    }
}

/// What labels of a later file mean, or why not.
fn classes(space: &LabelSpace, found: &[&str]) -> std::result::Result<Vec<u32>, String> {
    let classes = space.classes(&labels(found), &[]);
    classes.map_err(|error| error.to_string())
}

const NO_HEAD: OwnClasses<'_> = OwnClasses {
    count: None,
    names: None,
    misstated: None,
};

#[test]
fn named_labels_become_classes_in_alphabetical_order() {
    let (space, notes) = space(&["b", "a", "b"], None, NO_HEAD);
    assert_eq!(space.names().unwrap(), ["a", "b"]);
    assert_eq!(classes(&space, &["b", "a"]).unwrap(), [1, 0]);
    assert!(
        classes(&space, &["c"])
            .unwrap_err()
            .contains("unknown label \"c\"")
    );
    assert_eq!(notes, Vec::<String>::new());
}

#[test]
fn numbers_from_0_are_counted_unless_declared() {
    assert_eq!(
        space(&["0", "2", "1"], None, NO_HEAD).0,
        LabelSpace::new(3, None).with_form(LabelForm::Numbers)
    );
    assert_eq!(space(&["0", "4"], Some(8), NO_HEAD).0.count(), 8);
    let six = OwnClasses {
        count: Some(6),
        ..OwnClasses::default()
    };
    assert_eq!(space(&["0", "4"], None, six).0.count(), 6);
    for only in ["0", "1"] {
        assert_eq!(space(&[only], None, NO_HEAD).0.count(), 2);
    }
}

#[test]
fn numbers_with_a_gap_are_names_in_the_order_of_their_size() {
    for (found, wanted) in [
        (&["1", "2", "3", "4"][..], &["1", "2", "3", "4"][..]),
        (&["5", "0", "5"], &["0", "5"]),
        (&["10", "9", "2"], &["2", "9", "10"]),
        (&["-1", "1", "0"], &["-1", "0", "1"]),
        (&["1.0", "3", "3.0"], &["1", "3"]),
    ] {
        let (space, notes) = space(found, None, NO_HEAD);
        assert_eq!(space.names().unwrap(), wanted);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("are names of classes"), "{notes:?}");
    }
    // As many as are declared, but not counted from 0.
    assert_eq!(
        space(&["1", "2"], Some(2), NO_HEAD).0.names().unwrap(),
        ["1", "2"]
    );
    assert_eq!(
        refused(&["1", "2", "7"], Some(2), NO_HEAD),
        "model.n_classes: 2 given, but the training labels are the numbers 1, 2, 7"
    );
}

#[test]
fn what_a_label_means_does_not_depend_on_the_others_of_its_file() {
    let (space, _) = space(&["1", "2", "3", "n/a"], None, NO_HEAD);
    assert_eq!(classes(&space, &["1", "2", "3"]).unwrap(), [0, 1, 2]);
    assert_eq!(
        classes(&space, &["1", "2", "3", "0"]).unwrap_err(),
        "row 3: unknown label 0; the model's classes are 1, 2, 3, n/a, by name"
    );
}

#[test]
fn numbers_stay_numbers_where_the_checkpoint_calls_its_classes_by_others() {
    let own = names(&["1", "2", "3"]);
    let (numbered, notes) = space(&["0", "1", "2"], None, head(&own));
    assert_eq!(
        notes,
        ["the labels are numbers of the classes of the checkpoint's own head: 0 1, 1 2, 2 3"]
    );
    assert_eq!(classes(&numbered, &["1", "2"]).unwrap(), [1, 2]);
    assert!(
        classes(&numbered, &["3"])
            .unwrap_err()
            .contains("out of range")
    );
    // Names, where training labels are.
    let (named, _) = space(&["1", "2", "3"], None, head(&own));
    assert_eq!(classes(&named, &["1", "2"]).unwrap(), [0, 1]);
    assert!(classes(&named, &["0"]).is_err());
    // Before training they can only be names.
    let untrained = LabelSpace::new(3, Some(own));
    assert_eq!(classes(&untrained, &["3", "1"]).unwrap(), [2, 0]);
    assert!(classes(&untrained, &["0", "1"]).is_err());
}

#[test]
fn before_training_a_number_is_a_class_number_if_no_class_is_called_by_one() {
    let untrained = LabelSpace::new(2, Some(names(&["neg", "pos"])));
    assert_eq!(classes(&untrained, &["pos", "0", "1"]).unwrap(), [1, 0, 1]);
    let trained = untrained.with_form(LabelForm::Names);
    assert!(classes(&trained, &["pos", "0"]).is_err());
}

#[test]
fn spellings_of_one_label_are_one_class() {
    let (space, _) = space(&["Spam ", "spare", " Spam"], None, NO_HEAD);
    assert_eq!(space.names().unwrap(), ["Spam", "spare"]);
    assert_eq!(classes(&space, &["spam", "SPARE"]).unwrap(), [0, 1]);
    let (numbered, _) = self::space(&["0", "1.0", " 1", "0.0"], None, NO_HEAD);
    assert_eq!(numbered.count(), 2);
    assert_eq!(classes(&numbered, &["1.0", "1"]).unwrap(), [1, 1]);
    assert_eq!(
        refused(&["spam", "Spam"], None, NO_HEAD),
        "data.y_col: the labels \"Spam\" and \"spam\" differ in upper and lower case alone: write one class one way, and two classes as different words"
    );
    // Zeros before a number make it a name.
    assert_eq!(
        self::space(&["01", "02"], None, NO_HEAD).0.names().unwrap(),
        ["01", "02"]
    );
}

#[test]
fn the_checkpoints_own_classes_keep_their_order() {
    let own = names(&["contradiction", "entailment", "neutral"]);
    let found = ["NEUTRAL", "CONTRADICTION", "ENTAILMENT"];
    for declared in [None, Some(3)] {
        let (space, notes) = space(&found, declared, head(&own));
        assert_eq!(space.names().unwrap(), own);
        assert_eq!(classes(&space, &found).unwrap(), [2, 0, 1]);
        assert!(notes[0].contains("in another case"), "{notes:?}");
        let error = refused(&["yes", "no", "maybe"], declared, head(&own));
        assert!(
            error.contains("contradiction, entailment, neutral")
                && error.contains("maybe, no, yes")
                && error.contains("use_legacy_adapter to false"),
            "{error}"
        );
    }
    assert_eq!(
        space(&["neutral"], None, head(&own)).1,
        Vec::<String>::new()
    );
}

#[test]
fn a_wrong_declaration_names_what_was_found() {
    assert_eq!(
        refused(&["x", "y", "z"], Some(2), NO_HEAD),
        "model.n_classes: 2 given, but the training labels have 3 names: x, y, z"
    );
}

#[test]
fn a_word_among_numbers_is_named_as_what_makes_names_of_them() {
    for (found, why) in [
        (&["0", "1", "NaN"][..], "as \"NaN\", another class, is none"),
        (
            &["1", "2", "n/a", "-"],
            "as -, n/a, other classes, are none",
        ),
        (&["0.5", "1.5"], "which all would have to be"),
    ] {
        let (_, notes) = space(found, None, NO_HEAD);
        let [note] = notes.as_slice() else {
            panic!("{notes:?}");
        };
        assert!(
            note.ends_with(&format!("not class numbers, {why}")),
            "{note}"
        );
    }
}

#[test]
fn texts_taken_for_labels_are_refused() {
    let texts: Vec<String> = (0..26).map(|row| format!("article {row}")).collect();
    let mut found: Vec<&str> = texts.iter().map(String::as_str).collect();
    found.resize(50, "article 0");
    assert_eq!(
        refused(&found, None, NO_HEAD),
        "the training labels have 26 names in 50 rows, such as \"article 0\": is data.y_col a column of texts or ids? If they are classes, give model.n_classes"
    );
    assert_eq!(space(&found, Some(26), NO_HEAD).0.count(), 26);
    found.push("article 0");
    found.push("article 0");
    assert_eq!(space(&found, None, NO_HEAD).0.count(), 26);
    assert_eq!(clipped(&"é".repeat(50)), format!("{}…", "é".repeat(40)));
}

#[test]
fn ids_taken_for_labels_are_refused() {
    let error = refused(&["4000000000", "7"], None, NO_HEAD);
    assert!(
        error.contains("data.y_col") && error.contains("4000000000"),
        "{error}"
    );
}

#[test]
fn classes_without_a_training_row_are_said() {
    let space = LabelSpace::new(3, Some(names(&["a", "b", "c"])));
    assert_eq!(space.missing(&[0, 1, 2], "row"), None);
    assert_eq!(
        space.missing(&[1], "row").unwrap(),
        "no training row is of the classes a, c, which the model cannot learn"
    );
}

#[test]
fn weights_balance_the_classes() {
    let space = LabelSpace::new(3, None);
    assert_eq!(space.weights(&[0, 0, 0, 1]), [4.0 / 9.0, 4.0 / 3.0, 0.0]);
}

#[test]
fn a_label_out_of_range_names_its_row() {
    let examples = Examples::from_texts(["a", "b"])
        .labelled([0u64, 7])
        .unwrap();
    let error = LabelSpace::new(3, None)
        .classes(examples.classes().unwrap(), &examples.origins)
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with(":2: label 7 is out of range: the model has 3 classes, 0 to 2"),
        "{error}"
    );
}
