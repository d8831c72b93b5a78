//! The page: one HTML document with its style and its plots in it, and no script. What it says is put together here, how it is set in
//! `templates/page.html`.

mod table;

use askama::Template;

use crate::baseline::Baseline;
use crate::data::{Facts, Report, Scored};
use crate::drawing::{Colour, Place};
use crate::error::{Error, Result};
use crate::escape::{paths, short};
use crate::findings::Findings;
use crate::numbers::score;
use crate::plots::{Plot, Plots};
use table::{Cell, Table};

/// The whole document.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    report: &'a Report,
    sections: Vec<Section<'a>>,
}

/// A part of the page.
struct Section<'a> {
    id: &'static str,
    title: &'static str,
    blocks: Vec<Block<'a>>,
}

/// What a part is made of.
enum Block<'a> {
    Note(String),
    Scores(Vec<Score<'a>>),
    Plots {
        plots: Vec<&'a Plot>,
        beside: Option<Table>,
    },
    Table(Table),
    Folded(&'static str, Table),
    Facts(&'a [Facts]),
    Yaml(&'a str),
}

/// A score over all rows, beside that of one answer for every row.
struct Score<'a> {
    name: &'a str,
    value: String,
    baseline: Option<String>,
}

/// The whole document.
pub(crate) fn page(report: &Report, plots: &Plots) -> Result<String> {
    let sections = sections(report, plots);
    let page = Page { report, sections };
    page.render()
        .map_err(|error| Error::Drawing(error.to_string()))
}

/// The parts that have something in them: how good the model is, then how it came to be so, then what was run.
fn sections<'a>(report: &'a Report, plots: &'a Plots) -> Vec<Section<'a>> {
    let scored = report.scored.as_ref();
    let findings = scored.and_then(|scored| scored.findings.as_ref());
    let caveat = findings.and_then(Findings::caveat);
    let drawn = |plots: Vec<&'a Plot>| {
        let figures = figures(plots);
        let caveat = caveat.clone().filter(|_| !figures.is_empty());
        let caveat = caveat.map(Block::Note);
        caveat.into_iter().chain(figures).collect()
    };
    let curves = match (report.trains, plots.curves.is_empty()) {
        (false, _) => Vec::new(),
        (true, true) => vec![Block::Note(
            "No metric was logged over the steps of this run.".to_owned(),
        )],
        (true, false) => figures(plots.curves.iter().collect()),
    };
    let ranked = plots.ranking.iter().chain(&plots.calibration).collect();
    let facts = report.facts.iter().any(|group| !group.rows.is_empty());
    let yaml = report.config.trim_end();
    let configuration = if yaml.trim().is_empty() {
        Vec::new()
    } else {
        let note = "The whole experiment with every default; it repeats the run.";
        vec![Block::Note(note.to_owned()), Block::Yaml(yaml)]
    };
    let parts = [
        ("scores", "Scores", scored.map(scores).unwrap_or_default()),
        (
            "classes",
            scored.map_or("", table::title),
            scored
                .map(|scored| classes(scored, plots))
                .unwrap_or_default(),
        ),
        (
            "regression",
            "Predictions",
            drawn(plots.regression.iter().collect()),
        ),
        ("curves", "Curves", curves),
        ("probabilities", "Probabilities", drawn(ranked)),
        (
            "run",
            "Run",
            facts
                .then_some(Block::Facts(&report.facts))
                .into_iter()
                .collect(),
        ),
        ("configuration", "Configuration", configuration),
    ];
    let parts = parts.into_iter().filter(|(.., blocks)| !blocks.is_empty());
    parts
        .map(|(id, title, blocks)| Section { id, title, blocks })
        .collect()
}

/// The scores over all rows, as the program prints them.
fn scores(scored: &Scored) -> Vec<Block<'_>> {
    let findings = scored.findings.as_ref();
    let baseline = findings.and_then(Baseline::of);
    let of = |name: &str| {
        let metric = name
            .strip_prefix(scored.stage.as_str())?
            .strip_prefix('_')?;
        let metric = metric.split('[').next()?;
        baseline.as_ref()?.score(metric)
    };
    let scores: Vec<Score<'_>> = scored
        .overall()
        .map(|(name, value)| Score {
            name,
            value: score(value),
            baseline: of(name).map(score),
        })
        .collect();
    let mut note = match findings.map(Findings::rows) {
        Some(0) => {
            "No row was scored, so there is nothing to show of classes or predictions.".to_owned()
        }
        _ => format!("Of {}.", scored.rows),
    };
    if let Some(baseline) = baseline.filter(|_| scores.iter().any(|score| score.baseline.is_some()))
    {
        note.push_str(&format!(" The baseline is {}.", baseline.answer));
    }
    vec![Block::Note(note), Block::Scores(scores)]
}

/// The confusion matrix with the largest confusions or, of two classes, with their scores beside it; then each class, label or output.
fn classes<'a>(scored: &'a Scored, plots: &'a Plots) -> Vec<Block<'a>> {
    let each = table::each(scored);
    let Some(Findings::Classes(found)) = &scored.findings else {
        return each.map(Block::Table).into_iter().collect();
    };
    let mut blocks = figures(plots.confusion.iter().collect());
    let (confused, beneath) = match table::confusions(found) {
        Some(confused) => (Some(confused), each),
        None => (each, None),
    };
    if let Some(Block::Plots { beside, .. }) = blocks.last_mut() {
        *beside = confused;
        blocks.extend(
            table::matrix(found).map(|table| Block::Folded("The matrix as a table", table)),
        );
    }
    blocks.extend(beneath.map(Block::Table));
    blocks
}

/// Plots side by side, below what is to be known of them all.
fn figures(plots: Vec<&Plot>) -> Vec<Block<'_>> {
    if plots.is_empty() {
        return Vec::new();
    }
    let mut notes: Vec<&str> = Vec::new();
    for plot in &plots {
        if !plot.note.is_empty() && !notes.contains(&plot.note.as_str()) {
            notes.push(&plot.note);
        }
    }
    let notes = notes.into_iter().map(|text| Block::Note(text.to_owned()));
    let plots = Block::Plots {
        plots,
        beside: None,
    };
    notes.chain([plots]).collect()
}

#[cfg(test)]
mod tests;
