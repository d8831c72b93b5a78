//! Which letters of a sequence belong together.
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let mut classifier = PairClassifier::from_preset("aido_rna_debug")?.build()?;
    classifier.fit((["GGAAACC", "GCAAAGC"], ["((...))", "((...))"]), Fit::default())?;
    let pairs = classifier.predict("GGAAACC")?;
    println!("{} x {} pairs, the outermost at {:.2}", pairs.len(), pairs[0].len(), pairs[0][6]);
    Ok(())
}
