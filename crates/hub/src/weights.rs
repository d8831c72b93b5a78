//! The tensors of a checkpoint, wherever its files put them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use safetensors::Dtype;

use crate::bytes::Bytes;
use crate::needs::WEIGHTS;
use crate::pieces::Piece;
use crate::tensor::Pieces;
use crate::{Error, Preset, Result, TensorRef, contents, elsewhere, shards};

/// A checkpoint's tensors by name. Files are mapped, so opening is cheap and only what is read is brought into memory.
#[derive(Debug)]
pub struct Weights {
    /// What the whole is called in messages.
    label: String,
    files: Vec<Arc<WeightsFile>>,
    tensors: BTreeMap<String, Place>,
    notes: BTreeMap<String, String>,
}

#[derive(Debug)]
struct WeightsFile {
    label: String,
    bytes: Bytes,
}

#[derive(Debug, Clone)]
struct Place {
    file: usize,
    /// The name in the file, where it is known by another.
    stored: Option<String>,
    dtype: Dtype,
    shape: Vec<usize>,
    strides: Option<Vec<usize>>,
    bytes: Range<usize>,
    /// What it is put together from, where it lies nowhere as a whole.
    pieces: Option<Arc<[Piece]>>,
}

/// A tensor, or some of its rows, by another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed<'a> {
    /// What it is to be called.
    pub name: String,
    /// What it is called now.
    pub stored: &'a str,
    /// Those of its rows that are meant, along its first dimension; all if it is none.
    pub rows: Option<Range<usize>>,
}

impl Weights {
    /// Opens a preset's weights: the first that it has of `model.safetensors`, the files that `model.safetensors.index.json`
    /// lists, `pytorch_model.bin`, and the files that `pytorch_model.bin.index.json` lists.
    ///
    /// # Errors
    ///
    /// When there are none or they are quantised, when a listed file is missing or its name leads out of the preset, when a listed tensor is not in
    /// its file, and those of [`Weights::open_file`].
    pub fn open(preset: &Preset) -> Result<Weights> {
        if let Some(weights) = preset.keras_weights() {
            return weights;
        }
        preset.check_weights()?;
        preset.bring_weights()?;
        for (single, index) in WEIGHTS {
            if let Some(bytes) = preset.map(single)? {
                return Weights::from_file(preset.locate(single), bytes);
            }
            if let Some(files) = preset.json_object(index)? {
                return shards::open(preset, index, &files);
            }
        }
        Err(missing(preset))
    }

    /// Opens one file, in the format that its content shows: safetensors, or what PyTorch's `torch.save` writes (`.bin`,
    /// `.pt`, `.pth`, `.ckpt`), in either of its containers.
    ///
    /// PyTorch's files are programs, of which nothing is run: one that names a function or class beyond those of tensors is
    /// refused. Their tensors are those of the dictionary that they hold, or of the one that it has under `state_dict` or
    /// `model`; what else they hold is left out.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is truncated or inconsistent, or holds anything but tensors and plain values.
    pub fn open_file(path: &Path) -> Result<Weights> {
        Weights::from_file(path.display().to_string(), Bytes::map(path)?)
    }

    /// Reads a file held in memory, called `label` in messages, in either of the formats of [`Weights::open_file`].
    ///
    /// # Errors
    ///
    /// Those of [`Weights::open_file`] but for reading.
    pub fn from_bytes(label: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Weights> {
        Weights::from_file(label.to_owned(), Bytes::Held(bytes.into()))
    }

    /// The same files with these of their tensors, by other names; messages about one still name it as its file does. A tensor that is not
    /// there, or has not these rows, is left out; so are the notes.
    #[must_use]
    pub fn renamed<'n>(&self, tensors: impl IntoIterator<Item = Renamed<'n>>) -> Weights {
        let tensors = tensors.into_iter().filter_map(|renamed| {
            let mut place = self.tensors.get(renamed.stored)?.clone();
            place
                .stored
                .get_or_insert_with(|| renamed.stored.to_owned());
            if let Some(rows) = renamed.rows {
                place.take_rows(rows)?;
            }
            Some((renamed.name, place))
        });
        Weights {
            label: self.label.clone(),
            files: self.files.clone(),
            tensors: tensors.collect(),
            notes: BTreeMap::new(),
        }
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// All tensors, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = TensorRef<'_>> {
        self.tensors
            .iter()
            .filter_map(|(name, place)| self.tensor(name, place))
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<TensorRef<'_>> {
        let (name, place) = self.tensors.get_key_value(name)?;
        self.tensor(name, place)
    }

    /// The tensor of this name, whose absence is an error.
    ///
    /// # Errors
    ///
    /// [`Error::MissingTensor`], naming the file.
    pub fn require(&self, name: &str) -> Result<TensorRef<'_>> {
        self.get(name).ok_or_else(|| Error::MissingTensor {
            file: self.label.clone(),
            tensor: name.to_owned(),
        })
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// The file or index that was opened, for messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The notes that the file's writer left in it (`__metadata__`).
    pub fn notes(&self) -> &BTreeMap<String, String> {
        &self.notes
    }

    /// The tensors that hold infinite numbers or not-numbers, with how many; empty for a sound checkpoint. Reads everything.
    pub fn non_finite(&self) -> Vec<(&str, usize)> {
        self.iter()
            .map(|tensor| (tensor.name, tensor.non_finite()))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// 64 hexadecimal digits that identify the checkpoint: a BLAKE3 hash of every tensor's name, type, shape and bytes. The
    /// same tensors give the same digits however they are ordered or divided into files. Reads everything.
    pub fn fingerprint(&self) -> String {
        let mut hash = blake3::Hasher::new();
        let number = |hash: &mut blake3::Hasher, n: usize| {
            hash.update(&(n as u64).to_le_bytes());
        };
        for tensor in self.iter() {
            // Lengths come first, so that no two lists of tensors hash the same bytes.
            let dtype = tensor.dtype.to_string();
            for text in [tensor.name, &dtype] {
                number(&mut hash, text.len());
                hash.update(text.as_bytes());
            }
            number(&mut hash, tensor.shape.len());
            for size in tensor.shape {
                number(&mut hash, *size);
            }
            hash.update(&tensor.bytes());
        }
        hash.finalize().to_hex().to_string()
    }

    fn tensor<'a>(&'a self, name: &'a str, place: &'a Place) -> Option<TensorRef<'a>> {
        let file = self.files.get(place.file)?;
        Some(TensorRef {
            file: &file.label,
            name: place.stored.as_deref().unwrap_or(name),
            dtype: place.dtype,
            shape: &place.shape,
            strides: place.strides.as_deref(),
            bytes: file.bytes.get(place.bytes.clone())?,
            pieces: place.pieces.as_deref().map(|pieces| Pieces {
                weights: self,
                pieces,
            }),
        })
    }

    /// The bytes that hold a piece.
    pub(crate) fn bytes_of(&self, piece: &Piece) -> Option<&[u8]> {
        let file = self.files.get(piece.file)?;
        file.bytes.get(piece.bytes.clone())
    }

    /// The bytes of a file that was added.
    pub(crate) fn bytes_of_file(&self, number: usize) -> &[u8] {
        self.files.get(number).map_or(&[], |file| &file.bytes)
    }

    /// Adds a file without its tensors; gives its number.
    pub(crate) fn add_file(&mut self, label: String, bytes: Bytes) -> usize {
        self.files.push(Arc::new(WeightsFile { label, bytes }));
        self.files.len() - 1
    }

    /// Adds a tensor that is put together from pieces of files that were added, which messages call `stored`. Each piece's bytes have as many
    /// numbers as it moves from, and the tensor as many as it moves to.
    pub(crate) fn add_pieces(
        &mut self,
        name: String,
        stored: String,
        dtype: Dtype,
        shape: Vec<usize>,
        pieces: Vec<Piece>,
    ) {
        let file = pieces.first().map_or(0, |piece| piece.file);
        let mut place = Place {
            file,
            stored: Some(stored),
            dtype,
            shape,
            strides: None,
            bytes: 0..0,
            pieces: None,
        };
        let size = dtype.bitsize() / 8;
        match pieces.as_slice() {
            [only] if only.moved.is_same(&place.shape, only.bytes.len() / size) => {
                place.bytes = only.bytes.clone();
            }
            _ => place.pieces = Some(pieces.into()),
        }
        self.tensors.insert(name, place);
    }

    pub(crate) fn empty(label: String) -> Weights {
        Weights {
            label,
            files: Vec::new(),
            tensors: BTreeMap::new(),
            notes: BTreeMap::new(),
        }
    }

    fn from_file(label: String, bytes: Bytes) -> Result<Weights> {
        let mut weights = Weights::empty(label.clone());
        weights.add(label, bytes, |_| true)?;
        Ok(weights)
    }

    /// Adds the tensors of one file that `wanted` names.
    pub(crate) fn add(
        &mut self,
        label: String,
        bytes: Bytes,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let contents = contents::read(&label, &bytes)?;
        let file = self.files.len();
        self.files.push(Arc::new(WeightsFile { label, bytes }));
        self.notes.extend(contents.notes);
        for entry in contents
            .entries
            .into_iter()
            .filter(|entry| wanted(&entry.name))
        {
            let place = Place {
                file,
                stored: None,
                dtype: entry.dtype,
                shape: entry.shape,
                strides: entry.strides,
                bytes: entry.bytes,
                pieces: None,
            };
            self.tensors.insert(entry.name, place);
        }
        Ok(())
    }
}

impl Place {
    /// Makes it its rows `rows`; none if it has not all of them, or is put together.
    fn take_rows(&mut self, rows: Range<usize>) -> Option<()> {
        let (count, inner) = self.shape.split_first()?;
        let is_divided = self.pieces.is_some();
        if is_divided || rows.is_empty() || rows.end > *count || inner.contains(&0) {
            return None;
        }
        let size = self.dtype.bitsize() / 8;
        // Numbers from the first to the last of a row, and from a row to the next.
        let (span, step) = match &self.strides {
            None => {
                let length = inner.iter().product::<usize>();
                (length, length)
            }
            Some(strides) => {
                let (step, strides) = strides.split_first()?;
                let last = inner
                    .iter()
                    .zip(strides)
                    .map(|(size, stride)| (size - 1) * stride);
                (last.sum::<usize>() + 1, *step)
            }
        };
        let start = self.bytes.start + rows.start * step * size;
        let end = start + ((rows.len() - 1) * step + span) * size;
        self.shape[0] = rows.len();
        self.bytes = start..end;
        Some(())
    }
}

/// The error for a preset without weights.
fn missing(preset: &Preset) -> Error {
    let known = preset
        .dir()
        .and_then(|folder| elsewhere::folder(folder, WEIGHTS[0].0));
    if let Some(reason) = known {
        return preset.unusable(reason);
    }
    let names: Vec<_> = WEIGHTS
        .iter()
        .flat_map(|(single, index)| [*single, *index])
        .collect();
    Error::MissingFile {
        preset: preset.name().to_owned(),
        file: names.join(", no "),
        hint: "a preset is a folder with config.json, weights and a tokenizer's files".into(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{TensorData, TensorToWrite, write_safetensors};
    use std::fs;

    const SAFETENSORS: &str = "model.safetensors";

    fn save(path: &Path, tensors: &[(&str, &[f32])]) {
        let tensors = tensors.iter().map(|(name, numbers)| TensorToWrite {
            name: Cow::Borrowed(*name),
            shape: vec![numbers.len()],
            data: TensorData::F32(Cow::Borrowed(*numbers)),
        });
        write_safetensors(path, tensors, &BTreeMap::new()).unwrap();
    }

    fn preset(fill: impl Fn(&Path)) -> (tempfile::TempDir, Preset) {
        let root = tempfile::tempdir().unwrap();
        fill(root.path());
        let preset = Preset::from_name(root.path().to_str().unwrap()).unwrap();
        (root, preset)
    }

    /// Opens two files under the index given.
    pub(crate) fn sharded(index: &str) -> Result<Weights> {
        let (_root, preset) = preset(|dir| {
            save(
                &dir.join("one.safetensors"),
                &[("a", &[1.0]), ("extra", &[9.0])],
            );
            save(&dir.join("two.safetensors"), &[("b", &[2.0, 3.0])]);
            fs::write(dir.join("model.safetensors.index.json"), index).unwrap();
        });
        Weights::open(&preset)
    }

    #[test]
    fn the_built_in_weights_have_their_names_and_shapes_and_are_finite() {
        let weights = Weights::open(&Preset::from_name("sapiens_vh").unwrap()).unwrap();
        assert_eq!(weights.len(), 74);
        assert_eq!(
            weights.require("lm_head.dense.weight").unwrap().shape(),
            [128, 128]
        );
        assert!(weights.non_finite().is_empty());
        assert!(weights.get("absent").is_none());
        let message = weights.require("absent").unwrap_err().to_string();
        assert_eq!(
            message,
            "sapiens_vh/model.safetensors has no tensor \"absent\""
        );
    }

    #[test]
    fn renamed_tensors_and_their_rows_are_those_of_the_file_and_named_as_there_in_messages() {
        let (_root, whole) = preset(|dir| {
            save(
                &dir.join(SAFETENSORS),
                &[("a", &[1.0, 2.0, 3.0]), ("b", &[4.0])],
            )
        });
        let whole = Weights::open(&whole).unwrap();
        let part = |name: &str, stored, rows| Renamed {
            name: name.to_owned(),
            stored,
            rows,
        };
        let view = whole.renamed([
            part("x", "a", None),
            part("y", "a", Some(1..3)),
            part("z", "a", Some(2..4)),
            part("v", "absent", None),
        ]);
        assert_eq!(view.names().collect::<Vec<_>>(), ["x", "y"]);
        let rows = view.require("y").unwrap();
        assert_eq!((rows.name(), rows.shape()), ("a", &[2][..]));
        assert_eq!(rows.to_f32().unwrap(), [2.0, 3.0]);
        assert_eq!(view.get("x").unwrap().to_f32().unwrap(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn absent_weights_say_what_was_looked_for() {
        let (_root, empty) = preset(|_| ());
        let message = Weights::open(&empty).unwrap_err().to_string();
        assert!(
            message.contains(
                "has no model.safetensors, no model.safetensors.index.json, no pytorch_model.bin, no pytorch_model.bin.index.json; \
                 a preset is a folder"
            ),
            "{message}"
        );
    }

    #[test]
    fn a_file_named_as_pytorchs_that_is_something_else_is_refused_as_such() {
        let (_root, other) = preset(|dir| fs::write(dir.join("pytorch_model.bin"), b"x").unwrap());
        let message = Weights::open(&other).unwrap_err().to_string();
        assert!(
            message.contains("pytorch_model.bin is not a usable PyTorch file: it is 1 bytes long and begins neither"),
            "{message}"
        );
    }

    #[test]
    fn a_truncated_file_is_refused_by_its_name() {
        let (_root, broken) = preset(|dir| {
            save(&dir.join(SAFETENSORS), &[("a", &[1.0, 2.0])]);
            let whole = fs::read(dir.join(SAFETENSORS)).unwrap();
            fs::write(dir.join(SAFETENSORS), &whole[..whole.len() - 3]).unwrap();
        });
        let message = Weights::open(&broken).unwrap_err().to_string();
        assert!(
            message.contains("model.safetensors is not a usable safetensors file")
                && message.contains("cut short"),
            "{message}"
        );
    }

    #[test]
    fn an_empty_file_and_a_folder_in_its_place_are_refused() {
        let (_root, empty) = preset(|dir| fs::write(dir.join(SAFETENSORS), b"").unwrap());
        assert!(
            Weights::open(&empty)
                .unwrap_err()
                .to_string()
                .contains("0 bytes long")
        );
        let (_root, folder) = preset(|dir| fs::create_dir(dir.join(SAFETENSORS)).unwrap());
        assert!(
            Weights::open(&folder)
                .unwrap_err()
                .to_string()
                .contains("it is not a file")
        );
    }

    #[test]
    fn numbers_that_are_not_finite_are_reported_by_tensor() {
        let (_root, bad) = preset(|dir| {
            save(
                &dir.join(SAFETENSORS),
                &[("a", &[1.0]), ("b", &[f32::NAN, f32::INFINITY, 0.0])],
            )
        });
        assert_eq!(Weights::open(&bad).unwrap().non_finite(), [("b", 2)]);
    }

    #[test]
    fn the_fingerprint_depends_on_the_tensors_and_not_on_their_files() {
        let (root, whole) =
            preset(|dir| save(&dir.join(SAFETENSORS), &[("a", &[1.0]), ("b", &[2.0, 3.0])]));
        let first = Weights::open(&whole).unwrap().fingerprint();
        assert_eq!(first.len(), 64);
        let split =
            sharded(r#"{"weight_map":{"a":"one.safetensors","b":"two.safetensors"}}"#).unwrap();
        assert_eq!(split.fingerprint(), first);
        save(
            &root.path().join(SAFETENSORS),
            &[("a", &[1.0]), ("b", &[2.0, 3.5])],
        );
        assert_ne!(Weights::open(&whole).unwrap().fingerprint(), first);
        save(
            &root.path().join(SAFETENSORS),
            &[("a", &[1.0]), ("c", &[2.0, 3.0])],
        );
        assert_ne!(Weights::open(&whole).unwrap().fingerprint(), first);
    }
}
