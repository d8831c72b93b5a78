//! A task whose kind its preset says: its folder is the first argument.
use engraft::prelude::*;

fn main() -> Result<(), Error> {
    let preset = std::env::args().nth(1).unwrap_or("sapiens_vh".to_owned());
    let task = Task::from_preset(&preset)?.build()?;
    println!("{}\n{} values for a row", task.summary(), task.predict("EVQLVE")?.output.values.len());
    Ok(())
}
