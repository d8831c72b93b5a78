//! Files fetched from hubs of the test's own, which behave well and badly.

#![allow(clippy::unwrap_used, clippy::panic)]

mod hostile;
mod hugging_face;
mod kaggle;
mod tls;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engraft_fetch::{Error, Hubs, Settings};
use engraft_loopback::Hub;

/// A hub, and an empty folder for caches.
struct Place {
    hub: Hub,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            hub: Hub::start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The hubs as a process sees them that just began, with these variables beside those that lead here.
    fn hubs_with(&self, variables: &[(&str, &str)]) -> &'static Hubs {
        let ours = [
            ("HF_ENDPOINT", self.hub.url()),
            ("KAGGLE_API_ENDPOINT", self.hub.url()),
            ("HF_HOME", self.at("huggingface").display().to_string()),
            (
                "KAGGLEHUB_CACHE",
                self.at("kagglehub").display().to_string(),
            ),
        ];
        let settings = Settings::from_variables(|name| {
            let given = variables.iter().find(|(key, _)| *key == name);
            let given = given.map(|(_, value)| OsString::from(value));
            given.or_else(|| {
                Some(OsString::from(
                    &ours.iter().find(|(key, _)| *key == name)?.1,
                ))
            })
        });
        Box::leak(Box::new(Hubs::new(
            settings
                .pausing(Duration::from_millis(10))
                .patient_for(Duration::from_secs(1)),
        )))
    }

    fn hubs(&self) -> &'static Hubs {
        self.hubs_with(&[])
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The requests for a path.
    fn asked(&self, path: &str) -> usize {
        let seen = self.hub.seen();
        seen.iter().filter(|it| it.target.contains(path)).count()
    }
}

/// What a failure says, which has to be one sentence of one line.
fn said(failed: Result<impl Sized, Error>) -> String {
    let Err(error) = failed else {
        panic!("it should not work");
    };
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
    text
}

/// The names of all files below a folder.
fn below(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let inner = below(&entry.path()).into_iter();
            names.extend(inner.map(|inner| format!("{name}/{inner}")));
        } else {
            names.push(name);
        }
    }
    names.sort();
    names
}
