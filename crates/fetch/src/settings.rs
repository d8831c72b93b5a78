//! Where the hubs are, where their files lie here, and what opens them: as the environment says it to their own tools.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::credential::{Credential, Secret, in_file};
use crate::{Error, Result};

/// Where Hugging Face is.
const HUGGING_FACE: &str = "https://huggingface.co";

/// What the environment says about the hubs.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) hugging_face: HuggingFace,
    pub(crate) kaggle: Kaggle,
    /// Whether nothing is to be fetched.
    pub(crate) offline: bool,
    /// The pause before a question is asked again for the first time; later ones are twice as long each.
    pub(crate) pause: Duration,
    /// How long a hub may say nothing in the middle of an answer.
    pub(crate) patience: Duration,
}

/// What is waited where nobody says otherwise.
const PAUSE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct HuggingFace {
    /// `https://huggingface.co`, without a slash at its end.
    pub(crate) endpoint: String,
    /// The folder of `models--org--name` folders.
    pub(crate) cache: PathBuf,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    /// A name and a key that stood in the address, as those of mirrors may.
    user_and_key: Option<(String, Secret)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Kaggle {
    /// What the names of services follow, as `https://api.kaggle.com/v1`.
    pub(crate) endpoint: String,
    /// Where a person looks at a model.
    pub(crate) pages: String,
    /// The folder that has `models`.
    pub(crate) cache: PathBuf,
    token: Option<Secret>,
    token_files: Vec<PathBuf>,
    user_and_key: Option<(String, Secret)>,
    key_file: Option<PathBuf>,
}

impl Settings {
    /// What the environment of this process says.
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// The same by variables that a test gives.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| given(name)?.into_string().ok();
        let is_true = |name: &str| {
            text(name).is_some_and(|value| {
                ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())
            })
        };
        let homes = if cfg!(windows) {
            ["USERPROFILE", "HOME"]
        } else {
            ["HOME", "USERPROFILE"]
        };
        let home = homes.into_iter().find_map(&given);
        let home = home.map(PathBuf::from);
        let expanded = |name: &str| Some(expand(Path::new(&given(name)?), home.as_deref()));
        let address =
            text("HF_ENDPOINT").map_or_else(|| HUGGING_FACE.to_owned(), |it| trimmed(&it));
        let (endpoint, user_and_key) = without_user(address);
        Self {
            hugging_face: HuggingFace {
                endpoint,
                user_and_key,
                cache: hub_cache(expanded, home.as_deref()),
                token: Some(())
                    .filter(|()| !is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
                    .and_then(|()| text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN")))
                    .map(Secret::new),
                token_file: Some(())
                    .filter(|()| !is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
                    .and_then(|()| {
                        expanded("HF_TOKEN_PATH").or_else(|| {
                            Some(hugging_face_home(expanded, home.as_deref())?.join("token"))
                        })
                    }),
            },
            kaggle: kaggle(text, expanded, home.as_deref()),
            offline: is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE"),
            pause: PAUSE,
            patience: PATIENCE,
        }
    }

    /// Settings of a process that fetches nothing and has Hugging Face's cache in `root`.
    pub fn offline_at(root: impl Into<PathBuf>) -> Self {
        let mut settings = Self::from_variables(|_| None);
        settings.hugging_face.cache = root.into();
        settings.offline = true;
        settings
    }

    /// The same with another pause before a question is asked again; later pauses are twice as long each.
    #[must_use]
    pub fn pausing(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// The same with other patience with a hub that says nothing in the middle of an answer.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
}

impl HuggingFace {
    /// The user's token: of the environment, else of the file that `hf auth login` writes.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or it is no token.
    pub(crate) fn credential(&self) -> Result<Option<Credential>> {
        if let Some(token) = &self.token {
            return Credential::bearer(token.word().trim(), "HF_TOKEN").map(Some);
        }
        if let Some((user, key)) = &self.user_and_key {
            return Credential::basic(user, key.word(), "HF_ENDPOINT").map(Some);
        }
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let token = in_file(path)?;
        let place = path.display().to_string();
        token.map(|it| Credential::bearer(&it, &place)).transpose()
    }
}

impl Kaggle {
    /// What the user has for Kaggle, in the order of its own tools: a token in `KAGGLE_API_TOKEN` or in the file that it names, a token in
    /// `~/.kaggle/access_token`, `KAGGLE_USERNAME` with `KAGGLE_KEY`, and `kaggle.json`.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or is not what it should be.
    pub(crate) fn credential(&self) -> Result<Option<Credential>> {
        if let Some(token) = &self.token {
            let path = Path::new(token.word());
            if !path.exists() {
                return Credential::bearer(token.word().trim(), "KAGGLE_API_TOKEN").map(Some);
            }
            if let Some(token) = in_file(path)? {
                return Credential::bearer(&token, &path.display().to_string()).map(Some);
            }
        }
        for path in &self.token_files {
            if let Some(token) = in_file(path)? {
                return Credential::bearer(&token, &path.display().to_string()).map(Some);
            }
        }
        if let Some((user, key)) = &self.user_and_key {
            return Credential::basic(user, key.word(), "KAGGLE_USERNAME or KAGGLE_KEY").map(Some);
        }
        let Some(path) = &self.key_file else {
            return Ok(None);
        };
        let place = path.display().to_string();
        let Some(text) = in_file(path)? else {
            return Ok(None);
        };
        let read: Option<Value> = serde_json::from_str(&text).ok();
        let part = |name: &str| read.as_ref()?.get(name)?.as_str();
        match (part("username"), part("key")) {
            (Some(user), Some(key)) => Credential::basic(user, key, &place).map(Some),
            _ => Err(Error::Credential {
                place,
                reason: "is not {\"username\": \"..\", \"key\": \"..\"}; make a new one on kaggle.com/settings".to_owned(),
            }),
        }
    }
}

/// Hugging Face's folder: `HF_HOME`, else `XDG_CACHE_HOME/huggingface`, else `~/.cache/huggingface`.
fn hugging_face_home(
    expanded: impl Fn(&str) -> Option<PathBuf>,
    home: Option<&Path>,
) -> Option<PathBuf> {
    expanded("HF_HOME")
        .or_else(|| Some(expanded("XDG_CACHE_HOME")?.join("huggingface")))
        .or_else(|| Some(home?.join(".cache/huggingface")))
}

fn hub_cache(expanded: impl Fn(&str) -> Option<PathBuf>, home: Option<&Path>) -> PathBuf {
    expanded("HF_HUB_CACHE")
        .or_else(|| expanded("HUGGINGFACE_HUB_CACHE"))
        .or_else(|| Some(hugging_face_home(&expanded, home)?.join("hub")))
        .unwrap_or_else(|| PathBuf::from(".cache/huggingface/hub"))
}

fn kaggle(
    text: impl Fn(&str) -> Option<String>,
    expanded: impl Fn(&str) -> Option<PathBuf>,
    home: Option<&Path>,
) -> Kaggle {
    const PRODUCTION: [&str; 2] = ["https://api.kaggle.com/v1", "https://www.kaggle.com"];
    let at = |host: &str| [format!("{host}/api/v1"), host.to_owned()];
    let [endpoint, pages] = match text("KAGGLE_API_ENVIRONMENT").as_deref() {
        Some("TEST") => at("http://localhost:7777"),
        Some("LOCALHOST") => at("http://localhost"),
        Some("STAGING") => at("https://staging.kaggle.com"),
        Some("ADMIN") => at("https://admin.kaggle.com"),
        Some("QA") => at("https://qa.kaggle.com"),
        _ => match text("KAGGLE_API_ENDPOINT") {
            Some(host) => at(&trimmed(&host)),
            None => PRODUCTION.map(str::to_owned),
        },
    };
    let folder = home.map(|home| home.join(".kaggle"));
    let token_files = ["access_token", "access_token.txt"];
    let token_files = token_files.map(|name| Some(folder.as_ref()?.join(name)));
    let cache = expanded("KAGGLEHUB_CACHE")
        .or_else(|| Some(home?.join(".cache/kagglehub")))
        .unwrap_or_else(|| PathBuf::from(".cache/kagglehub"));
    Kaggle {
        endpoint,
        pages,
        cache,
        token: text("KAGGLE_API_TOKEN").map(Secret::new),
        token_files: token_files.into_iter().flatten().collect(),
        user_and_key: text("KAGGLE_USERNAME").zip(text("KAGGLE_KEY").map(Secret::new)),
        key_file: expanded("KAGGLE_CONFIG_DIR")
            .or(folder)
            .map(|folder| folder.join("kaggle.json")),
    }
}

/// An address without the name and key in it, `https://name:key@host`, and these.
fn without_user(address: String) -> (String, Option<(String, Secret)>) {
    let parts = address.split_once("://");
    let Some((user, rest)) = parts.and_then(|(_, rest)| rest.split_once('@')) else {
        return (address, None);
    };
    let (scheme, _) = parts.unwrap_or_default();
    let (user, key) = user.split_once(':').unwrap_or((user, ""));
    let both = (user.to_owned(), Secret::new(key.to_owned()));
    (format!("{scheme}://{rest}"), Some(both))
}

fn trimmed(endpoint: &str) -> String {
    endpoint.trim().trim_end_matches('/').to_owned()
}

/// A path whose `~` is the home.
fn expand(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        Settings::from_variables(|name| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(value))
        })
    }

    #[test]
    fn the_cache_is_where_hugging_faces_tools_have_it() {
        for (variables, cache) in [
            (&[("HOME", "/h")][..], "/h/.cache/huggingface/hub"),
            (
                &[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")],
                "/x/huggingface/hub",
            ),
            (&[("HOME", "/h"), ("HF_HOME", "/f")], "/f/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "~/f")], "/h/f/hub"),
            (&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")], "/c"),
            (
                &[("HF_HOME", ""), ("HOME", "/h")],
                "/h/.cache/huggingface/hub",
            ),
        ] {
            assert_eq!(settings(variables).hugging_face.cache, Path::new(cache));
        }
    }

    #[test]
    fn a_token_of_the_environment_wins_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        let header = |variables: &[(&str, &str)]| {
            let credential = settings(variables).hugging_face.credential().unwrap();
            credential.map(|credential| credential.header().to_owned())
        };
        assert_eq!(header(&[("HF_HOME", home)]), None);
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let of_file = Some("Bearer hf_file".to_owned());
        assert_eq!(header(&[("HF_HOME", home)]), of_file);
        let of_variable = Some("Bearer hf_env".to_owned());
        assert_eq!(
            header(&[("HF_HOME", home), ("HF_TOKEN", "hf_env")]),
            of_variable
        );
        let off = ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
        assert_eq!(
            header(&[("HF_HOME", home), ("HF_TOKEN", "hf_env"), off]),
            None
        );
    }

    #[test]
    fn a_name_and_key_in_an_address_are_taken_out_of_it() {
        let found = settings(&[("HF_ENDPOINT", "https://u:k@mirror.example/hf/")]);
        assert_eq!(found.hugging_face.endpoint, "https://mirror.example/hf");
        let credential = found.hugging_face.credential().unwrap().unwrap();
        assert_eq!(credential.header(), "Basic dTpr");
        assert!(!format!("{found:?}").contains(":k@"));
    }

    #[test]
    fn credentials_of_kaggle_are_taken_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let home = at("");
        std::fs::create_dir(at(".kaggle")).unwrap();
        let header = |variables: &[(&str, &str)]| {
            let variables = [variables, &[("HOME", home.as_str())]].concat();
            let credential = settings(&variables).kaggle.credential().unwrap();
            credential.map(|credential| credential.header().to_owned())
        };
        let key = [("KAGGLE_USERNAME", "u"), ("KAGGLE_KEY", "k")];
        assert_eq!(header(&[]), None);
        std::fs::write(
            at(".kaggle/kaggle.json"),
            r#"{"username": "a", "key": "b"}"#,
        )
        .unwrap();
        assert_eq!(header(&[]).unwrap(), "Basic YTpi");
        assert_eq!(header(&key).unwrap(), "Basic dTpr");
        std::fs::write(at(".kaggle/access_token"), "file\n").unwrap();
        assert_eq!(header(&key).unwrap(), "Bearer file");
        assert_eq!(
            header(&[("KAGGLE_API_TOKEN", "word")]).unwrap(),
            "Bearer word"
        );
        std::fs::write(at("elsewhere"), "of-a-path").unwrap();
        let path = at("elsewhere");
        let by_path = header(&[("KAGGLE_API_TOKEN", &path)]);
        assert_eq!(by_path.unwrap(), "Bearer of-a-path");
    }

    #[test]
    fn a_broken_key_file_is_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kaggle.json"), r#"{"key": "secret"}"#).unwrap();
        let place = folder.path().to_str().unwrap();
        let error = settings(&[("KAGGLE_CONFIG_DIR", place)])
            .kaggle
            .credential();
        let message = error.unwrap_err().to_string();
        assert!(message.contains("kaggle.json is not"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }

    #[test]
    fn the_hubs_are_where_the_environment_says() {
        let found = settings(&[
            ("HF_ENDPOINT", "https://mirror.example/"),
            ("KAGGLE_API_ENVIRONMENT", "TEST"),
        ]);
        assert_eq!(found.hugging_face.endpoint, "https://mirror.example");
        assert_eq!(found.kaggle.endpoint, "http://localhost:7777/api/v1");
        let plain = settings(&[]);
        assert_eq!(plain.hugging_face.endpoint, "https://huggingface.co");
        assert_eq!(plain.kaggle.endpoint, "https://api.kaggle.com/v1");
        assert!(!plain.offline && settings(&[("HF_HUB_OFFLINE", "ON")]).offline);
    }
}
