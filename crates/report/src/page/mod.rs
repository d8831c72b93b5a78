//! The page: one HTML document with its style and its plots in it, and no script.

mod classes;
mod facts;

use std::fmt::Write;

use crate::data::{Report, Scored};
use crate::drawing::{Colour, svg};
use crate::error::Result;
use crate::escape::{breaking, escape};
use crate::findings::Findings;
use crate::numbers::score;
use crate::plots::{Plot, Plots};

const STYLE: &str = include_str!("style.css");

/// A part of the page.
struct Section {
    id: &'static str,
    title: &'static str,
    /// HTML.
    body: String,
}

/// The whole document.
pub(crate) fn page(report: &Report, plots: &Plots) -> Result<String> {
    let sections = sections(report, plots)?;
    let mut page = String::with_capacity(1 << 16);
    let title = escape(&report.title);
    let subtitle = escape(&report.subtitle);
    let broken = breaking(&report.subtitle);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · {subtitle}</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n<div class=\"page\">\n\
         <header>\n<h1>{title}</h1>\n<p>{broken}</p>\n</header>\n",
        dark()
    );
    page.push_str("<nav aria-label=\"Parts of the report\"><ul>\n");
    for Section { id, title, .. } in &sections {
        let _ = writeln!(page, "<li><a href=\"#{id}\">{title}</a></li>");
    }
    page.push_str("</ul></nav>\n<main>\n");
    for Section { id, title, body } in &sections {
        let _ = write!(
            page,
            "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n{body}</section>\n"
        );
    }
    page.push_str("</main>\n<footer>Written by Engraft. The plots are also in the folder <code>plots</code>, as SVG and PNG.</footer>\n</div>\n</body>\n</html>\n");
    Ok(page)
}

fn sections(report: &Report, plots: &Plots) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    let mut add = |id, title, body: String| {
        if !body.is_empty() {
            sections.push(Section { id, title, body });
        }
    };
    let scored = report.scored.as_ref();
    add("scores", "Scores", scored.map(scores).unwrap_or_default());
    let curves = if plots.curves.is_empty() {
        note("No metric was logged over the steps of this run.")
    } else {
        figures(&plots.curves.iter().collect::<Vec<_>>())?
    };
    if report.trains {
        add("curves", "Curves", curves);
    }
    if let Some(scored) = scored {
        let caveat = scored.findings.as_ref().and_then(Findings::caveat);
        let caveat = caveat.map(|text| note(&text)).unwrap_or_default();
        let with_caveat = |body: String| {
            if body.is_empty() {
                body
            } else {
                format!("{caveat}{body}")
            }
        };
        add("classes", classes::title(scored), classes::table(scored));
        add(
            "confusion",
            "Confusion",
            confusion(scored, &plots.confusion)?,
        );
        let ranked: Vec<&Plot> = plots.ranking.iter().chain(&plots.calibration).collect();
        let probabilities = with_caveat(figures(&ranked)?);
        add("probabilities", "Probabilities", probabilities);
        let regression = with_caveat(figures(&plots.regression.iter().collect::<Vec<_>>())?);
        add("regression", "Predictions", regression);
    }
    add("run", "Run", facts::facts(&report.facts));
    add(
        "configuration",
        "Configuration",
        facts::config(&report.config),
    );
    Ok(sections)
}

/// The scores over all rows, as the program prints them.
fn scores(scored: &Scored) -> String {
    let mut body = match scored.findings.as_ref().map(Findings::rows) {
        Some(0) => {
            note("No row was scored, so there is nothing to show of classes or predictions.")
        }
        _ => note(&format!("Of {}.", scored.rows)),
    };
    body.push_str("<dl class=\"scores\">\n");
    for (name, value) in scored.overall() {
        let name = escape(name);
        let _ = writeln!(body, "<div><dt>{name}</dt><dd>{}</dd></div>", score(value));
    }
    body.push_str("</dl>\n");
    body
}

/// The matrix, beside it the largest confusions, and beneath them the matrix as a table.
fn confusion(scored: &Scored, plots: &[Plot]) -> Result<String> {
    let Some(Findings::Classes(found)) = &scored.findings else {
        return Ok(String::new());
    };
    if plots.is_empty() {
        return Ok(String::new());
    }
    let mut body = "<div class=\"plots\">\n".to_owned();
    for plot in plots {
        body.push_str(&figure(plot)?);
    }
    body.push_str(&classes::confusions(found));
    body.push_str("</div>\n");
    body.push_str(&classes::matrix(found));
    Ok(body)
}

fn figures(plots: &[&Plot]) -> Result<String> {
    if plots.is_empty() {
        return Ok(String::new());
    }
    let mut body = "<div class=\"plots\">\n".to_owned();
    for plot in plots {
        body.push_str(&figure(plot)?);
    }
    body.push_str("</div>\n");
    Ok(body)
}

fn figure(plot: &Plot) -> Result<String> {
    let document = svg(&plot.drawing, &plot.stem, &plot.title, &plot.description)?;
    // In a page it takes the size that the page gives it, and no name of a scheme.
    let rest = document
        .find("viewBox")
        .map_or(document.as_str(), |at| &document[at..]);
    let (class, style, region) = if plot.is_wide() {
        (
            "plot wide",
            format!(
                " style=\"min-width:{:.0}px;max-width:{:.0}px\"",
                plot.drawing.width * 0.8,
                plot.drawing.width * 1.15
            ),
            format!(
                " class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"",
                escape(&plot.title)
            ),
        )
    } else {
        ("plot", String::new(), String::new())
    };
    let stem = &plot.stem;
    let link = |form: &str, end: &str| {
        let of = escape(&plot.title);
        format!("<a href=\"plots/{stem}.{end}\" aria-label=\"{of} as {form}\">{form}</a>")
    };
    Ok(format!(
        "<figure class=\"{class}\">\n<div{region}><svg{style} {rest}</div>\n\
         <figcaption><span>{}</span><span class=\"files\">{}{}</span></figcaption>\n</figure>\n",
        escape(&plot.caption),
        link("SVG", "svg"),
        link("PNG", "png"),
    ))
}

fn note(text: &str) -> String {
    format!("<p class=\"note\">{}</p>\n", escape(text))
}

/// Other values for the colours of plots in dark mode.
fn dark() -> String {
    let mut rules = "@media screen and (prefers-color-scheme: dark) {\n".to_owned();
    for colour in Colour::ALL {
        let (red, green, blue) = colour.rgb();
        let (was, is) = (format!("#{red:02X}{green:02X}{blue:02X}"), colour.dark());
        let _ = writeln!(
            rules,
            "  .plot svg [fill=\"{was}\"] {{ fill: {is}; }} .plot svg [stroke=\"{was}\"] {{ stroke: {is}; }}"
        );
    }
    rules.push_str("}\n");
    rules
}

#[cfg(test)]
mod tests;
