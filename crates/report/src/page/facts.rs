//! What was run, on what, and the experiment that repeats it.

use std::fmt::Write;

use crate::data::Facts;
use crate::escape::{breaking, escape};

/// Groups of names and values, side by side where there is room.
pub(super) fn facts(groups: &[Facts]) -> String {
    let mut body = String::new();
    for Facts { title, rows } in groups.iter().filter(|group| !group.rows.is_empty()) {
        let _ = write!(body, "<div>\n<h3>{}</h3>\n<dl>\n", escape(title));
        for (name, value) in rows {
            let (name, value) = (escape(name), breaking(value));
            let _ = writeln!(body, "<dt>{name}</dt><dd>{value}</dd>");
        }
        body.push_str("</dl>\n</div>\n");
    }
    if body.is_empty() {
        body
    } else {
        format!("<div class=\"facts\">\n{body}</div>\n")
    }
}

/// The experiment as YAML.
pub(super) fn config(yaml: &str) -> String {
    if yaml.trim().is_empty() {
        return String::new();
    }
    format!(
        "<p class=\"note\">The whole experiment with every default; it repeats the run.</p>\n\
         <div class=\"box tall\" tabindex=\"0\" role=\"region\" aria-label=\"Configuration\"><pre>{}</pre></div>\n",
        escape(yaml.trim_end())
    )
}
