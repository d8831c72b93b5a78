//! `engraft predict`: every row's prediction into a file, in the order of the rows.

use crate::arguments::Command;
use crate::failure::Failure;
use crate::interrupt;
use crate::opening::Opened;
use crate::teller::Teller;

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let mut teller = Teller::new(interrupt::STOPS);
    let opened = Opened::read(Command::Predict, words, &mut teller)?;
    let stop = teller.stop.clone();
    let output = opened.output.as_deref();
    opened.session.predict(output, &stop, &mut teller)?;
    Ok(())
}
