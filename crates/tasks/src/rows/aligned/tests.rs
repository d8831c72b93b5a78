//! Rows with alignments, as the reference reads them and as tasks do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engraft_component::{Node, decode, read_yaml};
use engraft_data::{DataModule, Label, Labels, Stage};
use engraft_hub::Weights;
use engraft_models::{
    Compute, LinearCLSAdapter, LinearMeanPoolAdapter, Mode, ResNet1DAdapter, parameters,
};
use serde_json::Value;

use super::*;
use crate::backbone::{Backbone, BackboneSlot};
use crate::cached::tests::assert_within;
use crate::objective::TaskArguments;
use crate::objectives::{
    Embed, EmbedPooling, Inference, PairwiseTokenClassification, SequenceClassification,
    SequenceRegression, TokenClassification,
};
use crate::output::RowOutput;
use crate::spec::Model;
use crate::task::Task;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/rag")
}

/// The rows of a case, with their alignments.
fn rows_of(case: &Path) -> Examples {
    let text = std::fs::read_to_string(case.join("rows.jsonl")).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let rows: Vec<Value> = rows.collect();
    let texts = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap() };
    let sequences: Vec<Vec<String>> = rows.iter().map(|row| texts(&row["msa"])).collect();
    let structures = rows.iter().map(|row| match &row["str_emb"] {
        Value::Null => None,
        vectors => Some(serde_json::from_value(vectors.clone()).unwrap()),
    });
    let structures: Option<Vec<Vec<Vec<f32>>>> = structures.collect();
    let alignments = Alignments::new(&sequences, structures.as_deref());
    let examples = Examples::from_texts(rows.iter().map(|row| row["sequences"].as_str().unwrap()));
    examples.aligned_with(alignments).unwrap()
}

#[test]
fn rows_of_files_are_those_in_memory() {
    for case in ["dense", "without_structures"] {
        let folder = golden().join(case);
        let expected = rows_of(&folder).alignments.unwrap();
        for file in ["rows.jsonl", "rows.parquet"] {
            let yaml = format!(
                "class_path: SequencesDataModule\ninit_args: {{path: {}, x_col: sequences, is_rag_dataset: true}}",
                folder.join(file).display()
            );
            let node = read_yaml(yaml.as_bytes(), "e.yaml").unwrap();
            let (module, _): (DataModule, _) = decode(&node).unwrap();
            let rows = module.load(Stage::Predict).unwrap().test.unwrap();
            let found = rows.alignments.unwrap();
            assert_eq!(found.width(), expected.width());
            for row in 0..2 {
                let both = [&found, &expected].map(|it| it.sequences(row).unwrap());
                assert_eq!(both[0], both[1]);
                let both = [&found, &expected].map(|it| it.structures(row).unwrap());
                assert_eq!(both[0], both[1]);
            }
        }
    }
}

/// The hidden states of each residue.
fn hidden(backbone: Backbone) -> Task {
    Task::Embed(Embed {
        pooling: Some(EmbedPooling::None),
        normalize: Some(false),
        ..Embed::on(BackboneSlot::Pretrained(backbone))
    })
}

fn built(task: &Task) -> Model {
    Model::build(task, None, &Compute::cpu(), 1).unwrap()
}

/// What a model says of rows, in batches of a size.
fn predict(model: &Model, examples: &Examples, size: usize) -> Vec<RowOutput> {
    let source = model.spec.rows(Arc::new(examples.clone())).unwrap();
    let numbers: Vec<usize> = (0..examples.len()).collect();
    let plan = numbers.chunks(size).map(<[usize]>::to_vec).collect();
    let batches = model.spec.predictions(&model.network, source, plan);
    batches.flat_map(|batch| batch.unwrap().1).collect()
}

#[test]
fn hidden_states_of_residues_are_those_of_the_reference() {
    for name in ["dense", "experts", "without_structures"] {
        let folder = golden().join(name);
        let rows = rows_of(&folder);
        let about = std::fs::read(folder.join("case.json")).unwrap();
        let about: Value = serde_json::from_slice(&about).unwrap();
        let cut = usize::try_from(about["cut"].as_u64().unwrap()).unwrap();
        let expected = Weights::open_file(&folder.join("case.safetensors")).unwrap();
        for (tensor, max_length) in [("hidden", None), ("cut", Some(cut))] {
            let model = built(&hidden(Backbone {
                max_length,
                ..Backbone::new(folder.to_str().unwrap())
            }));
            let found = predict(&model, &rows, 2);
            let expected = expected.require(tensor).unwrap();
            let residues: usize = found.iter().map(|row| row.shape[0]).sum();
            assert_eq!(residues, expected.shape()[0], "{name} {tensor}");
            let found = found.iter().flat_map(|row| &row.values);
            let pairs = found.zip(expected.to_f32().unwrap());
            let error = pairs.fold(0f32, |error, (found, expected)| {
                error.max((found - expected).abs())
            });
            assert!(error < 1e-4, "{name} {tensor}: {error}");
        }
    }
}

/// A small model that reads alignments, and three numbers about the structure of each residue.
fn aligned_model() -> BackboneSlot {
    let overwrites = [
        ("position_embedding_type", Node::text("rope_2d")),
        ("str_embedding_in", Node::plain("3")),
    ];
    let overwrites: BTreeMap<String, Node> = overwrites
        .map(|(key, value)| (key.to_owned(), value))
        .into();
    BackboneSlot::Pretrained(Backbone {
        config_overwrites: Some(overwrites),
        ..Backbone::new("aido_protein_debug")
    })
}

const SEQUENCES: [&str; 4] = ["MKVLAGDE", "GWE", "AAAC", "LLKDE"];

/// Rows of different lengths and with alignments of different sizes.
fn rows(width: Option<usize>) -> Examples {
    let aligned = SEQUENCES.iter().zip(1..).map(|(text, count)| {
        let sequence = |at: usize| -> String {
            let letters = text.chars().enumerate();
            letters
                .map(|(place, letter)| {
                    if (place + at).is_multiple_of(3) {
                        GAP
                    } else {
                        letter
                    }
                })
                .collect()
        };
        (0..count).map(sequence).collect()
    });
    let aligned: Vec<Vec<String>> = aligned.collect();
    let structures = width.map(|width| {
        let vector = |at: usize| -> Vec<f32> {
            (0..width)
                .map(|number| ((at * 7 + number * 3) % 5) as f32 / 4.0 - 0.5)
                .collect()
        };
        let row = |text: &&str| (0..text.len()).map(vector).collect();
        SEQUENCES.iter().map(row).collect::<Vec<Vec<Vec<f32>>>>()
    });
    let alignments = Alignments::new(&aligned, structures.as_deref());
    let examples = Examples::from_texts(SEQUENCES);
    examples.aligned_with(alignments).unwrap()
}

#[test]
fn rows_in_a_batch_are_those_rows_one_by_one() {
    let on = aligned_model;
    let tasks: [Task; 5] = [
        SequenceRegression {
            adapter: Some(LinearMeanPoolAdapter {}.into()),
            ..SequenceRegression::on(on())
        }
        .into(),
        SequenceClassification {
            adapter: Some(LinearCLSAdapter {}.into()),
            n_classes: Some(3),
            ..SequenceClassification::on(on())
        }
        .into(),
        SequenceRegression {
            adapter: Some(ResNet1DAdapter::default().into()),
            ..SequenceRegression::on(on())
        }
        .into(),
        TokenClassification {
            n_classes: Some(2),
            ..TokenClassification::on(on())
        }
        .into(),
        PairwiseTokenClassification::on(on()).into(),
    ];
    let rows = rows(Some(3));
    let alone = Examples::from_texts(SEQUENCES);
    for task in tasks {
        let model = built(&task);
        let together = predict(&model, &rows, SEQUENCES.len());
        // The norms of a ResNet over rows of a few letters make more of what the encoder rounds, which depends on the processor.
        assert_within(1e-4, &together, &predict(&model, &rows, 1));
        // What is aligned with a sequence tells it apart from the sequence alone.
        let alone = predict(&model, &alone, SEQUENCES.len());
        assert_eq!(together[3].shape, alone[3].shape);
        assert_ne!(together[3].values, alone[3].values);
    }
}

#[test]
fn a_layer_for_structures_learns_from_rows_that_bring_them() {
    let task = TokenClassification {
        n_classes: Some(2),
        ..TokenClassification::on(aligned_model())
    };
    let model = built(&task.into());
    let class = |letter: char| Some(Label::Index((letter == 'A').into()));
    let labels = Labels::Tokens {
        unit: TokenUnit::Letter,
        rows: SEQUENCES
            .iter()
            .map(|text| text.chars().map(class).collect())
            .collect(),
    };
    let rows = Arc::new(rows(Some(3)).with_labels(labels).unwrap());
    let split = model.spec.bind(rows, None).unwrap();
    let mut pass = split.pass(vec![vec![0, 1, 2, 3]], Draws::Epoch { seed: 1, epoch: 0 });
    pass.advance().unwrap().unwrap();
    let network = {
        use burn::module::Module;
        model.network.train()
    };
    let loss = pass
        .loss(&network, Mode::Train(Key::new(1)))
        .unwrap()
        .unwrap();
    assert_eq!(loss.weight, 20.0);
    let gradients = loss.sum.backward();
    let layer = network.encoder().embeddings.structures.as_ref().unwrap();
    let gradient = layer.weight.val().grad(&gradients).unwrap();
    let largest = gradient.abs().max().into_scalar::<f32>();
    assert!(largest > 1e-6, "{largest}");
    assert!(
        parameters(&network)
            .iter()
            .any(|it| it.0 == "encoder.embeddings.structures.weight")
    );
}

#[test]
fn the_context_is_the_query_then_its_alignment_without_gaps() {
    let sequences = ["M--", "---", "-KW", "MKI"].map(str::to_owned);
    let context = Context::new("MKV", &sequences, 100, Key::new(0));
    assert_eq!(context.letters, "MKVMKIKWM");
    let places = [
        [0, 0],
        [1, 0],
        [2, 0],
        [0, 1],
        [1, 1],
        [2, 1],
        [1, 2],
        [2, 2],
        [0, 3],
    ];
    assert_eq!(context.places, places);
    assert_eq!(context.query(), 3);
    // Of 3 residues a quarter of the sequences are taken to be gaps: 8 residues are 3 sequences, 2 are none.
    let rows = |residues| {
        let context = Context::new("MKV", &sequences, residues, Key::new(0));
        let rows: Vec<u32> = context.places.iter().map(|place| place[1]).collect();
        rows.last().copied().unwrap()
    };
    assert_eq!((rows(2), rows(8)), (0, 3));
    let mut context = context;
    context.truncate(4);
    assert_eq!((context.letters.as_str(), context.query()), ("MKVM", 3));
    context.truncate(2);
    assert_eq!((context.letters.as_str(), context.query()), ("MK", 2));
    // Of an alignment of a longer sequence, the columns of the query are read.
    let context = Context::new("MK", &sequences, 100, Key::new(0));
    assert_eq!(context.letters, "MKMKMK");
}

#[test]
fn sequences_are_drawn_once_each_and_all_as_likely() {
    let mut counts = [0; 10];
    for seed in 0..2_000 {
        let found = drawn(10, 4, Key::new(seed));
        assert_eq!(found.len(), 4);
        assert!(found.is_sorted_by(|one, other| one < other), "{found:?}");
        found.iter().for_each(|&number| counts[number] += 1);
    }
    // Of 2,000 draws of 4 in 10 each is expected 800 times, with a deviation of 22.
    assert!(
        counts.iter().all(|count| (690..910).contains(count)),
        "{counts:?}"
    );
    assert_eq!(drawn(3, 3, Key::new(7)), [0, 1, 2]);
    assert_eq!(drawn(3, 9, Key::new(7)), [0, 1, 2]);
    assert_eq!(drawn(3, 0, Key::new(7)), [0; 0]);
}

#[test]
fn every_epoch_draws_other_sequences_and_scores_draw_the_same() {
    let sequences: Vec<String> = (0..20)
        .map(|at| {
            "ACDEFGHIKLMNPQRSTVWY"
                .chars()
                .cycle()
                .skip(at)
                .take(6)
                .collect()
        })
        .collect();
    let mut alignments = Alignments::new(&[sequences.clone(), sequences], None);
    alignments.context = 20;
    let examples = Examples::from_texts(["MKVLAG", "MKVLAG"]);
    let mut examples = examples.aligned_with(alignments).unwrap();
    let encoder = built(&hidden(aligned_model().backbone().clone()))
        .spec
        .row_encoder();
    let ids = |examples: &Examples, draws: Draws| {
        let rows = encoder
            .encode_drawn(examples, &[0, 1], None, draws)
            .unwrap();
        let rows = rows.into_iter().map(|row| row.encoding.ids);
        rows.collect::<Vec<_>>()
    };
    let epoch = |epoch| Draws::Epoch { seed: 5, epoch };
    let first = ids(&examples, epoch(0));
    assert_eq!(first[0].len(), 6 + 4 * 6 + 1);
    assert_ne!(first[0], first[1]);
    assert_eq!(first, ids(&examples, epoch(0)));
    assert_ne!(first, ids(&examples, epoch(1)));
    let fixed = ids(&examples, Draws::Fixed);
    assert_eq!(fixed, ids(&examples, Draws::Fixed));
    // The seed of alignments decides alone.
    assert_eq!(first, ids(&examples, Draws::Epoch { seed: 6, epoch: 0 }));
    examples.alignments.as_mut().unwrap().seed = 1;
    assert_ne!(fixed, ids(&examples, Draws::Fixed));
}

#[test]
fn letters_of_a_row_are_told_apart_and_lengths_count_the_whole_context() {
    let task = TokenClassification {
        n_classes: Some(2),
        backbone: BackboneSlot::Pretrained(Backbone {
            max_length: Some(9),
            ..aligned_model().backbone().clone()
        }),
        ..TokenClassification::on(aligned_model())
    };
    let model = built(&task.into());
    let encoder = model.spec.row_encoder();
    let encoded = encoder
        .encode(&rows(None), &[0, 1], Some(TokenUnit::Letter))
        .unwrap();
    let [long, short] = &encoded[..] else {
        panic!("two rows")
    };
    // Eight residues and the special token fill the first; of the second, three are its own.
    assert_eq!((long.units.as_ref().unwrap().len(), long.cut), (8, false));
    assert_eq!(short.own_tokens(), [0, 1, 2]);
    assert_eq!(short.units.as_ref().unwrap().len(), 3);
    let source = model.spec.rows(Arc::new(rows(None))).unwrap();
    assert_eq!(source.lengths().unwrap()[..2], [9, 3 + 2 + 2 + 1]);
}

fn refusal(task: Task, examples: Examples) -> String {
    let rows = built(&task).spec.rows(Arc::new(examples));
    rows.map(drop).unwrap_err().to_string()
}

#[test]
fn alignments_are_refused_where_they_cannot_be_read() {
    let plain = BackboneSlot::Pretrained(Backbone::new("aido_protein_debug"));
    let said = refusal(hidden(plain.backbone().clone()), rows(None));
    assert!(
        said.contains("aido_protein_debug tells no rows of an alignment apart"),
        "{said}"
    );
    let masked = Inference {
        backbone: aligned_model(),
    };
    let said = refusal(masked.into(), rows(None));
    assert!(said.contains("Inference reads sequences alone"), "{said}");
    let aligned = aligned_model().backbone().clone();
    let said = refusal(hidden(aligned.clone()), rows(Some(2)));
    assert!(
        said.contains("(in memory):1: the column \"str_emb\" has 2 numbers for each residue"),
        "{said}"
    );
    assert!(said.contains("takes 3 (str_embedding_in)"), "{said}");
    let required = Backbone {
        enable_rag: true,
        ..aligned
    };
    let said = refusal(hidden(required.clone()), Examples::from_texts(SEQUENCES));
    assert!(
        said.contains("data.is_rag_dataset: true reads them"),
        "{said}"
    );
    let pairs = rows(None).paired_with(SEQUENCES).unwrap();
    let said = refusal(hidden(aligned_model().backbone().clone()), pairs);
    assert!(said.contains("each row has several"), "{said}");
    let masked = Inference {
        backbone: BackboneSlot::Pretrained(required),
    };
    let said = Model::build(&masked.into(), None, &Compute::cpu(), 1);
    let said = said.map(drop).unwrap_err().to_string();
    assert!(
        said.contains("enable_rag: true, but Inference reads sequences alone"),
        "{said}"
    );
    let plain = Backbone {
        enable_rag: true,
        ..plain.backbone().clone()
    };
    let said = plain.open().map(drop).unwrap_err().to_string();
    assert!(said.contains("position_embedding_type: rope_2d"), "{said}");
}

#[test]
fn what_is_known_of_structure_on_one_side_alone_is_said() {
    let model = built(&hidden(aligned_model().backbone().clone()));
    let note = |examples: &Examples| model.spec.note_on_structures(examples);
    assert_eq!(note(&rows(Some(3))), None);
    assert!(
        note(&rows(None))
            .unwrap()
            .contains("which the rows do not bring")
    );
    let folder = golden().join("without_structures");
    let model = built(&hidden(Backbone::new(folder.to_str().unwrap())));
    let note = model.spec.note_on_structures(&rows(Some(3))).unwrap();
    assert!(note.contains("the column str_emb is not read"), "{note}");
    assert_eq!(model.spec.note_on_structures(&rows(None)), None);
}
