//! What the tokenizers of model families add to a SentencePiece file: special tokens, their ids, and how a text is prepared.
//!
//! The ids follow the tokenizers that run SentencePiece itself (those called "slow"). One rule is not followed: T5's tokenizer
//! adds no `</s>` to a text that ends in one; here every row gets its own.

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::joining::AfterAdded;
use super::names::Names;
use super::preparation::{Preparation, Rewriting};
use super::segmenter::Segmenter;
use super::translating::{self, Found};
use crate::files::{Files, SOURCE_SPM, TARGET_SPM, TOKENIZER_CONFIG, VOCAB_JSON};
use crate::languages::Speakers;
use crate::special::{Added, Declared, Role};
use crate::wordpiece::flag;
use crate::{Error, Result};

/// The greatest number of T5's sentinels that is believed.
const MOST_EXTRA_IDS: u64 = 65_536;

/// A family's conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// The file alone: nothing is added to a text, no special token is found in one.
    Plain,
    Albert,
    Camembert,
    DebertaV2,
    Fnet,
    Gemma,
    Llama,
    Marian,
    Pegasus,
    T5,
    /// One that is given the language that it reads or writes.
    Translating(Speakers),
    XlmRoberta,
    Xlnet,
}

/// Each family with the names of its tokenizer and the model types that use it.
const FAMILIES: [(Family, &[&str], &[&str]); 16] = [
    (Family::Plain, &["SentencePieceTokenizer"], &[]),
    (Family::Albert, &["AlbertTokenizer"], &["albert"]),
    (Family::Camembert, &["CamembertTokenizer"], &["camembert"]),
    (
        Family::DebertaV2,
        &["DebertaV2Tokenizer", "DebertaV3Tokenizer"],
        &["deberta-v2"],
    ),
    (Family::Fnet, &["FNetTokenizer"], &["fnet"]),
    (
        Family::Gemma,
        &["GemmaTokenizer"],
        &["gemma", "gemma2", "gemma3", "gemma3_text"],
    ),
    (
        Family::Llama,
        &["LlamaTokenizer"],
        &["llama", "mistral", "mixtral"],
    ),
    (Family::Marian, &["MarianTokenizer"], &["marian"]),
    (
        Family::Pegasus,
        &["PegasusTokenizer"],
        &["pegasus", "pegasus_x", "bigbird_pegasus"],
    ),
    (
        Family::Translating(Speakers::M2m100),
        &["M2M100Tokenizer"],
        &["m2m_100"],
    ),
    (
        Family::Translating(Speakers::Mbart),
        &["MBartTokenizer"],
        &["mbart"],
    ),
    (
        Family::Translating(Speakers::Mbart50),
        &["MBart50Tokenizer"],
        &[],
    ),
    (
        Family::Translating(Speakers::Nllb),
        &["NllbTokenizer"],
        &["nllb-moe"],
    ),
    (
        Family::T5,
        &["T5Tokenizer", "MT5Tokenizer"],
        &["t5", "mt5", "umt5", "longt5"],
    ),
    (
        Family::XlmRoberta,
        &["XLMRobertaTokenizer"],
        &["xlm-roberta", "xlm-roberta-xl"],
    ),
    (Family::Xlnet, &["XLNetTokenizer"], &["xlnet"]),
];

impl Family {
    /// The family that the preset names; plain if it names none.
    pub(super) fn of(
        file: &str,
        files: &Files,
        settings: &Map<String, Value>,
        config: &Map<String, Value>,
    ) -> Result<Family> {
        if [SOURCE_SPM, TARGET_SPM].contains(&file) {
            return Ok(Family::Marian);
        }
        let text = |map: &Map<String, Value>, key: &str| Some(map.get(key)?.as_str()?.to_owned());
        let class = text(settings, "tokenizer_class").or_else(|| text(config, "tokenizer_class"));
        let model_type = text(config, "model_type");
        let (key, name) = match (&class, &model_type) {
            (Some(class), _) => (
                "tokenizer_class",
                class.strip_suffix("Fast").unwrap_or(class),
            ),
            (None, Some(model_type)) => ("model_type", model_type.as_str()),
            (None, None) => return Ok(Family::Plain),
        };
        let found = FAMILIES.into_iter().find(|(_, classes, types)| {
            let names = if key == "model_type" { types } else { classes };
            names.contains(&name)
        });
        match found {
            // NLLB is of this type too, and has no list of tokens.
            Some((Family::Translating(Speakers::M2m100), _, _))
                if key == "model_type" && files.get(VOCAB_JSON).is_none() =>
            {
                Ok(Family::Translating(Speakers::Nllb))
            }
            Some((family, _, _)) => Ok(family),
            None => {
                let known = FAMILIES.iter().flat_map(|(_, classes, _)| classes.iter());
                let known: Vec<&str> = known.copied().collect();
                Err(Error::malformed(
                    file,
                    format!(
                        "what {key} \"{name}\" adds to a SentencePiece file is not known; save the preset with a \
                         tokenizer.json, or give as tokenizer_class in {TOKENIZER_CONFIG} one of {}",
                        known.join(", ")
                    ),
                ))
            }
        }
    }

    /// The tokens that play the roles where the files do not say.
    fn roles(self) -> &'static [(Role, &'static str)] {
        use Role::{Bos, Cls, Eos, Mask, Pad, Sep, Unk};
        match self {
            Family::Plain => &[],
            Family::Albert => &[
                (Bos, "[CLS]"),
                (Eos, "[SEP]"),
                (Unk, "<unk>"),
                (Sep, "[SEP]"),
                (Pad, "<pad>"),
                (Cls, "[CLS]"),
                (Mask, "[MASK]"),
            ],
            Family::DebertaV2 => &[
                (Bos, "[CLS]"),
                (Eos, "[SEP]"),
                (Unk, "[UNK]"),
                (Sep, "[SEP]"),
                (Pad, "[PAD]"),
                (Cls, "[CLS]"),
                (Mask, "[MASK]"),
            ],
            Family::Fnet => &[
                (Unk, "<unk>"),
                (Sep, "[SEP]"),
                (Pad, "<pad>"),
                (Cls, "[CLS]"),
                (Mask, "[MASK]"),
            ],
            Family::Marian => &[(Eos, "</s>"), (Unk, "<unk>"), (Pad, "<pad>")],
            Family::Pegasus => &[
                (Eos, "</s>"),
                (Unk, "<unk>"),
                (Pad, "<pad>"),
                (Mask, "<mask_2>"),
            ],
            Family::Translating(Speakers::M2m100) => &[
                (Bos, "<s>"),
                (Eos, "</s>"),
                (Unk, "<unk>"),
                (Sep, "</s>"),
                (Pad, "<pad>"),
            ],
            Family::XlmRoberta | Family::Camembert | Family::Translating(_) => &[
                (Bos, "<s>"),
                (Eos, "</s>"),
                (Unk, "<unk>"),
                (Sep, "</s>"),
                (Pad, "<pad>"),
                (Cls, "<s>"),
                (Mask, "<mask>"),
            ],
            Family::Xlnet => &[
                (Bos, "<s>"),
                (Eos, "</s>"),
                (Unk, "<unk>"),
                (Sep, "<sep>"),
                (Pad, "<pad>"),
                (Cls, "<cls>"),
                (Mask, "<mask>"),
            ],
            Family::T5 => &[(Eos, "</s>"), (Unk, "<unk>"), (Pad, "<pad>")],
            Family::Llama => &[(Bos, "<s>"), (Eos, "</s>"), (Unk, "<unk>")],
            Family::Gemma => &[
                (Bos, "<bos>"),
                (Eos, "<eos>"),
                (Unk, "<unk>"),
                (Pad, "<pad>"),
            ],
        }
    }

    /// Further special tokens where the files do not say.
    fn additional(self) -> &'static [&'static str] {
        match self {
            Family::Camembert => &["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"],
            Family::Xlnet => &["<eop>", "<eod>"],
            _ => &[],
        }
    }

    /// Whether the mask takes the spaces before it, as a word does.
    fn mask_takes_spaces(self) -> bool {
        use Family::{Albert, Camembert, Fnet, Translating, XlmRoberta, Xlnet};
        matches!(
            self,
            Albert | Camembert | Fnet | Translating(_) | XlmRoberta | Xlnet
        )
    }

    /// The ids, and the tokens to be found in a text before it is divided, for the file `file`.
    pub(super) fn names(
        self,
        file: &str,
        segmenter: &Segmenter,
        files: &Files,
        settings: &Map<String, Value>,
        declared: &mut Declared,
    ) -> Result<(Names, Vec<AddedToken>)> {
        for (role, token) in self.roles() {
            declared.fill(*role, token);
        }
        let size = u32::try_from(segmenter.pieces.len()).unwrap_or(u32::MAX);
        let mut found = Found::new();
        let mut names = match self {
            Family::XlmRoberta => {
                let mut names = Names::shifted(1, 3);
                for (token, id) in [("<s>", 0), ("<pad>", 1), ("</s>", 2), ("<unk>", 3)] {
                    names.insert(token, id);
                }
                names.insert("<mask>", size.saturating_add(1));
                names
            }
            Family::Camembert => {
                let mut names = Names::shifted(4, 3);
                let token = |role, usual| declared.token(role).unwrap_or(usual);
                let first = [
                    "<s>NOTUSED",
                    token(Role::Pad, "<pad>"),
                    "</s>NOTUSED",
                    token(Role::Unk, "<unk>"),
                    "<unk>NOTUSED",
                ];
                for (id, token) in (0u32..).zip(first) {
                    names.insert(token, id);
                    found.insert(token.to_owned(), Added::new(token, true));
                }
                names
            }
            Family::T5 => {
                let mut names = Names::by_place();
                let count = extra_ids(settings)?;
                for index in 0..count {
                    let token = format!("<extra_id_{index}>");
                    // The first has the last id.
                    names.insert(&token, size.saturating_add(count - 1 - index));
                    found.insert(token.clone(), Added::new(&token, true).taking_spaces(true));
                }
                names
            }
            Family::Translating(speakers) => {
                translating::languages(speakers, segmenter, files, settings, declared, &mut found)?
            }
            Family::Marian => translating::marian(file, files, settings, declared)?,
            Family::Pegasus => translating::pegasus(settings, declared, &mut found)?,
            _ => Names::by_place(),
        };
        for (id, token) in declared.added() {
            names.insert(&token.content, *id);
            found.insert(token.content.clone(), token.clone());
        }

        // In the order in which the reference numbers those that have no id yet.
        use Role::{Bos, Cls, Eos, Mask, Pad, Sep, Unk};
        let mut missing = Vec::new();
        for role in [Bos, Eos, Unk, Sep, Pad, Cls, Mask] {
            if let Some(token) = declared.role(role) {
                let takes_spaces =
                    role == Mask && self.mask_takes_spaces() && token.is_text_alone();
                missing.push(if takes_spaces {
                    token.clone().taking_spaces(false)
                } else {
                    token.clone()
                });
            }
        }
        missing.extend(self.additional_tokens(declared));
        let mut next = u32::try_from(names.vocabulary_size(segmenter)).unwrap_or(u32::MAX);
        for token in missing {
            if token.content.is_empty() {
                continue;
            }
            if names.id(&token.content, segmenter).is_none() {
                names.insert(&token.content, next);
                next = next.saturating_add(1);
            }
            found.entry(token.content.clone()).or_insert(token);
        }
        Ok((names, found.values().map(Added::to_library).collect()))
    }

    /// The further special tokens of the preset, or the family's.
    fn additional_tokens(self, declared: &Declared) -> Vec<Added> {
        if declared.states_extra() {
            return declared.extra().to_vec();
        }
        let own = self.additional().iter();
        own.map(|token| Added::new(token, true)).collect()
    }

    pub(super) fn preparation(self, settings: &Map<String, Value>) -> Result<Preparation> {
        let set = |key, usual| Ok::<_, Error>(flag(settings, key)?.unwrap_or(usual));
        let (lower_case, keep_accents) = match self {
            Family::Albert => (true, false),
            Family::Xlnet => (false, false),
            Family::Fnet => (false, true),
            Family::DebertaV2 => {
                if set("split_by_punct", false)? {
                    return Err(Error::malformed(
                        TOKENIZER_CONFIG,
                        "split_by_punct is not supported for a SentencePiece file; save the preset with a tokenizer.json",
                    ));
                }
                return Ok(Preparation {
                    lower_case: set("do_lower_case", false)?,
                    rewriting: None,
                });
            }
            _ => return Ok(Preparation::default()),
        };
        Ok(Preparation {
            lower_case: set("do_lower_case", lower_case)?,
            rewriting: Some(Rewriting {
                remove_space: set("remove_space", true)?,
                keep_accents: set("keep_accents", keep_accents)?,
            }),
        })
    }

    /// Whether the beginning of a text, and no other part of it, gets a space in front; none if every part may.
    pub(super) fn spaces_beginning_alone(
        self,
        settings: &Map<String, Value>,
    ) -> Result<Option<bool>> {
        let legacy = flag(settings, "legacy")?.unwrap_or(true);
        if legacy || !matches!(self, Family::T5 | Family::Llama) {
            return Ok(None);
        }
        Ok(Some(flag(settings, "add_prefix_space")?.unwrap_or(true)))
    }

    /// Whether texts decoded by the family's tokenizer lose the spaces at their ends.
    pub(super) fn trims(self) -> bool {
        !matches!(self, Family::Plain | Family::Gemma | Family::Llama)
    }

    /// Whether what stands before `<<` at the front of a text is one token.
    pub(super) fn has_codes_in_front(self) -> bool {
        self == Family::Marian
    }

    /// What a token that is decoded as it is does to the pieces after it.
    pub(super) fn after_added(self) -> AfterAdded {
        match self {
            Family::Marian => AfterAdded::BeginAnew { space: true },
            Family::Pegasus | Family::Translating(Speakers::M2m100) => {
                AfterAdded::BeginAnew { space: false }
            }
            _ => AfterAdded::GoOn,
        }
    }

    pub(super) fn divides_commas(self) -> bool {
        matches!(self, Family::Albert | Family::Fnet | Family::Xlnet)
    }
}

/// How many sentinels T5's tokenizer has.
fn extra_ids(settings: &Map<String, Value>) -> Result<u32> {
    match settings.get("extra_ids") {
        None | Some(Value::Null) => Ok(100),
        Some(value) => value
            .as_u64()
            .filter(|count| *count <= MOST_EXTRA_IDS)
            .and_then(|count| u32::try_from(count).ok())
            .ok_or_else(|| {
                let reason =
                    format!("extra_ids should be a number up to {MOST_EXTRA_IDS}, not {value}");
                Error::malformed(TOKENIZER_CONFIG, reason)
            }),
    }
}
