//! A report into files.

use std::path::{Path, PathBuf};

use engraft_files::atomic;

use crate::data::Report;
use crate::drawing::{Place, png};
use crate::error::{Error, Result};
use crate::page::page;
use crate::plots::Plots;

/// Writes `report.html` into a folder, which is made if need be, and each plot as `plots/NAME.svg` and `plots/NAME.png`; returns the page.
///
/// Each file is complete or absent, and the page comes last. Files of an earlier report are replaced.
///
/// # Errors
/// A folder or file cannot be written, or a plot cannot be drawn.
pub fn write(report: &Report, folder: &Path) -> Result<PathBuf> {
    let plots = Plots::of(report);
    let beside = folder.join("plots");
    std::fs::create_dir_all(&beside).map_err(|source| Error::Folder {
        folder: beside.display().to_string(),
        source,
    })?;
    for plot in plots.all() {
        let text = plot.svg(Place::File);
        atomic::write(&beside.join(format!("{}.svg", plot.stem)), text.as_bytes())?;
        let bytes = png(&text)?;
        atomic::write(&beside.join(format!("{}.png", plot.stem)), &bytes)?;
    }
    let file = folder.join("report.html");
    atomic::write(&file, page(report, &plots)?.as_bytes())?;
    Ok(file)
}
