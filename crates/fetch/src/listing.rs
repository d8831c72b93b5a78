//! What files there are at a hub, as it says itself. Nothing of what it says is taken that could leave a folder or fill a memory.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::digest::{Digest, is_hex};

/// The most files of one repository.
const FILES: usize = 200_000;

/// The longest path of one.
const PATH: usize = 1_000;

/// The form of list that Hugging Face's own tools keep.
const FORMAT: u64 = 1;

/// The files of one state of a repository, by their paths in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    files: BTreeMap<String, Entry>,
}

/// A file at a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its bytes; none where the hub does not say.
    pub size: Option<u64>,
    /// What they add up to, where the hub says it beforehand.
    pub(crate) digest: Option<Digest>,
    /// What git calls it, or the pointer to it.
    git: Option<String>,
    /// What Xet calls it.
    xet: Option<String>,
}

impl Entry {
    /// What Hugging Face calls the file's content, which is also its name in the cache.
    pub(crate) fn etag(&self) -> Option<&str> {
        match &self.digest {
            Some(Digest::Sha256(hex)) => Some(hex),
            Some(Digest::GitBlob { sha1, .. }) => Some(sha1),
            _ => None,
        }
    }

    /// One of which no more is known than its size, if that.
    pub(crate) fn of_size(size: Option<u64>) -> Self {
        Self {
            size,
            digest: None,
            git: None,
            xet: None,
        }
    }
}

impl Listing {
    /// All files by their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.files
            .iter()
            .map(|(path, entry)| (path.as_str(), entry))
    }

    /// A file.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.files.get(path)
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// The bytes of all files, as far as these are known.
    pub fn bytes(&self) -> u64 {
        bytes_of(self.files.values())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// Its path cannot be one in a folder, it is there already, or there are too many.
    pub(crate) fn add(&mut self, path: &str, entry: Entry) -> Result<(), String> {
        if !stays_inside(path) {
            return Err(format!("{path:?} cannot be the path of a file in a folder"));
        }
        if self.files.len() >= FILES {
            return Err(format!("it lists more than {FILES} files"));
        }
        match self.files.insert(path.to_owned(), entry) {
            None => Ok(()),
            Some(_) => Err(format!("{path:?} is listed twice")),
        }
    }

    /// Adds a page of Hugging Face's list of a tree.
    ///
    /// # Errors
    ///
    /// It has another form, or a file that cannot be.
    pub fn add_tree(&mut self, page: &Value) -> Result<(), String> {
        let page = page.as_array().ok_or("it is no list")?;
        for file in page {
            if text(file, "type")? != "file" {
                continue;
            }
            let large = file.get("lfs").filter(|large| !large.is_null());
            let sha256 = large.map(|large| text(large, "oid")).transpose()?;
            let size = match large {
                Some(large) => number(large, "size")?,
                None => number(file, "size")?,
            };
            let entry =
                of_hugging_face(size, text(file, "oid")?, sha256, optional(file, "xetHash"))?;
            self.add(text(file, "path")?, entry)?;
        }
        Ok(())
    }

    /// Reads a list that Hugging Face's own tools keep in their cache; none if it is one of another form.
    ///
    /// # Errors
    ///
    /// It is broken.
    pub fn from_tree_file(bytes: &[u8]) -> Result<Option<Self>, String> {
        let read: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if read.get("format_version").and_then(Value::as_u64) != Some(FORMAT) {
            return Ok(None);
        }
        let files = read.get("files").and_then(Value::as_object);
        let mut listing = Self::default();
        for (path, file) in files.ok_or("it has no files")? {
            let sha256 = optional(file, "lfs_sha256");
            let size = match sha256 {
                Some(_) => file.get("lfs_size").and_then(Value::as_u64),
                None => None,
            };
            let size = size.map_or_else(|| number(file, "size"), Ok)?;
            let entry = of_hugging_face(
                size,
                text(file, "blob_id")?,
                sha256,
                optional(file, "xet_hash"),
            )?;
            listing.add(path, entry)?;
        }
        Ok(Some(listing))
    }

    /// The same list for them. Files without a size or a name of git's are left out.
    pub fn to_tree_file(&self) -> Vec<u8> {
        let mut files = Map::new();
        for (path, entry) in &self.files {
            let (Some(size), Some(git)) = (entry.size, &entry.git) else {
                continue;
            };
            let mut file = json!({"size": size, "blob_id": git});
            if let Some(Digest::Sha256(sha256)) = &entry.digest {
                file["lfs_sha256"] = json!(sha256);
                file["lfs_size"] = json!(size);
            }
            if let Some(xet) = &entry.xet {
                file["xet_hash"] = json!(xet);
            }
            files.insert(path.clone(), file);
        }
        format!("{:#}", json!({"format_version": FORMAT, "files": files})).into_bytes()
    }

    /// Adds a page of Kaggle's list; gives what names the next page.
    ///
    /// # Errors
    ///
    /// It has another form, or a file that cannot be.
    pub fn add_kaggle(&mut self, page: &Value) -> Result<Option<String>, String> {
        let page = page.as_object().ok_or("it is no object")?;
        let files = match page.get("files") {
            // What is empty is left out.
            None | Some(Value::Null) => &[],
            Some(Value::Array(files)) => files.as_slice(),
            Some(_) => return Err("\"files\" is no list".to_owned()),
        };
        for file in files {
            let size = file.get("size").or_else(|| file.get("totalBytes"));
            // Numbers of 64 bits may be written as words.
            let size = match size {
                Some(Value::String(digits)) => {
                    Some(digits.parse().map_err(|_| "a size is no number")?)
                }
                Some(size) => Some(size.as_u64().ok_or("a size is no number")?),
                None => None,
            };
            self.add(text(file, "name")?, Entry::of_size(size))?;
        }
        let next = page.get("nextPageToken").and_then(Value::as_str);
        Ok(next.filter(|next| !next.is_empty()).map(str::to_owned))
    }

    /// Reads the list of a model of Kaggle that was kept.
    ///
    /// # Errors
    ///
    /// It is broken.
    pub fn from_kept(bytes: &[u8]) -> Result<Self, String> {
        let read: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut listing = Self::default();
        for (path, file) in read.as_object().ok_or("it is no object")? {
            let size = file.get("size").and_then(Value::as_u64);
            listing.add(path, Entry::of_size(size))?;
        }
        Ok(listing)
    }

    /// The list of a model of Kaggle, to be kept.
    pub fn to_keep(&self) -> Vec<u8> {
        let mut files = Map::new();
        for (path, entry) in &self.files {
            files.insert(path.clone(), json!({"size": entry.size}));
        }
        format!("{:#}", Value::Object(files)).into_bytes()
    }
}

/// The bytes of several files, as far as these are known.
pub(crate) fn bytes_of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> u64 {
    let sizes = entries.into_iter().filter_map(|entry| entry.size);
    sizes.fold(0, u64::saturating_add)
}

/// Whether a path is one of a file below a folder, on this system and on others.
pub fn stays_inside(path: &str) -> bool {
    let leaves = |step: &str| {
        let is_special = matches!(step, "" | "." | "..");
        is_special || step.contains('\\') || (cfg!(windows) && step.contains(':'))
    };
    path.len() <= PATH && !path.contains(char::is_control) && !path.split('/').any(leaves)
}

/// A file of Hugging Face, whose content git or a SHA-256 names.
fn of_hugging_face(
    size: u64,
    git: &str,
    sha256: Option<&str>,
    xet: Option<&str>,
) -> Result<Entry, String> {
    let (name, digits) = match sha256 {
        Some(sha256) => (sha256, 64),
        None => (git, 40),
    };
    let digest = Digest::of_blob(name, size).filter(|_| name.len() == digits);
    let digest = digest.ok_or_else(|| format!("{name:?} is no digest of {digits} digits"))?;
    Ok(Entry {
        size: Some(size),
        digest: Some(digest),
        git: Some(git.to_owned()),
        // Others look no further than at its form.
        xet: xet
            .filter(|xet| xet.len() == 64 && is_hex(xet))
            .map(str::to_owned),
    })
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    optional(value, key).ok_or_else(|| format!("\"{key}\" is no text"))
}

fn optional<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn number(value: &Value, key: &str) -> Result<u64, String> {
    let number = value.get(key).and_then(Value::as_u64);
    number.ok_or_else(|| format!("\"{key}\" is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tree() -> Value {
        json!([
            {"type": "directory", "oid": "a".repeat(40), "size": 0, "path": "1_Pooling"},
            {"type": "file", "oid": "b".repeat(40), "size": 190, "path": "1_Pooling/config.json"},
            {"type": "file", "oid": "c".repeat(40), "size": 134, "path": "model.safetensors",
             "lfs": {"oid": "d".repeat(64), "size": 90_868_376_u64, "pointerSize": 133}, "xetHash": "e".repeat(64)},
        ])
    }

    #[test]
    fn a_tree_has_its_files_with_sizes_and_digests() {
        let mut listing = Listing::default();
        listing.add_tree(&tree()).unwrap();
        let paths: Vec<_> = listing.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["1_Pooling/config.json", "model.safetensors"]);
        let large = listing.get("model.safetensors").unwrap();
        assert_eq!(
            (large.size, large.etag()),
            (Some(90_868_376), Some(&*"d".repeat(64)))
        );
        let small = listing.get("1_Pooling/config.json").unwrap();
        assert_eq!(
            (small.size, small.etag()),
            (Some(190), Some(&*"b".repeat(40)))
        );
        let kept = listing.to_tree_file();
        assert_eq!(Listing::from_tree_file(&kept).unwrap(), Some(listing));
    }

    #[test]
    fn a_path_that_leaves_its_folder_is_refused() {
        for path in [
            "../x",
            "/etc/passwd",
            "a/../../x",
            "a//b",
            ".",
            "",
            "a\\b",
            "a\nb",
            "a/",
            "\u{1b}[31m",
        ] {
            let page = json!([{"type": "file", "oid": "b".repeat(40), "size": 1, "path": path}]);
            let problem = Listing::default().add_tree(&page).unwrap_err();
            assert!(problem.contains("cannot be the path"), "{problem}");
            assert!(!problem.contains(char::is_control), "{problem:?}");
            let page = json!({"files": [{"name": path, "size": 1}]});
            assert!(Listing::default().add_kaggle(&page).is_err());
            let kept = json!({path: {"size": 1}}).to_string();
            assert!(Listing::from_kept(kept.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_digest_that_is_none_cannot_become_a_name_in_the_cache() {
        for oid in ["../../x", "", "B", &"b".repeat(39)] {
            let page = json!([{"type": "file", "oid": oid, "size": 1, "path": "x"}]);
            assert!(Listing::default().add_tree(&page).is_err(), "{oid}");
        }
    }

    #[test]
    fn a_page_of_kaggle_says_what_comes_next() {
        let mut listing = Listing::default();
        let page = json!({"files": [{"name": "config.json", "size": 3}, {"name": "empty"}], "nextPageToken": "t"});
        assert_eq!(listing.add_kaggle(&page).unwrap().as_deref(), Some("t"));
        let page = json!({"files": [{"name": "assets/v", "size": "12"}], "nextPageToken": ""});
        assert_eq!(listing.add_kaggle(&page).unwrap(), None);
        assert_eq!(listing.get("assets/v").unwrap().size, Some(12));
        assert_eq!(Listing::from_kept(&listing.to_keep()).unwrap(), listing);
        assert!(
            listing
                .add_kaggle(&json!({"files": [{"name": "assets/v"}]}))
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn a_path_that_is_taken_stays_below_its_folder(path in "[a./\\\\:]{0,8}") {
            if stays_inside(&path) {
                let joined = std::path::Path::new("/folder").join(&path);
                let steps = joined.components().count();
                prop_assert!(joined.starts_with("/folder") && steps == 2 + path.split('/').count());
            }
        }
    }
}
