//! A model of Kaggle as a test describes it, and as the server holds it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::archive;
use crate::content::{Content, Source, hexadecimal};
use crate::repository::Access;
use crate::shelf::Stored;

/// One version of a variation of a model of Kaggle. The version added last is the current one.
#[derive(Clone, Debug)]
pub struct KaggleModel {
    owner: String,
    model: String,
    framework: String,
    variation: String,
    version: u32,
    files: BTreeMap<String, Content>,
    access: Access,
    authorization: Option<String>,
    archive: Option<Vec<u8>>,
}

impl KaggleModel {
    /// Version 1 of `owner/model/framework/variation`. The framework is compared without regard to case, underscores and the prefix
    /// `MODEL_FRAMEWORK_`. Parts that the handle lacks are empty.
    pub fn new(handle: &str) -> Self {
        let mut parts = handle.splitn(4, '/').map(str::to_string);
        let mut part = || parts.next().unwrap_or_default();
        KaggleModel {
            owner: part(),
            model: part(),
            framework: part(),
            variation: part(),
            version: 1,
            files: BTreeMap::new(),
            access: Access::Open,
            authorization: None,
            archive: None,
        }
    }

    /// Sets the version.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Adds a file.
    pub fn file(mut self, path: &str, content: impl Into<Content>) -> Self {
        self.files.insert(path.to_string(), content.into());
        self
    }

    /// Sets who may read; models that are gated and private ones behave alike.
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Sets the exact Authorization header that opens the model: `Bearer ..` or `Basic ..`. Any other one is refused, of open models too.
    pub fn authorization(mut self, header: &str) -> Self {
        self.authorization = Some(header.to_string());
        self
    }

    /// Sends these bytes instead of the `.tar.gz` of all files.
    pub fn archive(mut self, bytes: Vec<u8>) -> Self {
        self.archive = Some(bytes);
        self
    }
}

/// Where a model of Kaggle lies; the framework in its plain form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    owner: String,
    model: String,
    framework: String,
    variation: String,
}

impl Place {
    pub(crate) fn new(owner: &str, model: &str, framework: &str, variation: &str) -> Place {
        let letters = framework.replace('_', "").to_lowercase();
        let framework = letters
            .strip_prefix("modelframework")
            .unwrap_or(&letters)
            .to_string();
        Place {
            owner: owner.to_string(),
            model: model.to_string(),
            framework,
            variation: variation.to_string(),
        }
    }
}

/// A model in the server, hashes computed.
#[derive(Debug)]
pub(crate) struct PublishedModel {
    pub(crate) place: Place,
    pub(crate) version: u32,
    pub(crate) access: Access,
    pub(crate) authorization: Option<String>,
    pub(crate) files: BTreeMap<String, Stored>,
    archive: OnceLock<Stored>,
}

impl PublishedModel {
    pub(crate) fn of(model: &KaggleModel) -> PublishedModel {
        let archive = OnceLock::new();
        if let Some(bytes) = &model.archive {
            archive.get_or_init(|| stored(Source::Bytes(bytes.as_slice().into())));
        }
        PublishedModel {
            place: Place::new(
                &model.owner,
                &model.model,
                &model.framework,
                &model.variation,
            ),
            version: model.version,
            access: model.access,
            authorization: model.authorization.clone(),
            files: model
                .files
                .iter()
                .map(|(path, content)| (path.clone(), stored(Source::of(content))))
                .collect(),
            archive,
        }
    }

    /// The `.tar.gz` of all files, built when it is first asked for.
    pub(crate) fn archive(&self) -> Stored {
        let build = || {
            let files = self
                .files
                .iter()
                .map(|(path, stored)| (path.as_str(), stored.source.as_ref()));
            stored(Source::Bytes(archive::tar_gz(files).into()))
        };
        self.archive.get_or_init(build).clone()
    }

    /// Where the file store keeps a file, or the archive if no path is given.
    pub(crate) fn store_path(&self, path: Option<&str>) -> String {
        let Place {
            owner,
            model,
            framework,
            variation,
        } = &self.place;
        let file = path.map_or("archive.tar.gz".to_string(), |path| format!("files/{path}"));
        format!(
            "/kaggle/{owner}/{model}/{framework}/{variation}/{}/{file}",
            self.version
        )
    }
}

fn stored(source: Source) -> Stored {
    let (crc, md5) = source.crc32c_and_md5();
    let hash = format!(
        "crc32c={},md5={}",
        STANDARD.encode(crc.to_be_bytes()),
        STANDARD.encode(md5)
    );
    Stored {
        source: Arc::new(source),
        etag: hexadecimal(&md5),
        goog_hash: Some(hash),
    }
}
