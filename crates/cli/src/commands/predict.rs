//! `engraft predict`: every row's prediction into a file, in the order of the rows, or those of a few texts on standard output.

use std::io::{BufRead, IsTerminal};

use engraft_run::{PredictedRows, Purpose};
use engraft_train::callback::Callback;

use crate::failure::{Failure, print};
use crate::interrupt;
use crate::opening::Opened;
use crate::teller::Teller;

/// What stands for standard input.
const INPUT: &str = "-";

pub(crate) fn run(words: &[String]) -> Result<(), Failure> {
    let mut teller = Teller::new(interrupt::STOPS);
    let opened = Opened::read(Purpose::Predict, words, &mut teller)?;
    let stop = teller.stop.clone();
    let output = opened.output.as_deref();
    let texts = texts(&opened)?;
    if texts.is_empty() {
        opened.session.predict(output, &stop, &mut teller)?;
        return Ok(());
    }
    let session = &opened.session;
    match session.predict_texts(texts, output, &stop, &mut teller)? {
        Some(rows) => print(&table(&rows)),
        None => Ok(()),
    }
}

/// The texts that are given by themselves: as options, or, where nothing else says what to predict and where to, on standard input.
fn texts(opened: &Opened) -> Result<Vec<String>, Failure> {
    if !opened.texts.is_empty() {
        let texts = opened.texts.iter().map(|text| match text.as_str() {
            INPUT => lines(),
            text => Ok(vec![text.to_owned()]),
        });
        let texts = texts.collect::<Result<Vec<_>, _>>()?.concat();
        return if texts.is_empty() {
            Err(Failure::refused("--text -: standard input holds no text"))
        } else {
            Ok(texts)
        };
    }
    let callbacks = opened.session.experiment().trainer.callbacks();
    let mut callbacks = callbacks.iter();
    let is_written = opened.output.is_some()
        || callbacks.any(|callback| matches!(callback, Callback::PredictionWriter(_)));
    if is_written || opened.has_data || std::io::stdin().is_terminal() {
        return Ok(Vec::new());
    }
    let texts = lines()?;
    if texts.is_empty() {
        return Err(Failure::refused(
            "predict: standard input holds no text; give --output FILE, such as predictions.tsv, for the rows of a table, or --text TEXT",
        ));
    }
    Ok(texts)
}

/// The lines of standard input that are not blank.
fn lines() -> Result<Vec<String>, Failure> {
    let lines = std::io::stdin().lock().lines();
    let lines = lines.collect::<Result<Vec<String>, _>>();
    let lines = lines.map_err(|error| Failure::refused(format!("standard input: {error}")))?;
    Ok(lines
        .into_iter()
        .filter(|line| !line.trim().is_empty())
        .collect())
}

/// The rows with tabs between their cells.
fn table(rows: &PredictedRows) -> String {
    let mut page = format!("{}\n", rows.columns.join("\t"));
    for row in &rows.rows {
        let cells = row
            .iter()
            .map(|cell| cell.to_string().replace(['\t', '\n', '\r'], " "));
        page.push_str(&cells.collect::<Vec<_>>().join("\t"));
        page.push('\n');
    }
    page
}
