//! By how much the outputs of two models differ.

use burn::tensor::{Device, Tensor};
use engraft_models::{
    Checkpoint, DECODER, Encoded, HeadKind, Initial, Mode, PackedTokens, TokenBatch, Tower, Towers,
};
use engraft_random::Key;

use crate::Deviation;
use crate::error::Result;

/// Tokens of the texts that are compared.
const LENGTHS: [usize; 3] = [7, 16, 32];

/// The largest difference of the outputs that two models of the same vocabulary give for a few texts of random tokens.
///
/// # Errors
/// The weights of one of them do not make a model.
pub(crate) fn deviation(one: &Checkpoint, other: &Checkpoint, head: HeadKind) -> Result<Deviation> {
    let [first, second] = [outputs(one, head)?, outputs(other, head)?];
    let pairs = first.iter().zip(&second);
    let largest = pairs
        .map(|(one, other)| (one - other).abs())
        .fold(0.0, f32::max);
    Ok(Deviation {
        of_logits: head != HeadKind::None,
        largest,
        scale: first.iter().map(|number| number.abs()).fold(0.0, f32::max),
    })
}

fn outputs(checkpoint: &Checkpoint, head: HeadKind) -> Result<Vec<f32>> {
    let initial = Initial {
        device: Device::flex(),
        key: Key::new(0),
    };
    let encoder = checkpoint.encoder(&initial)?;
    let batch = texts(checkpoint, &initial.device, 0);
    let hidden = encoder.forward(&batch, Mode::Evaluate);
    let outputs = match head {
        HeadKind::MaskedLm => {
            let head = checkpoint.masked_lm(true, &initial)?;
            head.forward(hidden, &encoder)
        }
        HeadKind::CausalLm => {
            let head = checkpoint.causal_lm(true, &initial)?;
            head.forward(hidden, &encoder)
        }
        HeadKind::Classification => {
            let classes = checkpoint
                .stored_classes(head)
                .or(checkpoint.config().classes);
            let head = checkpoint.classifier(head, classes.unwrap_or(2), true, &initial)?;
            head.forward(hidden, &batch, Mode::Evaluate)
        }
        HeadKind::Seq2SeqLm => {
            let encoded = Encoded::of(&encoder, hidden, &batch);
            let decoder = checkpoint.decoder(&initial)?;
            let written = texts(checkpoint, &initial.device, 1);
            let hidden = decoder.forward_after(&written, &encoded, Mode::Evaluate);
            let head = checkpoint.seq2seq_lm(true, &initial)?;
            let tower = Tower {
                name: DECODER,
                transformer: decoder,
            };
            head.forward(hidden, Towers::one(encoder).with(tower).writing())
        }
        _ => hidden,
    };
    Ok(numbers(outputs))
}

/// Texts of random tokens, the same for all models of a vocabulary.
fn texts(checkpoint: &Checkpoint, device: &Device, number: u64) -> TokenBatch {
    let config = match (&checkpoint.config().decoder, number) {
        (Some(decoder), 1) => &decoder.transformer,
        _ => &checkpoint.config().transformer,
    };
    let key = Key::new(number);
    let mut packed = PackedTokens::default();
    let mut drawn = 0;
    for length in LENGTHS {
        let length = length.min(config.longest().unwrap_or(length));
        let ids = (0..length).map(|_| {
            drawn += 1;
            (key.uniform(drawn) * config.vocabulary as f64) as u32
        });
        let ids: Vec<u32> = ids.collect();
        packed.push(&ids, &vec![0; length]);
    }
    TokenBatch::new(&packed, config, device)
}

fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
