//! Special tokens: which tokens play which role, and how they are found in a text.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::files::{ADDED_TOKENS, Files, SPECIAL_TOKENS_MAP, TOKENIZER_CONFIG};
use crate::settings::extra_tokens;
use crate::{Error, Result};

/// The key of `tokenizer_config.json` for added tokens by their ids.
const DECODER: &str = "added_tokens_decoder";

/// The ids of the tokens that play a role rather than stand for text; one token may play several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpecialIds {
    /// Begins a row, and is what classifiers of the BERT kind read.
    pub cls: Option<u32>,
    /// Ends a text.
    pub sep: Option<u32>,
    /// Fills a batch up where a rectangle is needed.
    pub pad: Option<u32>,
    /// Stands for what the vocabulary lacks.
    pub unk: Option<u32>,
    /// Stands for what a masked language model is to guess.
    pub mask: Option<u32>,
    /// Begins a generated text.
    pub bos: Option<u32>,
    /// Ends a generated text.
    pub eos: Option<u32>,
}

/// What a special token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Cls,
    Sep,
    Pad,
    Unk,
    Mask,
    Bos,
    Eos,
}

impl Role {
    /// The token that most often plays the role.
    pub(crate) fn name(self) -> &'static str {
        let usual = ROLES.iter().find(|(role, _, _)| *role == self);
        usual
            .and_then(|(_, _, tokens)| tokens.first())
            .copied()
            .unwrap_or_default()
    }
}

/// Each role, its key in the files, and the tokens that play it by convention.
const ROLES: [(Role, &str, &[&str]); 7] = [
    (Role::Cls, "cls_token", &["[CLS]", "<cls>", "<s>"]),
    (Role::Sep, "sep_token", &["[SEP]", "<sep>", "</s>"]),
    (Role::Pad, "pad_token", &["[PAD]", "<pad>"]),
    (Role::Unk, "unk_token", &["[UNK]", "<unk>"]),
    (Role::Mask, "mask_token", &["[MASK]", "<mask>"]),
    (
        Role::Bos,
        "bos_token",
        &["<bos>", "[BOS]", "<s>", "<|endoftext|>"],
    ),
    (
        Role::Eos,
        "eos_token",
        &["<eos>", "[EOS]", "</s>", "<|endoftext|>"],
    ),
];

/// A token that is found in a text before the text is divided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Added {
    pub(crate) content: String,
    lstrip: bool,
    rstrip: bool,
    single_word: bool,
    normalized: bool,
    special: bool,
    /// Written as its text alone, which leaves open how it is found.
    text_alone: bool,
}

impl Added {
    pub(crate) fn new(content: &str, special: bool) -> Added {
        Added {
            content: content.to_owned(),
            lstrip: false,
            rstrip: false,
            single_word: false,
            normalized: false,
            special,
            text_alone: true,
        }
    }

    /// Whether nothing was said of how it is found.
    pub(crate) fn is_text_alone(&self) -> bool {
        self.text_alone
    }

    /// The same token, found together with the spaces before it, or with those on both sides.
    pub(crate) fn taking_spaces(self, both: bool) -> Added {
        Added {
            lstrip: true,
            rstrip: both,
            ..self
        }
    }

    /// The token for a pipeline that normalises no text before it looks for tokens.
    pub(crate) fn to_library(&self) -> tokenizers::AddedToken {
        tokenizers::AddedToken::from(self.content.clone(), self.special)
            .lstrip(self.lstrip)
            .rstrip(self.rstrip)
            .single_word(self.single_word)
            .normalized(false)
    }

    /// The token for a pipeline that looks for some tokens in the text as it is, and for others in the normalised one.
    pub(crate) fn to_entry(&self) -> tokenizers::AddedToken {
        self.to_library().normalized(self.normalized)
    }

    /// A token as the files write one: its text, or an object that says also how it is found.
    pub(crate) fn from_value(value: &Value, special: bool) -> Option<Added> {
        let content = value.as_str().or_else(|| value.get("content")?.as_str())?;
        let flag =
            |key: &str, default: bool| value.get(key).and_then(Value::as_bool).unwrap_or(default);
        Some(Added {
            lstrip: flag("lstrip", false),
            rstrip: flag("rstrip", false),
            single_word: flag("single_word", false),
            // Unless it is said, only special tokens are looked for in the text as it is.
            normalized: flag("normalized", !flag("special", special)),
            special: flag("special", special),
            text_alone: value.is_string(),
            ..Added::new(content, special)
        })
    }

    /// The token as an entry of `tokenizer.json`.
    fn entry(&self, id: u32) -> Value {
        json!({
            "id": id, "content": self.content, "single_word": self.single_word, "lstrip": self.lstrip,
            "rstrip": self.rstrip, "normalized": self.normalized, "special": self.special,
        })
    }
}

/// What the files say about special tokens.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// A role given to nothing (`null`) is here with none: no convention fills it.
    roles: BTreeMap<Role, Option<Added>>,
    /// The roles that the files speak of.
    stated: Vec<Role>,
    /// Further tokens, by the id that the files give them.
    added: BTreeMap<u32, Added>,
    /// Further special tokens, which have no id of their own in the files.
    extra: Option<Vec<Added>>,
}

impl Declared {
    pub(crate) fn read(files: &Files) -> Result<Declared> {
        let mut declared = Declared::default();
        let config = files.object(TOKENIZER_CONFIG)?;
        // A full list of added tokens makes the older file one that only fills gaps; else it comes first.
        let has_decoder = config.get(DECODER).is_some_and(Value::is_object);
        let sources = if has_decoder {
            [TOKENIZER_CONFIG, SPECIAL_TOKENS_MAP]
        } else {
            [SPECIAL_TOKENS_MAP, TOKENIZER_CONFIG]
        };
        // The first file to speak of a role decides it.
        for file in sources {
            let object = files.object(file)?;
            for (role, key, _) in ROLES {
                if let Some(value) = object.get(key)
                    && !declared.roles.contains_key(&role)
                {
                    declared.roles.insert(role, token_of(file, key, value)?);
                    declared.stated.push(role);
                }
            }
        }
        declared.extra = extra_tokens(files, has_decoder, SPECIAL_TOKENS_MAP)?;
        match config.get(DECODER) {
            Some(Value::Object(decoder)) => declared.read_decoder(decoder)?,
            _ => declared.read_added(files)?,
        }
        Ok(declared)
    }

    /// `added_tokens.json`: tokens and their ids. Those that are not special are looked for in the normalised text.
    fn read_added(&mut self, files: &Files) -> Result<()> {
        // Those that the older file alone names do not count.
        let named = extra_tokens(files, true, SPECIAL_TOKENS_MAP)?.unwrap_or_default();
        for (content, id) in files.object(ADDED_TOKENS)? {
            let id = id
                .as_u64()
                .and_then(|id| u32::try_from(id).ok())
                .ok_or_else(|| {
                    Error::malformed(
                        ADDED_TOKENS,
                        format!("\"{content}\" should have an id, not {id}"),
                    )
                })?;
            let is_named = |token: &Added| token.content == content;
            let special = named.iter().any(is_named) || self.stated_roles().any(is_named);
            let token = Added {
                normalized: !special,
                ..Added::new(&content, special)
            };
            self.added.insert(id, token);
        }
        Ok(())
    }

    /// `added_tokens_decoder`: ids, and how each token is found.
    fn read_decoder(&mut self, decoder: &Map<String, Value>) -> Result<()> {
        for (id, value) in decoder {
            let malformed = || {
                Error::malformed(
                    TOKENIZER_CONFIG,
                    format!("{DECODER}.{id} is not an id and a token"),
                )
            };
            let token = Added::from_value(value, false).ok_or_else(malformed)?;
            self.added
                .insert(id.parse().map_err(|_| malformed())?, token);
        }
        Ok(())
    }

    /// Whether a key of the files names a token with a role.
    pub(crate) fn is_role(key: &str) -> bool {
        ROLES.iter().any(|(_, name, _)| *name == key)
    }

    /// The tokens that the files give a role.
    pub(crate) fn stated_roles(&self) -> impl Iterator<Item = &Added> {
        self.stated.iter().filter_map(|role| self.role(*role))
    }

    /// The further special tokens of the files.
    pub(crate) fn extra(&self) -> &[Added] {
        self.extra.as_deref().unwrap_or_default()
    }

    /// Whether the files speak of further special tokens, be it that there are none.
    pub(crate) fn states_extra(&self) -> bool {
        self.extra.is_some()
    }

    /// Whether the files give no token any role.
    pub(crate) fn is_silent(&self) -> bool {
        self.roles.is_empty()
    }

    /// Gives the roles that the files do not speak of to the tokens that play them by convention.
    pub(crate) fn fill_by_convention(&mut self, id: impl Fn(&str) -> Option<u32>) {
        for (role, _, conventional) in ROLES {
            if let Some(token) = conventional.iter().find(|token| id(token).is_some()) {
                self.roles
                    .entry(role)
                    .or_insert_with(|| Some(Added::new(token, true)));
            }
        }
    }

    /// Gives a role to a token if the files do not speak of it.
    pub(crate) fn fill(&mut self, role: Role, token: &str) {
        self.roles
            .entry(role)
            .or_insert_with(|| Some(Added::new(token, true)));
    }

    /// The token that plays a role, and how it is found in a text.
    pub(crate) fn role(&self, role: Role) -> Option<&Added> {
        self.roles.get(&role)?.as_ref()
    }

    /// The further tokens of the files, by their ids.
    pub(crate) fn added(&self) -> &BTreeMap<u32, Added> {
        &self.added
    }

    /// The token that plays a role.
    pub(crate) fn token(&self, role: Role) -> Option<&str> {
        Some(self.roles.get(&role)?.as_ref()?.content.as_str())
    }

    /// The ids of the roles, in a vocabulary.
    pub(crate) fn ids(&self, id: impl Fn(&str) -> Option<u32>) -> SpecialIds {
        let of = |role| self.token(role).and_then(&id);
        SpecialIds {
            cls: of(Role::Cls),
            sep: of(Role::Sep),
            pad: of(Role::Pad),
            unk: of(Role::Unk),
            mask: of(Role::Mask),
            bos: of(Role::Bos),
            eos: of(Role::Eos),
        }
    }

    /// The `added_tokens` of a `tokenizer.json`: the tokens with a role that the vocabulary has, those in `more`, and those
    /// that the files add to it, by rising id.
    pub(crate) fn entries(
        &self,
        id: impl Fn(&str) -> Option<u32>,
        more: impl IntoIterator<Item = Added>,
    ) -> Vec<Value> {
        let mut by_id: BTreeMap<u32, Added> = BTreeMap::new();
        let known = |token: Added| Some((id(&token.content)?, token));
        by_id.extend(more.into_iter().filter_map(known));
        by_id.extend(self.added.iter().map(|(id, token)| (*id, token.clone())));
        by_id.extend(self.roles.values().flatten().cloned().filter_map(known));
        by_id.iter().map(|(id, token)| token.entry(*id)).collect()
    }
}

/// The value of a role's key: a token, or none.
fn token_of(file: &str, key: &str, value: &Value) -> Result<Option<Added>> {
    if value.is_null() {
        return Ok(None);
    }
    // A role makes a token special, whatever its object says.
    let token = Added::from_value(value, true).map(|token| Added {
        special: true,
        ..token
    });
    token.map(Some).ok_or_else(|| {
        Error::malformed(
            file,
            format!("{key} should be a token or null, not {value}"),
        )
    })
}

/// One step of a template: a special token, or the first or second text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    Token(&'a str, u32),
    First,
    Second,
}

/// The `post_processor` of a `tokenizer.json` that puts special tokens around one text or two; type ids as given.
pub(crate) fn template(single: &[(Step<'_>, u32)], pair: &[(Step<'_>, u32)]) -> Value {
    let mut tokens = Map::new();
    for (step, _) in single.iter().chain(pair) {
        if let Step::Token(token, id) = step {
            tokens.insert(
                (*token).to_owned(),
                json!({"id": token, "ids": [id], "tokens": [token]}),
            );
        }
    }
    let pieces = |steps: &[(Step<'_>, u32)]| -> Vec<Value> {
        let piece = |(step, kind): &(Step<'_>, u32)| match step {
            Step::Token(token, _) => json!({"SpecialToken": {"id": token, "type_id": kind}}),
            Step::First => json!({"Sequence": {"id": "A", "type_id": kind}}),
            Step::Second => json!({"Sequence": {"id": "B", "type_id": kind}}),
        };
        steps.iter().map(piece).collect()
    };
    json!({"type": "TemplateProcessing", "single": pieces(single), "pair": pieces(pair), "special_tokens": tokens})
}
