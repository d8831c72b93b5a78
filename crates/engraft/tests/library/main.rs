//! The library as a user calls it: on real checkpoints, on batches of every shape.

#![allow(clippy::unwrap_used, clippy::panic)]

mod api;
mod asked;
mod causal_lm;
mod compiled;
mod convert;
mod edges;
mod faces;
mod house;
mod hubs;
mod keras;
mod opened;
mod ragged;
mod real;
mod search;
mod seq2seq;
mod sessions;
mod settings;
mod stored;

use std::sync::Arc;

use engraft::data::{Batching, Examples};
use engraft::tasks::{Model, RowOutput};
use engraft::train::settings::Amount;

/// What `model` says of each text, all of them in one batch.
fn outputs(model: &Model, texts: &[String]) -> Vec<RowOutput> {
    let prediction = engraft::train::Prediction {
        examples: Arc::new(Examples::from_texts(texts.iter().cloned())),
        batching: &Batching::default(),
        limit: Amount::ALL,
        seed: 0,
        observer: &mut (),
    };
    let mut rows = Vec::new();
    engraft::train::predict(model, prediction, |row| {
        rows.push(row);
        Ok::<(), engraft::train::Error>(())
    })
    .unwrap();
    rows
}
