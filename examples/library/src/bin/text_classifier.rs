//! Which of two kinds a sequence is.
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let mut classifier = TextClassifier::from_preset("sapiens_vh")?.num_classes(2).build()?;
    let rows = (["EVQLVESGGG", "QVQLQQWGAG", "EVQLLESGGG", "QVQLQESGPG"], ["heavy 3", "heavy 4", "heavy 3", "heavy 4"]);
    let history = classifier.fit(rows, Fit { epochs: 3, ..Fit::default() })?;
    let answer = classifier.predict("EVQLVESGGD")?;
    println!("loss {:.3}, then {} ({:.2})", history.last("loss")?, answer.label, answer.probability());
    Ok(())
}
