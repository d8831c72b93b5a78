//! `engraft validate` and `engraft test`: scores on the rows of one split.

use engraft_run::Purpose;

use crate::failure::Failure;
use crate::interrupt;
use crate::opening::Opened;
use crate::teller::Teller;

pub(crate) fn validate(words: &[String]) -> Result<(), Failure> {
    let mut teller = Teller::new(interrupt::STOPS).printing_scores("val");
    let opened = Opened::read(Purpose::Validate, words, &mut teller)?;
    let stop = teller.stop.clone();
    opened.session.validate(&stop, &mut teller)?;
    teller.printed()
}

pub(crate) fn test(words: &[String]) -> Result<(), Failure> {
    let mut teller = Teller::new(interrupt::STOPS).printing_scores("test");
    let opened = Opened::read(Purpose::Test, words, &mut teller)?;
    let stop = teller.stop.clone();
    let output = opened.output.as_deref();
    opened.session.test(output, &stop, &mut teller)?;
    teller.printed()
}
