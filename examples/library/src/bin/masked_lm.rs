//! What stands at a mask.
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let mut lm = MaskedLm::from_preset("sapiens_vh")?.build()?;
    let history = lm.fit(["EVQLVESGGGLVQPGGSLRLSCAAS", "QVQLQQWGAGLLKPSETLSLTCAVY"], Fit::default())?;
    println!("loss {:.3}, {} tokens", history.last("loss")?, lm.predict("EVQLVE")?.len());
    Ok(())
}
