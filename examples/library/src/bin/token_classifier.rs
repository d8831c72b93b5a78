//! A class for each letter.
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let mut classifier = TokenClassifier::from_preset("sapiens_vh")?.num_classes(2).build()?;
    classifier.fit((["EVQLVE", "QVQLQQ"], ["EEHHEE", "EEHHHH"]), Fit::default())?;
    let letters: Vec<Prediction> = classifier.predict("EVQL")?;
    println!("{}", letters.iter().map(|letter| letter.label.as_str()).collect::<String>());
    Ok(())
}
