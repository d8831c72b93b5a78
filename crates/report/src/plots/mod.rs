//! The plots of a report, a file for each kind.

mod calibration;
mod confusion;
mod curves;
mod ranking;
mod regression;

pub(crate) use confusion::{MOST_NUMBERED, by_number, largest};

use std::collections::BTreeSet;

use crate::data::Report;
use crate::drawing::{Drawing, Place, svg};
use crate::findings::Findings;

/// A plot with its words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plot {
    /// Name of its files, without an extension.
    pub(crate) stem: String,
    /// The heading in the drawing.
    pub(crate) title: String,
    /// What it shows, for who cannot see it.
    pub(crate) description: String,
    /// What a reader should know of it.
    pub(crate) caption: String,
    /// What a reader should know of all plots of its kind, which is said once.
    pub(crate) note: String,
    pub(crate) drawing: Drawing,
}

impl Plot {
    /// The document of the plot.
    pub(crate) fn svg(&self, place: Place) -> String {
        svg(
            &self.drawing,
            place,
            &self.stem,
            &self.title,
            &self.description,
        )
    }

    /// Whether it needs more room than the others.
    pub(crate) fn is_wide(&self) -> bool {
        self.drawing.width > Drawing::SIZE.0
    }
}

/// The plots of a report by the part of the page that they belong to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plots {
    pub(crate) curves: Vec<Plot>,
    pub(crate) confusion: Vec<Plot>,
    pub(crate) ranking: Vec<Plot>,
    pub(crate) calibration: Vec<Plot>,
    pub(crate) regression: Vec<Plot>,
}

impl Plots {
    /// All plots that the report has something for.
    pub(crate) fn of(report: &Report) -> Self {
        let mut plots = Self {
            curves: curves::plots(&report.curves),
            ..Self::default()
        };
        let findings = report.scored.as_ref();
        match findings.and_then(|scored| scored.findings.as_ref()) {
            _ if report.rows() == 0 => {}
            Some(Findings::Classes(found)) => {
                plots.confusion.push(confusion::plot(found));
                plots.ranking = ranking::of_classes(found);
                plots.calibration.extend(calibration::of_classes(found));
            }
            Some(Findings::Labels(found)) => {
                plots.ranking = ranking::of_labels(found);
                plots.calibration.extend(calibration::of_labels(found));
            }
            Some(Findings::Numbers(found)) => plots.regression = regression::plots(found),
            None => {}
        }
        plots.tell_apart();
        plots
    }

    /// Gives plots whose names are alike once spelt as files a number each.
    fn tell_apart(&mut self) {
        let mut taken = BTreeSet::new();
        let parts = [
            &mut self.curves,
            &mut self.confusion,
            &mut self.ranking,
            &mut self.calibration,
            &mut self.regression,
        ];
        for plot in parts.into_iter().flatten() {
            let stem = plot.stem.clone();
            let mut number = 1;
            while !taken.insert(plot.stem.clone()) {
                number += 1;
                plot.stem = format!("{stem}_{number}");
            }
        }
    }

    /// All of them in the order of the page.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Plot> {
        let parts = [
            &self.curves,
            &self.confusion,
            &self.ranking,
            &self.calibration,
            &self.regression,
        ];
        parts.into_iter().flatten()
    }
}

/// A name as that of a file: letters, digits and underscores.
fn stem(name: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '_'
        }
    };
    name.chars().take(60).map(plain).collect()
}

#[cfg(test)]
mod tests;
