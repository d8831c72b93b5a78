//! Files of predictions against their text.

use engraft_data::Cell;
use engraft_hub::{Handle, Preset};
use engraft_models::{Compute, Pooling};
use engraft_tasks::{
    Backbone, Embed, EmbedPooling, Learned, Model, Objective, SequenceClassification,
    SequenceRegression, Task, TaskArguments, TokenClassification,
};

use super::*;

/// What a task computes on a small backbone of its own, given what it has learned of its rows.
fn objective<A: TaskArguments>(change: impl FnOnce(&mut A), learned: Learned) -> Arc<dyn Objective>
where
    Task: From<A>,
{
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"model_type": "bert", "vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1,
        "intermediate_size": 4, "max_position_embeddings": 12}"#;
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nA\nC\nG\nT\n";
    std::fs::write(folder.path().join("vocab.txt"), vocabulary).unwrap();
    let preset = Preset::open(&Handle::Folder(folder.path().to_owned())).unwrap();
    let backbone = Backbone {
        from_scratch: true,
        ..Backbone::new(folder.path().to_str().unwrap())
    };
    let mut task = A::on(backbone.into());
    change(&mut task);
    let model = Model::build_on(task.into(), preset, Some(&learned), &Compute::cpu(), 0);
    Arc::clone(model.unwrap().spec.objective())
}

/// Two classes, with names or without.
fn classes(names: &[&str]) -> Learned {
    Learned {
        classes: Some(2),
        labels: (!names.is_empty()).then(|| names.iter().map(|&name| name.to_owned()).collect()),
        ..Learned::default()
    }
}

fn one_class(names: &[&str]) -> Arc<dyn Objective> {
    objective(
        |task: &mut SequenceClassification| task.n_classes = Some(2),
        classes(names),
    )
}

fn vectors(pooling: EmbedPooling) -> Arc<dyn Objective> {
    objective(
        |task: &mut Embed| task.pooling = Some(pooling),
        Learned::default(),
    )
}

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
fn table(name: &str, objective: Arc<dyn Objective>, outputs: [RowOutput; 2]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let kind = FileKind::of(&path).unwrap();
    let columns = Columns::all(examples(), objective);
    let mut file = PredictionFile::with_columns(&path, kind, columns).unwrap();
    outputs
        .into_iter()
        .for_each(|output| file.add(output).unwrap());
    assert!(!path.exists());
    file.finish().unwrap();
    std::fs::read_to_string(&path).unwrap()
}

#[test]
fn a_classifier_writes_class_name_and_probabilities() {
    let outputs = || {
        [
            output(0, &[2], &[0.0, 0.0]),
            output(1, &[2], &[-200.0, 200.0]),
        ]
    };
    assert_eq!(
        table("a.tsv", one_class(&["no", "yes"]), outputs()),
        "id\tprediction\tlabel\tp_no\tp_yes\tsource\nfirst\t0\tno\t0.5\t0.5\t7\nsecond\t1\tyes\t0.0\t1.0\t\n"
    );
    let text = table("a.jsonl", one_class(&[]), outputs());
    assert!(
        text.starts_with(
            "{\"id\":\"first\",\"prediction\":0,\"p_0\":0.5,\"p_1\":0.5,\"source\":7}"
        ),
        "{text}"
    );
}

#[test]
fn several_classes_a_row_are_listed_with_their_probabilities() {
    let flags = |task: &mut SequenceClassification| {
        task.n_classes = Some(2);
        task.multilabel = true;
    };
    let outputs = [output(0, &[2], &[3.0, 0.0]), output(1, &[2], &[1.0, 2.0])];
    let text = table("a.csv", objective(flags, classes(&["a", "b"])), outputs);
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
    let of_units = |names: [&str; 2]| {
        let two = |task: &mut TokenClassification| task.n_classes = Some(2);
        objective(two, classes(&names))
    };
    assert_eq!(
        table("a.tsv", of_units(["H", "E"]), outputs()),
        "id\tprediction\tsource\nfirst\tHE\t7\nsecond\tE\t\n"
    );
    let text = table("a.jsonl", of_units(["O", "PER"]), outputs());
    assert!(text.contains("\"prediction\":[\"O\",\"PER\"]"), "{text}");
}

#[test]
fn numbers_are_named_by_their_columns() {
    let outputs = || [output(0, &[2], &[3.0, 0.5]), output(1, &[2], &[1.0, 2.0])];
    let learned = Learned {
        labels: Some(vec!["kd".to_owned(), "tm".to_owned()]),
        means: Some(vec![0.0; 2]),
        deviations: Some(vec![1.0; 2]),
        ..Learned::default()
    };
    let two = |task: &mut SequenceRegression| task.num_outputs = 2;
    let text = table("a.csv", objective(two, learned), outputs());
    assert!(
        text.starts_with("id,prediction_kd,prediction_tm,source\nfirst,3.0,0.5,7\n"),
        "{text}"
    );
}

#[test]
fn vectors_become_columns() {
    let text = table(
        "a.csv",
        vectors(EmbedPooling::By(Pooling::Mean)),
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
        let kind = FileKind::of(&path).unwrap();
        let columns = Columns::all(examples(), vectors(EmbedPooling::None));
        let mut file = PredictionFile::with_columns(&path, kind, columns).unwrap();
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
    assert_eq!(weights.notes()["source"], "[7,null]");
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
    let columns = Columns::all(Arc::new(examples), one_class(&[]));
    let file = PredictionFile::with_columns(Path::new("a.tsv"), FileKind::Table, columns);
    let Err(Error::Refused(refusal)) = file else {
        panic!("accepted")
    };
    let message = refusal.to_string();
    assert!(
        message.starts_with("data: the column \"p_1\" that is carried along is also"),
        "{message}"
    );
}

#[test]
fn a_kind_of_file_is_known_by_its_extension() {
    let kind = |name: &str| FileKind::of(Path::new(name));
    assert_eq!(kind("a.TSV").unwrap(), FileKind::Table);
    assert_eq!(kind("a.parquet").unwrap(), FileKind::Table);
    assert_eq!(kind("a.safetensors").unwrap(), FileKind::Tensors);
    assert_eq!(kind("a.NPY").unwrap(), FileKind::Array);
    for name in ["a.xlsx", "a", ".tsv"] {
        assert!(kind(name).is_err(), "{name}");
    }
}
