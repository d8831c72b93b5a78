//! An encoder-decoder that answers what it reads: its folder is the first argument.
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let preset = std::env::args().nth(1).unwrap_or("./bart".to_owned());
    let mut s2s = Seq2SeqLm::from_preset(&preset)?.build()?;
    s2s.fit([("the fox", "a fox"), ("the dog", "a dog")], Fit::default())?;
    println!("{}", s2s.generate("the fox", Generate { max_new_tokens: Some(8), ..Generate::default() })?);
    Ok(())
}
