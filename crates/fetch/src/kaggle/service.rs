//! Kaggle's service: a POST of JSON to `models.ModelApiService`. Files are fetched from the storage that the answer leads to, which says by
//! `x-goog-hash` what they add up to.

use serde_json::{Value, json};

use super::KaggleModel;
use crate::client::{Answer, Call, one_line};
use crate::credential::Credential;
use crate::error::Refusal;
use crate::listing::Listing;
use crate::{Error, Hubs, Result};

/// More files than these are fetched as one archive.
pub(super) const ONE_BY_ONE: usize = 25;

/// Pages of a list of files.
const PAGES: usize = 10_000;

/// A model that Kaggle is asked about.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) hubs: &'a Hubs,
    pub(super) model: &'a KaggleModel,
    /// What a user calls it.
    pub(super) name: &'a str,
}

impl Question<'_> {
    /// A call of the service, about the model.
    pub(super) fn call<'a>(
        &'a self,
        what: &str,
        more: &Value,
        credential: Option<&'a Credential>,
    ) -> Call<'a> {
        let mut about = json!({
            "ownerSlug": self.model.owner,
            "modelSlug": self.model.model,
            "framework": self.model.framework_of_service(),
            "instanceSlug": self.model.variation,
        });
        if let Some(version) = self.model.version {
            about["versionNumber"] = version.into();
        }
        for (key, value) in more.as_object().into_iter().flatten() {
            about[key] = value.clone();
        }
        let endpoint = &self.hubs.settings().kaggle.endpoint;
        Call {
            name: self.name,
            url: format!("{endpoint}/models.ModelApiService/{what}"),
            credential,
            from: None,
            json: Some(about),
        }
    }

    pub(super) fn credential(&self) -> Result<Option<Credential>> {
        self.hubs.settings().kaggle.credential()
    }

    fn ask(&self, what: &str, more: &Value) -> Result<(Value, String)> {
        let credential = self.credential()?;
        let call = self.call(what, more, credential.as_ref());
        let explain = |answer: &mut Answer| self.explain(answer, credential.is_some());
        let mut answer = self.hubs.client().ask_patiently(&call, explain)?;
        Ok((answer.json(&call)?, answer.host))
    }

    /// The number of its current version.
    pub(super) fn version(&self) -> Result<u32> {
        let (found, host) = self.ask("GetModelInstance", &json!({}))?;
        let version = found.get("versionNumber").and_then(Value::as_u64);
        let version = version
            .and_then(|it| u32::try_from(it).ok())
            .filter(|it| *it > 0);
        version.ok_or_else(|| self.senseless(&host, "no number of a version"))
    }

    /// All its files.
    pub(super) fn listing(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut page = json!({"pageSize": ONE_BY_ONE});
        let mut before = 0;
        for _ in 0..PAGES {
            let (found, host) = self.ask("ListModelInstanceVersionFiles", &page)?;
            let next = listing.add_kaggle(&found).map_err(|problem| {
                self.senseless(&host, &format!("a list of files of which {problem}"))
            })?;
            let Some(next) = next else {
                return Ok(listing);
            };
            if listing.len() == before {
                return Err(self.senseless(&host, "a list without end"));
            }
            before = listing.len();
            page["pageToken"] = next.into();
        }
        Err(self.senseless(&self.hubs.settings().kaggle.endpoint, "a list without end"))
    }

    fn senseless(&self, host: &str, what: &str) -> Error {
        self.call("", &json!({}), None).senseless(host, what).error
    }

    /// What an answer means that is no success.
    pub(super) fn explain(&self, answer: &mut Answer, has_credential: bool) -> Error {
        let page = format!(
            "{}/models/{}/{}/{}/{}",
            self.hubs.settings().kaggle.pages,
            self.model.owner,
            self.model.model,
            self.model.framework,
            self.model.variation
        );
        let help = "KAGGLE_API_TOKEN or ~/.kaggle/access_token";
        let (reason, kind) = match answer.status {
            401 if has_credential => (
                format!(
                    "Kaggle does not know the token or key; make a new one at https://www.kaggle.com/settings and give it by {help}"
                ),
                Refusal::Forbidden,
            ),
            401 => (
                format!("Kaggle wants to know who asks; give a token by {help}"),
                Refusal::Forbidden,
            ),
            403 if has_credential => (
                format!("Kaggle refuses; if the model asks for consent, give it at {page}"),
                Refusal::Forbidden,
            ),
            403 => (
                format!(
                    "Kaggle refuses without a token; give one by {help}, and if the model asks for consent, give it at {page}"
                ),
                Refusal::Forbidden,
            ),
            404 => (
                format!("Kaggle has no such model, variation or version; see {page}"),
                Refusal::NotFound,
            ),
            429 => (
                "Kaggle gets too many questions from here; come back in a few minutes".to_owned(),
                Refusal::Later,
            ),
            status @ 500..=599 => (
                format!(
                    "Kaggle is in trouble (status {status}); try again later, what came is kept"
                ),
                Refusal::Later,
            ),
            status => {
                let said = answer.words().map(|said| format!(": {}", one_line(&said)));
                (
                    format!(
                        "{} answered with status {status}{}",
                        answer.host,
                        said.unwrap_or_default()
                    ),
                    Refusal::Senseless,
                )
            }
        };
        Error::Refused {
            name: self.name.to_owned(),
            reason,
            kind,
        }
    }
}
