//! Rows of several sequences, each of which a backbone of its own reads.

use std::borrow::Cow;
use std::sync::Arc;

use engraft_component::Refusal;
use engraft_data::{Examples, Texts};
use engraft_hub::Preset;
use engraft_models::{Checkpoint, Initial, PackedTokens, RunFile, TOWERS, Transformer, refuse};
use engraft_text::{Encoding, Row, Tokenizer};

use crate::backbone::{Backbone, BackboneSlot, Cuts};
use crate::building::preset_tokenizer;
use crate::error::{Error, Result, place};
use crate::inputs::{Inputs, Sites, Stream};
use crate::rows::EncodedRow;

/// A backbone beside the first.
#[derive(Clone)]
pub struct OtherBackbone {
    /// Its place among all backbones of the task, from 1.
    pub(crate) number: usize,
    /// Its checkpoint.
    pub(crate) checkpoint: Checkpoint,
    /// Its tokenizer.
    pub(crate) tokenizer: Tokenizer,
}

impl OtherBackbone {
    /// Opens those of a task, with what a `run`'s file has of them; with `cuts`, rows without a length are cut to the positions that a model
    /// has.
    ///
    /// # Errors
    /// One cannot be opened, has no tokenizer, or has no room for its special tokens.
    pub(crate) fn open_all(
        slots: Vec<&mut BackboneSlot>,
        run: Option<&RunFile>,
        cuts: Cuts,
    ) -> Result<Vec<Self>> {
        let slots = slots.into_iter().zip(1..);
        let open = |(slot, number): (&mut BackboneSlot, usize)| {
            let opened = Self::open(slot.backbone_mut(), number, run, cuts);
            opened.map_err(|error| about(error, number))
        };
        slots.map(open).collect()
    }

    fn open(
        backbone: &mut Backbone,
        number: usize,
        run: Option<&RunFile>,
        cuts: Cuts,
    ) -> Result<Self> {
        backbone.check()?;
        let preset = Preset::from_name(backbone.preset_name());
        let preset = preset.map_err(|error| Refusal::of("model.backbone", error.to_string()))?;
        let checkpoint = match run {
            Some(run) => backbone.open_run(preset, run, number, true)?,
            None => backbone.open_preset(preset)?,
        };
        let tokenizer = preset_tokenizer(&checkpoint, backbone)?;
        backbone.settle_length(&checkpoint, cuts);
        let specials = tokenizer.specials_added(false);
        if let Some(length) = backbone.max_length.filter(|length| *length < specials) {
            let problem = format!(
                "{length} leaves no room for the {specials} special tokens that the tokenizer adds"
            );
            return Err(refuse("max_length", problem).into());
        }
        Ok(Self {
            number,
            checkpoint,
            tokenizer,
        })
    }

    /// Its encoder.
    ///
    /// # Errors
    /// Its weights do not fit, or LoRA does not.
    pub(crate) fn encoder(&self, initial: &Initial) -> Result<Transformer> {
        let encoder = self.checkpoint.encoder(initial);
        encoder.map_err(|error| about(error.into(), self.number))
    }

    /// The name of its tower.
    pub(crate) fn tower(&self) -> &'static str {
        TOWERS[self.number]
    }

    /// Its checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

/// The argument that names a backbone by its place.
pub(crate) fn argument(number: usize) -> String {
    match number {
        0 => "backbone".to_owned(),
        number => format!("backbone{number}"),
    }
}

/// The error with the key of the backbone that it is about.
fn about(error: Error, number: usize) -> Error {
    let Some(mut refusal) = error.refusal() else {
        return error;
    };
    let of_first = format!("model.{}", argument(0));
    if let Some(rest) = refusal.key.strip_prefix(&of_first) {
        refusal.key = format!("model.{}{rest}", argument(number));
    }
    refusal.into()
}

/// The sequences of a row, in the order of the backbones that read them.
#[derive(Clone, Debug)]
pub struct Several {
    sequences: Arc<[Sequence]>,
    /// Whether one may be empty.
    may_be_empty: bool,
}

/// One of the sequences of a row, and how it becomes tokens.
#[derive(Debug)]
pub(crate) struct Sequence {
    /// What it is called.
    pub(crate) name: String,
    /// What reads it.
    pub(crate) tokenizer: Tokenizer,
    /// It is cut to this many tokens.
    pub(crate) max_length: Option<usize>,
    /// The longest that has positions; none if any has.
    pub(crate) longest: Option<usize>,
}

impl Several {
    /// These sequences, one for each tower.
    pub(crate) fn new(sequences: Vec<Sequence>, may_be_empty: bool) -> Self {
        Self {
            sequences: sequences.into(),
            may_be_empty,
        }
    }

    /// Refuses rows that do not have these sequences.
    ///
    /// # Errors
    /// One is not there.
    pub(crate) fn check(&self, examples: &Examples) -> Result<()> {
        self.columns(examples).map(drop)
    }

    /// The texts of each sequence: the column `NAME_sequences`, or `NAME`.
    fn columns<'a>(&self, examples: &'a Examples) -> Result<Vec<&'a Texts>> {
        let column = |sequence: &Sequence| {
            let names = [sequence.column(), sequence.name.clone()];
            let found = names
                .iter()
                .find_map(|name| examples.names.iter().position(|other| other == name));
            let texts = found.and_then(|at| examples.texts.get(at));
            texts.ok_or_else(|| self.lacks(sequence, examples))
        };
        self.sequences.iter().map(column).collect()
    }

    fn lacks(&self, sequence: &Sequence, examples: &Examples) -> Error {
        let wanted: Vec<String> = self.sequences.iter().map(Sequence::column).collect();
        let found = match examples.names.as_slice() {
            [] => "one sequence without a name".to_owned(),
            names => names.join(", "),
        };
        let problem = format!(
            "the model reads {}, but the data has {found}, and so no {}",
            wanted.join(", "),
            sequence.column()
        );
        let help = "Name a column for each with data.x_col, and with data.rename_cols where the file calls them otherwise; backbone_order says what the sequences are called";
        Refusal::of("data.x_col", problem).help(help).into()
    }

    /// The tokens of `rows` of `examples`, in that order.
    ///
    /// # Errors
    /// A sequence is not there, is empty and may not be, cannot be encoded, or is longer than its backbone has positions for.
    pub(crate) fn encode(&self, examples: &Examples, rows: &[usize]) -> Result<Vec<EncodedRow>> {
        let mut encoded = vec![EncodedRow::default(); rows.len()];
        let columns = self.columns(examples)?;
        for (number, (sequence, texts)) in self.sequences.iter().zip(columns).enumerate() {
            let at = |row: usize, problem: String| Error::Row {
                row: place(examples, row),
                problem,
            };
            let read = |&row: &usize| {
                let text = texts.get(row).map_err(|error| at(row, error.to_string()))?;
                if text.trim().is_empty() && !self.may_be_empty {
                    let problem = format!(
                        "{} is empty; model.allow_empty: true lets its backbone read special tokens alone",
                        sequence.column()
                    );
                    return Err(at(row, problem));
                }
                Ok(text)
            };
            let texts: Vec<Cow<'_, str>> = rows.iter().map(read).collect::<Result<_>>()?;
            let texts: Vec<Row<'_>> = texts.iter().map(|text| Row { text, pair: None }).collect();
            let tokens = sequence.tokenizer.encode_rows(&texts, sequence.max_length);
            let tokens = tokens.map_err(|error| match (error, rows) {
                (engraft_text::Error::Row { row, source }, _) => {
                    let row = rows.get(row).copied().unwrap_or_default();
                    at(row, format!("{}: {source}", sequence.column()))
                }
                (error, [row]) => at(*row, format!("{}: {error}", sequence.column())),
                (error, _) => Error::Text(error),
            })?;
            for (((encoding, cut), &row), whole) in tokens.into_iter().zip(rows).zip(&mut encoded) {
                let checked = sequence.check(&encoding, number);
                checked.map_err(|problem| at(row, problem))?;
                whole.cut |= cut;
                if number == 0 {
                    whole.encoding = encoding;
                } else {
                    whole.others.push(encoding);
                }
            }
        }
        Ok(encoded)
    }

    /// What the network is fed for rows.
    pub(crate) fn inputs(&self, rows: &[EncodedRow]) -> Inputs {
        let streams = TOWERS.iter().take(self.sequences.len()).enumerate();
        let streams = streams.map(|(number, &tower)| {
            let mut tokens = PackedTokens::default();
            for encoding in rows.iter().filter_map(|row| row.encodings().nth(number)) {
                tokens.push(&encoding.ids, &encoding.type_ids);
            }
            Stream { tower, tokens }
        });
        Inputs {
            streams: streams.collect(),
            sites: Sites::Whole,
            conditions: None,
        }
    }
}

impl Sequence {
    /// The column that it is read from.
    fn column(&self) -> String {
        format!("{}_sequences", self.name)
    }

    /// Refuses tokens that backbone `number` cannot take.
    fn check(&self, encoding: &Encoding, number: usize) -> std::result::Result<(), String> {
        let column = self.column();
        if encoding.is_empty() {
            return Err(format!(
                "{column} has no tokens: its tokenizer adds no special tokens, so an empty text leaves nothing to compute on"
            ));
        }
        match self.longest.filter(|longest| encoding.len() > *longest) {
            Some(longest) => Err(format!(
                "{column} has {} tokens, but its backbone has positions for {longest}: give model.{}.max_length to cut long rows",
                encoding.len(),
                argument(number)
            )),
            None => Ok(()),
        }
    }
}
