//! Serves folders as the Hugging Face hub and Kaggle would, until it is killed.
//!
//! `serve [--port 7777] [--models DIR] [--datasets DIR] [--kaggle DIR] [--generated org/name:SIZE]`: `DIR/org/name/*` are repositories
//! of Hugging Face, `DIR/owner/model/framework/variation/version/*` models of Kaggle.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use engraft_loopback::{Content, Hub, KaggleModel, Repository};

/// Files from this size on are stored as LFS.
const LARGE: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let pairs: Vec<(&str, &str)> = arguments
        .chunks(2)
        .map(|pair| (pair[0].as_str(), pair.get(1).map_or("", String::as_str)))
        .collect();
    let port = pairs
        .iter()
        .find(|(option, _)| *option == "--port")
        .map_or(Ok(0), |(_, port)| port.parse())?;
    let hub = Hub::at(port)?;
    for (option, value) in pairs {
        match option {
            "--port" => {}
            "--models" => add_repositories(&hub, Path::new(value), Repository::model)?,
            "--datasets" => add_repositories(&hub, Path::new(value), Repository::data_set)?,
            "--kaggle" => add_kaggle(&hub, Path::new(value))?,
            "--generated" => add_generated(&hub, value)?,
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    println!("hub {} store {}", hub.url(), hub.store_url());
    loop {
        std::thread::park();
    }
}

fn add_repositories(
    hub: &Hub,
    root: &Path,
    new: fn(&str) -> Repository,
) -> Result<(), Box<dyn Error>> {
    for (name, folder) in folders(root, 2)? {
        let mut repository = new(&name);
        for (path, file) in files(&folder)? {
            let content = Content::from(fs::read(file)?);
            let weights = path.ends_with(".safetensors") || path.ends_with(".h5");
            if weights || content.size() > LARGE {
                repository = repository.large(&path, content);
            } else {
                repository = repository.file(&path, content);
            }
        }
        hub.add(repository);
    }
    Ok(())
}

fn add_kaggle(hub: &Hub, root: &Path) -> Result<(), Box<dyn Error>> {
    let mut versions = Vec::new();
    for (handle, folder) in folders(root, 4)? {
        for (version, folder) in folders(&folder, 1)? {
            versions.push((handle.clone(), version.parse::<u32>()?, folder));
        }
    }
    // The last one added is the current one.
    versions.sort_by_key(|(_, version, _)| *version);
    for (handle, version, folder) in versions {
        let mut model = KaggleModel::new(&handle).version(version);
        for (path, file) in files(&folder)? {
            model = model.file(&path, fs::read(file)?);
        }
        hub.add_kaggle(model);
    }
    Ok(())
}

fn add_generated(hub: &Hub, value: &str) -> Result<(), Box<dyn Error>> {
    let (name, size) = value
        .rsplit_once(':')
        .ok_or("--generated wants org/name:SIZE")?;
    let weights = Content::Generated {
        seed: 1,
        size: size.parse()?,
    };
    hub.add(
        Repository::model(name)
            .file("config.json", b"{}")
            .large("model.safetensors", weights),
    );
    Ok(())
}

/// The folders `depth` levels below `root`, with their names from there.
fn folders(root: &Path, depth: usize) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut found = vec![(String::new(), root.to_path_buf())];
    for _ in 0..depth {
        let mut deeper = Vec::new();
        for (name, folder) in found {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                if entry.path().is_dir() {
                    let part = entry.file_name().to_string_lossy().into_owned();
                    deeper.push((
                        if name.is_empty() {
                            part
                        } else {
                            format!("{name}/{part}")
                        },
                        entry.path(),
                    ));
                }
            }
        }
        found = deeper;
    }
    Ok(found)
}

/// All files below `root`, with their paths from there.
fn files(root: &Path) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push((
                    path.strip_prefix(root)?.to_string_lossy().into_owned(),
                    path,
                ));
            }
        }
    }
    Ok(found)
}
