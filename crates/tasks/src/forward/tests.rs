//! A batch of more tokens than are computed at once.

use std::sync::Arc;

use engraft_data::{Examples, Label, Labels, TokenUnit};
use engraft_models::Mode;

use crate::cached::tests::{ROWS, assert_close, model, predict, tasks};
use crate::inputs::TOKENS_AT_ONCE;
use crate::rows::Draws;
use crate::spec::Model;
use crate::split::Split;
use crate::task::Task;

/// How often the rows come in the batch.
const TIMES: usize = 143;

/// Rows with a class for each letter but those of the second row, which is not scored.
fn split(model: &Model, times: usize) -> Box<dyn Split> {
    let texts = ROWS.repeat(times);
    let class = |letter: char| (letter != 'Q').then_some(Label::Index((letter == 'G').into()));
    let classes = texts.iter().enumerate().map(|(row, text)| {
        let classes = text.chars().map(class);
        classes.map(|it| it.filter(|_| row % 7 != 1)).collect()
    });
    let labels = Labels::Tokens {
        unit: TokenUnit::Letter,
        rows: classes.collect(),
    };
    let examples = Examples::from_texts(texts.iter().copied());
    let examples = Arc::new(examples.with_labels(labels).unwrap());
    model.spec.bind(examples, None).unwrap()
}

#[test]
fn a_row_is_predicted_alike_in_whichever_part_of_a_batch() {
    let rows = ROWS.repeat(TIMES);
    let kinds = tasks().into_iter().filter(|task| {
        use Task::{Inference, SequenceClassification, TokenClassification};
        matches!(
            task,
            Inference(_) | TokenClassification(_) | SequenceClassification(_)
        )
    });
    // Of the heads on whole rows, the last is enough.
    for task in kinds.skip(2) {
        let model = model(&task);
        let alone = predict(&model, &ROWS, ROWS.len());
        let alone: Vec<_> = std::iter::repeat_n(alone, TIMES).flatten().collect();
        assert_close(&alone, &predict(&model, &rows, rows.len()));
    }
}

#[test]
fn the_loss_of_a_batch_in_parts_is_that_of_its_rows() {
    let task = tasks().into_iter().last().unwrap();
    let model = model(&task);
    let loss = |split: &dyn Split| {
        let rows = (0..split.source().len()).collect();
        let mut pass = split.pass(vec![rows], Draws::Fixed);
        pass.advance().unwrap().unwrap();
        let loss = pass.loss(&model.network, Mode::Evaluate).unwrap().unwrap();
        (f64::from(loss.sum.into_scalar::<f32>()), loss.weight)
    };
    let whole = split(&model, TIMES);
    let tokens: usize = whole.source().lengths().unwrap().iter().sum();
    assert!(tokens > TOKENS_AT_ONCE);
    let (sum, weight) = loss(&*whole);
    let (one, weight_of_one) = loss(&*split(&model, 1));
    let expected = one * TIMES as f64;
    assert!((sum - expected).abs() < 1e-4 * expected, "{sum} {expected}");
    assert_eq!(weight, weight_of_one * TIMES as f64);
}
