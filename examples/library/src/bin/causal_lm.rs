//! A language model that writes on: its folder is the first argument.
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let preset = std::env::args().nth(1).unwrap_or("./gpt2".to_owned());
    let mut lm = CausalLm::from_preset(&preset)?.build()?;
    lm.fit(["the quick fox", "the lazy dog"], Fit::default())?;
    for piece in lm.stream("the", Generate { max_new_tokens: Some(8), ..Generate::default() })? {
        print!("{}", piece?);
    }
    println!(" ({:.1})", lm.score("the quick fox")?.perplexity());
    Ok(())
}
