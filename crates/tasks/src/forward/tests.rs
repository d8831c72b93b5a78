//! A batch of more tokens than are computed at once.

use engraft_data::{Examples, TokenUnit};
use engraft_models::Mode;

use crate::cached::tests::{ROWS, assert_close, model, say, tasks};
use crate::parts::TOKENS_AT_ONCE;
use crate::task::Task;
use crate::{Batch, Draws, Model, Targets};

/// How often the rows come in the batch.
const TIMES: usize = 143;

/// Rows with a class for each letter but those of the second row, which is not scored.
fn batch(model: &Model, times: usize) -> Batch {
    let texts = ROWS.repeat(times);
    let examples = Examples::from_texts(texts.iter().copied());
    let rows: Vec<usize> = (0..texts.len()).collect();
    let encoded = model
        .row_encoder()
        .encode(&examples, &rows, Some(TokenUnit::Letter))
        .unwrap();
    let class = |letter: char| (letter != 'Q').then_some(u32::from(letter == 'G'));
    let classes = texts.iter().enumerate().map(|(row, text)| {
        let classes = text.chars().map(class);
        classes.map(|it| it.filter(|_| row % 7 != 1)).collect()
    });
    let targets = Targets::Tokens {
        unit: TokenUnit::Letter,
        rows: classes.collect(),
    };
    Batch::collate(&rows, encoded, &targets, Draws::Fixed)
}

#[test]
fn a_row_is_told_alike_in_whichever_part_of_a_batch() {
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
        let alone = say(&model, &ROWS, ROWS.len());
        let alone: Vec<_> = std::iter::repeat_n(alone, TIMES).flatten().collect();
        assert_close(&alone, &say(&model, &rows, rows.len()));
    }
}

#[test]
fn the_loss_of_a_batch_in_parts_is_that_of_its_rows() {
    let task = tasks().into_iter().last().unwrap();
    let model = model(&task);
    let loss = |batch: &Batch| {
        let loss = model.loss(&model.network, batch, Mode::Evaluate).unwrap();
        (f64::from(loss.sum.into_scalar::<f32>()), loss.weight)
    };
    let whole = batch(&model, TIMES);
    assert!(whole.tokens.ids.len() > TOKENS_AT_ONCE);
    let (sum, weight) = loss(&whole);
    let (one, weight_of_one) = loss(&batch(&model, 1));
    let expected = one * TIMES as f64;
    assert!((sum - expected).abs() < 1e-4 * expected, "{sum} {expected}");
    assert_eq!(weight, weight_of_one * TIMES as f64);
}
