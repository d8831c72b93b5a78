//! A run that trains on every fold in turn: a folder for each fold, and a table of what each scored on its test rows.
//!
//! The table is rewritten, whole, when a fold is finished; it is what tells a resumed run which folds are. The rows `mean` and `sd` are
//! there once all are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engraft_files::atomic;

use crate::error::{Error, Result};
use crate::layout::{CHECKPOINTS, EXPERIMENT, fold_folder, new_version, newest_resumable};
use crate::lock::RunLock;
use crate::outcome::FitOutcome;
use crate::settings::Plan;

/// The name of the table in the run's folder.
const TABLE: &str = "folds.tsv";
/// The table's last column.
const CHECKPOINT: &str = "checkpoint";

/// The run of all folds.
#[derive(Debug)]
pub struct CrossValidation {
    root: PathBuf,
    /// The folder's name, if it is not to be numbered.
    version: Option<String>,
    /// The experiment of all folds, as it was resolved.
    config: String,
    count: u64,
    /// Made when the first fold begins.
    opened: Option<Opened>,
    finished: BTreeMap<u64, Finished>,
}

/// The run's folder.
#[derive(Debug)]
struct Opened {
    folder: PathBuf,
    _lock: RunLock,
}

/// What came of a fold.
#[derive(Clone, Debug, PartialEq)]
struct Finished {
    scores: Vec<(String, f64)>,
    /// The best checkpoint or else the newest, within the run's folder.
    checkpoint: String,
}

/// A score over all folds.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// The metric, such as `test_accuracy`.
    pub name: String,
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation between folds, with folds - 1 as divisor.
    pub deviation: f64,
    /// Its value in each fold, by number.
    pub folds: Vec<f64>,
}

impl CrossValidation {
    /// A new run of `count` folds, whose folder is made when the first of them begins; `config` is saved with it.
    pub fn new(plan: &Plan, count: u64, config: &str) -> Self {
        Self {
            root: plan.root.clone(),
            version: plan.version.clone(),
            config: config.to_owned(),
            count,
            opened: None,
            finished: BTreeMap::new(),
        }
    }

    /// The run of `count` folds in `folder`, to be gone on with.
    ///
    /// # Errors
    /// Another process is writing it, or its table is damaged.
    pub fn go_on(folder: &Path, plan: &Plan, count: u64, config: &str) -> Result<Self> {
        let lock = RunLock::take(folder)?;
        let path = folder.join(TABLE);
        let finished = match std::fs::read_to_string(&path) {
            Ok(text) => read(&text).ok_or_else(|| damaged(&path))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(refuse(&path, format!("cannot be read: {error}"))),
        };
        let opened = Opened {
            folder: folder.to_owned(),
            _lock: lock,
        };
        Ok(Self {
            opened: Some(opened),
            finished,
            ..Self::new(plan, count, config)
        })
    }

    /// Number of folds.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The run's folder, once there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.opened.as_ref().map(|opened| opened.folder.as_path())
    }

    /// The table, once a fold is finished and there is a folder.
    pub fn table(&self) -> Option<PathBuf> {
        self.folder()
            .map(|folder| folder.join(TABLE))
            .filter(|table| table.exists())
    }

    /// What a fold scored on its test rows, if it is finished.
    pub fn scores(&self, fold: u64) -> Option<&[(String, f64)]> {
        self.finished
            .get(&fold)
            .map(|finished| finished.scores.as_slice())
    }

    /// The checkpoint that a fold goes on from, if it was begun and left one.
    pub fn checkpoint(&self, fold: u64) -> Option<PathBuf> {
        let folder = fold_folder(self.folder()?, fold);
        newest_resumable(&folder.join(CHECKPOINTS))
    }

    /// The folder of a fold that begins, empty, or goes on.
    pub(crate) fn open_fold(&mut self, fold: u64, goes_on: bool) -> Result<PathBuf> {
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => {
                let folder = new_version(&self.root, self.version.as_deref())?;
                let lock = RunLock::take(&folder)?;
                atomic::write(&folder.join(EXPERIMENT), self.config.as_bytes())?;
                Opened {
                    folder,
                    _lock: lock,
                }
            }
        };
        let folder = fold_folder(&opened.folder, fold);
        self.opened = Some(opened);
        if !goes_on && folder.exists() {
            // What a fold left that was killed before its first checkpoint, unless someone is at it alone.
            drop(RunLock::take(&folder)?);
            atomic::remove(&folder);
        }
        std::fs::create_dir_all(&folder)
            .map_err(|error| refuse(&folder, format!("cannot be made: {error}")))?;
        Ok(folder)
    }

    /// Notes what came of a fold, and writes the table.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(&mut self, fold: u64, outcome: &FitOutcome) -> Result<()> {
        let checkpoint = outcome.checkpoint.as_deref().map(|path| {
            let within = self
                .folder()
                .and_then(|folder| path.strip_prefix(folder).ok());
            within.unwrap_or(path).display().to_string()
        });
        let finished = Finished {
            scores: outcome.test.clone().unwrap_or_default(),
            checkpoint: checkpoint.unwrap_or_default(),
        };
        self.finished.insert(fold, finished);
        match self.folder() {
            Some(folder) => Ok(atomic::write(
                &folder.join(TABLE),
                self.written().as_bytes(),
            )?),
            None => Ok(()),
        }
    }

    /// Each score over all folds, once all are finished; before that, none.
    pub fn spreads(&self) -> Vec<Spread> {
        let is_complete = (0..self.count).all(|fold| self.finished.contains_key(&fold));
        if !is_complete {
            return Vec::new();
        }
        let names = self.names().into_iter();
        let spread = |name: String| {
            let folds: Vec<f64> = (0..self.count)
                .map(|fold| self.score(fold, &name).unwrap_or(f64::NAN))
                .collect();
            let count = folds.len() as f64;
            let mean = folds.iter().sum::<f64>() / count;
            let squares: f64 = folds.iter().map(|score| (score - mean).powi(2)).sum();
            Spread {
                deviation: (squares / (count - 1.0)).sqrt(),
                name,
                mean,
                folds,
            }
        };
        names.map(spread).collect()
    }

    /// The metrics in the order in which they first occur.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in self.finished.values().flat_map(|finished| &finished.scores) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    fn score(&self, fold: u64, name: &str) -> Option<f64> {
        let scores = &self.finished.get(&fold)?.scores;
        scores
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, score)| *score)
    }

    fn written(&self) -> String {
        let names = self.names();
        let columns = names.iter().map(|name| column(name));
        let mut lines = vec![line("fold", columns, CHECKPOINT)];
        for (fold, finished) in &self.finished {
            let scores = names.iter().map(|name| {
                let score = self.score(*fold, name);
                score.map_or_else(String::new, number)
            });
            lines.push(line(
                &fold.to_string(),
                scores,
                &column(&finished.checkpoint),
            ));
        }
        let spreads = self.spreads();
        if !spreads.is_empty() {
            let means = spreads.iter().map(|spread| number(spread.mean));
            lines.push(line("mean", means, ""));
            let deviations = spreads.iter().map(|spread| number(spread.deviation));
            lines.push(line("sd", deviations, ""));
        }
        lines.concat()
    }
}

/// Reads the folds of a table; none if it is none.
fn read(text: &str) -> Option<BTreeMap<u64, Finished>> {
    let mut lines = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next()?;
    let ["fold", names @ .., CHECKPOINT] = header.as_slice() else {
        return None;
    };
    let mut finished = BTreeMap::new();
    for line in lines {
        let [fold, scores @ .., checkpoint] = line.as_slice() else {
            return None;
        };
        if ["mean", "sd"].contains(fold) {
            continue;
        }
        if scores.len() != names.len() {
            return None;
        }
        let scored = names
            .iter()
            .zip(scores)
            .filter(|(_, score)| !score.is_empty());
        let scores = scored
            .map(|(name, score)| Some(((*name).to_owned(), score.parse().ok()?)))
            .collect::<Option<_>>()?;
        let checkpoint = (*checkpoint).to_owned();
        finished.insert(fold.parse().ok()?, Finished { scores, checkpoint });
    }
    Some(finished)
}

fn line(first: &str, cells: impl Iterator<Item = String>, last: &str) -> String {
    let cells: String = cells.map(|cell| format!("{cell}\t")).collect();
    format!("{first}\t{cells}{last}\n")
}

/// A name, with the characters replaced that mean something in a table.
fn column(name: &str) -> String {
    name.replace(['\t', '\n', '\r'], "_")
}

/// The shortest text that reads back as the same number, in the spelling that table readers know.
fn number(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else {
        format!("{value:?}")
    }
}

fn refuse(path: &Path, problem: String) -> Error {
    Error::Checkpoint {
        checkpoint: path.display().to_string(),
        problem,
    }
}

fn damaged(path: &Path) -> Error {
    refuse(
        path,
        "is no table of folds as this program writes it; remove it to train on all folds anew"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(folds: &[&[f64]]) -> CrossValidation {
        let finished = |scores: &&[f64]| Finished {
            scores: ["test_loss", "test_accuracy"]
                .map(str::to_owned)
                .into_iter()
                .zip(scores.iter().copied())
                .collect(),
            checkpoint: "fold_0/checkpoints/last".to_owned(),
        };
        CrossValidation {
            root: PathBuf::from("logs"),
            version: None,
            config: String::new(),
            count: 3,
            opened: None,
            finished: (0..).zip(folds.iter().map(finished)).collect(),
        }
    }

    #[test]
    fn mean_and_deviation_come_when_all_folds_are_there() {
        let two = of(&[&[1.0, 0.5], &[2.0, 0.25]]);
        assert!(two.spreads().is_empty());
        assert!(!two.written().contains("mean"));
        let three = of(&[&[1.0, 0.5], &[2.0, 0.25], &[6.0, 0.75]]);
        let spreads = three.spreads();
        assert_eq!(spreads[0].mean, 3.0);
        assert_eq!(spreads[0].deviation, 7f64.sqrt());
        assert_eq!(spreads[1].folds, [0.5, 0.25, 0.75]);
        let lines = three.written();
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines[0], "fold\ttest_loss\ttest_accuracy\tcheckpoint");
        assert_eq!(lines[2], "1\t2.0\t0.25\tfold_0/checkpoints/last");
        assert_eq!(lines[4], "mean\t3.0\t0.5\t");
        assert_eq!(lines[5], "sd\t2.6457513110645907\t0.25\t");
    }

    #[test]
    fn a_table_is_read_back_as_it_was_to_the_bit() {
        let folds = of(&[
            &[0.1 + 0.2, f64::INFINITY],
            &[5e-324, -0.0],
            &[1e300, 1.0 / 3.0],
        ]);
        assert_eq!(read(&folds.written()).unwrap(), folds.finished);
        let undefined = of(&[&[f64::NAN, 1.0]]);
        let back = read(&undefined.written()).unwrap();
        assert!(back[&0].scores[0].1.is_nan());
    }

    #[test]
    fn other_tables_are_refused() {
        for text in [
            "",
            "epoch\tstep\n",
            "fold\ttest_loss\tcheckpoint\n0\t1.0\n",
            "fold\ttest_loss\tcheckpoint\n0\tmuch\tx\n",
            "fold\ttest_loss\tcheckpoint\nfirst\t1.0\tx\n",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
