//! A number for each gene of which DNA and RNA are known, each read by a backbone of its own.
use engraft::MultimodalRegressor;
use engraft::prelude::*;
use engraft::tasks::Backbone;

fn main() -> Result<(), Error> {
    let mut regressor = MultimodalRegressor::from_preset("aido_dna_debug")?
        .with(|task| task.backbone1 = Some(Box::new(Backbone::new("aido_rna_debug").into())))
        .build()?;
    let sequences = [("dna_seq_sequences", vec!["GAAGTG", "CAGGTG"]), ("rna_seq_sequences", vec!["GAAGUG", "CAGGUG"])];
    let rows = Examples::from_named(sequences)?.with_numbers(["fitness"], vec![vec![0.5], vec![1.0]])?;
    regressor.fit(&rows, Fit::default())?;
    println!("{:?}", regressor.predict_examples(rows)?);
    Ok(())
}
