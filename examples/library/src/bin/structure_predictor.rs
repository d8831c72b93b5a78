//! The secondary structure of RNA.
use engraft::StructurePredictor;
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let mut predictor = StructurePredictor::from_preset("aido_rna_debug")?.build()?;
    let rows = (["GGAAACC", "GCAAAGC"], ["((...))", "((...))"]);
    let valid = predictor.examples(rows)?;
    predictor.fit(rows, Fit { validation: Some(&valid), ..Fit::default() })?;
    println!("{:?}", predictor.predict("GGAAACC")?);
    Ok(())
}
