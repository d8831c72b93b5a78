//! `engraft fit`: trains, tests at the end, and says where everything is.

use engraft_run::{BrokenOff, Fitted, Folded, Purpose};
use engraft_train::FitOutcome;
use engraft_train::log::{CsvLog, EventLog, LineLog};

use crate::failure::{Failure, print, say};
use crate::interrupt;
use crate::opening::Opened;
use crate::teller::Teller;
use crate::text::spreads;

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let mut teller = Teller::new(interrupt::SAVES).printing_scores("test");
    let opened = Opened::read(Purpose::Fit, words, &mut teller)?;
    let stop = teller.stop.clone();
    let fitted = opened.session.fit(&stop, &mut teller);
    teller.ends();
    let fitted = fitted?;
    teller.printed()?;
    match fitted {
        Fitted::Run(outcome) => conclude(&outcome),
        Fitted::Folds(folded) => conclude_folds(&folded),
    }
}

/// Ends with where everything is, under the test scores.
fn conclude(outcome: &FitOutcome) -> Result<(), Failure> {
    if let Some(checkpoint) = &outcome.checkpoint {
        say(&format!("checkpoint  {}", checkpoint.display()));
    }
    if let Some(folder) = &outcome.folder {
        for (title, file) in [
            ("log        ", CsvLog::FILE),
            ("log        ", LineLog::FILE),
            ("experiment ", "config.yaml"),
        ] {
            let path = folder.join(file);
            if path.is_file() {
                say(&format!("{title} {}", path.display()));
            }
        }
        if EventLog::is_in(folder) {
            let folder = folder.display();
            say(&format!("events      {folder} (tensorboard --logdir)"));
        }
    }
    if let Some(report) = &outcome.report {
        say(&format!("report      {}", report.display()));
    }
    if !outcome.interrupted {
        return Ok(());
    }
    let goes_on = goes_on(outcome.checkpoint.is_some());
    say(&format!(
        "interrupted after {} steps{goes_on}",
        outcome.steps
    ));
    Err(Failure::Interrupted)
}

/// Ends with mean and spread on standard output, and where everything is.
fn conclude_folds(folded: &Folded) -> Result<(), Failure> {
    let Folded { folds, broken_off } = folded;
    if let Some(BrokenOff { fold, steps }) = broken_off {
        let goes_on = goes_on(folds.folder().is_some());
        say(&match steps {
            Some(steps) => format!("interrupted after {steps} steps of fold {fold}{goes_on}"),
            None => format!("interrupted before fold {fold}{goes_on}"),
        });
        return Err(Failure::Interrupted);
    }
    print(&spreads(&folds.spreads()))?;
    if let Some(table) = folds.table() {
        say(&format!(
            "folds       {} (scores and checkpoint of each)",
            table.display()
        ));
    }
    if let Some(folder) = folds.folder() {
        let config = folder.join("config.yaml");
        say(&format!("experiment  {}", config.display()));
        let reports = folder.join("fold_0").join("report.html");
        if reports.is_file() {
            let each = folder.join("fold_*").join("report.html");
            say(&format!("reports     {}", each.display()));
        }
    }
    Ok(())
}

/// How an interrupted run goes on.
fn goes_on(is_kept: bool) -> &'static str {
    if is_kept {
        "; --ckpt_path last goes on from here"
    } else {
        ", and nothing was kept"
    }
}
