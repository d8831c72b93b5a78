//! Files of predictions against their text.

use engraft_data::Cell;
use engraft_tasks::LabelSpace;
use engraft_tasks::output::OutputKind;

use super::*;

fn examples() -> Arc<Examples> {
    let mut examples = Examples::from_texts(["x", "y"]);
    examples.ids = Some(vec!["first".to_owned(), "second".to_owned()]);
    examples.extra = vec![("source".to_owned(), vec![Cell::Integer(7), Cell::Missing])];
    Arc::new(examples)
}

fn output(row: usize, shape: &[usize], values: &[f32]) -> RowOutput {
    RowOutput {
        row,
        shape: shape.to_vec(),
        values: values.to_vec(),
    }
}

/// The text of a file of these outputs.
fn table(name: &str, labels: Option<&LabelSpace>, outputs: [RowOutput; 2]) -> String {
    let kind = labels.map_or(OutputKind::Vector, |_| OutputKind::Classes);
    table_of(name, kind, labels, outputs)
}

fn table_of(
    name: &str,
    kind: OutputKind,
    labels: Option<&LabelSpace>,
    outputs: [RowOutput; 2],
) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let form = Form::of(&path).unwrap();
    let mut file =
        PredictionFile::with_columns(&path, form, Columns::all(examples(), kind, labels)).unwrap();
    outputs
        .into_iter()
        .for_each(|output| file.add(output).unwrap());
    assert!(!path.exists());
    file.finish().unwrap();
    std::fs::read_to_string(&path).unwrap()
}

#[test]
fn a_classifier_writes_class_name_and_probabilities() {
    let labels = LabelSpace::new(2, Some(vec!["no".to_owned(), "yes".to_owned()]));
    let outputs = || {
        [
            output(0, &[2], &[0.0, 0.0]),
            output(1, &[2], &[-200.0, 200.0]),
        ]
    };
    assert_eq!(
        table("a.tsv", Some(&labels), outputs()),
        "id\tprediction\tlabel\tp_no\tp_yes\tsource\nfirst\t0\tno\t0.5\t0.5\t7\nsecond\t1\tyes\t0.0\t1.0\t\n"
    );
    let numbered = LabelSpace::new(2, None);
    let text = table("a.jsonl", Some(&numbered), outputs());
    assert!(
        text.starts_with(
            "{\"id\":\"first\",\"prediction\":0,\"p_0\":0.5,\"p_1\":0.5,\"source\":7}"
        ),
        "{text}"
    );
}

#[test]
fn several_classes_a_row_are_listed_with_their_probabilities() {
    let labels = LabelSpace::new(2, Some(vec!["a".to_owned(), "b".to_owned()]));
    let outputs = [output(0, &[2], &[3.0, 0.0]), output(1, &[2], &[1.0, 2.0])];
    let text = table_of("a.csv", OutputKind::Flags, Some(&labels), outputs);
    assert_eq!(text.lines().next(), Some("id,prediction,p_a,p_b,source"));
    assert!(
        text.contains("first,\"[\"\"a\"\"]\",0.95257413,0.5,7"),
        "{text}"
    );
}

#[test]
fn classes_of_letters_are_spelled_and_those_of_longer_names_listed() {
    let outputs = || {
        [
            output(0, &[2, 2], &[3.0, 0.0, 1.0, 2.0]),
            output(1, &[1, 2], &[0.0, 1.0]),
        ]
    };
    let kind = OutputKind::TokenClasses { words: false };
    let letters = LabelSpace::new(2, Some(vec!["H".to_owned(), "E".to_owned()]));
    assert_eq!(
        table_of("a.tsv", kind.clone(), Some(&letters), outputs()),
        "id\tprediction\tsource\nfirst\tHE\t7\nsecond\tE\t\n"
    );
    let words = LabelSpace::new(2, Some(vec!["O".to_owned(), "PER".to_owned()]));
    let text = table_of("a.jsonl", kind, Some(&words), outputs());
    assert!(text.contains("\"prediction\":[\"O\",\"PER\"]"), "{text}");
}

#[test]
fn numbers_are_named_by_their_columns() {
    let outputs = || [output(0, &[2], &[3.0, 0.5]), output(1, &[2], &[1.0, 2.0])];
    let kind = OutputKind::Numbers(vec!["kd".to_owned(), "tm".to_owned()]);
    let text = table_of("a.csv", kind, None, outputs());
    assert!(
        text.starts_with("id,prediction_kd,prediction_tm,source\nfirst,3.0,0.5,7\n"),
        "{text}"
    );
}

#[test]
fn vectors_become_columns() {
    let text = table(
        "a.csv",
        None,
        [output(0, &[2], &[0.1, -2.0]), output(1, &[2], &[1e-8, 3.0])],
    );
    assert_eq!(text.lines().next(), Some("id,e0,e1,source"));
    assert_eq!(text.lines().nth(1), Some("first,0.1,-2.0,7"));
}

#[test]
fn tensors_of_one_shape_are_stacked_and_others_are_numbered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let write = |outputs: [RowOutput; 2]| {
        let form = Form::of(&path).unwrap();
        let kind = OutputKind::Tokens;
        let mut file =
            PredictionFile::with_columns(&path, form, Columns::all(examples(), kind, None))
                .unwrap();
        outputs
            .into_iter()
            .for_each(|output| file.add(output).unwrap());
        file.finish().unwrap();
        engraft_hub::Weights::open_file(&path).unwrap()
    };
    let weights = write([output(0, &[2], &[1.0, 2.0]), output(1, &[2], &[3.0, 4.0])]);
    let stacked = weights.get("predictions").unwrap();
    assert_eq!(
        (stacked.shape(), stacked.to_f32().unwrap()),
        (&[2, 2][..], vec![1.0, 2.0, 3.0, 4.0])
    );
    assert_eq!(weights.notes()["ids"], "[\"first\",\"second\"]");
    let weights = write([
        output(0, &[1, 2], &[1.0, 2.0]),
        output(1, &[2, 1], &[3.0, 4.0]),
    ]);
    assert_eq!(weights.get("predictions.1").unwrap().shape(), [2, 1]);
    assert!(weights.get("predictions").is_none());
}

#[test]
fn a_column_that_predictions_have_themselves_is_refused() {
    let mut examples = (*examples()).clone();
    examples.extra = vec![("p_1".to_owned(), vec![Cell::Missing; 2])];
    let labels = LabelSpace::new(2, None);
    let file = PredictionFile::with_columns(
        Path::new("a.tsv"),
        Form::Table,
        Columns::all(Arc::new(examples), OutputKind::Classes, Some(&labels)),
    );
    let Err(Failure::Refused(message)) = file else {
        panic!("accepted")
    };
    assert!(
        message.starts_with("data.extra_cols: \"p_1\" is also"),
        "{message}"
    );
}

#[test]
fn a_form_is_known_by_its_extension() {
    assert_eq!(Form::of(Path::new("a.TSV")), Ok(Form::Table));
    assert_eq!(Form::of(Path::new("a.safetensors")), Ok(Form::Tensors));
    for name in ["a.parquet", "a", ".tsv"] {
        assert!(Form::of(Path::new(name)).is_err(), "{name}");
    }
}
