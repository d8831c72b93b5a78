//! Gradual unfreezing: which parts of a model are trained from which epoch on.

use std::path::PathBuf;

use engraft_component::{Component, Node, Refusal, Span, read_yaml_file};
use regex::Regex;

use super::{Callback, PLACE};

/// Trains more and more of the model, by a schedule file.
///
/// The file maps epochs, counted from 0, to regular expressions of modules or parameters, matched at the start of their names:
/// `{0: [adapter.*], 3: [backbone.encoder.encoder.layer.11.*], 6: [backbone.*]}`. Everything is frozen until its epoch, and what is freed
/// stays so. Names are ModelGenerator's, `backbone.encoder.` before the checkpoint's own, which do as well; the head is `adapter`.
#[derive(Clone, Debug, PartialEq, Component)]
#[component(alias = "modelgenerator.callbacks.FTScheduler")]
pub struct FTScheduler {
    /// The schedule file.
    pub ft_schedule_path: Option<PathBuf>,
}

/// What is to be trained from which epoch on, in the order of the file.
#[derive(Clone, Debug)]
pub struct ReleasePlan {
    /// The releases.
    pub releases: Vec<Release>,
}

/// One expression of a schedule file.
#[derive(Clone, Debug)]
pub struct Release {
    /// The epoch from which what it matches is trained.
    pub epoch: u64,
    /// The expression as it is written.
    pub written: String,
    /// The expression, bound to the start of a name.
    pub pattern: Regex,
    /// Where it is written.
    pub span: Span,
}

impl ReleasePlan {
    /// The plan of the callbacks' FTScheduler, if there is one.
    ///
    /// # Errors
    /// There are two, it names no file, or the file is missing or wrong.
    pub fn of(callbacks: &[Callback]) -> Result<Option<Self>, Refusal> {
        let callbacks = callbacks.iter().enumerate();
        let mut schedulers = callbacks.filter_map(|(number, callback)| match callback {
            Callback::FTScheduler(scheduler) => Some((format!("{PLACE}[{number}]"), scheduler)),
            _ => None,
        });
        let Some((key, scheduler)) = schedulers.next() else {
            return Ok(None);
        };
        if let Some((second, _)) = schedulers.next() {
            let refusal = Refusal::of(second, format!("{} is given twice", FTScheduler::NAME));
            return Err(refusal.help("Put both schedules into one file"));
        }
        let Some(path) = &scheduler.ft_schedule_path else {
            let problem = format!("{}: ft_schedule_path is missing", FTScheduler::NAME);
            return Err(Refusal::of(key, problem).help(
                "Name the YAML file that says what is trained from which epoch on, or remove the callback",
            ));
        };
        if !path.is_file() {
            let problem = format!("there is no file {}", path.display());
            return Err(Refusal::of(format!("{key}.ft_schedule_path"), problem));
        }
        Self::read(&read_yaml_file(path)?).map(Some)
    }

    fn read(file: &Node) -> Result<Self, Refusal> {
        let wanted = "epochs, each with a list of regular expressions";
        let mapping = file.as_map().ok_or_else(|| {
            Refusal::new(
                &file.span,
                "",
                format!("expected {wanted}, found {}", file.describe()),
            )
        })?;
        let mut releases = Vec::new();
        for entry in mapping {
            let epoch = entry.key.parse().map_err(|_| {
                let problem = format!("\"{}\" is no epoch: expected {wanted}", entry.key);
                Refusal::new(&entry.span, "", problem)
            })?;
            let items = match entry.value.as_list() {
                Some(items) => items,
                None => std::slice::from_ref(&entry.value),
            };
            for item in items {
                let refuse =
                    |problem: String| Refusal::new(&item.span, entry.key.as_str(), problem);
                let text = item.as_text().ok_or_else(|| {
                    refuse(format!(
                        "expected a regular expression, found {}",
                        item.describe()
                    ))
                })?;
                let pattern = Regex::new(&format!("^(?:{text})")).map_err(|_| {
                    let why = Regex::new(text).err().map_or_else(String::new, why);
                    refuse(format!("{text:?} is no regular expression{why}"))
                })?;
                releases.push(Release {
                    epoch,
                    written: text.to_owned(),
                    pattern,
                    span: item.span.clone(),
                });
            }
        }
        if !releases.iter().any(|release| release.epoch == 0) {
            let problem =
                "nothing is trained in epoch 0: a schedule begins with it, as in 0: [adapter.*]";
            return Err(Refusal::new(&file.span, "", problem));
        }
        Ok(Self { releases })
    }
}

/// The last line of what the parser says, which tells what is wrong without showing where.
fn why(error: regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    format!(": {}", last.trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    use engraft_component::read_yaml;

    use super::*;

    fn read(text: &str) -> Result<Vec<(u64, String)>, String> {
        let node = read_yaml(text.as_bytes(), "ft.yaml").map_err(|error| error.to_string())?;
        let plan = ReleasePlan::read(&node).map_err(|error| error.to_string())?;
        let releases = plan.releases.into_iter();
        Ok(releases.map(|it| (it.epoch, it.written)).collect())
    }

    #[test]
    fn a_schedule_maps_epochs_in_any_order_to_one_expression_or_several() {
        let found = read("3:\n- backbone.*\n- adapter$\n0: adapter.*\n").unwrap();
        let wanted = [(3, "backbone.*"), (3, "adapter$"), (0, "adapter.*")];
        assert_eq!(found, wanted.map(|(epoch, text)| (epoch, text.to_owned())));
    }

    #[test]
    fn a_wrong_schedule_is_refused_by_its_line() {
        for (text, error) in [
            (
                "[adapter.*]",
                "ft.yaml:1: expected epochs, each with a list of regular expressions, found a list",
            ),
            (
                "0: [adapter.*]\nlate: [backbone.*]",
                "ft.yaml:2: \"late\" is no epoch: expected epochs, each with a list of regular expressions",
            ),
            (
                "0: [adapter.*]\n1: [[backbone.*]]",
                "ft.yaml:2: 1: expected a regular expression, found a list",
            ),
            (
                "0: ['adapter(']",
                "ft.yaml:1: 0: \"adapter(\" is no regular expression: unclosed group",
            ),
            (
                "1: [adapter.*]",
                "ft.yaml:1: nothing is trained in epoch 0: a schedule begins with it, as in 0: [adapter.*]",
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), error);
        }
    }

    #[test]
    fn a_schedule_is_named_once() {
        let scheduler = |path: Option<&str>| {
            Callback::FTScheduler(FTScheduler {
                ft_schedule_path: path.map(PathBuf::from),
            })
        };
        let refused = |callbacks: &[Callback]| ReleasePlan::of(callbacks).unwrap_err().to_string();
        assert!(refused(&[scheduler(None)]).contains("ft_schedule_path is missing"));
        assert!(refused(&[scheduler(Some("a")), scheduler(Some("b"))]).contains("given twice"));
        assert!(
            refused(&[scheduler(Some("/no/such/file.yaml"))])
                .contains("there is no file /no/such/file.yaml")
        );
        assert!(ReleasePlan::of(&[]).unwrap().is_none());
    }
}
