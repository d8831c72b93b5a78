//! Models against their reference libraries, on the seeded checkpoints and adapters of `tests/golden`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod adapters;
mod decoders;
mod families;
mod family_heads;
mod keras;
mod lora;
mod lora_decoders;
mod lora_seq2seq;
mod overwrites;
mod recompute;
mod reference;
mod seq2seq;
mod seq2seq_stored;
mod tied;
